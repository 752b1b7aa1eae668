"""LangChain's and LlamaIndex's own packages against an index here and behind a server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_tests.integration_tests import RetrieversIntegrationTests
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.schema import NodeWithScore

from graphrag import GraphRAG
from graphrag.core.errors import UsageError
from graphrag.integrations import langchain, llamaindex
from graphrag.integrations.index import Index, Search, ServerError
from tests.served import FACT, QUESTION, Served

PLACES = ["here", "served"]


def langchain_retriever(place: str, served: Served, **more: object) -> langchain.GraphRAGRetriever:
    given: dict[str, object] = {"root": served.root}
    if place == "served":
        given = {"url": served.url, "index": "kb", "token": served.token}
    return langchain.GraphRAGRetriever.model_validate({**given, **more})


def llamaindex_retriever(
    place: str, served: Served, search: Search
) -> llamaindex.GraphRAGRetriever:
    if place == "here":
        return llamaindex.GraphRAGRetriever(served.root, search=search)
    return llamaindex.GraphRAGRetriever(
        url=served.url, index="kb", token=served.token, search=search
    )


class TestLangChainsOwnSuite(RetrieversIntegrationTests):
    """What LangChain asks of every retriever."""

    @pytest.fixture(autouse=True)
    def _root(self, sample_root: Path) -> None:
        self.root = sample_root

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return langchain.GraphRAGRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, object]:
        return {"root": self.root}

    @property
    def retriever_query_example(self) -> str:
        return QUESTION


@pytest.mark.parametrize("place", PLACES)
def test_documents_carry_where_they_are_from(place: str, served: Served) -> None:
    retriever = langchain_retriever(place, served, k=5, with_quotes=True)
    documents = retriever.invoke(QUESTION)
    assert 0 < len(documents) <= 5
    assert any(FACT in document.page_content for document in documents)
    assert any(document.metadata["quotes"] for document in documents)
    for document in documents:
        assert document.metadata["source"].startswith("documents/")
        assert document.metadata["title"]
        assert document.metadata["score"] > 0
    of_pdf = langchain_retriever(place, served).invoke("soundings of the Brooke apparatus")
    assert "Page 1" in {document.metadata["page"] for document in of_pdf}
    rows = langchain_retriever(
        place, served, filters=("doc.source=documents/cables.csv#atlantic-1866",)
    )
    (row,) = rows.invoke("cable")
    assert row.metadata["metadata"]
    retriever.close()


@pytest.mark.parametrize("place", PLACES)
def test_chains_and_loops_can_share_a_retriever(place: str, served: Served) -> None:
    chain = langchain_retriever(place, served, k=3) | RunnableLambda(len)
    assert chain.invoke(QUESTION) == 3
    assert asyncio.run(chain.abatch([QUESTION] * 4)) == [3, 3, 3, 3]
    assert asyncio.run(chain.ainvoke(QUESTION)) == 3  # in another loop


@pytest.mark.parametrize("place", PLACES)
def test_nodes_carry_scores_and_places(place: str, served: Served) -> None:
    retriever = llamaindex_retriever(place, served, Search(k=4, method="basic"))
    nodes = retriever.retrieve(QUESTION)
    assert 0 < len(nodes) <= 4
    assert any(FACT in node.text for node in nodes)
    scores = [node.score or 0.0 for node in nodes]
    assert scores == sorted(scores, reverse=True)
    assert nodes[0].metadata["source"].startswith("documents/")

    again = asyncio.run(retriever.aretrieve(QUESTION))
    assert [node.node_id for node in again] == [node.node_id for node in nodes]
    retriever.close()


def test_llamaindex_can_answer_with_it(served: Served) -> None:
    class First(CustomQueryEngine):
        def custom_query(self, query_str: str) -> str:
            found: list[NodeWithScore] = retriever.retrieve(query_str)
            return found[0].text

    retriever = llamaindex_retriever("served", served, Search(k=1))
    assert str(First().query(QUESTION))


def test_both_ways_give_the_same(served: Served) -> None:
    search = Search(k=6, method="path")
    here = Index(root=served.root)
    there = Index(url=f"{served.url}/#{served.token}", name="kb", token=served.token)
    assert here.find(QUESTION, search) == there.find(QUESTION, search)
    with GraphRAG.open(served.root) as rag:
        assert (
            tuple(here.find(QUESTION, search))
            == rag.passages(QUESTION, k=6, method="path").passages
        )
    here.close()


def test_what_cannot_work_is_said_at_once(served: Served) -> None:
    with pytest.raises(UsageError, match="root or by url"):
        Index()
    with pytest.raises(UsageError, match="no address"):
        Index(url="file:///etc/passwd", name="kb")
    with pytest.raises(ServerError, match="wrong token"):
        Index(url=served.url, name="kb", token="x").find("x", Search())
    with pytest.raises(ServerError, match="no index"):
        Index(url=served.url, name="no-such", token=served.token).find("x", Search())
    with pytest.raises(ServerError, match="no server answers"):
        Index(url="http://127.0.0.1:9", name="kb").find("x", Search())
    assert served.token not in repr(langchain_retriever("served", served))
    assert served.token not in repr(Index(url=served.url, name="kb", token=served.token))
