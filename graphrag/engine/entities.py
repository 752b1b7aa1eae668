"""List the entities of an index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphrag.core.errors import NoIndexError, UsageError

if TYPE_CHECKING:
    from graphrag.stores import GraphStore


@dataclass(frozen=True, slots=True)
class ListedEntity:
    """One entity of the graph."""

    id: str
    name: str
    type: str
    mentions: int
    """Text units that mention it."""
    degree: int
    """Entities that it has a relationship with."""


async def list_entities(
    store: GraphStore, *, type: str | None, search: str | None, limit: int | None
) -> list[ListedEntity]:
    """Most mentioned first, then by name. Raises NoIndexError, UsageError on a `limit` below 1."""
    import polars as pl

    if limit is not None and limit < 1:
        raise UsageError(f"limit is {limit!r}", hint="Ask for at least one entity.")
    if not await store.meta():
        raise NoIndexError(
            f"nothing is indexed in namespace {store.namespace!r} of {store.url}",
            hint="Run `graphrag index FOLDER` first.",
        )
    columns = ["id", "name", "type", "n_mentions", "degree"]
    found = (await store.read("entities", columns=[*columns, "aliases"])).lazy()
    if type is not None:
        found = found.filter(pl.col("type").str.to_lowercase() == type.lower())
    if search is not None:
        names = pl.concat_list("name", pl.col("aliases").fill_null([])).list.join("\n")
        found = found.filter(names.str.to_lowercase().str.contains(search.lower(), literal=True))
    ranked = found.sort("n_mentions", "name", "id", descending=[True, False, False])
    rows = ranked.select(columns).head(limit or 2**31).collect()
    return [ListedEntity(*row) for row in rows.iter_rows()]
