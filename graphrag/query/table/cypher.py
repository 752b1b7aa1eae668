"""Write a plan as Cypher that gives the same rows in Neo4j.

The statement is put together from constants alone, as its type says; whatever the plan or the
graph names is a parameter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import LiteralString, cast

import polars as pl

from graphrag.query.table.data import Data
from graphrag.query.table.graph import Graph
from graphrag.query.table.links import bounds
from graphrag.query.table.plan import Condition, Link, Plan
from graphrag.stores.neo4j.cypher import key_prefix
from graphrag.stores.neo4j.rows import attribute_property, metadata_property

_NAMES: tuple[LiteralString, ...] = (
    "$a", "$b", "$c", "$d", "$e", "$f", "$g", "$h", "$i", "$j", "$k", "$l", "$m", "$n", "$o",
    "$p", "$q", "$r", "$s", "$t", "$u", "$v", "$w", "$x", "$y", "$z", "$aa", "$ab", "$ac", "$ad",
    "$ae", "$af", "$ag", "$ah", "$ai", "$aj", "$ak", "$al", "$am", "$an", "$ao", "$ap", "$aq",
    "$ar", "$at", "$au", "$av", "$aw", "$ax", "$ay", "$az", "$ba", "$bb", "$bc", "$bd", "$be",
)  # fmt: skip
_ARROWS: dict[str, tuple[LiteralString, LiteralString]] = {
    "out": ("-[", "]->"),
    "in": ("<-[", "]-"),
    "any": ("-[", "]-"),
}
# In a path over sentences: a text unit, its mention of the one, a sentence, and of the other.
_NEAR: tuple[LiteralString, ...] = ("c", "m", "s", "k")
_FAR: tuple[LiteralString, ...] = ("d", "n", "t", "l")
_COMPARED: dict[str, LiteralString] = {
    "=": " = ", "!=": " <> ", "<": " < ", "<=": " <= ", ">": " > ", ">=": " >= ",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """Cypher with its parameters."""

    text: LiteralString
    parameters: Mapping[str, object]

    def __str__(self) -> str:
        """To paste into Neo4j Browser: JSON is Cypher, too, but for the names of keys."""
        given = ", ".join(f"{name}: {_literal(value)}" for name, value in self.parameters.items())
        return f":param {{{given}}}\n{self.text}"


def statement(plan: Plan, graph: Graph, data: Data, *, namespace: str) -> Statement | None:
    """The plan as Cypher; None where it has more parts than there are names for."""
    writer = _Writer(graph, data, key_prefix(namespace))
    try:
        return Statement(writer.plan(plan), writer.parameters)
    except IndexError:
        return None


def _literal(value: object) -> str:
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return f"{{{', '.join(f'`{key}`: {_literal(item)}' for key, item in items)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, cast('list[object]', value)))}]"
    return json.dumps(value, ensure_ascii=False)


@dataclass(slots=True)
class _Writer:
    graph: Graph
    data: Data
    prefix: str
    parameters: dict[str, object] = field(default_factory=dict[str, object])

    def plan(self, plan: Plan) -> LiteralString:
        if plan.also:
            return self._types(plan)
        found = self._matched(plan, self._spelled(plan.type))
        if plan.group:
            return found + self._grouped(plan)
        return found + self._ranked(plan)

    def _given(self, value: object) -> LiteralString:
        """The name of a parameter with this value."""
        name = _NAMES[len(self.parameters)]
        self.parameters[name[1:]] = value
        return name

    def _spelled(self, type_: str) -> LiteralString:
        return self._given([*self.graph.types[self.graph.type_named(type_)]])

    def _keys(self, name: str, kind: str = "") -> LiteralString:
        return self._given([self.prefix + key for key in self.graph.ids_named(name, kind)])

    def _matched(self, plan: Plan, types: LiteralString) -> LiteralString:
        where: list[LiteralString] = [
            "e.key STARTS WITH " + self._given(self.prefix) + " AND e.type IN " + types
        ]
        if self.data.passing is not None:
            where.append(
                "EXISTS {\n    MATCH (c:__Chunk__)-[:MENTIONS]->(e)\n    WHERE c.document_id IN "
                + self._given([*self.data.passing]) + "\n  }"
            )  # fmt: skip
        if plan.among:
            kind = self.graph.type_named(plan.type)
            ids = [one for name in plan.among for one in self.graph.ids_named(name, kind)]
            where.append("e.key IN " + self._given([self.prefix + one for one in ids]))
        where.extend(self._meets("e", one) for one in plan.conditions if one.of == "attribute")
        for link in plan.links:
            counted = self._count(link)
            where.append(counted + " >= " + self._given(link.at_least))
            if link.at_most is not None:
                where.append(self._count(link) + " <= " + self._given(link.at_most))
        where.extend(self._count(link) + " = 0" for link in plan.without)
        shown = not plan.group or plan.measure in ("sum", "min", "max")
        if plan.attribute and shown and not plan.counted:
            where.append(self._value("e", plan.attribute) + " IS NOT NULL")
        return "MATCH (e:__Entity__)\nWHERE " + _joined("\n  AND ", where)

    def _meets(self, of: LiteralString, one: Condition) -> LiteralString:
        known = self.graph.attribute_named(one.key)
        value = self._value(of, one.key)
        match one.operator:
            case "present":
                return value + " IS NOT NULL"
            case "missing":
                return value + " IS NULL"
            case _:
                pass
        if known.kind in ("text", "boolean") or len(one.values) > 1:
            wanted = self._given([item.lower() for item in one.values])
            equal: LiteralString = "toLower(toString(" + value + ")) IN " + wanted
            return equal if one.operator == "=" else "NOT " + equal
        operator, bound = bounds(one, known.kind)
        if known.kind == "date":
            text: LiteralString = "toString(" + value + ")"
            if operator in ("=", "!="):
                starts: LiteralString = text + " STARTS WITH " + self._given(bound)
                return starts if operator == "=" else "NOT " + starts
            return text + _COMPARED[operator] + self._given(bound)
        return value + _COMPARED[operator] + self._given(bound)

    def _value(self, of: LiteralString, name: str) -> LiteralString:
        """The value that counts: the property holds all; which of several is a parameter."""
        known = self.graph.attribute_named(name)
        stated: LiteralString = of + "[" + self._given(attribute_property(known.name)) + "][0]"
        with_unit = pl.col("number").is_null() & pl.col("unit").is_not_null()
        rows = self.graph.attributes.filter(
            pl.col("name") == known.name, (pl.col("others") > 0) | with_unit
        )
        chosen = {
            self.prefix + one: value if number is None else number
            for one, value, number in rows.select("id", "value", "number").iter_rows()
        }
        if chosen:
            stated = "coalesce(" + self._given(chosen) + "[" + of + ".key], " + stated + ")"
        return "toFloatOrNull(" + stated + ")" if known.kind == "number" else stated

    def _count(self, link: Link) -> LiteralString:
        """How many different others a link leads to from `e`."""
        last: LiteralString = "f" if link.far and link.then else "o"
        if self.graph.by_sentences and not (link.type or link.name):
            last = "s" if link.words else "[c, s]"
        return "COUNT {" + self._path(link) + "\n    RETURN DISTINCT " + last + "\n  }"

    def _path(self, link: Link) -> LiteralString:
        if self.graph.by_sentences:
            path = self._in_sentences(link, "e", "o", _NEAR)
            further = self._in_sentences(link.then, "o", "f", _FAR) if link.then else ""
        else:
            path = self._hop(link, "e", "r", "o")
            further = self._hop(link.then, "o", "t", "f") if link.then else ""
        if link.then and (not self.graph.by_sentences or link.then.type or link.then.name):
            further += " AND f <> e"
        return path + further

    def _hop(
        self, link: Link, start: LiteralString, edge: LiteralString, end: LiteralString
    ) -> LiteralString:
        left, right = _ARROWS[link.direction]
        where: list[LiteralString] = [edge + ".id IS NOT NULL"]
        if link.relation:
            spelled = self.graph.relations[self.graph.relation_named(link.relation)]
            where.append(edge + ".type IN " + self._given([*spelled]))
        where.extend(self._end(link, end))
        if self.data.passing is not None:
            where.append(
                "EXISTS {\n      MATCH (c:__Chunk__)\n      WHERE c.key IN [unit IN "
                + edge + ".text_unit_ids | " + self._given(self.prefix)
                + " + unit] AND c.document_id IN " + self._given([*self.data.passing])
                + "\n    }"
            )  # fmt: skip
        return (
            "\n    MATCH (" + start + ")" + left + edge + right + "(" + end + ":__Entity__)"
            "\n    WHERE " + _joined(" AND ", where)
        )  # fmt: skip

    def _end(self, link: Link, end: LiteralString) -> list[LiteralString]:
        where: list[LiteralString] = []
        if link.type:
            where.append(end + ".type IN " + self._spelled(link.type))
        if link.name:
            where.append(end + ".key IN " + self._keys(link.name, link.type))
        where.extend(self._meets(end, one) for one in link.conditions)
        return where

    def _in_sentences(
        self, link: Link, start: LiteralString, end: LiteralString, names: tuple[LiteralString, ...]
    ) -> LiteralString:
        """The sentences that hold the words were found before; here they are looked up."""
        unit, mention, sentence, other = names
        path: LiteralString
        if link.words:
            said = [
                {"unit": self.prefix + one, "sentence": place}
                for one, place in self.data.said[link.words].iter_rows()
            ]
            path = (
                "\n    UNWIND " + self._given(said) + " AS " + sentence
                + "\n    MATCH (" + unit + ":__Chunk__ {key: " + sentence + ".unit})-["
                + mention + ":MENTIONS]->(" + start + ")"
                "\n    WHERE " + sentence + ".sentence IN " + mention + ".sentences"
            )  # fmt: skip
            place: LiteralString = sentence + ".sentence"
        else:
            path = (
                "\n    MATCH (" + unit + ":__Chunk__)-[" + mention + ":MENTIONS]->(" + start + ")"
                "\n    WHERE true"
            )  # fmt: skip
            place = sentence
        if self.data.passing is not None:
            path += " AND " + unit + ".document_id IN " + self._given([*self.data.passing])
        if not link.words:
            path += "\n    UNWIND " + mention + ".sentences AS " + sentence
        if link.type or link.name:
            where: list[LiteralString] = [
                place + " IN " + other + ".sentences", end + " <> " + start
            ]  # fmt: skip
            where.extend(self._end(link, end))
            path += (
                "\n    MATCH (" + unit + ")-[" + other + ":MENTIONS]->(" + end + ":__Entity__)"
                "\n    WHERE " + _joined(" AND ", where)
            )  # fmt: skip
        return path

    def _ranked(self, plan: Plan) -> LiteralString:
        by: LiteralString = ""
        if plan.counted:
            by = self._count(plan.counted)
        elif plan.attribute:
            by = self._value("e", plan.attribute)
        if not by:
            rows: LiteralString = "\nRETURN e.name AS name\nORDER BY name, e.id"
            limit = plan.limit
            return rows + ("\nLIMIT " + self._given(limit) if limit is not None else "")
        fewest = plan.order == "fewest" or (plan.measure == "min" and not plan.order)
        limit = plan.limit or (1 if plan.measure in ("min", "max") else None)
        ordered: LiteralString = (
            "\nWITH e, " + by + " AS n\nORDER BY n" + ("" if fewest else " DESC") + ", e.name, e.id"
        )
        if limit is None:
            return ordered + "\nRETURN e.name AS name, n"
        if plan.counted and plan.order == "most":
            ordered += "\nWHERE n > 0"
        return ordered + self._cut(limit, "e.name", fewest=fewest)

    def _cut(self, limit: int, name: LiteralString, *, fewest: bool) -> LiteralString:
        """The first `limit` rows, and those that are tied with the last of them."""
        sign: LiteralString = "<=" if fewest else ">="
        return (
            "\nWITH collect([" + name + ", n]) AS rows"
            "\nUNWIND [row IN rows WHERE row[1] " + sign + " coalesce(rows["
            + self._given(limit) + " - 1], rows[-1])[1]] AS row"
            "\nRETURN row[0] AS name, row[1] AS n"
        )  # fmt: skip

    def _types(self, plan: Plan) -> LiteralString:
        names = [self.graph.type_named(name) for name in (plan.type, *plan.also)]
        kinds = [{"name": name, "types": [*self.graph.types[name]]} for name in names]
        order: LiteralString = "n" if plan.order == "fewest" else "n DESC"
        return (
            "UNWIND " + self._given(kinds) + " AS kind\nRETURN kind.name AS key, COUNT {\n  "
            + self._matched(plan, "kind.types") + "\n} AS n\nORDER BY " + order + ", key"
        )  # fmt: skip

    def _grouped(self, plan: Plan) -> LiteralString:
        assert plan.group
        group = plan.group
        key: LiteralString = "key"
        match group.of:
            case "attribute":
                value = self._value("e", group.key)
                text: LiteralString = "toString(v)"
                if self.graph.attribute_named(group.key).kind == "number":
                    text = "toString(CASE WHEN v = floor(v) THEN toInteger(v) ELSE v END)"
                made: LiteralString = (
                    "\nWITH e, " + value + " AS v\nWHERE v IS NOT NULL"
                    "\nWITH DISTINCT e, " + text + " AS key, '' AS of"
                )
            case "metadata":
                made = self._by_metadata(group.key)
            case "link":
                assert group.link
                last: LiteralString = "f" if group.link.far and group.link.then else "o"
                made = (
                    self._path(group.link) + "\nWITH DISTINCT e, " + last + ".name AS key, "
                    + last + ".id AS of"
                )  # fmt: skip
            case "type":
                made = "\nWITH e, e.type AS key, '' AS of"
        counted: LiteralString = "count(DISTINCT e)"
        if plan.measure in ("sum", "min", "max"):
            functions: dict[str, LiteralString] = {"sum": "sum(", "min": "min(", "max": "max("}
            counted = functions[plan.measure] + self._value("e", plan.attribute) + ")"
        order: LiteralString = ""
        if plan.order:
            order = "n, " if plan.order == "fewest" else "n DESC, "
        rows: LiteralString = (
            made + "\nWITH " + key + ", of, " + counted + " AS n\nORDER BY " + order + "key, of"
        )
        if plan.limit is not None and plan.order:
            return rows + self._cut(plan.limit, "key", fewest=plan.order == "fewest")
        return rows + "\nRETURN key, n"

    def _by_metadata(self, name: str) -> LiteralString:
        key = self.graph.key_named(name)
        own = key if key not in self.graph.keys else metadata_property(key)
        where: LiteralString = "key IS NOT NULL"
        if self.data.passing is not None:
            where += " AND d.id IN " + self._given([*self.data.passing])
        return (
            "\nMATCH (d:__Document__)<-[:PART_OF]-(:__Chunk__)-[:MENTIONS]->(e)"
            "\nWITH DISTINCT e, d, toString(d[" + self._given(own) + "]) AS key"
            "\nWHERE " + where + "\nWITH DISTINCT e, key, '' AS of"
        )  # fmt: skip


def _joined(mark: LiteralString, parts: list[LiteralString]) -> LiteralString:
    return mark.join(parts)
