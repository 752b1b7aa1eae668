"""Where the contract suite keeps its stores: one `Place` for each kind of store."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from graphrag.stores import GraphStore, open_store
from tests.integration.neo4j_server import VERSIONS, Servers, clear, neo4j_servers

__all__ = ["neo4j_servers"]


@dataclass(frozen=True, slots=True)
class Place:
    """A store that a test has for itself: its namespaces begin with a prefix of their own."""

    url: str | None
    root: Path
    prefix: str
    examples: int
    """How many generated graphs a property is tried on."""

    @asynccontextmanager
    async def open(
        self, namespace: str = "main", *, create: bool = True
    ) -> AsyncGenerator[GraphStore]:
        store = await open_store(
            self.url, root=self.root, namespace=self.prefix + namespace, create=create
        )
        try:
            yield store
        finally:
            await store.close()


@pytest.fixture(
    params=["sqlite", *(pytest.param(name, marks=pytest.mark.neo4j) for name in VERSIONS)]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Place]:
    prefix = f"{uuid.uuid4().hex}-"
    if request.param == "sqlite":
        yield Place(url=None, root=tmp_path, prefix=prefix, examples=30)
        return
    servers = cast(Servers, request.getfixturevalue("neo4j_servers"))
    # The server is shared; a namespace left behind costs it memory for its indexes.
    root = servers.root(request.param)
    yield Place(url="local", root=root, prefix=prefix, examples=3)
    clear(root, prefix)
