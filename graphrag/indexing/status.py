"""Describe what the index in a store holds, and what is left to do."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import cast

import polars as pl
from typing_extensions import TypedDict  # pydantic describes no other before Python 3.12

from graphrag.core.errors import NoIndexError
from graphrag.core.settings import InputSettings
from graphrag.indexing.corpus.staleness import find_stale
from graphrag.indexing.resolution.corrections import CorrectionState, correction_state
from graphrag.indexing.run import SchemaFit, read_fit
from graphrag.stores import GraphStore


class FailedUnit(TypedDict):
    """`transient`: tried again on every run, else by `--retry-failed`."""

    id: str
    source: str
    ordinal: int
    reason: str
    transient: bool


class Overview(TypedDict):
    counts: dict[str, int]
    text_units: dict[str, int]
    documents: dict[str, int]
    pending: int  # text units that were never tried
    failed: list[dict[str, str]]
    failed_units: list[FailedUnit]
    stale: list[dict[str, str]]  # files that changed or are gone since they were read
    joined_names: int
    dropped_self_loops: int  # relationships between names that became one entity
    store: str
    namespace: str
    method: str
    chat_model: str
    embedding_model: str
    language: str
    last_run: str
    complete: bool
    schema: SchemaFit | None  # how the graph fits its schema
    corrections: CorrectionState


async def describe(store: GraphStore, *, root: Path, settings: InputSettings) -> Overview:
    """Counts and open ends of the index in `store`. Raises NoIndexError."""
    meta = await store.meta()
    if not meta:
        raise NoIndexError(
            f"nothing is indexed in namespace {store.namespace!r} of {store.url}",
            hint="Run `graphrag index FOLDER` first.",
        )
    wanted = ["id", "source", "content_hash", "status", "error"]
    documents = await store.read("documents", columns=wanted)
    units = await store.read("text_units", columns=["id", "document_id", "ordinal", "evidence_key"])
    evidence = await store.read("evidence", columns=["key", "status", "error", "transient"])
    tried = units.join(evidence, left_on="evidence_key", right_on="key", how="left").with_columns(
        pl.col("status").fill_null("pending")
    )
    unread = documents.filter(pl.col("status") == "failed").sort("source")
    left = cast(list[list[str]], json.loads(meta.get("failures", "[]")))
    failed = [*unread.select("source", "error").rows(), *left]
    by_status = _by_status(tried)
    # It reads files: others that are served meanwhile do not wait for it.
    stale = await asyncio.to_thread(find_stale, documents, meta, root=root, settings=settings)
    return Overview(
        counts=await store.counts(),
        text_units=by_status,
        documents=_by_status(documents),
        pending=by_status.get("pending", 0),
        failed=[{"source": source, "reason": reason} for source, reason in failed],
        failed_units=_failed_units(tried, documents),
        stale=[asdict(one) for one in stale],
        joined_names=int(meta.get("joined_names", "0")),
        dropped_self_loops=int(meta.get("self_loops", "0")),
        store=store.url,
        namespace=store.namespace,
        method=meta.get("method", ""),
        chat_model=meta.get("chat_model", ""),
        embedding_model=meta.get("embedding_model", ""),
        language=meta.get("language", "und"),
        last_run=meta.get("last_run", ""),
        complete=meta.get("incomplete") == "no" and unread.is_empty(),
        schema=read_fit(meta),
        corrections=await asyncio.to_thread(correction_state, root, meta.get("corrections", "[]")),
    )


def _by_status(states: pl.DataFrame) -> dict[str, int]:
    counted = states.group_by("status").len().sort("status")
    return dict(zip(counted["status"], counted["len"], strict=True))


def _failed_units(tried: pl.DataFrame, documents: pl.DataFrame) -> list[FailedUnit]:
    rows = (
        tried.filter(pl.col("status") == "failed")
        .join(documents.select(document_id="id", source="source"), on="document_id")
        .sort("source", "ordinal")
        .select("id", "source", "ordinal", pl.col("error").alias("reason"), "transient")
    )
    return cast(list[FailedUnit], rows.to_dicts())
