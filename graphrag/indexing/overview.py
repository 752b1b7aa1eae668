"""A store in, what its index holds and what is left to do out."""

from __future__ import annotations

import json
from typing import TypedDict, cast

import polars as pl

from graphrag.errors import NoIndexError
from graphrag.stores import GraphStore


class Overview(TypedDict):
    counts: dict[str, int]
    text_units: dict[str, int]
    documents: dict[str, int]
    failed: list[dict[str, str]]
    store: str
    namespace: str
    method: str
    chat_model: str
    embedding_model: str
    language: str
    last_run: str
    complete: bool


async def describe(store: GraphStore) -> Overview:
    """Counts and open ends of the index in `store`. Raises NoIndexError."""
    meta = await store.meta()
    if not meta:
        raise NoIndexError(
            f"nothing is indexed in namespace {store.namespace!r} of {store.url}",
            hint="Run `graphrag index FOLDER` first.",
        )
    documents = await store.read("documents", columns=["id", "source", "status", "error"])
    units = await store.read("text_units", columns=["id", "evidence_key"])
    evidence = await store.read("evidence", columns=["key", "status"])
    states = units.join(evidence, left_on="evidence_key", right_on="key", how="left").select(
        pl.col("status").fill_null("pending")
    )
    unread = documents.filter(pl.col("status") == "failed").sort("source")
    left = cast(list[list[str]], json.loads(meta.get("failures", "[]")))
    failed = [*unread.select("source", "error").rows(), *left]
    return Overview(
        counts=await store.counts(),
        text_units=_by_status(states),
        documents=_by_status(documents.select("status")),
        failed=[{"source": source, "reason": reason} for source, reason in failed],
        store=store.url,
        namespace=store.namespace,
        method=meta.get("method", ""),
        chat_model=meta.get("chat_model", ""),
        embedding_model=meta.get("embedding_model", ""),
        language=meta.get("language", "und"),
        last_run=meta.get("last_run", ""),
        complete=meta.get("incomplete") == "no" and unread.is_empty(),
    )


def _by_status(states: pl.DataFrame) -> dict[str, int]:
    counted = states.group_by("status").len().sort("status")
    return dict(zip(counted["status"], counted["len"], strict=True))
