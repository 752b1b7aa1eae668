"""Neo4j's own retrievers, as docs/neo4j.md shows them, find our text units on our graph."""

from __future__ import annotations

import ast
import asyncio
import re
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import pytest
from neo4j_graphrag.embeddings.base import Embedder
from numpy.typing import NDArray

from graphrag import GraphRAG
from graphrag.core.columns import WINDOW_MARK
from graphrag.stores import GraphStore, Hit, open_store
from graphrag.stores.neo4j.schema import index_name
from graphrag.stores.neo4j_server.server import local_credentials, status
from graphrag.testing import FakeEmbedder
from tests.conftest import VERSIONS
from tests.integration.neo4j_server import Servers, clear

pytestmark = pytest.mark.neo4j

REPOSITORY = Path(__file__).parents[2]
FILES = ("great-eastern.md", "expedition-1866.md", "people.jsonl", "cables.csv")
QUESTION = "Which ship laid the cable of 1866?"
TOP = 5


class Words(Embedder):
    """The model that the index was made with, in the shape that the retrievers ask for."""

    def embed_query(self, text: str) -> list[float]:
        (vector,) = asyncio.run(FakeEmbedder().embed([text]))
        return cast("list[float]", vector.tolist())


class Item(Protocol):
    content: str
    metadata: dict[str, float]


class Result(Protocol):
    items: list[Item]


@dataclass(frozen=True, slots=True)
class Indexed:
    root: Path
    namespace: str

    async def store(self) -> GraphStore:
        return await open_store("local", root=self.root, namespace=self.namespace, create=False)


@pytest.fixture(scope="module", params=VERSIONS)
def indexed(request: pytest.FixtureRequest, neo4j_servers: Servers) -> Iterator[Indexed]:
    root = neo4j_servers.root(cast(str, request.param))
    prefix = f"{uuid.uuid4().hex}-"
    namespace = f"{prefix}ships"
    # A second index with the same words: no retriever may see it.
    for name, files in ((namespace, FILES), (f"{prefix}others", FILES[:1])):
        with GraphRAG.open(
            root, store="local", namespace=name, chat=None, embed=FakeEmbedder()
        ) as rag:
            rag.index([REPOSITORY / "examples" / "documents" / file for file in files])
    yield Indexed(root, namespace)
    clear(root, prefix)


@pytest.fixture(scope="module")
def found(indexed: Indexed) -> dict[str, Result]:
    """What the page's own Python finds, its server, index and question replaced by ours."""
    page = (REPOSITORY / "docs" / "neo4j.md").read_text(encoding="utf-8")
    [code] = [
        block
        for block in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        if "neo4j_graphrag" in block
    ]
    url = str(status(indexed.root).url)
    credentials = local_credentials(indexed.root, url)
    assert credentials is not None
    names = index_name(indexed.namespace, "text_units", "")
    for shown, own in (
        ("bolt://localhost:7687", url),
        (index_name("default", "text_units", ""), names),
        ("Which ships laid cables?", QUESTION),
    ):
        assert shown in code, shown
        code = code.replace(shown, own)
    given: dict[str, object] = {"embedder": Words(), "password": credentials[1]}
    with warnings.catch_warnings():
        # Their own, about a field of theirs that they will drop.
        warnings.filterwarnings("ignore", "The default returned 'id' field", DeprecationWarning)
        exec(compile(code, "docs/neo4j.md", "exec"), given)
    return {name: cast(Result, given[name]) for name in ("near", "both", "around", "both_around")}


def by_vector(indexed: Indexed) -> list[Hit]:
    """All text units by the mean of their windows, the nearest first."""
    vector = np.array(Words().embed_query(QUESTION), dtype=np.float32)

    async def read() -> tuple[list[str], NDArray[np.float32]]:
        store = await indexed.store()
        try:
            return await store.vectors("windows")
        finally:
            await store.close()

    windows, vectors = asyncio.run(read())
    owners = [key.rpartition(WINDOW_MARK)[0] for key in windows]
    hits: list[Hit] = []
    for unit in sorted(set(owners)):
        mean = vectors[[owner == unit for owner in owners]].mean(axis=0)
        hits.append(Hit(unit, float(mean @ vector / np.linalg.norm(mean) / np.linalg.norm(vector))))
    return sorted(hits, key=lambda hit: -hit.score)


