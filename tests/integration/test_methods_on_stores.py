"""Every way of asking, on both stores, with a model and without: citations, filters, streams."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast, get_args

import pytest

from graphrag import Document, GraphRAG, QueryMethod
from graphrag.core.answers import Answer, Citation
from graphrag.query.answering.citations import check
from graphrag.query.router import Method
from graphrag.testing import TestServer
from tests.conftest import VERSIONS
from tests.integration.neo4j_server import Servers, clear

QUESTION = "Who rebuilt Harrow Mill after the flood, and where did Edith Carrow study?"
PLACES = ("Harrow", "Kelso", "Veere", "Ghent")
OWNERS = ("Edith Carrow", "Lucas Verhoeven", "Anna Smit", "Janet Lisle")
DOCUMENTS = [
    Document(
        source=f"{place}.md",
        title=f"{place} Mill",
        text=f"{place} Mill stands by the river. {owner} rebuilt {place} Mill after the flood. "
        f"The heirs of {owner} sold {place} Mill to the town.",
        metadata={"kind": "mill"},
    )
    for place, owner in zip(PLACES, OWNERS, strict=True)
] + [
    Document(
        source=f"{owner}.md",
        title=owner,
        text=f"{owner} was an engineer. {owner} studied in {place} and rebuilt a mill there.",
        metadata={"kind": "person"},
    )
    for place, owner in zip(PLACES[1:] + PLACES[:1], OWNERS, strict=True)
]
SOURCES = {document.source: document.metadata["kind"] for document in DOCUMENTS}


@dataclass(frozen=True, slots=True)
class Indexed:
    """The documents in one store, and the model that wrote the reports."""

    root: Path
    store: str | None
    namespace: str
    server: TestServer

    def open(self, *, model: bool) -> GraphRAG:
        if not model:
            return GraphRAG.open(
                self.root, store=self.store, namespace=self.namespace, chat=None, embed=None
            )
        options: dict[str, object] = {
            f"{section}.{name}": value
            for section in ("chat", "embedding")
            for name, value in (("base_url", self.server.url), ("api_key", "test"))
        }
        return GraphRAG.open(self.root, store=self.store, namespace=self.namespace, options=options)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def indexed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Indexed]:
    prefix = f"{uuid.uuid4().hex}-"
    with TestServer() as server:
        if request.param == "sqlite":
            there = Indexed(tmp_path_factory.mktemp("methods"), None, "main", server)
        else:
            servers = cast(Servers, request.getfixturevalue("neo4j_servers"))
            there = Indexed(servers.root(VERSIONS[0]), "local", f"{prefix}main", server)
        with there.open(model=True) as rag:
            assert rag.index(documents=DOCUMENTS).reports
        yield there
        if there.store:
            clear(there.root, prefix)


@pytest.mark.parametrize("model", [True, False], ids=["model", "no model"])
# What `table` is asked is no such question; it has tests of its own, on both stores.
@pytest.mark.parametrize("method", [one for one in get_args(Method) if one != "table"])
def test_each_method_cites_filters_and_streams(
    indexed: Indexed, method: QueryMethod, model: bool
) -> None:
    with indexed.open(model=model) as rag:
        told: list[str] = []
        answer = rag.query(QUESTION, method=method, on_text=told.append)
        mills = rag.query(QUESTION, method=method, filters=["kind=mill"])
        pieces = list(rag.stream(QUESTION, method=method))
        passages = rag.retrieve(QUESTION, method=method, k=3)
    assert answer.method == method
    assert answer.answered
    check_citations(answer, kinds={"mill", "person"})
    check_citations(mills, kinds={"mill"})
    assert {SOURCES[unit.document] for unit in mills.context.text_units} == {"mill"}
    assert "".join(told) == "".join(pieces) == answer.answer
    assert len(told) > 1 or not model
    assert 1 <= len(passages) <= 3
    assert {passage.document for passage in passages} <= SOURCES.keys()


def test_a_key_that_no_document_has_lists_those_there(indexed: Indexed) -> None:
    with indexed.open(model=False) as rag:
        answer = rag.query(QUESTION, method="basic", filters=["doc.kind=mill", "doc.source!=x"])
    assert answer.warnings == (
        "no document has the key 'doc.kind'; keys there are: kind, doc.language, doc.source, "
        "doc.title",
        f"the filters left 0 of {len(SOURCES)} documents to search",
    )


def check_citations(answer: Answer, *, kinds: set[str]) -> None:
    """There are some, each verified, of a text that was read, in the shape of the contract."""
    read = {unit.id: unit for unit in answer.context.text_units}
    assert answer.citations
    for citation in answer.citations:
        unit = read[citation.text_unit_id]
        assert (citation.document, citation.title) == (unit.document, unit.title)
        assert SOURCES[citation.document] in kinds
        assert f"[{citation.number}]" in answer.answer
        assert citation.verified
        assert check(citation.quote, unit.text)
    shown = cast(list[dict[str, object]], answer.as_dict()["citations"])
    assert all(one.keys() == {field.name for field in fields(Citation)} for one in shown)
