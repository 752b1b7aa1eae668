"""Run a plan over the tables of a graph: which entities, how many, in which order.

Pure polars, the same for every store. What counts as one is an entity; a link counts distinct
entities at its other end, or distinct sentences where sentences are asked and no type is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from graphrag.query.table.data import Data
from graphrag.query.table.graph import Graph, Refusal
from graphrag.query.table.links import attribute_of, check_units, meeting, pairs
from graphrag.query.table.plan import Link, Plan

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Result:
    """The rows that a plan gives, the first `shown` of `total`.

    `ids`: of each row, the entities that it stands for. `matched`: all entities that were
    counted.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    ids: tuple[tuple[str, ...], ...]
    total: int
    matched: pl.DataFrame
    value: int | float | None
    notes: tuple[str, ...] = ()


def run(plan: Plan, graph: Graph, data: Data, *, most_rows: int) -> Result:
    """Raises Refusal on what the graph lacks and on a sum over mixed units."""
    if plan.measure in ("sum", "min", "max") and (plan.counted or not plan.attribute):
        raise Refusal(f"the question does not say of which attribute the {plan.measure} is asked")
    check_known(plan, graph)
    matched, notes = _matched(plan, graph, data)
    table = _grouped if plan.group else _ranked
    result = table(plan, graph, data, matched, most_rows=most_rows)
    return replace(result, notes=tuple(dict.fromkeys((*notes, *result.notes))))


def check_known(plan: Plan, graph: Graph) -> None:
    """Raises Refusal where no entity of a type has a value of what is asked of it."""
    asked = [(plan.type, one.key) for one in plan.conditions
             if one.of == "attribute" and one.operator != "missing"]  # fmt: skip
    asked += [(plan.type, plan.attribute)] if plan.attribute else []
    if plan.group and plan.group.of == "attribute":
        asked.append((plan.type, plan.group.key))
    asked += [(hop.type, one.key) for hop in plan.all_hops if hop.type
              for one in hop.conditions if one.operator != "missing"]  # fmt: skip
    for type_, name in asked:
        known = graph.attribute_named(name).name
        kinds = {graph.type_named(type_)}
        if type_ == plan.type:
            kinds |= {graph.type_named(other) for other in plan.also}
        of_kinds = graph.entities.filter(pl.col("kind").is_in(sorted(kinds)))
        if of_kinds.height and of_kinds.join(attribute_of(known, graph), on="id").is_empty():
            raise Refusal(
                f"no {type_} has a known value of {known!r}",
                hint="Attributes are read by a chat model when documents are indexed"
                + ("." if graph.attributes.height else ", and this graph has none."),
            )


def _matched(plan: Plan, graph: Graph, data: Data) -> tuple[pl.DataFrame, list[str]]:
    """The entities (`id`, `name`, `kind`) that meet the plan, and of how many that is known."""
    notes: list[str] = []
    kinds = [graph.type_named(name) for name in (plan.type, *plan.also)]
    found = graph.entities.filter(pl.col("kind").is_in(kinds)).select("id", "name", "kind")
    if data.passing is not None:
        found = found.join(data.mentions, on="id", how="semi")
    if plan.among:
        ids = [one for name in plan.among for one in graph.ids_named(name, kinds[0])]
        found = found.filter(pl.col("id").is_in(ids))
    every = found
    for one in plan.conditions:
        if one.of == "attribute":
            if one.operator not in ("present", "missing"):
                values = attribute_of(one.key, graph)
                n, name = every.join(values, on="id", how="semi").height, one.key
                notes.append(f"{n} of {every.height} have a known {name}")
            how = "anti" if one.operator == "missing" else "semi"
            found = found.join(meeting(one, graph, kinds), on="id", how=how)
    for link in plan.links:
        n = pl.col("n").fill_null(0)
        enough = (n >= link.at_least) if link.at_most is None else n.is_between(
            link.at_least, link.at_most
        )  # fmt: skip
        found = found.join(_counts(link, graph, data), on="id", how="left").filter(enough)
        found = found.drop("n")
    for link in plan.without:
        found = found.join(pairs(link, graph, data), on="id", how="anti")
    return found.sort("name", "id"), notes