def by_text(indexed: Indexed) -> list[Hit]:
    async def search() -> list[Hit]:
        store = await indexed.store()
        try:
            return await store.search_text("text_units", QUESTION, k=TOP)
        finally:
            await store.close()

    return asyncio.run(search())


def ids(result: Result) -> list[str]:
    return [cast("dict[str, str]", ast.literal_eval(item.content))["id"] for item in result.items]


def test_vector_retriever_finds_what_our_search_finds(
    indexed: Indexed, found: dict[str, Result]
) -> None:
    hits = by_vector(indexed)
    near = ids(found["near"])
    assert len(near) == TOP
    # An index of vectors is approximate: it may miss one.
    assert len({hit.id for hit in hits[:TOP]} & set(near)) >= TOP - 1
    exact = {hit.id: hit.score for hit in hits}
    # The server's cosine is from 0 to 1, ours from -1 to 1.
    scores = [2 * item.metadata["score"] - 1 for item in found["near"].items]
    assert scores == pytest.approx([exact[key] for key in near], abs=1e-4)
    assert scores == sorted(scores, reverse=True)


def test_hybrid_retriever_joins_both_of_our_indexes(
    indexed: Indexed, found: dict[str, Result]
) -> None:
    by_words, by_nearness = by_text(indexed), by_vector(indexed)
    joined: dict[str, list[float]] = {}
    for hits, start in ((by_nearness, 1.0), (by_words, 0.0)):
        best = max(hit.score + start for hit in hits)
        for hit in hits:
            joined.setdefault(hit.id, []).append((hit.score + start) / best)
    both = found["both"].items
    for key, item in zip(ids(found["both"]), both, strict=True):
        assert min(abs(item.metadata["score"] - one) for one in joined[key]) < 1e-4
    of_words = {hit.id for hit in by_words}
    expected = sorted(
        (
            max(scores)
            for key, scores in joined.items()
            if key in of_words or key in {hit.id for hit in by_nearness[:TOP]}
        ),
        reverse=True,
    )
    scores = [item.metadata["score"] for item in both]
    assert scores == sorted(scores, reverse=True)
    assert scores[: TOP - 2] == pytest.approx(expected[: TOP - 2], abs=1e-4)


@pytest.mark.parametrize(("plain", "around"), [("near", "around"), ("both", "both_around")])
def test_cypher_retrievers_walk_to_documents_and_entities(
    indexed: Indexed, found: dict[str, Result], plain: str, around: str
) -> None:
    async def read() -> tuple[dict[str, str], dict[str, set[str]]]:
        store = await indexed.store()
        try:
            documents = dict((await store.read("documents", columns=["id", "title"])).iter_rows())
            units = await store.read("text_units", columns=["id", "document_id"])
            names = dict((await store.read("entities", columns=["id", "name"])).iter_rows())
            mentions = await store.read("mentions", columns=["text_unit_id", "entity_id"])
        finally:
            await store.close()
        mentioned: dict[str, set[str]] = {}
        for unit, entity in mentions.iter_rows():
            mentioned.setdefault(unit, set()).add(names[entity])
        return {unit: documents[document] for unit, document in units.iter_rows()}, mentioned

    titles, mentioned = asyncio.run(read())
    # The items are printed records: <Record id='…' title='…' entities=[…] score=…>
    wanted = ids(found[plain])
    assert len(found[around].items) == len(wanted)
    for item in found[around].items:
        [unit] = re.findall(r"id='(\w+)'", item.content)
        assert unit in wanted
        assert repr(titles[unit]) in item.content
        [listed] = re.findall(r"entities=(\[.*\]) score=", item.content)
        assert set(cast("list[str]", ast.literal_eval(listed))) == mentioned.get(unit, set())
