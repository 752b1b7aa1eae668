"""Index, edit, ask and delete in a loop: memory stays flat, and what is stored stays bounded.

GRAPHRAG_SOAK=1 runs it for GRAPHRAG_SOAK_MINUTES (15) on each store, without it two cycles.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from graphrag.stores.neo4j.cypher import namespace_label
from graphrag.testing import TestServer
from tests.conftest import VERSIONS
from tests.integration.neo4j_server import Servers, ask, clear
from tests.soak import CACHE_MB, Cycle

MINUTES = float(os.environ.get("GRAPHRAG_SOAK_MINUTES", "15"))
NAMESPACE = "soak"
WARM_UP = 0.25  # of the cycles
CHECKPOINT = 3_000_000  # bytes; Neo4j writes its files every 15 minutes
LOG = 5_000_000  # bytes of a write-ahead log, which SQLite writes back at 4 MB

WAL = 1000 * 4096  # SQLite's write-ahead log before it is written into the file


@pytest.fixture(scope="module")
def model() -> Iterator[TestServer]:
    with TestServer() as running:
        yield running


def run(root: Path, model: TestServer, *, store: str = "", minutes: float = 0) -> list[Cycle]:
    """The cycles of a process of its own."""
    arguments = [str(root), store, NAMESPACE, str(60 * minutes)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "test"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    rows = [cast(dict[str, int], json.loads(line)) for line in done.stdout.splitlines()]
    return [Cycle(**row) for row in rows]


def check_size(cycles: list[Cycle], *, unwritten: int = 0) -> None:
    """`unwritten`: bytes of one cycle that may not be in the store's files yet after the first."""
    first = cycles[0]
    assert max(cycle.store for cycle in cycles) <= 1.5 * first.store + unwritten
    assert max(cycle.beside for cycle in cycles) <= CACHE_MB * 1_000_000 + LOG + first.beside


def check_memory(cycles: list[Cycle]) -> None:
    """The most of the last quarter, against the most of the first."""
    part = max(1, int(WARM_UP * len(cycles)))
    before = max(cycle.memory for cycle in cycles[:part])
    after = max(cycle.memory for cycle in cycles[-part:])
    assert after <= 1.1 * before, [cycle.memory for cycle in cycles]


def test_two_cycles_leave_no_more_than_one(tmp_path: Path, model: TestServer) -> None:
    cycles = run(tmp_path, model)
    assert len(cycles) == 2
    check_size(cycles, unwritten=WAL)


@pytest.mark.soak
def test_sqlite_for_long(tmp_path: Path, model: TestServer) -> None:
    cycles = run(tmp_path, model, minutes=MINUTES)
    check_size(cycles, unwritten=WAL)
    check_memory(cycles)


@pytest.mark.soak
@pytest.mark.neo4j
@pytest.mark.parametrize("version", VERSIONS)
def test_neo4j_for_long(version: str, model: TestServer, neo4j_servers: Servers) -> None:
    root = neo4j_servers.root(version)
    cycles = run(root, model, store="local", minutes=MINUTES)
    ((left,),) = ask(
        root,
        "MATCH (n) WHERE $label IN labels(n) RETURN count(n)",
        label=namespace_label(NAMESPACE),
    )
    clear(root, NAMESPACE)
    check_memory(cycles)
    check_size(cycles, unwritten=CHECKPOINT)
    assert int(str(left)) <= 2  # what the index is, and that no two of its no names are alike
