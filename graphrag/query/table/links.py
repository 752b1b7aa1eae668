"""Follow a link of a plan, and look up which entities meet a condition."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from graphrag.query.table.data import Data
from graphrag.query.table.graph import Graph, Refusal, is_year
from graphrag.query.table.plan import Condition, Link


def pairs(link: Link, graph: Graph, data: Data) -> pl.DataFrame:
    """`id`, `end`, and what says so: `edges`, or of each hop the `unit` and `sentence`."""
    near = _in_sentences(link, graph, data) if graph.by_sentences else _edges(link, graph, data)
    if link.then is None:
        return near
    if link.far and graph.by_sentences and not (link.then.type or link.then.name):
        raise Refusal("the question does not say what stands at the end of its second relation")
    further = pairs(link.then, graph, data).select(
        pl.col("id").alias("end"),
        pl.col("end").alias("far"),
        pl.exclude("id", "end").name.suffix("_far"),
    )
    joined = near.join(further, on="end").filter(pl.col("far") != pl.col("id"))
    end = pl.col("far") if link.far else pl.col("end")
    said = [pl.col(name).list.concat(f"{name}_far") for name in ("edges", "unit", "sentence")]
    return joined.select("id", end.alias("end"), *said)


def attribute_of(name: str, graph: Graph) -> pl.DataFrame:
    """`id`, `value`, `number`, `unit` of the entities that have it."""
    known = graph.attribute_named(name).name
    return graph.attributes.filter(pl.col("name") == known).drop("name")


def ends_of(link: Link, graph: Graph) -> pl.DataFrame:
    """The entities (`end`) that may be at the other end of a hop."""
    ends = graph.entities.select(pl.col("id").alias("end"), pl.col("kind"))
    if link.type:
        ends = ends.filter(pl.col("kind") == graph.type_named(link.type))
    if link.name:
        ends = ends.filter(pl.col("end").is_in(graph.ids_named(link.name, link.type)))
    for one in link.conditions:
        met = meeting(one, graph, [link.type] if link.type else [*graph.types])
        met = met.rename({"id": "end"})
        how = "anti" if one.operator == "missing" else "semi"
        ends = ends.join(met, on="end", how=how)
    return ends.select("end")


def bounds(one: Condition, kind: str) -> tuple[str, str | float]:
    """Operator and value; a year stands for all its days, so "after 1866" is from 1867 on."""
    value = one.values[0]
    if kind == "number":
        try:
            return one.operator, float(value)
        except ValueError:
            raise Refusal(f"{one.key} is a number, and {value!r} is none") from None
    if is_year(value) and one.operator in (">", "<="):
        return {">": ">=", "<=": "<"}[one.operator], str(int(value) + 1)
    return one.operator, value


def _edges(link: Link, graph: Graph, data: Data) -> pl.DataFrame:
    edges = graph.edges
    if link.relation:
        edges = edges.filter(pl.col("relation") == graph.relation_named(link.relation))
    if data.stated is not None:
        edges = edges.join(data.stated, left_on="id", right_on="edge", how="semi")
    source, target, edge = pl.col("source_id"), pl.col("target_id"), pl.col("id").alias("edge")
    ways = {
        "out": edges.select(source.alias("id"), target.alias("end"), edge),
        "in": edges.select(target.alias("id"), source.alias("end"), edge),
    }
    linked = pl.concat([frame for way, frame in ways.items() if link.direction in ("any", way)])
    return (
        linked.filter(pl.col("id") != pl.col("end"))
        .join(ends_of(link, graph), on="end", how="semi")
        .select(
            "id",
            "end",
            pl.concat_list("edge").alias("edges"),
            pl.lit([], dtype=pl.List(pl.String)).alias("unit"),
            pl.lit([], dtype=pl.List(pl.Int64)).alias("sentence"),
        )
    )


def _in_sentences(link: Link, graph: Graph, data: Data) -> pl.DataFrame:
    """Entities and what stands in one sentence with them."""
    if (link.then or link.conditions) and not (link.type or link.name):
        raise Refusal("the question does not say what stands between its two relations")
    named = data.mentions.explode("sentences").drop_nulls("sentences")
    named = named.rename({"sentences": "sentence"})
    if link.words:
        named = named.join(data.said[link.words], on=["unit", "sentence"], how="semi")
    if link.type or link.name:
        others = named.rename({"id": "end"}).join(ends_of(link, graph), on="end", how="semi")
        named = named.join(others, on=["unit", "sentence"]).filter(pl.col("id") != pl.col("end"))
    else:
        place = pl.format("{}#{}", "unit", "sentence")
        named = named.with_columns(place.alias("end"))
    no_edges = pl.lit([], dtype=pl.List(pl.String)).alias("edges")
    said = [pl.concat_list(name).alias(name) for name in ("unit", "sentence")]
    return named.select("id", "end", no_edges, *said)


def meeting(one: Condition, graph: Graph, kinds: Sequence[str]) -> pl.DataFrame:
    """The ids whose attribute meets the condition; of "missing", those that have it."""
    known = graph.attribute_named(one.key)
    values = attribute_of(one.key, graph)
    if one.operator in ("present", "missing"):
        return values.select("id")
    if not one.values:
        raise Refusal(f"a condition on {one.key!r} has no value")
    if known.kind in ("text", "boolean") or (one.operator in ("=", "!=") and len(one.values) > 1):
        if one.operator not in ("=", "!="):
            raise Refusal(f"{known.name} is {known.kind}: it has no order")
        wanted = [value.lower() for value in one.values]
        equal = pl.col("value").str.to_lowercase().is_in(wanted)
        return values.filter(equal if one.operator == "=" else ~equal).select("id")
    if known.kind == "number":
        check_units(known.name, graph.units_of(known.name, kinds))
    operator, value = bounds(one, known.kind)
    column = pl.col("number") if known.kind == "number" else pl.col("value")
    if known.kind == "date" and operator in ("=", "!="):
        equal = pl.col("value").str.starts_with(str(value))
        return values.filter(equal if operator == "=" else ~equal).select("id")
    compared = {
        "=": column == value, "!=": column != value, "<": column < value,
        "<=": column <= value, ">": column > value, ">=": column >= value,
    }  # fmt: skip
    return values.filter(compared[operator]).select("id")


def check_units(name: str, units: Sequence[str]) -> None:
    """Raises Refusal where the values have several units."""
    if len(units) > 1:
        listed = ", ".join(unit or "none" for unit in units)
        raise Refusal(
            f"the values of {name} have several units: {listed}",
            hint="Declare its unit in schema.yaml and index again.",
        )
