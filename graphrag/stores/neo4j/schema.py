"""Check the server, and make the constraints and the indexes of a namespace."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import LiteralString, cast

from graphrag.core import tables
from graphrag.core.errors import IncompatibleIndexError, NoIndexError, StoreError
from graphrag.stores.neo4j import cypher
from graphrag.stores.neo4j.connection import Connection, Transaction, run
from graphrag.stores.neo4j.cypher import key_prefix, namespace_label
from graphrag.stores.neo4j.rows import Meta

_PROPERTIES = 2  # raise it when they get other names, and rename those there are (`renaming.py`)
_OLDEST = (5, 26)
_FILTERING = (2026, 2)  # the SEARCH clause left its preview here
_FILTERED = ("windows", "text_units")  # the tables whose rows belong to one document each

Statement = tuple[LiteralString, dict[str, object]]


async def prepare(connection: Connection, namespace: str, *, create: bool) -> Meta | None:
    """Check the server and the namespace, whose meta node it gives; with `create` make it.

    Raises StoreError on an older server, NoIndexError, IncompatibleIndexError.
    """
    check_version(connection.url, await connection.server_version())
    meta = await read_meta(connection, namespace)
    if meta is not None:
        if meta.schema_version not in (tables.SCHEMA_VERSION, schema_version()):
            raise IncompatibleIndexError(
                f"{connection.url} has schema {meta.schema_version}; this version of graphrag"
                f" reads schema {schema_version()}",
                hint="Use the version that wrote it, or index again into another namespace.",
            )
        return meta
    if not create:
        names = [repr(name) for (name,) in await connection.query(cypher.NAMESPACES)]
        known = f" It holds: {', '.join(names)}." if names else ""
        raise NoIndexError(
            f"nothing was indexed at {connection.url} in the namespace {namespace!r} yet",
            hint=f"Run `graphrag index FOLDER` first, or check the store and namespace.{known}",
        )
    await _make_constraints(connection)
    await connection.execute(
        cypher.CREATE_META,
        key=meta_key(namespace),
        namespace=namespace,
        label=namespace_label(namespace),
        schema_version=schema_version(),
    )
    return None


def schema_version() -> str:
    """That of the tables and that of the properties; one before had the first alone."""
    return f"{tables.SCHEMA_VERSION}.{_PROPERTIES}"


def check_version(url: str, found: str) -> None:
    """Raises StoreError when the server at `url`, of version `found`, is too old."""
    if _numbers(found) < _OLDEST:
        raise StoreError(
            f"{url} is Neo4j {found}; graphrag needs 5.26 or newer",
            hint="Upgrade the server, or start one here: graphrag neo4j start.",
        )


async def make_indexes(
    connection: Connection, namespace: str, size: int | None, *, filters_inside: bool
) -> None:
    """The namespace's own full-text and vector indexes, the latter for vectors of `size`.

    And the constraints of all, which an earlier version may have made fewer of.
    """
    await _make_constraints(connection)
    there = await _indexes(connection, namespace)
    filtering = filters_inside and _numbers(await connection.server_version()) >= _FILTERING
    wanted: list[Statement] = []
    for table in tables.VECTOR_TABLES:
        name = index_name(namespace, table, "terms")
        if name not in there and table in tables.SEARCH_TABLES:
            wanted.append((_for_own(cypher.FULL_TEXT_INDEX, namespace, table), {"name": name}))
        name = index_name(namespace, table, "vectors")
        inside = filtering and table in _FILTERED
        if size is not None and there.get(name) != (size, inside):
            if name in there:
                await connection.execute(cypher.DROP_INDEX, name=name)
            text = cypher.FILTERING_VECTOR_INDEX if inside else cypher.VECTOR_INDEX
            statement = _for_own(text, namespace, table)
            wanted.append((statement, {"name": name, "dimensions": size}))
    if wanted:
        await _define(connection, wanted)


async def filters_inside(connection: Connection, namespace: str, table: str) -> bool:
    """Whether the vector index of `table` can be asked for the rows of one document."""
    if table not in _FILTERED:
        return False
    _, inside = (await _indexes(connection, namespace)).get(
        index_name(namespace, table, "vectors"), (None, False)
    )
    return inside


async def drop_indexes(connection: Connection, namespace: str) -> None:
    for name in await _indexes(connection, namespace):
        await connection.execute(cypher.DROP_INDEX, name=name)


async def read_meta(connection: Connection, namespace: str) -> Meta | None:
    rows = await connection.query(cypher.READ_META, key=meta_key(namespace))
    return Meta.of(rows[0]) if rows else None


def meta_key(namespace: str) -> str:
    """The key of the meta node and of the lease of `namespace`."""
    return f"{key_prefix(namespace)}meta"


def index_name(namespace: str, table: str, kind: str) -> str:
    """`kind` is terms or vectors."""
    return f"{_index_start(namespace)}{cypher.PREFIXES[table]}_{kind}"


def for_index(statement: LiteralString, namespace: str, table: str) -> LiteralString:
    """`statement` with the name of the vector index of `table`, which cannot be a parameter."""
    return cast(
        LiteralString, statement.replace("INDEX_NAME", index_name(namespace, table, "vectors"))
    )


async def _indexes(connection: Connection, namespace: str) -> dict[str, tuple[int | None, bool]]:
    """The indexes of `namespace`: size of the vectors, and whether it filters by document."""
    rows = await connection.query(cypher.SHOW_INDEXES, start=_index_start(namespace))
    return {
        str(name): (cast("int | None", size), "document_id" in cast("list[str]", properties))
        for name, size, properties in rows
    }


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _index_start(namespace: str) -> str:
    return f"{namespace_label(namespace).lower()}_"


async def _make_constraints(connection: Connection) -> None:
    statements: dict[str, LiteralString] = {**cypher.CONSTRAINTS, **cypher.VECTOR_KEY_INDEXES}
    there = cast("list[str]", (await connection.query(cypher.SHOW_SCHEMA))[0][0])
    if not statements.keys() <= set(there):
        made: list[Statement] = [(text, {"name": name}) for name, text in statements.items()]
        await _define(connection, made)


async def _define(connection: Connection, statements: Sequence[Statement]) -> None:
    """Make constraints and indexes in one transaction and wait until they serve."""

    async def define(tx: Transaction) -> None:
        for statement, parameters in statements:
            await run(tx, statement, **parameters)

    await connection.write(define)
    await connection.query(cypher.AWAIT_INDEXES)


def _for_own(statement: LiteralString, namespace: str, table: str) -> LiteralString:
    # A label cannot be a parameter of a schema statement. This one is ASCII letters, digits and
    # underscores, see the function that makes it.
    text = cypher.with_properties(statement, table)
    return cast(LiteralString, text.replace("LABEL", namespace_label(namespace)))
