"""Retrieve from an index in LlamaIndex."""

from __future__ import annotations

import asyncio
from pathlib import Path

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from graphrag.engine.contents import FoundPassage
from graphrag.integrations.index import Index, Search


class GraphRAGRetriever(BaseRetriever):
    """Passages of an index as nodes with scores, best first.

    Give `root` for an index here, or `url`, `index` and `token` for one behind `graphrag serve`.
    Each node's metadata has source, title, page, quotes and, under `metadata`, what the document
    itself came with. `quotes` needs `with_quotes`, which answers the question.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        *,
        namespace: str | None = None,
        url: str | None = None,
        index: str | None = None,
        token: str | None = None,
        search: Search | None = None,
    ) -> None:
        self._index = Index(root, namespace, url, token, index)
        self._search = search or Search(k=8)
        super().__init__()  # pyright: ignore[reportUnknownMemberType] - LlamaIndex's own types

    def close(self) -> None:
        """Close the index; the next question opens it again."""
        self._index.close()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [_node(one) for one in self._index.find(query_bundle.query_str, self._search)]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _node(passage: FoundPassage) -> NodeWithScore:
    metadata = {
        "source": passage.document,
        "title": passage.title,
        "page": passage.page,
        "quotes": list(passage.quotes),
        "metadata": dict(passage.metadata),
    }
    hidden = ["quotes", "metadata"]
    node = TextNode(
        id_=passage.id,
        text=passage.text,
        metadata=metadata,
        excluded_embed_metadata_keys=hidden,
        excluded_llm_metadata_keys=hidden,
    )
    return NodeWithScore(node=node, score=passage.score)
