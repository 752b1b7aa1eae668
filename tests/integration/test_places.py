"""The document's text, from start to end of a citation, is its quote, on both stores."""

from __future__ import annotations

import asyncio
import json
import random
import re
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from graphrag import GraphRAG
from graphrag.core.answers import Citation
from graphrag.query.answering.places import locate
from graphrag.stores import open_store
from graphrag.text import sentences
from tests.conftest import SOAK, VERSIONS
from tests.integration.neo4j_server import Servers, clear

SAMPLES = Path(__file__).parents[2] / "examples"
REAL = ("sqlite/limits.html", "sqlite/famous.html", "sqlite/faq.html")
ASKED = (
    "Who is Irene Adler?",
    "Where does Helen Stoner live?",
    "What happened at Briony Lodge?",
    "How many tables can a join have at most?",
    "Which aircraft carries SQLite?",
)
METHODS = ("basic", "path", "local", "hybrid", "global") if SOAK else ("basic", "path")
LEAST = 60 * len(METHODS)  # citations


@dataclass(frozen=True, slots=True)
class Indexed:
    root: Path
    store: str | None
    namespace: str


@pytest.fixture(scope="module", params=["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def indexed(
    request: pytest.FixtureRequest, test_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Indexed]:
    """The samples, a fifth of Holmes and some real pages, indexed without a model."""
    real = tmp_path_factory.mktemp("real")
    with zipfile.ZipFile(test_data / "realdocs" / "documents.zip") as packed:
        for name in packed.namelist():
            if name.endswith(REAL):
                packed.extract(name, real)
    prefix = f"{uuid.uuid4().hex}-"
    if request.param == "sqlite":
        there = Indexed(tmp_path_factory.mktemp("places"), None, "main")
    else:
        servers = cast(Servers, request.getfixturevalue("neo4j_servers"))
        there = Indexed(servers.root(VERSIONS[0]), "local", f"{prefix}main")
    books = [test_data / "gutenberg" / f"holmes_0{part}.txt" for part in (0, 1)]
    with opened(there) as rag:
        assert rag.index([SAMPLES / "documents", real, *books], method="fast").documents > 20
    yield there
    if there.store:
        clear(there.root, prefix)


def opened(there: Indexed) -> GraphRAG:
    return GraphRAG.open(
        there.root, store=there.store, namespace=there.namespace, chat=None, embed=None
    )


def texts_of(there: Indexed) -> tuple[dict[str, str], dict[str, tuple[str, str, str]]]:
    """The text of each document by its source; source, own text and whole text of each unit."""

    async def read() -> tuple[dict[str, str], dict[str, tuple[str, str, str]]]:
        store = await open_store(there.store, root=there.root, namespace=there.namespace)
        try:
            documents = {row["id"]: row for row in (await store.read("documents")).to_dicts()}
            units = (await store.read("text_units")).to_dicts()
        finally:
            await store.close()
        owned = {unit["id"]: documents[unit["document_id"]] for unit in units}
        return {row["source"]: row["text"] for row in documents.values()}, {
            unit["id"]: (
                owned[unit["id"]]["source"],
                owned[unit["id"]]["text"][unit["start"] : unit["end"]],
                unit["text"],
            )
            for unit in units
        }

    return asyncio.run(read())


def test_every_unit_ends_with_what_it_covers(indexed: Indexed) -> None:
    _, units = texts_of(indexed)
    for _, covered, text in units.values():
        assert covered.strip()
        assert text.endswith(covered)


def test_a_citation_of_an_answer_is_where_it_says(indexed: Indexed) -> None:
    asked = [
        json.loads(line)["question"]
        for line in (SAMPLES / "questions.jsonl").read_text("utf-8").splitlines()
    ]
    texts, _ = texts_of(indexed)
    cited: list[Citation] = []
    with opened(indexed) as rag:
        for method in METHODS:
            for question in (*ASKED, *asked):
                cited += rag.query(question, method=method).citations
    assert len(cited) >= LEAST
    for citation in cited:
        assert citation.start is not None, citation
        assert citation.end is not None
        said = texts[citation.document][citation.start : citation.end]
        assert letters(said) == letters(citation.quote)
        assert citation.exact == (said == citation.quote)
    assert {"Page 1", "Slide 2"} <= {citation.page for citation in cited}
    assert any(" > " in citation.heading for citation in cited)


def test_a_quote_that_a_model_wrote_otherwise_is_found(indexed: Indexed) -> None:
    texts, units = texts_of(indexed)
    chance = random.Random(1)
    cited: list[Citation] = []
    for unit, (source, covered, _) in sorted(units.items()):
        spans = [span for span in sentences(covered) if span[1] - span[0] > 40]
        for start, end in chance.sample(spans, min(2, len(spans))):
            said = covered[start:end]
            if "#" in said or "|" in said:
                continue
            quote = re.sub(r"[*_`]+", "", " ".join(said.split())).strip('"“”')
            cited.append(Citation(len(cited), unit, source, "", quote, verified=True))

    async def found() -> tuple[Citation, ...]:
        store = await open_store(indexed.store, root=indexed.root, namespace=indexed.namespace)
        try:
            return await locate(cited, store)
        finally:
            await store.close()

    placed = asyncio.run(found())
    assert len(placed) > 100
    for citation in placed:
        assert citation.start is not None, citation
        said = texts[citation.document][citation.start : citation.end]
        assert letters(said) == letters(citation.quote)
        assert citation.exact == (said == citation.quote)
    assert {citation.exact for citation in placed} == {True, False}


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()
