"""A Neo4j of our own: how fast a graph is written and read, questions answered, files indexed.

The server is started for the topic alone, under a temporary folder. *Cold* is the first graph that
it sees, *warm* the same again in another namespace.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import polars as pl

from bench import synthetic
from bench.measure import Run, graphrag
from bench.parts import DIMENSIONS, QUESTIONS, snapshot
from bench.report import Cell, data, heading, table
from graphrag.core.settings import Settings
from graphrag.core.tables import ENTITIES, RELATIONSHIPS, empty
from graphrag.models.models import Models
from graphrag.query import router
from graphrag.query.context import Question, Resources
from graphrag.stores import GraphStore, Snapshot, open_store
from graphrag.stores.neo4j_server import server as local_neo4j
from graphrag.stores.neo4j_server.process import read_record
from graphrag.testing import FakeEmbedder, TestServer

VERSIONS = ("5.26.30", "2026.05.0")
ENTITY_COUNT, RELATIONSHIP_COUNT = 10_000, 50_000
SEARCHED, QUICK_SEARCHED = 100_000, 10_000
LATENCY_S = "0.05"
ROUNDS = 3
INDEXES = 12  # into one server, which gets faster with each


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall time and CPU seconds: of this process, and of the server with its threads."""

    wall: float
    ours: float
    server: float


