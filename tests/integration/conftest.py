"""Where the contract suite keeps its stores: one `Place` for each kind of store."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from graphrag.stores import GraphStore, open_store
from tests.conftest import VERSIONS
from tests.integration.neo4j_server import Servers, empty

# Other workers use the same servers.
PREFIX = f"contract-{os.environ.get('PYTEST_XDIST_WORKER', '')}-"


@dataclass(frozen=True, slots=True)
class Place:
    """A store whose namespaces with `prefix` are the test's own."""

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
    if request.param == "sqlite":
        yield Place(url=None, root=tmp_path, prefix=PREFIX, examples=30)
        return
    # The server is shared, and so are the namespaces: each test finds them empty.
    root = cast(Servers, request.getfixturevalue("neo4j_servers")).root(request.param)
    yield Place(url="local", root=root, prefix=PREFIX, examples=3)
    empty(root, PREFIX)
