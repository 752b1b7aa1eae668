"""Gather what the current units say of each name, and which names may be one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from graphrag.core.schema import Schema
from graphrag.core.settings import ResolutionSettings
from graphrag.indexing.extraction.evidence import CurrentEvidence
from graphrag.indexing.extraction.type_words import bare_names
from graphrag.indexing.resolution.corrections import NO_CORRECTIONS, Corrections, tell_apart
from graphrag.indexing.resolution.pairs import NameProfile, Pair, find_pairs
from graphrag.indexing.resolution.variants import variant

_UNSURE = ("phrase", "hint")
VAGUE_TYPES = ("", "name", "concept")  # types that say nothing


@dataclass(frozen=True, slots=True)
class Names:
    """What the current units say, and which of their names may be one entity."""

    evidence: CurrentEvidence
    profiles: Mapping[str, NameProfile]
    """By normalised name."""
    pairs: Sequence[Pair]
    corrections: Corrections = NO_CORRECTIONS


def read_names(
    evidence: CurrentEvidence,
    settings: ResolutionSettings,
    *,
    corrections: Corrections = NO_CORRECTIONS,
    documents: pl.DataFrame | None = None,
    schema: Schema | None = None,
) -> Names:
    """The names of `evidence` with the pairs that rules find, or leave open.

    `documents` (id, source) is needed where `corrections` split names by document. `schema` tells
    what only says the type of a name: "HMS" in "HMS Agamemnon".
    """
    if schema is not None:
        evidence = replace(evidence, aliases=[*evidence.aliases, *bare_names(evidence, schema)])
    if documents is not None:
        evidence = tell_apart(evidence, corrections, documents)
    profiles = {name.norm: name for name in gather(evidence)}
    if settings.method == "exact":
        return Names(evidence, profiles, (), corrections)
    pairs = find_pairs(profiles.values(), threshold=settings.threshold)
    return Names(evidence, profiles, pairs, corrections)


def gather(evidence: CurrentEvidence) -> list[NameProfile]:
    """What the current evidence says of each normalised name, sorted by it."""
    units = evidence.units.select("text_unit_id", "document_id").with_columns(
        pl.int_range(pl.len()).alias("unit"),
        pl.col("document_id").rank("dense").cast(pl.Int64).alias("document"),
    )
    rows = evidence.entities.select("norm", "name", "type", "kind", "text_unit_id").join(
        units.select("text_unit_id", "unit", "document"), on="text_unit_id"
    )
    spelled = _most_frequent(rows, "name")
    typed = rows.with_columns(pl.col("type").str.to_lowercase()).filter(
        ~pl.col("type").is_in(VAGUE_TYPES)
    )
    named = (
        rows.group_by("norm")
        .agg(
            pl.col("unit").unique(),
            pl.col("document").unique(),
            (~pl.col("kind").is_in(_UNSURE)).fill_null(value=True).any().alias("is_name"),
        )
        .join(spelled, on="norm")
        .join(_most_frequent(typed, "type"), on="norm", how="left")
        .sort("norm")
    )
    return [
        NameProfile(
            norm,
            name,
            kind or "",
            is_name,
            frozenset(units),
            frozenset(documents),
            variant(name, norm),
        )
        for norm, name, kind, is_name, units, documents in named.select(
            "norm", "name", "type", "is_name", "unit", "document"
        ).iter_rows()
    ]


def _most_frequent(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """norm and the value of `column` that most units have, ties by sort order."""
    return (
        rows.group_by("norm", column)
        .agg(pl.col("unit").n_unique().alias("often"))
        .sort("norm", "often", column, descending=[False, True, False])
        .unique("norm", keep="first", maintain_order=True)
        .select("norm", column)
    )
