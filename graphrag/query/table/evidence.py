"""Find for each row of a table the sentences of the documents that it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from graphrag.core.answers import Citation
from graphrag.query.answering.citations import check
from graphrag.query.context import Unit, load_units
from graphrag.query.table.data import Data
from graphrag.query.table.graph import Graph
from graphrag.query.table.links import pairs
from graphrag.query.table.plan import Link, Plan
from graphrag.query.table.run import Result
from graphrag.stores import GraphStore
from graphrag.text import fold, sentences, terms

ENTITIES = 3  # of one row that are cited, where it stands for several
QUOTES = 3  # of one link of one entity
_UNITS = 6  # of one fact that are looked through for the sentence that says it best
_SHORT = 40  # characters; a shorter sentence is cited with what stands beside it


@dataclass(frozen=True, slots=True)
class _Fact:
    """What one citation is to show: names and values in one of these units."""

    units: tuple[str, ...]
    says: tuple[tuple[str, ...], ...]  # of each group one, the first groups above all
    words: tuple[str, ...] = ()
    sentence: int | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """The citations of all rows, by row their numbers, and the units in the order of numbers."""

    citations: tuple[Citation, ...]
    numbers: tuple[tuple[int, ...], ...]
    units: tuple[Unit, ...]


class _Edge(NamedTuple):
    id: str
    source_id: str
    target_id: str
    text_unit_ids: list[str] | None


async def prove(
    plan: Plan, result: Result, graph: Graph, data: Data, store: GraphStore
) -> Proof:  # fmt: skip
    """Each row's facts, looked up in the text units that state them."""
    facts = await _Facts.of(plan, result, graph, data, store)
    by_row = [[fact for one in ids[:ENTITIES] for fact in facts.about(one)] for ids in result.ids]
    wanted = {unit for row in by_row for fact in row for unit in fact.units[:_UNITS]}
    units = await load_units(store, wanted)
    return _cite(by_row, units)


def _cite(by_row: Sequence[Sequence[_Fact]], units: Mapping[str, Unit]) -> Proof:
    numbers: dict[str, int] = {}
    cited: dict[tuple[int, str], Citation] = {}
    rows: list[tuple[int, ...]] = []
    for facts in by_row:
        row: dict[int, None] = {}
        for fact in facts:
            best = _best(fact, units)
            if best is None:
                continue
            unit, quote = best
            number = numbers.setdefault(unit.id, len(numbers) + 1)
            row[number] = None
            verified = check(quote, unit.text)
            cited[number, quote] = Citation(
                number, unit.id, unit.document, unit.title, quote, verified
            )
        rows.append(tuple(row))
    ordered = sorted(cited.items(), key=lambda item: item[0][0])
    return Proof(
        tuple(citation for _, citation in ordered),
        tuple(rows),
        tuple(units[key] for key in numbers),
    )


@dataclass(slots=True)
class _Facts:
    """By entity, what is known of the rows shown: links, attributes, mentions."""

    names: Mapping[str, tuple[str, ...]]
    linked: Mapping[str, list[_Fact]] = field(default_factory=dict[str, list[_Fact]])
    stated: Mapping[str, list[_Fact]] = field(default_factory=dict[str, list[_Fact]])
    mentioned: Mapping[str, _Fact] = field(default_factory=dict[str, _Fact])

    @classmethod
    async def of(
        cls, plan: Plan, result: Result, graph: Graph, data: Data, store: GraphStore
    ) -> _Facts:
        ids = sorted({one for row in result.ids for one in row[:ENTITIES]})
        linked = await _linked(plan, ids, graph, data, store)
        facts = cls(_names([*ids, *_ends(linked)], graph))
        allowed = None if data.passing is None else set(data.documents["unit"])
        facts.linked = {
            one: [_said(row, facts.names, allowed) for row in rows] for one, rows in linked.items()
        }
        facts.stated = _stated(plan, ids, graph, facts.names, allowed)
        facts.mentioned = _mentioned(ids, data, facts.names)
        return facts

    def about(self, one: str) -> list[_Fact]:
        found = [*self.linked.get(one, ()), *self.stated.get(one, ())]
        return found or [self.mentioned[one]] if one in self.mentioned else found


class _Linked(NamedTuple):
    """One fact of a link: its entity, the other ends, and where it stands."""

    id: str
    ends: tuple[str, ...]
    units: tuple[str, ...]
    sentence: int | None
    words: tuple[str, ...]


