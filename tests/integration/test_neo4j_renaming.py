"""An index that has the names of properties of an earlier version is opened."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path
from typing import LiteralString, cast

import numpy as np
import pytest

from graphrag.core.errors import IncompatibleIndexError
from graphrag.stores import Hit
from graphrag.stores.neo4j import cypher
from graphrag.stores.neo4j.connection import Connection
from graphrag.stores.neo4j.renaming import rename
from graphrag.stores.neo4j.schema import index_name, schema_version
from graphrag.stores.neo4j.store import Neo4jStore
from tests.conftest import VERSIONS
from tests.integration.graphs import all_vectors, assert_holds, direction, snapshot, voyages
from tests.integration.neo4j_server import Servers, assert_spoiled, connect, empty, spoil

pytestmark = pytest.mark.neo4j

NAMESPACE = "renamed"
_TO_BEFORE: tuple[LiteralString, ...] = (
    """
MATCH (n) WHERE n.key STARTS WITH 'renamed:'
UNWIND [name IN keys(n) WHERE name STARTS WITH 'z_'] AS name
SET n[substring(name, 2)] = n[name]
REMOVE n[name]""",
    """
MATCH (n)-[r]->() WHERE n.key STARTS WITH 'renamed:'
UNWIND [name IN keys(r) WHERE name STARTS WITH 'z_'] AS name
SET r[substring(name, 2)] = r[name]
REMOVE r[name]""",
    "MATCH (m:__Meta__ {key: 'renamed:meta'}) SET m.schema_version = '1'",
)
_NAMES: LiteralString = """
MATCH (n) WHERE n.key STARTS WITH 'renamed:'
OPTIONAL MATCH (n)-[r]->()
UNWIND keys(n) + coalesce(keys(r), []) AS name
RETURN collect(DISTINCT name)"""


@pytest.fixture(params=VERSIONS)
def root(request: pytest.FixtureRequest, neo4j_servers: Servers) -> Generator[Path]:
    root = neo4j_servers.root(cast(str, request.param))
    yield root
    empty(root, NAMESPACE)


async def opened(root: Path) -> Neo4jStore:
    return await Neo4jStore.open("local", root=root, namespace=NAMESPACE, create=False)


async def found(store: Neo4jStore) -> list[list[Hit]]:
    return [
        await store.search_text("text_units", "voyage ship", k=5),
        await store.search_text("entities", "Nansen", k=5),
        await store.search_vectors("text_units", direction(0), k=5),
        await store.search_vectors("entities", direction(1), k=5),
    ]


async def names(connection: Connection) -> set[str]:
    return set(cast("list[str]", (await connection.query(_NAMES))[0][0]))


def test_it_holds_what_it_held_and_nothing_is_written_again(root: Path) -> None:
    whole = snapshot(voyages(), vectors=all_vectors())

    async def main() -> None:
        connection = connect(root)
        store = await Neo4jStore.open("local", root=root, namespace=NAMESPACE)
        try:
            await store.commit(whole)
            expected, now = await found(store), await names(connection)
            vectors = await store.vectors("entities")
            await store.close()
            for statement in _TO_BEFORE:
                await connection.execute(statement)
            assert not any(name.startswith("z_") for name in await names(connection))
            # One that was cut off on its way, after several pages.
            await rename(connection, {"after": "renamed:", "end": "renamed:8"}, page=1)
            assert now < await names(connection)
            store = await opened(root)
            assert await names(connection) == now
            await assert_holds(store, whole)
            assert await found(store) == expected
            held = await store.vectors("entities")
            assert held[0] == vectors[0]
            np.testing.assert_array_equal(held[1], vectors[1])
            await spoil(connection, NAMESPACE)
            await store.commit(whole)
            await assert_spoiled(store)
            start = index_name(NAMESPACE, "text_units", "").removesuffix("chunk_")
            shown = await connection.query(cypher.SHOW_INDEXES, start=start)
            assert all(cast("list[str]", row[2])[0] in now for row in shown)
        finally:
            await store.close()
            await connection.close()

    asyncio.run(main())


def test_another_schema_is_refused_and_stays(root: Path) -> None:
    async def main() -> None:
        connection = connect(root)
        store = await Neo4jStore.open("local", root=root, namespace=NAMESPACE)
        await store.close()
        try:
            for version in ("0", "2", "1.1"):
                await connection.execute(
                    "MATCH (m:__Meta__ {key: 'renamed:meta'}) SET m.schema_version = $version",
                    version=version,
                )
                with pytest.raises(IncompatibleIndexError, match=schema_version()):
                    await opened(root)
        finally:
            await connection.close()

    asyncio.run(main())