def _counts(link: Link, graph: Graph, data: Data) -> pl.DataFrame:
    linked = pairs(link, graph, data)
    return linked.group_by("id").agg(pl.col("end").n_unique().cast(pl.Int64).alias("n"))


def header(name: str, units: Sequence[str]) -> str:
    """The column's name: the attribute with its unit."""
    return f"{name} ({units[0]})" if len(units) == 1 and units[0] else name


def _ranked(
    plan: Plan, graph: Graph, data: Data, matched: pl.DataFrame, *, most_rows: int
) -> Result:
    """One row for each entity, by what is counted, by an attribute, or by name."""
    notes: list[str] = []
    columns, rows, by = [plan.type], matched, ""
    value: int | float | None = matched.height
    if plan.counted:
        rows = rows.join(_counts(plan.counted, graph, data), on="id", how="left")
        rows = rows.with_columns(pl.col("n").fill_null(0))
        columns.append(counted_name(plan.counted))
        by = "n"
    elif plan.attribute:
        rows, value, name = _measured(plan, graph, rows, notes)
        columns.append(name)
        by = "measure"
    order = plan.order or {"max": "most", "min": "fewest"}.get(plan.measure, "")
    if by:
        rows = rows.sort(by, "name", "id", descending=[order != "fewest", False, False])
    limit = plan.limit or (1 if plan.measure in ("min", "max") else None)
    if plan.counted and order == "most" and limit is not None:
        rows = rows.filter(pl.col("n") > 0)  # who has none cannot have most
    total = rows.height
    if limit is not None and by and total > limit:
        last = rows[by][limit - 1]
        rows = rows.filter(pl.col(by) <= last if order == "fewest" else pl.col(by) >= last)
    elif limit is not None:
        rows = rows.head(limit)
    if plan.measure in ("min", "max"):
        value = rows[by][0] if rows.height else None
    shown = rows.head(most_rows)
    cells = shown.select("name", *([by] if by else []))
    return Result(
        tuple(columns),
        tuple(cells.iter_rows()),
        tuple((one,) for one in shown["id"]),
        total if limit is None else rows.height,
        matched,
        value,
        tuple(notes),
    )


def _measured(
    plan: Plan, graph: Graph, rows: pl.DataFrame, notes: list[str]
) -> tuple[pl.DataFrame, int | float | None, str]:
    """The rows that have the attribute, with its `measure`; their number or sum; the header."""
    known = graph.attribute_named(plan.attribute)
    all_rows = rows.height
    rows = rows.join(attribute_of(plan.attribute, graph), on="id")
    units = rows["unit"].fill_null("").unique().sort().to_list()
    if known.kind == "number":
        rows = rows.drop_nulls("number")
        units = rows["unit"].fill_null("").unique().sort().to_list()
        check_units(known.name, units)
    elif plan.measure == "sum" or (known.kind != "date" and plan.measure in ("min", "max")):
        raise Refusal(f"{known.name} is {known.kind}: {plan.measure} cannot be asked of it")
    column = "number" if known.kind == "number" else "value"
    notes.append(f"{rows.height} of {all_rows} have a known {known.name}")
    several = rows.filter(pl.col("others") > 0).height
    if several:
        notes.append(
            f"{several} have several values of {known.name}; the one most often stated counts"
        )
    total = _whole(float(rows["number"].sort().sum())) if plan.measure == "sum" else rows.height
    measure = pl.col(column).alias("measure")
    return rows.select("id", "name", "kind", measure), total, header(known.name, units)


def _whole(number: float) -> int | float:
    rounded = round(number, 9)
    return int(rounded) if rounded.is_integer() else rounded


def counted_name(link: Link) -> str:
    """What a column of counts is called."""
    last = link.then if link.far and link.then else link
    return last.type or last.name or last.relation or "sentences"


