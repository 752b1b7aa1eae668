"""Read what a graph can be asked of: types, relations, attributes, metadata keys and names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import polars as pl

from graphrag.core.concurrency import together
from graphrag.core.schema import Schema
from graphrag.core.tables import CO_OCCURS, stable_id
from graphrag.query.context.rows import DocumentKeys, metadata_keys
from graphrag.stores import GraphStore
from graphrag.text import normalise

AttributeKind: TypeAlias = Literal["text", "number", "date", "boolean"]

OWN_KEYS = ("language", "source", "title")  # of documents, beside their metadata
_ENTITIES = ("id", "name", "type", "aliases", "attributes")
_EDGES = ("id", "source_id", "target_id", "type")
_VALUES = pl.List(
    pl.Struct(
        {
            "name": pl.String,
            "value": pl.String,
            "unit": pl.String,
            "text_unit_ids": pl.List(pl.String),
        }
    )
)
_DATE = r"^\d{4}(-\d\d(-\d\d)?)?$"
_LISTED = 8  # names of one kind in an error


class Refusal(Exception):  # noqa: N818 - it is an answer, no failure
    """The graph cannot be asked this: why, and what to do about it."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Attribute:
    """What entities of `types` are known to have. `units`: those of its values, if any."""

    name: str
    kind: AttributeKind
    types: tuple[str, ...]
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """The graph's tables, and by which words they are asked; a type's words are its own group.

    `entities` has the `kind` of each: the name under which spellings of one type go together;
    `edges` likewise a `relation`. `attributes` holds one value of each entity and name, the one
    that most text units state.
    """

    entities: pl.DataFrame
    edges: pl.DataFrame
    attributes: pl.DataFrame
    types: Mapping[str, tuple[str, ...]]  # as the graph spells them
    sizes: Mapping[str, int]
    relations: Mapping[str, tuple[str, ...]]
    triples: frozenset[tuple[str, str, str]]
    has: Mapping[str, Attribute]
    keys: tuple[str, ...]
    schema: Schema

    @property
    def by_sentences(self) -> bool:
        """Whether relations have no types here, so that sentences are asked instead."""
        return not self.relations

    def type_named(self, name: str) -> str:
        """Raises Refusal, which says what types there are."""
        known = self.schema.type_of(name)
        if known:
            return known
        return _named(name, self.types, "type", self.list_types())

    def relation_named(self, name: str) -> str:
        return _named(name, self.relations, "relation", _listed(self.relations))

    def attribute_named(self, name: str) -> Attribute:
        return self.has[_named(name, self.has, "attribute", _listed(self.has))]

    def units_of(self, name: str, kinds: Iterable[str]) -> tuple[str, ...]:
        """Of the values that entities of `kinds` have; "" is none beside others."""
        of_kinds = self.entities.filter(pl.col("kind").is_in(list(kinds))).select("id")
        stated = self.attributes.filter(pl.col("name") == name).join(of_kinds, on="id", how="semi")
        return tuple(stated["unit"].fill_null("").unique().sort())

    def key_named(self, name: str) -> str:
        known = dict.fromkeys((*self.keys, *OWN_KEYS), ())
        return _named(name.removeprefix("doc."), known, "metadata key", _listed(known))

    def ids_named(self, name: str, kind: str = "") -> list[str]:
        """Entities called so, by name or alias, of this type if one is given."""
        lower = name.lower()
        found = self.entities.filter(
            (pl.col("name").str.to_lowercase() == lower)
            | (pl.col("id") == stable_id("entity", normalise(name)))
            | pl.col("aliases").list.eval(pl.element().str.to_lowercase()).list.contains(lower)
        )
        if kind:
            found = found.filter(pl.col("kind") == kind)
        if found.is_empty():
            raise Refusal(f"the graph names no {kind or 'entity'} {name!r}")
        return sorted(found["id"].to_list())

    def list_types(self) -> str:
        """The types with their sizes, the largest first."""
        ranked = sorted(self.sizes.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{name} ({size})" for name, size in ranked[:_LISTED])
        return shown + (", …" if len(ranked) > _LISTED else "")


async def load(store: GraphStore, schema: Schema) -> Graph:
    """What the index of `store` can be asked."""
    async with together() as tasks:
        read = tasks.create_task(store.read("entities", columns=_ENTITIES))
        related = tasks.create_task(store.read("relationships", columns=_EDGES))
        documents = tasks.create_task(store.rows("documents", DocumentKeys))
    found = read.result()
    types = _grouped(found["type"], schema)
    entities = found.select(
        "id", "name", "aliases", _renamed("type", types).alias("kind"), "attributes"
    )
    edges, relations = _edges(related.result())
    attributes = _attributes(entities)
    sizes = dict(entities.drop_nulls("kind").group_by("kind").len().iter_rows())
    declared = dict.fromkeys(schema.types if schema else {}, ())
    return Graph(
        _with_short_names(entities.drop("attributes"), schema),
        edges,
        attributes,
        {**declared, **types},
        {name: int(sizes.get(name, 0)) for name in {**declared, **types}},
        relations,
        _triples(entities, edges, schema),
        _kinds(attributes, entities, schema),
        tuple(sorted(metadata_keys(documents.result()))),
        schema,
    )


def _with_short_names(entities: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """With "Brenn" among the aliases of the river "River Brenn", if nothing else is called so."""
    called = [
        (word.lower(), kind)
        for kind, declared in schema.types.items()
        for word in (kind, *declared.aliases)
    ]
    words = pl.DataFrame(called, schema={"word": pl.String, "kind": pl.String}, orient="row")
    split = pl.col("name").str.splitn(" ", 2).struct
    before = entities.select("id", "kind", word=split.field("field_0"), rest=split.field("field_1"))
    behind = entities.select(
        "id",
        "kind",
        word=pl.col("name").str.extract(r" (\S+)$"),
        rest=pl.col("name").str.extract(r"^(.+) \S+$"),
    )
    short = (
        pl.concat([before, behind])
        .with_columns(pl.col("word").str.to_lowercase())
        .join(words, on=["word", "kind"], how="semi")
        .select("id", "rest")
        .drop_nulls()
        .unique()
    )
    names = pl.concat([entities["name"], entities["aliases"].explode()]).drop_nulls()
    free = short.filter(
        ~pl.col("rest").is_in(names.implode()), pl.len().over("rest") == 1, pl.len().over("id") == 1
    )
    return (
        entities.join(free, on="id", how="left", maintain_order="left")
        .with_columns(
            pl.col("aliases").fill_null([]).list.concat(pl.concat_list("rest").list.drop_nulls())
        )
        .drop("rest")
    )


def _edges(read: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, tuple[str, ...]]]:
    typed = read["type"].set(read["type"] == CO_OCCURS, None)
    relations = _grouped(typed, Schema())
    return (
        read.select("id", "source_id", "target_id", _renamed("type", relations).alias("relation")),
        relations,
    )


def _grouped(spelled: pl.Series, schema: Schema) -> dict[str, tuple[str, ...]]:
    """By the commonest spelling, or the schema's, all spellings of one type."""
    counts = spelled.drop_nulls().value_counts(name="count").sort("count", spelled.name)
    groups: dict[str, list[str]] = {}
    for raw in reversed(counts[spelled.name].to_list()):
        if raw.strip():
            key = schema.type_of(raw) or normalise(raw.replace("_", " "))
            groups.setdefault(key, []).append(raw)
    return {
        key if key in schema.types else raws[0]: tuple(sorted(raws))
        for key, raws in sorted(groups.items())
    }


def _renamed(column: str, groups: Mapping[str, Sequence[str]]) -> pl.Expr:
    names = {raw: name for name, raws in groups.items() for raw in raws}
    return pl.col(column).replace_strict(
        [*names], [*names.values()], default=None, return_dtype=pl.String
    )


def _attributes(entities: pl.DataFrame) -> pl.DataFrame:
    """`id`, `name`, `value`, `number`, `unit`, `text_unit_ids`, `others`: further values it has."""
    stated = (
        entities.filter(pl.col("attributes").str.len_bytes() > len("[]"))
        .select("id", pl.col("attributes").str.json_decode(_VALUES))
        .explode("attributes")
        .unnest("attributes")
        .drop_nulls("value")
    )
    often = pl.col("text_unit_ids").list.len().cast(pl.Int64)
    return (
        stated.with_columns(
            often.alias("often"),
            _finite(pl.col("value").cast(pl.Float64, strict=False)).alias("number"),
            (pl.len().over("id", "name") - 1).alias("others"),
        )
        .sort(
            "id",
            "name",
            "often",
            "value",
            "unit",
            descending=[False, False, True, False, False],
            nulls_last=False,
        )
        .unique(["id", "name"], keep="first", maintain_order=True)
        .drop("often")
    )


def _finite(number: pl.Expr) -> pl.Expr:
    return pl.when(number.is_finite()).then(number)


def _kinds(
    attributes: pl.DataFrame, entities: pl.DataFrame, schema: Schema
) -> dict[str, Attribute]:
    """By name: as the schema declares it, else as its values look."""
    value = pl.col("value")
    looks = (
        attributes.join(entities.select("id", "kind"), on="id")
        .group_by("name")
        .agg(
            pl.col("number").is_not_null().all().alias("number"),
            value.str.contains(_DATE).all().alias("date"),
            value.is_in(["true", "false"]).all().alias("boolean"),
            pl.col("kind").drop_nulls().unique().sort().alias("types"),
            pl.col("unit").drop_nulls().unique().sort().alias("units"),
        )
        .sort("name")
    )
    found: dict[str, Attribute] = {}
    for name, number, date, boolean, types, units in looks.iter_rows():
        kind: AttributeKind = (
            "number" if number else "date" if date else "boolean" if boolean else "text"
        )
        found[name] = Attribute(name, kind, tuple(types), tuple(units))
    for of, declared in schema.types.items():
        for name, one in declared.attributes.items():
            known = found.get(name)
            units = known.units if known else ((one.unit,) if one.unit else ())
            types = tuple(sorted({of, *(known.types if known else ())}))
            found[name] = Attribute(name, one.type, types, units)
    return found


def _triples(
    entities: pl.DataFrame, edges: pl.DataFrame, schema: Schema
) -> frozenset[tuple[str, str, str]]:
    """Which relation leads from which type to which, as observed and as declared."""
    kind = entities.select("id", "kind")
    seen = (
        edges.drop_nulls("relation")
        .join(kind.rename({"id": "source_id", "kind": "source"}), on="source_id")
        .join(kind.rename({"id": "target_id", "kind": "target"}), on="target_id")
        .select("source", "relation", "target")
        .drop_nulls()
        .unique()
    )
    declared = {(one.source, one.relation, one.target) for one in schema.triples}
    return frozenset({*cast("Iterable[tuple[str, str, str]]", seen.iter_rows()), *declared})


def _named(name: str, known: Mapping[str, object], what: str, there: str) -> str:
    if name in known:
        return name
    wanted = normalise(name.replace("_", " "))
    for one in known:
        if normalise(one.replace("_", " ")) == wanted:
            return one
    raise Refusal(
        f"the graph has no {what} {name!r}",
        hint=f"There are: {there}." if there else f"It has no {what}s at all.",
    )


def _listed(names: Iterable[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:_LISTED]) + (", …" if len(shown) > _LISTED else "")


def is_year(text: str) -> bool:
    return re.fullmatch(r"\d{4}", text) is not None