async def _linked(
    plan: Plan, ids: Sequence[str], graph: Graph, data: Data, store: GraphStore
) -> dict[str, list[_Linked]]:
    """By entity, the first few of what each link of the plan rests on."""
    asked = [*plan.links, *([plan.counted] if plan.counted else [])]
    if plan.group and plan.group.link:
        asked.append(plan.group.link)
    rows: list[tuple[Link, str, list[str], list[str], list[int], str]] = []
    for link in dict.fromkeys(asked):
        found = (
            pairs(link, graph, data)
            .filter(pl.col("id").is_in(ids))
            .sort(
                "id",
                "end",
                *(
                    part
                    for name in ("unit", "sentence")
                    for part in (pl.col(name).list.first(), pl.col(name).list.last())
                ),
            )
            .unique(["id", "end"], keep="first", maintain_order=True)
            .group_by("id", maintain_order=True)
            .head(QUOTES)
        )
        for one, end, edges, units, places in found.select(
            "id", "end", "edges", "unit", "sentence"
        ).iter_rows():
            rows.append((link, one, edges, units, places, end))
    wanted = sorted({edge for _, _, edges, _, _, _ in rows for edge in edges})
    known = (
        {row.id: row for row in await store.rows("relationships", _Edge, where=("id", wanted))}
        if wanted
        else {}
    )
    linked: dict[str, list[_Linked]] = {}
    for link, one, edges, units, places, end in rows:
        words = (*link.words, *link.relation.replace("_", " ").split())
        for unit, place in zip(units, places, strict=True):
            linked.setdefault(one, []).append(_Linked(one, (end,), (unit,), place, words))
        for edge in (known[key] for key in edges if key in known):
            ends = (edge.source_id, edge.target_id)
            units = tuple(edge.text_unit_ids or ())
            linked.setdefault(one, []).append(_Linked(one, ends, units, None, words))
    return linked


def _ends(linked: Mapping[str, Sequence[_Linked]]) -> Iterable[str]:
    return sorted({end for rows in linked.values() for row in rows for end in row.ends})


def _names(ids: Sequence[str], graph: Graph) -> dict[str, tuple[str, ...]]:
    rows = graph.entities.filter(pl.col("id").is_in(ids)).select("id", "name", "aliases")
    return {one: (name, *(aliases or ())) for one, name, aliases in rows.iter_rows()}


def _said(
    row: _Linked, names: Mapping[str, tuple[str, ...]], allowed: set[str] | None
) -> _Fact:  # fmt: skip
    units = tuple(unit for unit in row.units if allowed is None or unit in allowed)
    ends = (row.id, *(end for end in row.ends if end != row.id))
    return _Fact(units, tuple(names[end] for end in ends if end in names), row.words, row.sentence)


def _stated(
    plan: Plan,
    ids: Sequence[str],
    graph: Graph,
    names: Mapping[str, tuple[str, ...]],
    allowed: set[str] | None,
) -> dict[str, list[_Fact]]:
    """What says the values of the attributes that the plan reads."""
    asked = {one.key for one in plan.conditions if one.of == "attribute"} | {plan.attribute}
    if plan.group and plan.group.of == "attribute":
        asked.add(plan.group.key)
    known = {graph.attribute_named(name).name for name in asked if name}
    rows = graph.attributes.filter(pl.col("id").is_in(ids) & pl.col("name").is_in(sorted(known)))
    found: dict[str, list[_Fact]] = {}
    for one, value, units in (
        rows.sort("id", "name").select("id", "value", "text_unit_ids").iter_rows()
    ):
        spoken = (value, value.removesuffix(".0"))
        within = tuple(unit for unit in units or () if allowed is None or unit in allowed)
        found.setdefault(one, []).append(_Fact(within, (names[one], spoken)))
    return found


def _mentioned(
    ids: Sequence[str], data: Data, names: Mapping[str, tuple[str, ...]]
) -> dict[str, _Fact]:
    rows = (
        data.mentions.filter(pl.col("id").is_in(ids))
        .sort(pl.col("sentences").list.len() == 0, "unit")
        .unique("id", keep="first", maintain_order=True)
    )
    return {
        one: _Fact((unit,), (names[one],), (), places[0] if places else None)
        for one, unit, places in rows.select("id", "unit", "sentences").iter_rows()
    }


def _best(fact: _Fact, units: Mapping[str, Unit]) -> tuple[Unit, str] | None:
    """The sentence that says most of the fact, the earliest of equal ones."""
    best: tuple[tuple[int, int], Unit, list[tuple[int, int]], int] | None = None
    for key in fact.units[:_UNITS]:
        unit = units.get(key)
        if unit is None:
            continue
        spans = sentences(unit.text)
        stems = {stem for word in fact.words for stem in terms(word, unit.language)}
        for place, (start, end) in enumerate(spans):
            worth = _worth(unit.text[start:end], fact, stems, unit.language)
            if place == fact.sentence:
                worth = (len(fact.says) + 1, 0)
            if best is None or worth > best[0]:
                best = (worth, unit, spans, place)
    if best is None:
        return None
    _, unit, spans, place = best
    return unit, _quote(unit.text, spans, place)


def _worth(sentence: str, fact: _Fact, stems: set[str], language: str) -> tuple[int, int]:
    plain = fold(sentence.lower()).replace(",", "")
    said = sum(
        any(fold(name.lower()).replace(",", "") in plain for name in names) for names in fact.says
    )
    return said, len(stems.intersection(terms(sentence, language))) if said and stems else 0


def _quote(text: str, spans: Sequence[tuple[int, int]], place: int) -> str:
    """The sentence; a short one, as the row of a table, with those beside it."""
    first = last = place
    while True:
        quote = text[spans[first][0] : spans[last][1]].strip()
        if len(quote) >= _SHORT or (first == 0 and last == len(spans) - 1):
            return quote
        if last + 1 < len(spans):
            last += 1
        else:
            first -= 1
