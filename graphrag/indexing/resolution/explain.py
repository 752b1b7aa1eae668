"""Explain from the store why names are one entity, and which pairs stayed apart.

Joins follow from the current evidence and the kept verdicts alone, so they are made again here
just as the last run made them; no model is called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import polars as pl

from graphrag import prompts
from graphrag.core.errors import NoIndexError
from graphrag.core.schema import Schema
from graphrag.core.settings import Settings
from graphrag.core.tables import stable_id
from graphrag.indexing.extraction.evidence import (
    CurrentEvidence,
    decode_evidence,
    mention_counts,
)
from graphrag.indexing.resolution.corrections import (
    CorrectionNote,
    read_corrections,
    tell_apart,
)
from graphrag.indexing.resolution.names import Names, read_names
from graphrag.indexing.resolution.resolve import Resolution, check_settings, resolve
from graphrag.indexing.resolution.similar_names import read_kept, similar_key
from graphrag.indexing.resolution.verdicts import judged, kept_verdicts, questions, verdict_keys
from graphrag.indexing.run import stored_schema
from graphrag.stores import GraphStore


class Joined(TypedDict):
    """A name that belongs to an entity."""

    name: str
    reason: str
    via: str
    """The name between the two, where they are not linked directly."""
    score: float
    decided_by: str
    """correction, settings, text (the text says so), rule, or the model's name."""
    note: str


class Entity(TypedDict):
    id: str
    name: str
    joined: list[Joined]


class Refused(TypedDict):
    """Two names that came near to a join, and what spoke against it."""

    first: str
    second: str
    reason: str
    score: float
    decided_by: str
    note: str


class Duplicates(TypedDict):
    entities: list[Entity]
    refused: list[Refused]
    joined_names: int
    self_loops: int
    """Relationships that joins turned into loops, and that were dropped."""
    current: bool
    """False when the settings have changed since the index was made."""


async def explain(store: GraphStore, *, settings: Settings, root: Path) -> Duplicates:
    """Every join of the index with its reason, and near misses, likely ones first.

    Raises NoIndexError, SettingsError on contradictory settings.
    """
    check_settings(settings.resolution)
    meta = await _meta(store)
    text_units = await store.read("text_units")
    names = await kept_names(
        store, meta, text_units, settings=settings, root=root, schema=stored_schema(meta)
    )
    resolution = await asyncio.to_thread(
        resolve,
        mention_counts(names.evidence),
        aliases=names.evidence.aliases,
        settings=settings.resolution,
        pairs=names.pairs,
        corrections=names.corrections,
    )
    held = set((await store.read("entities", columns=["id"]))["id"])
    ids = {name: stable_id("entity", norm) for norm, name in resolution.names.items()}
    entities = _entities(resolution, {name: key for name, key in ids.items() if key in held})
    return Duplicates(
        entities=entities,
        refused=_refused(resolution, names, ids, held),
        joined_names=sum(len(entity["joined"]) for entity in entities),
        self_loops=int(meta.get("self_loops", "0")),
        current=held <= set(ids.values()),
    )


async def check_corrections(store: GraphStore, *, root: Path) -> list[CorrectionNote]:
    """What the corrections do not find in the index, and the names that merges make up.

    Raises NoIndexError, SettingsError.
    """
    corrections = read_corrections(root)
    await _meta(store)
    evidence = await _evidence(store, await store.read("text_units"))
    documents = await store.read("documents", columns=["id", "source"])

    def notes() -> list[CorrectionNote]:
        names = set(tell_apart(evidence, corrections, documents).entities["norm"])
        return corrections.notes(evidence, documents, names, new_names=True)

    return await asyncio.to_thread(notes)


async def _meta(store: GraphStore) -> Mapping[str, str]:
    if meta := await store.meta():
        return meta
    raise NoIndexError(
        f"nothing is indexed in namespace {store.namespace!r} of {store.url}",
        hint="Run `graphrag index FOLDER` first.",
    )


async def _evidence(store: GraphStore, text_units: pl.DataFrame) -> CurrentEvidence:
    keys = text_units["evidence_key"].unique().sort().to_list()
    evidence = await store.read("evidence", where=("key", keys))
    return await asyncio.to_thread(decode_evidence, text_units, evidence)


async def kept_names(
    store: GraphStore,
    meta: Mapping[str, str],
    text_units: pl.DataFrame,
    *,
    settings: Settings,
    root: Path,
    schema: Schema | None,
) -> Names:
    """The names of these text units with the decisions that the store keeps."""
    names = await asyncio.to_thread(
        read_names,
        await _evidence(store, text_units),
        settings.resolution,
        corrections=read_corrections(root),
        documents=await store.read("documents", columns=["id", "source"]),
        schema=schema,
    )
    chat, embedder = meta.get("chat_model", ""), meta.get("embedding_model", "")
    if not chat or settings.resolution.method != "auto":
        return names
    near = ()
    if embedder and settings.resolution.embedding_threshold < 1:
        key = similar_key(names.profiles, model=embedder, settings=settings.resolution)
        near = await read_kept(store, key, names.profiles) or ()
    asked = questions(names, near, settings.resolution)
    keyed = verdict_keys(asked, model=chat, prompt=prompts.load("indexing/join", root=root))
    verdicts = await kept_verdicts(store, keyed.values())
    return replace(names, pairs=judged(asked.pairs, keyed, verdicts, model=chat))


def _entities(resolution: Resolution, ids: Mapping[str, str]) -> list[Entity]:
    found: dict[str, Entity] = {}
    rows = resolution.joins.filter(pl.col("canonical").is_in(sorted(ids))).sort(
        "canonical", "alias"
    )
    for alias, name, reason, via, score, decided_by, note in rows.iter_rows():
        entity = found.setdefault(name, Entity(id=ids[name], name=name, joined=[]))
        entity["joined"].append(
            Joined(
                name=alias, reason=reason, via=via, score=score, decided_by=decided_by, note=note
            )
        )
    return list(found.values())


def _refused(
    resolution: Resolution, names: Names, ids: Mapping[str, str], held: set[str]
) -> list[Refused]:
    """Near misses between entities that are in the graph."""
    key_of = {
        profile.spelling: ids[resolution.names[resolution.canonical[norm]]]
        for norm, profile in names.profiles.items()
    }
    return [
        Refused(first=first, second=second, reason=reason, score=score, decided_by=by, note=note)
        for first, second, reason, score, by, note in resolution.refused.iter_rows()
        if key_of.get(first) in held and key_of.get(second) in held
    ]
