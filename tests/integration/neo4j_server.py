"""Real Neo4j servers for the tests: one of each version, started once, stopped at the end."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from graphrag.settings import Neo4jSettings
from graphrag.stores.neo4j import Neo4jStore
from graphrag.stores.neo4j_connection import Connection
from graphrag.stores.neo4j_target import find_target
from tests.conftest import missing

_START = """
import json, sys
from pathlib import Path
from graphrag.local_neo4j import start
root, version, options = sys.argv[1:]
start(Path(root), version=version, options=json.loads(options), timeout_s=300)
"""
# Ends the server also when the tests are killed: its standard input closes with them.
_WATCH = """
import sys
from pathlib import Path
from graphrag.local_neo4j import stop
sys.stdin.read()
stop(Path(sys.argv[1]))
"""
# Every version takes minutes; the newest line is left to the long tests (`make soak`).
VERSIONS = ("5.26.30", "2026.05.0") if os.environ.get("GRAPHRAG_SOAK") else ("5.26.30",)


class Servers:
    """Starts a version when a test first asks for it; its root's "local" store is that server."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._folder = folder
        self._running = running
        self._roots: dict[str, Path] = {}

    def root(self, version: str) -> Path:
        """The root under which Neo4j `version` runs."""
        if version not in self._roots:
            root = self._folder / version
            root.mkdir()
            self._running.enter_context(serving(root, version))
            self._roots[version] = root
        return self._roots[version]


@pytest.fixture(scope="session")
def neo4j_servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    folder = tmp_path_factory.mktemp("neo4j")
    with ExitStack() as running:
        yield Servers(folder, running)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def serving(root: Path, version: str) -> Generator[None]:
    """A server under `root`, stopped at the end however that comes."""
    start(root, version)
    arguments = [sys.executable, "-c", _WATCH, str(root)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE) as watch:
        try:
            yield
        finally:
            assert watch.stdin is not None
            watch.stdin.close()
            watch.wait()


def start(root: Path, version: str, *, options: Mapping[str, str] | None = None) -> None:
    """Start a server in a process of its own, which may download it: no test may.

    The server must outlive that process.
    """
    arguments = [str(root), version, json.dumps(dict(options or {}))]
    done = subprocess.run(
        [sys.executable, "-c", _START, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        missing(f"Neo4j {version} cannot be started: {done.stderr[-2000:]}")


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


def connect(root: Path) -> Connection:
    """Plain Cypher on the server under `root`."""
    return Connection(find_target("local", root, Neo4jSettings()))
