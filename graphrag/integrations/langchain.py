"""Retrieve from an index in LangChain."""

from __future__ import annotations

import asyncio
from pathlib import Path

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field, PrivateAttr, SecretStr

from graphrag.engine.contents import FoundPassage
from graphrag.engine.options import QueryMethod
from graphrag.integrations.index import Index, Search


class GraphRAGRetriever(BaseRetriever):
    """Passages of an index as LangChain documents, best first.

    Give `root` for an index here, or `url`, `index` and `token` for one behind `graphrag serve`.
    Each document's metadata has id, source, title, page, score, quotes and, under `metadata`,
    what the document itself came with. `quotes` needs `with_quotes`, which answers the question.
    """

    root: str | Path | None = None
    namespace: str | None = None
    url: str | None = None
    index: str | None = None
    token: SecretStr | None = None
    k: int = Field(default=8, ge=1)
    method: QueryMethod | None = None
    filters: tuple[str, ...] = ()
    with_quotes: bool = False
    _index: Index = PrivateAttr()

    def model_post_init(self, context: object, /) -> None:
        super().model_post_init(context)
        token = self.token.get_secret_value() if self.token else None
        self._index = Index(self.root, self.namespace, self.url, token, self.index)

    def close(self) -> None:
        """Close the index; the next question opens it again."""
        self._index.close()

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's name
        k: int | None = None,
    ) -> list[Document]:
        search = Search(k or self.k, self.method, self.filters, self.with_quotes)
        return [_document(one) for one in self._index.find(query, search)]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
    ) -> list[Document]:
        return await asyncio.to_thread(
            self._get_relevant_documents, query, run_manager=run_manager.get_sync(), k=k
        )


def _document(passage: FoundPassage) -> Document:
    return Document(
        id=passage.id,
        page_content=passage.text,
        metadata={
            "id": passage.id,
            "source": passage.document,
            "title": passage.title,
            "page": passage.page,
            "score": passage.score,
            "quotes": list(passage.quotes),
            "metadata": dict(passage.metadata),
        },
    )
