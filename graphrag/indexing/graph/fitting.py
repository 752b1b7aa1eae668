"""Hold the graph to a schema: what does not fit stays in the evidence and is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import polars as pl

from graphrag.core.columns import CO_OCCURS
from graphrag.core.schema import Schema

_LISTED = 20  # types or relations that do not fit, the most frequent ones


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What evidence holds and a strict schema keeps out of the graph."""

    entities: int = 0
    relationships: int = 0
    attributes: int = 0
    types: Mapping[str, int] = field(default_factory=dict[str, int])
    """By type: the entities of it that are out."""
    triples: Mapping[str, int] = field(default_factory=dict[str, int])
    """By triple, as a line: the relationships of it that are out."""


def fit_types(found: pl.DataFrame, schema: Schema, by_words: Mapping[str, str]) -> pl.DataFrame:
    """`found` with the schema's types in place of their aliases.

    `by_words` are the types by entity that words beside the names give; where no model said
    otherwise, they stand. In a strict schema a type that it lacks is null.
    """
    if not schema.types:
        return found
    said = {kind: schema.type_of(kind) for kind in found["type"].drop_nulls().unique().to_list()}
    known = {kind: name for kind, name in said.items() if name is not None}
    type_ = pl.col("type").replace_strict(
        known, default=None if schema.is_strict else pl.col("type"), return_dtype=pl.String
    )
    if not known:
        type_ = pl.lit(None, pl.String) if schema.is_strict else pl.col("type")
    if by_words:
        beside = pl.col("entity").replace_strict(by_words, default=None, return_dtype=pl.String)
        type_ = pl.when(pl.col("rules")).then(pl.coalesce(beside, type_)).otherwise(type_)
    return found.with_columns(type_.alias("type"), pl.col("type").alias("said_type"))


def fit_entities(
    found: pl.DataFrame, schema: Schema, corrected: Mapping[str, str]
) -> tuple[pl.DataFrame, dict[str, str], dict[str, int]]:
    """`found` without what has no type of a strict schema; corrected types; and what is out.

    `corrected` are types by entity that are as they are, if the schema has them.
    """
    if not schema.types:
        return found, dict(corrected), {}
    corrected = {entity: schema.type_of(kind) or kind for entity, kind in corrected.items()}
    if not schema.is_strict:
        return found, corrected, {}
    fits = pl.col("type").is_not_null().any().over("entity")
    if corrected:
        truly = {entity: kind in schema.types for entity, kind in corrected.items()}
        fits = pl.coalesce(
            pl.col("entity").replace_strict(truly, default=None, return_dtype=pl.Boolean), fits
        )
    marked = found.with_columns(fits.alias("fits"))
    out = (
        marked.filter(~pl.col("fits"))
        .with_columns(pl.col("said_type").fill_null("").str.strip_chars().str.to_lowercase())
        .group_by("entity")
        .agg(pl.col("said_type").mode().sort().first())
        .group_by("said_type")
        .len()
        .sort("len", "said_type", descending=[True, False])
    )
    return marked.filter("fits").drop("fits"), corrected, dict(out.iter_rows())


def fit_relationships(
    pairs: pl.DataFrame, types: pl.DataFrame, schema: Schema
) -> tuple[pl.DataFrame, dict[str, int]]:
    """`pairs` without relations that a strict schema does not allow between such types.

    `types` are those of the entities. That two names stand together claims no relation, and stays.
    """
    if not schema.is_strict or not schema.triples:
        return pairs, {}
    typed = pairs.join(
        types.select(source_entity="entity", source_type="type"), on="source_entity"
    ).join(types.select(target_entity="entity", target_type="type"), on="target_entity")
    kinds = ["source_type", "type", "target_type"]
    distinct = typed.select(*kinds).unique().sort(kinds)
    allowed = [
        relation == CO_OCCURS or schema.allows(source or "", relation or "", target or "")
        for source, relation, target in distinct.iter_rows()
    ]
    judged = typed.join(
        distinct.with_columns(pl.Series("allowed", allowed, dtype=pl.Boolean)),
        on=kinds,
        nulls_equal=True,
    )
    out = (
        judged.filter(~pl.col("allowed"))
        .select("source_entity", "target_entity", *kinds)
        .unique()
        .group_by(pl.concat_str(kinds, separator=" → ", ignore_nulls=True).alias("triple"))
        .len()
        .sort("len", "triple", descending=[True, False])
    )
    return judged.filter("allowed").drop("allowed", "source_type", "target_type"), dict(
        out.iter_rows()
    )


def describe_fit(schema: Schema, entities: pl.DataFrame, out: LeftOut) -> dict[str, object]:
    """The schema that the graph was made under, its entities by type (0 is shown), what is out."""
    counted = entities.group_by("type").len().sort("len", "type", descending=[True, False])
    types = dict(counted.iter_rows())
    return {
        "mode": schema.mode,
        "types": types | {name: 0 for name in schema.types if name not in types},
        "left_out": asdict(out),
        "declared": schema.to_dict(),
    }


def left_out(types: Mapping[str, int], triples: Mapping[str, int], attributes: int) -> LeftOut:
    """What is out, with the most frequent types and triples by name."""
    return LeftOut(
        sum(types.values()),
        sum(triples.values()),
        attributes,
        dict(list(types.items())[:_LISTED]),
        dict(list(triples.items())[:_LISTED]),
    )
