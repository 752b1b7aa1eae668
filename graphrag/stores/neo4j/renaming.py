"""Rename the properties of an index that an earlier version made.

What only the engine needs begins with `z_` since. Each page of rows is a transaction, and a row
that has the new names is passed over: cut off anywhere, it goes on when the index is opened again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString

from graphrag.stores.neo4j import cypher
from graphrag.stores.neo4j.connection import Connection

PAGE = 1000  # nodes in one transaction, with all edges that start at them

_NODES: dict[LiteralString, tuple[LiteralString, ...]] = {
    "__Document__": ("row_hash", "content_hash", "metadata"),
    "__Chunk__": (
        "row_hash",
        "terms_hash",
        "vector_key",
        "evidence_key",
        "chunk_terms",
        "chunk_embedding",
    ),
    "__Window__": ("row_hash", "vector_key"),
    "__Entity__": (
        "row_hash",
        "terms_hash",
        "vector_key",
        "type_label",
        "attributes",
        "entity_terms",
        "entity_embedding",
    ),
    "__Claim__": ("row_hash",),
    "__Community__": (
        "row_hash",
        "report_hash",
        "terms_hash",
        "vector_key",
        "input_hash",
        "entity_ids",
        "report_terms",
        "report_embedding",
    ),
}
_EDGES: dict[LiteralString, LiteralString] = {
    "__Entity__": "(n)-[r]->(:__Entity__)",
    "__Chunk__": "(n)-[r:MENTIONS]->(:__Entity__)",
}
_RENAME: LiteralString = """
MATCH (n:LABEL)
WHERE n.key > $after AND n.key < $end
WITH n ORDER BY n.key LIMIT $page
CALL (n) {
  ROWS
  SET NEW
  REMOVE OLD
}
RETURN max(n.key)"""
_OLD_INDEXES = (
    "graphrag_window_vector_key",
    "graphrag_chunk_vector_key",
    "graphrag_entity_vector_key",
    "graphrag_community_vector_key",
)


async def rename(connection: Connection, bounds: Mapping[str, object], *, page: int = PAGE) -> None:
    """Rename them in all rows whose keys are within `bounds`, as the store's pages have it."""
    for statement in _statements():
        after = bounds["after"]
        while after is not None:
            given = {"after": after, "end": bounds["end"], "page": page}
            [[after]] = await connection.execute(statement, **given)
    for name in _OLD_INDEXES:
        await connection.execute(cypher.DROP_INDEX, name=name)


def _statements() -> list[LiteralString]:
    edges: list[LiteralString] = [
        _statement(label, "MATCH " + edge + "\n  WHERE r.row_hash IS NOT NULL", "r", ("row_hash",))
        for label, edge in _EDGES.items()
    ]
    return edges + [
        _statement(label, "WITH n WHERE " + _any("n", names), "n", names)
        for label, names in _NODES.items()
    ]


def _statement(
    label: LiteralString,
    rows: LiteralString,
    variable: LiteralString,
    names: tuple[LiteralString, ...],
) -> LiteralString:
    new: list[LiteralString] = [
        variable + ".z_" + name + " = " + variable + "." + name for name in names
    ]
    old: list[LiteralString] = [variable + "." + name for name in names]
    text = _RENAME.replace("LABEL", label).replace("ROWS", rows)
    return text.replace("NEW", ", ".join(new)).replace("OLD", ", ".join(old))


def _any(variable: LiteralString, names: tuple[LiteralString, ...]) -> LiteralString:
    return " OR ".join([variable + "." + name + " IS NOT NULL" for name in names])
