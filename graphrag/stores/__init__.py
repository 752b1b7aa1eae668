"""Open the store that an address names: one protocol, two stores, equal answers from both."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from graphrag.core.errors import NoIndexError, UsageError
from graphrag.core.work_folder import graph_file, neo4j_folder
from graphrag.stores.contract.protocol import (
    Filter,
    GraphStore,
    Hit,
    Membership,
    SearchTable,
    Snapshot,
    VectorTable,
    parse_filter,
)

if TYPE_CHECKING:
    from graphrag.core.settings import Neo4jSettings, Settings

__all__ = [
    "Filter",
    "GraphStore",
    "Hit",
    "Membership",
    "SearchTable",
    "Snapshot",
    "VectorTable",
    "open_store",
    "opened_store",
    "parse_filter",
    "sqlite_path",
]


async def open_store(
    url: str | None,
    *,
    root: Path,
    namespace: str,
    create: bool = True,
    neo4j: Neo4jSettings | None = None,
) -> GraphStore:
    """The store at `url`: a SQLite path or URL, neo4j:// and bolt:// URLs, or "local".

    None is `.graphrag/graph.db` under `root`; "local" is the Neo4j started under `root`, others
    take their credentials from `neo4j`, else from the environment. Without `create` a store that
    does not exist raises NoIndexError. Raises UsageError on an unknown scheme, StoreError when
    the store cannot be opened, IncompatibleIndexError when another schema version wrote it.
    """
    if url is not None and re.match(r"(neo4j|bolt)(\+s|\+ssc)?://|local$", url):
        from graphrag.stores.neo4j.store import Neo4jStore

        return await Neo4jStore.open(
            url, root=root, namespace=namespace, create=create, settings=neo4j
        )
    from graphrag.stores.sqlite.store import SQLiteStore

    path = sqlite_path(url, root)
    try:
        return await SQLiteStore.open(path, namespace=namespace, create=create)
    except NoIndexError as error:
        if url is not None or not neo4j_folder(root).exists():
            raise
        hint = f"The Neo4j of this root is another store: --store local. {error.hint}"
        raise NoIndexError(str(error), hint=hint) from error


@asynccontextmanager
async def opened_store(settings: Settings, root: Path) -> AsyncGenerator[GraphStore, None]:
    """The store of an index that is there. Raises NoIndexError."""
    store = await open_store(
        settings.store,
        root=root,
        namespace=settings.namespace,
        create=False,
        neo4j=settings.neo4j,
    )
    try:
        yield store
    finally:
        await store.close()


def sqlite_path(url: str | None, root: Path) -> Path:
    """The file that a `--store` value names; relative paths are relative to `root`."""
    if url is None:
        return graph_file(root)
    if "://" not in url:
        return root / url
    scheme, _, rest = url.partition("://")
    if scheme != "sqlite" or not rest.startswith("/") or rest == "/":
        raise UsageError(
            f"an address with {scheme}:// is not a store",  # it may hold a password
            hint="Use a path, sqlite:///path, neo4j://host:7687 or bolt://host:7687.",
        )
    # As in SQLAlchemy: three slashes are a relative path, four an absolute one.
    return root / rest[1:]
