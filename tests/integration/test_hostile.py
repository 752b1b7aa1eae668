"""Hostile strings in all that comes from outside: nothing breaks, leaks out or is let in."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import LiteralString, TypeVar, cast
from xml.etree import ElementTree

import polars as pl
import pytest

from graphrag import Document, GraphRAG, QueryMethod
from graphrag.core.errors import GraphRAGError, UsageError
from graphrag.stores.neo4j.cypher import evidence_cypher
from graphrag.testing import TestServer
from graphrag.text import storable
from tests.conftest import VERSIONS
from tests.hostile import HOSTILE, RULES, SOAK, text_about
from tests.integration.conftest import Place
from tests.integration.neo4j_server import ask, connect

T = TypeVar("T")
METHODS: tuple[QueryMethod, ...] = (
    "basic",
    "local",
    "global",
    "drift",
    "path",
    "lazy",
    "hybrid",
    "auto",
)
PLAIN = [
    Document(source="plain.md", text="Grace Hopper wrote a compiler for Remington Rand."),
    Document(source="other.md", text="Remington Rand sold the UNIVAC to the Census Bureau."),
]
FOREIGN: LiteralString = "CREATE (:Person {name: 'foreign'})-[:KNOWS]->(:Entity {name: 'foreign'})"
COUNT_FOREIGN: LiteralString = """
MATCH (p:Person {name: 'foreign'})-[:KNOWS]->(e:Entity {name: 'foreign'})
WHERE size(labels(p)) = 1 AND size(keys(p)) = 1 AND size(labels(e)) = 1 AND size(keys(e)) = 1
RETURN count(*)"""
DELETE_FOREIGN: LiteralString = "MATCH (n {name: 'foreign'}) DETACH DELETE n"


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with TestServer(rules=RULES) as running:
        yield running


@pytest.fixture
def index(place: Place, server: TestServer, tmp_path: Path) -> Callable[[str], GraphRAG]:
    """An index in a namespace of the test's own, with the model that replies in hostile strings."""

    def opened(namespace: str) -> GraphRAG:
        options: dict[str, object] = {
            "chat.base_url": server.url,
            "embedding.base_url": server.url,
            "extraction.summary_tokens": 50,
        }
        name = place.prefix + namespace
        if place.url is None:
            return GraphRAG.open(tmp_path / "root", namespace=name, options=options)
        # The root of the server, where its password is; no index of ours is in that folder.
        return GraphRAG.open(place.root, store=place.url, namespace=name, options=options)

    return opened


BOTH_STORES = pytest.mark.parametrize(
    "place", ["sqlite", pytest.param(VERSIONS[0], marks=pytest.mark.neo4j)], indirect=True
)