def main() -> None:
    parts: dict[str, Callable[[int], str]] = {
        "writing": lambda _: _writing(),
        "indexing": lambda _: _indexing(),
        "questions": _questions,
    }
    parser = argparse.ArgumentParser(prog="python -m bench.neo4j", description=__doc__)
    parser.add_argument("--part", choices=parts, help="default: all")
    parser.add_argument("--quick", action="store_true", help="search 10,000 entities, not 100,000")
    parser.add_argument("--write-docs", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    # A server outlives the process that started it, so that process must not just end.
    signal.signal(signal.SIGTERM, _end)
    heading("neo4j")
    for name in [options.part] if options.part else parts:
        parts[name](QUICK_SEARCHED if options.quick else SEARCHED)


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(f"stopped by signal {number}")


@contextmanager
def serving(version: str, heap_mb: int | None = None) -> Generator[Path]:
    """The root of a running server without data, which goes with it."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        local_neo4j.start(root, version=version, heap_mb=heap_mb)
        try:
            yield root
        finally:
            local_neo4j.stop(root, timeout_s=0)


def _writing() -> str:
    rows: list[list[Cell]] = []
    for version in VERSIONS:
        with serving(version) as root:
            rows.extend([version, *row] for row in asyncio.run(_written(root)))
    title = f"{ENTITY_COUNT:,} entities with vectors of {DIMENSIONS}, {RELATIONSHIP_COUNT:,} edges"
    columns = ("server", "work", "wall s", "our CPU s", "server CPU s", "at most, wall s")
    return table(title, columns, rows)


async def _written(root: Path) -> list[list[Cell]]:
    content = _graph()
    rows: list[list[Cell]] = []
    for state, namespace in (("cold", "first"), ("warm", "second")):
        store = await open_store("local", root=root, namespace=namespace)
        async with store.writing():
            rows.append(_row(f"write, {state}", await _cost(root, store.commit(content)), 20))
        rows.append(_row(f"read for Leiden, {state}", await _cost(root, _edges(store)), 2.5))
        await store.close()
    return rows


async def _edges(store: GraphStore) -> None:
    found = await store.read("relationships", columns=["source_id", "target_id", "weight"])
    assert found.height == RELATIONSHIP_COUNT


def _graph() -> Snapshot:
    draw = np.random.default_rng(0)
    keys = [f"{number:032x}" for number in range(ENTITY_COUNT)]
    entities = [
        (key, f"Entity {n}", "person", list[str](), f"What is said of entity {n}.", 2, 10, "[]")
        for n, key in enumerate(keys)
    ]
    start = draw.integers(0, ENTITY_COUNT, RELATIONSHIP_COUNT)
    end = (start + draw.integers(1, ENTITY_COUNT, RELATIONSHIP_COUNT)) % ENTITY_COUNT
    edges = [
        (f"r{n:031x}", keys[a], keys[b], "knows", "How they know one another.", 1.5, 1, [keys[0]])
        for n, (a, b) in enumerate(zip(map(int, start), map(int, end), strict=True))
    ]
    names = ("documents", "text_units", "windows", "mentions", "claims", "communities", "reports")
    tables = {
        "entities": pl.DataFrame(entities, schema=ENTITIES, orient="row"),
        "relationships": pl.DataFrame(edges, schema=RELATIONSHIPS, orient="row"),
        **{name: empty(name) for name in names},
    }
    return snapshot(tables, FakeEmbedder(DIMENSIONS))


def _indexing() -> str:
    """The command on 1 MB, every model call taking 50 ms: SQLite, then Neo4j, in turns."""
    books = data("gutenberg")
    rows: list[list[Cell]] = []
    with serving(VERSIONS[0]) as root, tempfile.TemporaryDirectory() as folder:
        shutil.copytree(books, root / "books")
        for number in range(INDEXES):
            plain = _index(root, Path(folder, f"sqlite{number}"))
            namespace = ("--store", _address(root), "--namespace", str(number))
            before = _server_seconds(root)
            ours = _index(root, Path(folder, f"neo4j{number}"), *namespace)
            server = _server_seconds(root) - before
            walls = (plain.wall, ours.wall, ours.wall / plain.wall, 1.3)
            rows.append([str(number + 1), *walls, plain.cpu, ours.cpu, server])
    columns = (
        *("round", "SQLite, wall s", "Neo4j, wall s", "ratio", "at most"),
        *("SQLite, CPU s", "Neo4j, our CPU s", "server CPU s"),
    )
    title = "Indexing 1 MB, `standard`, 50 ms a call; the server is cold in round 1"
    return table(title, columns, rows)


def _index(root: Path, folder: Path, *store: str) -> Run:
    wait = ("--latency", LATENCY_S, "--embedding-latency", LATENCY_S)
    with TestServer.spawn(*wait) as server:
        arguments = ("index", root / "books", "--root", folder, "--method", "standard")
        return graphrag(*arguments, *store, server=server.url)


def _address(root: Path) -> str:
    """The server's URL with its password, which other roots do not know."""
    user, password = local_neo4j.local_credentials(root, _url(root)) or ("", "")
    return _url(root).replace("://", f"://{user}:{password}@")


def _url(root: Path) -> str:
    return str(local_neo4j.status(root).url)


def _questions(size: int) -> str:
    corpus = synthetic.make(size, "scale-free")
    content = snapshot(synthetic.tables(corpus), FakeEmbedder(DIMENSIONS))
    asked = corpus.questions(QUESTIONS)
    rows: list[list[Cell]] = []
    with serving(VERSIONS[0]) as root:
        for name, url, bound in (("SQLite", None, 50), (VERSIONS[0], "local", 80)):
            rows.extend(
                [name, *row, bound] for row in asyncio.run(_local(root, url, content, asked))
            )
    columns = (
        *("store", "retrieval", "p50 ms", "slowest ms", "our CPU ms", "server CPU ms"),
        "at most, p50",
    )
    return table(f"A local question over {size:,} entities, warm, in process", columns, rows)


async def _local(
    root: Path, url: str | None, content: Snapshot, asked: Sequence[str]
) -> list[list[Cell]]:
    store = await open_store(url, root=root, namespace="questions")
    await store.commit(content)
    settings = Settings()
    rows: list[list[Cell]] = []
    for name, embedder in (("no model", None), ("with vectors", FakeEmbedder(DIMENSIONS))):
        models = Models(chat=None, embedder=embedder, settings=settings)

        async def ask(question: str, models: Models = models) -> None:
            resources = Resources(store, models, settings, root)
            await router.retrieve(Question(question, method="local"), resources)

        for _ in range(ROUNDS - 1):  # the server compiles its plans by use
            await _each(ask, asked)
        ours, server = time.process_time(), _server_seconds(root) if url else 0.0
        taken = await _each(ask, asked)
        ours = time.process_time() - ours
        server = (_server_seconds(root) if url else 0.0) - server
        figures = (statistics.median(taken), max(taken), ours / len(asked), server / len(asked))
        rows.append([name, *(1000 * figure for figure in figures)])
    await store.close()
    return rows


async def _each(ask: Callable[[str], Awaitable[None]], asked: Sequence[str]) -> list[float]:
    taken: list[float] = []
    for question in asked:
        started = time.perf_counter()
        await ask(question)
        taken.append(time.perf_counter() - started)
    return taken


async def _cost(root: Path, work: Awaitable[None]) -> Cost:
    wall, ours, server = time.perf_counter(), time.process_time(), _server_seconds(root)
    await work
    return Cost(
        time.perf_counter() - wall, time.process_time() - ours, _server_seconds(root) - server
    )


def _row(name: str, cost: Cost, bound: float) -> list[Cell]:
    return [name, cost.wall, cost.ours, cost.server, bound]


def _server_seconds(root: Path) -> float:
    """CPU seconds of the server so far; 0 where the system does not tell."""
    state = read_record(root / ".graphrag" / "neo4j")
    try:
        fields = Path(f"/proc/{state.pid if state else 0}/stat").read_text().rpartition(")")[2]
    except OSError:
        return 0.0
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
