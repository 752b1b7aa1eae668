"""What the live units say in, their names out: what is known of each, and which may be one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from graphrag.core.settings import ResolutionSettings
from graphrag.indexing.extraction.evidence import Live
from graphrag.indexing.resolution.pairs import Known, Pair, find_pairs
from graphrag.indexing.resolution.variants import variant

_UNSURE = ("phrase", "hint", "date")
_UNTOLD = ("", "name", "concept")  # types that say nothing


@dataclass(frozen=True, slots=True)
class Names:
    """What the live units say, and which of their names may be one entity."""

    live: Live
    known: Mapping[str, Known]
    """By normalised name."""
    pairs: Sequence[Pair]


def read_names(live: Live, settings: ResolutionSettings) -> Names:
    """The names of `live` with the pairs that rules find; those they leave open are undecided."""
    known = {name.norm: name for name in gather(live)}
    if settings.method == "exact":
        return Names(live, known, ())
    return Names(live, known, find_pairs(known.values(), threshold=settings.threshold))


def gather(live: Live) -> list[Known]:
    """What the live evidence says of each normalised name, sorted by it."""
    units = live.units.select("text_unit_id", "document_id").with_columns(
        pl.int_range(pl.len()).alias("unit"),
        pl.col("document_id").rank("dense").cast(pl.Int64).alias("document"),
    )
    rows = live.entities.select("norm", "name", "type", "kind", "text_unit_id").join(
        units.select("text_unit_id", "unit", "document"), on="text_unit_id"
    )
    spelled = _most_frequent(rows, "name")
    told = rows.with_columns(pl.col("type").str.to_lowercase()).filter(
        ~pl.col("type").is_in(_UNTOLD)
    )
    named = (
        rows.group_by("norm")
        .agg(
            pl.col("unit").unique(),
            pl.col("document").unique(),
            (~pl.col("kind").is_in(_UNSURE)).fill_null(value=True).any().alias("is_name"),
        )
        .join(spelled, on="norm")
        .join(_most_frequent(told, "type"), on="norm", how="left")
        .sort("norm")
    )
    return [
        Known(
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