@BOTH_STORES
def test_through_indexing_queries_and_exports(
    place: Place,
    index: Callable[[str], GraphRAG],
    server: TestServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if place.url is not None:
        write(place.root, FOREIGN)
    with index("bystander") as bystander:
        bystander.index(documents=PLAIN)
        unharmed = csv_of(bystander, tmp_path / "bystander")
        documents = [
            Document(
                source=f"{text}#{name}", title=text, text=text_about(number), metadata={text: text}
            )
            for number, (name, text) in enumerate(HOSTILE.items())
        ]
        with index("hostile") as rag:
            result = rag.index(documents=documents)
            assert not result.failed
            assert result.documents == len(HOSTILE)
            assert_kept(rag, documents, tmp_path / "exported")
            rag.status()
            rag.entity_joins()
            # A server plans what each of them asks anew.
            every = 1 if SOAK or place.url is None else 3
            for number, text in enumerate([*HOSTILE.values()][::every]):
                asked(rag, place, text, method=METHODS[number % len(METHODS)])
                for operator in ("=", "!=", ">=", "<="):
                    told(lambda filter=f"{text}{operator}{text}": found_with(rag, filter))
            rag.delete([documents[0].source])
            rag.delete([document.source for document in documents[1:10]])
            assert rag.status()["counts"]["documents"] == len(HOSTILE) - 10
        assert csv_of(bystander, tmp_path / "again") == unharmed
    if place.url is not None:
        assert ask(place.root, COUNT_FOREIGN) == [[1]]
        write(place.root, DELETE_FOREIGN)
        assert_labels_are_clean(place.root)
    given = {"again", "bystander", "exported"} | ({"root"} if place.url is None else set[str]())
    assert {path.name for path in tmp_path.iterdir()} == given


@BOTH_STORES
def test_as_names_of_namespaces(
    place: Place, index: Callable[[str], GraphRAG], tmp_path: Path
) -> None:
    with index("bystander") as bystander:
        bystander.index(documents=PLAIN)
        unharmed = csv_of(bystander, tmp_path / "bystander")
        names = ["half characters", "nul", "cypher", "key"]
        if place.url is None:  # to make the indexes of a namespace takes Neo4j seconds
            names += ["lines", "no width", "path", "sql", "sql places"]
        refused: list[str] = []
        for name in names:
            with index(HOSTILE[name]) as rag:
                try:
                    rag.index(documents=PLAIN[:1], method="fast")
                except UsageError:
                    refused.append(name)
                    continue
                assert rag.status()["namespace"] == place.prefix + HOSTILE[name]
                assert rag.status()["counts"]["documents"] == 1
        assert refused == [name for name in names if name in ("half characters", "nul")]
        assert csv_of(bystander, tmp_path / "again") == unharmed


def test_as_names_of_files(server: TestServer, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    names = [*HOSTILE.values(), "not UTF-8 \udcff\udcfe"]
    for number, text in enumerate(names):
        name = text.replace("/", "_").replace("\0", "")[:80]
        path = corpus / f"of {name.replace(chr(0xD800), '').replace(chr(0xDFFF), '')}.md"
        path.write_text(storable(text_about(number % len(HOSTILE))), encoding="utf-8")
    options: dict[str, object] = {"chat.base_url": server.url, "embedding.model": None}
    with GraphRAG.open(tmp_path / "root", options=options) as rag:
        result = rag.index([corpus])
        assert result.documents + len(result.failed) == len(names)
        assert all("binary" in failure.reason for failure in result.failed)
        rag.export(tmp_path / "exported", format="csv")
    assert {path.name for path in tmp_path.iterdir()} == {"corpus", "exported", "root"}


def asked(rag: GraphRAG, place: Place, question: str, *, method: QueryMethod) -> None:
    """Ask, propose further questions, and look at the evidence in Neo4j."""
    answer = rag.query(question, method=method, history=[(question, question)])
    assert answer.question == storable(question)
    json.dumps(answer.as_dict(), ensure_ascii=False).encode()
    told(lambda: rag.suggest(answer))
    if place.url is not None and (answer.citations or answer.context.text_units):
        statement = evidence_cypher(answer, namespace=rag.settings.namespace)
        assert ask(place.root, cast(LiteralString, statement))


def found_with(rag: GraphRAG, filter_: str) -> None:
    passages = rag.retrieve("Whom did Ada meet?", method="basic", filters=[filter_])
    assert len(passages) <= len(HOSTILE)


def told(work: Callable[[], T]) -> T | None:
    """What `work` returns, or None where it is refused with an error of ours."""
    with suppress(GraphRAGError):
        return work()
    return None


def assert_kept(rag: GraphRAG, documents: list[Document], folder: Path) -> None:
    """Every format holds every text as it was given."""
    given = {
        document.source: (document.title, json.loads(json.dumps(dict(document.metadata))))
        for document in documents
    }
    for format_ in ("parquet", "csv", "graphml", "microsoft"):
        rag.export(folder / format_, format=format_)
    names = {storable(text).strip() for text in HOSTILE.values()}
    for read, format_ in ((pl.read_parquet, "parquet"), (read_csv, "csv")):
        found = read(folder / format_ / f"documents.{format_}")
        rows = found.select("source", "title", "metadata").rows()
        assert {source: (title, json.loads(metadata)) for source, title, metadata in rows} == given
        texts = read(folder / format_ / f"text_units.{format_}")["text"].to_list()
        whole = {document.text for document in documents if document.title != HOSTILE["long"]}
        assert whole <= set(texts)
        entities = set(read(folder / format_ / f"entities.{format_}")["name"].to_list())
        assert len(entities & names) > len(names) / 2
    tree = ElementTree.parse(folder / "graphml" / "graph.graphml").getroot()
    shown = {item.text for item in tree.iter("{http://graphml.graphdrawing.org/xmlns}data")}
    assert HOSTILE["xml"] in shown
    assert HOSTILE["html"] in shown
    titles = pl.read_parquet(folder / "microsoft" / "documents.parquet")["title"].to_list()
    assert len(titles) == len(documents)


def read_csv(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False)


def csv_of(rag: GraphRAG, folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in rag.export(folder, format="csv")}


def write(root: Path, statement: LiteralString) -> None:
    async def main() -> None:
        connection = connect(root)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(main())


def assert_labels_are_clean(root: Path) -> None:
    labels = [str(label) for (label,) in ask(root, "CALL db.labels() YIELD label RETURN label")]
    own = re.compile(r"__[A-Z][a-z]+\d*__|NS_[A-Za-z0-9_]+")
    assert all(own.fullmatch(label) or re.fullmatch(r"[^\W_]+", label) for label in labels), labels