def _grouped(
    plan: Plan, graph: Graph, data: Data, matched: pl.DataFrame, *, most_rows: int
) -> Result:
    """One row for each value of the group, with how many of the entities it has, or their sum."""
    group = plan.group
    assert group is not None
    keyed, name = _keyed(plan, graph, data, matched)
    notes: list[str] = []
    keyless = matched.join(keyed, on="id", how="anti").height
    if keyless:
        notes.append(f"{keyless} of {matched.height} have no {name}")
    if keyed.n_unique("id") < keyed.height:
        notes.append(f"one with several of {name} counts in each")
    measured = plan.measure in ("sum", "min", "max")
    if measured:
        keyed, measure = _measured_groups(plan, graph, keyed, notes)
        value = pl.col("measure")
        cell = {"sum": value.sort().sum(), "min": value.min(), "max": value.max()}[plan.measure]
        columns = (name, f"{plan.measure} of {measure}")
    else:
        cell = pl.col("id").n_unique().cast(pl.Int64)
        columns = (name, "number" if plan.also else plan.type)
    rows = keyed.group_by("key", "of").agg(cell.alias("n"), pl.col("id").unique().sort())
    if plan.also:
        every = pl.DataFrame(
            {"key": [graph.type_named(one) for one in (plan.type, *plan.also)]}
        ).with_columns(pl.col("key").alias("of"))
        rows = every.join(rows, on=["key", "of"], how="left").with_columns(
            pl.col("n").fill_null(0), pl.col("id").fill_null([])
        )
    rows = _ordered(plan, rows)
    shown = rows.head(most_rows)
    return Result(
        columns,
        tuple(shown.select("key", "n").iter_rows()),
        tuple(tuple(ids) for ids in shown["id"]),
        rows.height,
        matched,
        matched.height,
        tuple(notes),
    )


def _ordered(plan: Plan, rows: pl.DataFrame) -> pl.DataFrame:
    """The groups in the plan's order, up to its limit and what is tied there."""
    if not plan.order and not plan.also:
        return rows.sort("key", "of")
    rows = rows.sort("n", "key", "of", descending=[plan.order != "fewest", False, False])
    if plan.limit is None or plan.also or rows.height <= plan.limit:
        return rows
    last = rows["n"][plan.limit - 1]
    return rows.filter(pl.col("n") <= last if plan.order == "fewest" else pl.col("n") >= last)


def _measured_groups(
    plan: Plan, graph: Graph, keyed: pl.DataFrame, notes: list[str]
) -> tuple[pl.DataFrame, str]:
    distinct = keyed.unique("id").with_columns(pl.lit("").alias("name"), pl.lit("").alias("kind"))
    measured, _, name = _measured(plan, graph, distinct.select("id", "name", "kind"), notes)
    return keyed.join(measured.select("id", "measure"), on="id"), name


def _keyed(plan: Plan, graph: Graph, data: Data, matched: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """`id`, `key` as it is shown, `of`: what tells apart keys that look the same; the column."""
    group = plan.group
    assert group is not None
    match group.of:
        case "type":
            keyed, name = matched.select("id", pl.col("kind").alias("key")), "type"
        case "attribute":
            known = graph.attribute_named(group.key)
            name, key = known.name, pl.col("value")
            if known.kind == "number":
                n = pl.col("number")
                whole = pl.when(n == n.floor()).then(n.cast(pl.Int64, strict=False))
                key = pl.coalesce(whole.cast(pl.String), n.cast(pl.String))
            keyed = matched.join(attribute_of(group.key, graph), on="id")
            keyed = keyed.select("id", key.alias("key")).drop_nulls("key")
        case "metadata":
            assert data.groups is not None
            name = graph.key_named(group.key)
            keyed = (
                matched.join(data.mentions, on="id")
                .join(data.documents, on="unit")
                .join(data.groups, on="document")
                .select("id", "key")
            )
        case "link":
            assert group.link is not None
            name = counted_name(group.link)
            linked = pairs(group.link, graph, data).select("id", pl.col("end").alias("of"))
            names = graph.entities.select(pl.col("id").alias("of"), pl.col("name").alias("key"))
            keyed = matched.join(linked, on="id").join(names, on="of")
            return keyed.select("id", "key", "of").unique().sort("of", "id"), name
    return keyed.with_columns(pl.col("key").alias("of")).unique().sort("key", "id"), name
