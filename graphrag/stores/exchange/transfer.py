"""Copy a namespace to another store; nothing is computed or asked again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from graphrag.core.errors import NoIndexError, UsageError
from graphrag.core.tables import TABLES
from graphrag.stores.contract.protocol import GraphStore, Snapshot, VectorTable
from graphrag.stores.contract.search_texts import searchable_texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What of the metadata tells one index from another; the rest says when it was made, and of what.
_CONTENT = ("content_hash", "graph_hash", "fingerprint", "embedding_model", "dimensions")


async def copy(source: GraphStore, target: GraphStore, *, replace: bool) -> dict[str, int]:
    """Make the target's namespace equal to the source's; returns its rows by table.

    Raises NoIndexError when the source holds no index, UsageError when both are the same or,
    without `replace`, when the target holds another index, LockedError when another process
    writes to the target.
    """
    if (source.url, source.namespace) == (target.url, target.namespace):
        raise UsageError(f"{source.url} is both source and target", hint="Name another store.")
    meta = await source.meta()
    if not meta:
        raise NoIndexError(
            f"nothing is indexed in namespace {source.namespace!r} of {source.url}",
            hint="Check --namespace and the URL.",
        )
    held = await target.meta()
    if held and not replace and not await _is_same(source, target, meta, held):
        raise UsageError(
            f"{target.url} holds another index in namespace {target.namespace!r}",
            hint="Replace it with --replace, or name another namespace or store.",
        )
    tables = {name: await source.read(name) for name in TABLES if name != "evidence"}
    evidence = await source.read("evidence")
    replies = await source.replies(None)
    texts = searchable_texts(tables)
    embedded: dict[VectorTable, pl.DataFrame] = {}
    vectors: dict[str, NDArray[np.float32]] = {}
    of_tables: tuple[VectorTable, ...] = ("windows", "text_units", "entities", "reports")
    for table in of_tables:
        found = await source.embedded(table)
        if found.height:
            embedded[table] = found
            vectors.update(zip(found["key"], (await source.vectors(table))[1], strict=True))
    async with target.writing():
        await target.put_evidence(evidence)
        await target.put_replies(replies)
        known = await target.known_vectors(sorted(vectors))
        await target.commit(
            Snapshot(
                tables=tables,
                searchable=texts,
                embedded=embedded,
                vectors={key: vector for key, vector in vectors.items() if key not in known},
                evidence_keys=frozenset(evidence["key"]),
                reply_keys=frozenset(replies),
                meta=meta,
            )
        )
    return await target.counts()


async def _is_same(
    source: GraphStore, target: GraphStore, meta: Mapping[str, str], held: Mapping[str, str]
) -> bool:
    """Whether two stores hold one index, made at whatever time."""
    if any(held.get(name) != meta.get(name) for name in _CONTENT):
        return False
    columns = ["id", "content_hash"]  # its metadata too, which no other hash covers
    ours, theirs = [await store.read("documents", columns=columns) for store in (source, target)]
    return ours.equals(theirs)
