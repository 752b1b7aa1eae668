"""Real Neo4j servers for the tests: one of each version, started once, shared by all."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

from graphrag.core.settings import Neo4jSettings
from graphrag.core.tables import VECTOR_TABLES
from graphrag.stores import GraphStore
from graphrag.stores.neo4j import cypher
from graphrag.stores.neo4j.address import find_target
from graphrag.stores.neo4j.connection import Connection, Transaction, run
from graphrag.stores.neo4j.cypher import key_prefix
from graphrag.stores.neo4j.explore import browser_commands
from graphrag.stores.neo4j.rows import Values
from graphrag.stores.neo4j.store import Neo4jStore
from graphrag.stores.neo4j_server.config import HEAP_MB
from tests.conftest import missing
from tests.watch import watching

_START = """
import json, sys
from pathlib import Path
from graphrag.stores.neo4j_server.server import start
root, version, options = sys.argv[1:]
start(Path(root), version=version, **json.loads(options), timeout_s=300)
"""
_DELETE: LiteralString = """
MATCH (n:LABEL)
WHERE n.key STARTS WITH $start
DETACH DELETE n"""

_SPOIL: tuple[LiteralString, ...] = (
    "MATCH (n:__Document__) WHERE n.key STARTS WITH $start SET n.title = 'by hand'",
    "MATCH (n:__Chunk__) WHERE n.key STARTS WITH $start SET n.text = 'by hand'",
    "MATCH (n:__Window__) WHERE n.key STARTS WITH $start"
    " SET n.start = 77, n.embedding = [x IN n.embedding | 0.0]",
    "MATCH (n:__Entity__) WHERE n.key STARTS WITH $start"
    " SET n.description = 'by hand', n.z_entity_embedding = [x IN n.z_entity_embedding | 0.0]",
    "MATCH (n:__Community__) WHERE n.key STARTS WITH $start SET n.size = 77,"
    " n.summary = 'by hand', n.z_report_embedding = [x IN n.z_report_embedding | 0.0]",
    "MATCH (n)-[r]->(:__Entity__) WHERE n.key STARTS WITH $start SET r.description = 'by hand'",
)
_SPOILED = {
    "documents": "title",
    "text_units": "text",
    "windows": "start",
    "entities": "description",
    "relationships": "description",
    "mentions": "description",
    "communities": "size",
    "reports": "summary",
}


class Servers:
    """Starts a version when a test first asks for it; its root's "local" store is that server.

    The workers of a run share them, so each test keeps to namespaces of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: set[str] = set()

    def root(self, version: str) -> Path:
        """The root under which Neo4j `version` runs."""
        root = self._folder / version
        if version not in self._started:
            root.mkdir(exist_ok=True)
            start(root, version, options={"browser.post_connect_cmd": browser_commands()})
            self._started.add(version)
        return root


@contextmanager
def serving(root: Path, version: str, *, heap_mb: int = HEAP_MB) -> Generator[None]:
    """A server under `root`, stopped at the end however that comes."""
    with watching(root):
        start(root, version, heap_mb=heap_mb)
        yield


def start(
    root: Path,
    version: str,
    *,
    heap_mb: int = HEAP_MB,
    options: Mapping[str, str] | None = None,
) -> None:
    """Start a server in a process of its own, which may download it: no test may.

    The server must outlive that process.
    """
    given = {"heap_mb": heap_mb, "options": dict(options or {})}
    arguments = [str(root), version, json.dumps(given)]
    done = subprocess.run(
        [sys.executable, "-c", _START, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        missing(f"Neo4j {version} cannot be started: {done.stderr[-2000:]}")


def empty(root: Path, *prefixes: str) -> None:
    """Remove the rows of the namespaces whose names begin so, and leave their indexes.

    To make or drop an index has the server plan every statement anew, which takes seconds.
    """
    starts = [key_prefix(prefix).removesuffix(":") for prefix in prefixes]

    async def main() -> None:
        connection = connect(root)
        try:
            await connection.write(lambda tx: _delete(tx, starts))
        finally:
            await connection.close()

    asyncio.run(main())


async def _delete(tx: Transaction, starts: Sequence[str]) -> None:
    for label in (*cypher.DATA_LABELS, "__Lease__"):
        for start in starts:
            await run(tx, _DELETE.replace("LABEL", label), start=start)


def clear(root: Path, prefix: str) -> None:
    """Remove the namespaces of the server under `root` that begin with `prefix`."""

    async def main() -> None:
        connection = connect(root)
        try:
            rows = await connection.query(
                "MATCH (m:__Meta__) WHERE m.namespace STARTS WITH $start RETURN m.namespace",
                start=prefix,
            )
        finally:
            await connection.close()
        for (namespace,) in rows:
            # Not opened: a test may have written another schema version.
            store = Neo4jStore(connect(root), str(namespace))
            try:
                await store.delete_all()
            finally:
                await store.close()

    asyncio.run(main())


async def spoil(connection: Connection, namespace: str) -> None:
    """Overwrite each row and each vector by hand, which the hashes of rows do not show."""
    for statement in _SPOIL:
        await connection.execute(statement, start=key_prefix(namespace))


async def assert_spoiled(store: GraphStore) -> None:
    """What `spoil` overwrote was not written again."""
    for table, column in _SPOILED.items():
        held = (await store.read(table, columns=[column]))[column].to_list()
        assert held, table
        assert set(held) <= {"by hand", 77}, table
    for table in VECTOR_TABLES:
        assert not (await store.vectors(table))[1].any(), table


def connect(root: Path) -> Connection:
    """Plain Cypher on the server under `root`."""
    return Connection(find_target("local", root, Neo4jSettings()))


def ask(root: Path, statement: LiteralString, **parameters: object) -> Values:
    """The records of one statement on the server under `root`."""

    async def main() -> Values:
        connection = connect(root)
        try:
            return await connection.query(statement, **parameters)
        finally:
            await connection.close()

    return asyncio.run(main())
