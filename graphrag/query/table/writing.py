"""Word the answer of a table: the number first, then the rows, then what they rest on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from graphrag.core.answers import AnswerTable
from graphrag.query.answering.writing import Written
from graphrag.query.context import one_line
from graphrag.query.table.data import Data
from graphrag.query.table.evidence import Proof
from graphrag.query.table.graph import Graph, Refusal
from graphrag.query.table.plan import Plan
from graphrag.query.table.run import Cell, Result, counted_name

_MARKDOWN = re.compile(r"([\\`*_|<>~])")


@dataclass(frozen=True, slots=True)
class PlanOutcome:
    """What a plan found, and how."""

    plan: Plan
    graph: Graph
    data: Data
    result: Result
    proof: Proof
    notes: tuple[str, ...] = ()


def refused(refusal: Refusal, *more: str) -> Written:
    """That the graph cannot be asked this, and what can be."""
    said = (f"This cannot be asked of this graph: {refusal}.", refusal.hint, *more)
    return Written(" ".join(filter(None, said)), answered=False)


def written(outcome: PlanOutcome) -> Written:
    """The answer in words, its rows with the numbers of their sources."""
    result, proof = outcome.result, outcome.proof
    table = AnswerTable(result.columns, result.rows, proof.numbers, result.total)
    verified = {one.number for one in proof.citations if one.verified}
    parts = [_headline(outcome), _rendered(table), "\n".join(_notes(outcome))]
    return Written(
        "\n\n".join(part for part in parts if part),
        answered=True,
        citations=proof.citations,
        unsupported=tuple(
            _row(row, ())
            for row, numbers in zip(result.rows, proof.numbers, strict=True)
            if not verified.intersection(numbers)
        ),
        table=table,
    )


def _headline(outcome: PlanOutcome) -> str:
    plan, result = outcome.plan, outcome.result
    name = plan.type
    if outcome.data.documents.is_empty():
        return "**None**: no document passes the filters."
    if not outcome.graph.sizes.get(outcome.graph.type_named(name)) and not plan.also:
        return f"**None** in these documents: they name no {_safe(name)}."
    if result.matched.is_empty() and not plan.also:
        return f"**None** in these documents: no {_safe(name)} meets this."
    if not result.rows and plan.counted:
        counted = _safe(counted_name(plan.counted))
        return f"**None** in these documents: no {_safe(name)} has any ({counted}: 0)."
    if not result.rows:
        column = plan.attribute or (plan.group.key if plan.group else "")
        return (
            f"**None** in these documents: no {_safe(name)} has a known value of {_safe(column)}."
        )
    if plan.group:
        return _grouped(plan, result)
    match plan.measure:
        case "sum":
            return f"**{number(result.value)}**: the sum of {_safe(result.columns[1])}."
        case "min" | "max":
            which = "smallest" if plan.measure == "min" else "largest"
            named = _tied(result) or _safe(str(result.rows[0][0]))
            what = f"the {which} {_safe(result.columns[1])}"
            return f"**{number(result.value)}**: {what}, of {named}."
        case "count":
            first = f"**{result.matched.height}** of type {_safe(name)}."
            return f"{first} {_most(plan, result)}".strip()
        case "list":
            if plan.order and (plan.counted or plan.attribute):
                return _most(plan, result)
            return f"**{result.total}** of type {_safe(name)}:"


def _grouped(plan: Plan, result: Result) -> str:
    if plan.also and len(result.rows) == 2:
        (more, n), (less, m) = result.rows if plan.order != "fewest" else result.rows[::-1]
        if n == m:
            return f"As many of type **{_safe(str(more))}** as of type {_safe(str(less))}: {n}."
        than = f"({number(n)}) than of type {_safe(str(less))} ({number(m)})"
        return f"More of type **{_safe(str(more))}** {than}."
    groups = "1 group" if result.total == 1 else f"{result.total} groups"
    first = f"**{groups}** by {_safe(result.columns[0])}, of {result.matched.height} in all."
    return f"{first} {_tie_note(result)}".strip() if plan.order or plan.also else first


def _most(plan: Plan, result: Result) -> str:
    """Which has most, or that several have as many."""
    if not (plan.counted or plan.attribute) or not plan.order or not result.rows:
        return ""
    value = result.rows[0][1]
    what = f"{_safe(counted_name(plan.counted))}: {number(value)}" if plan.counted else (
        f"{_safe(result.columns[1])} {number(value)}"
    )  # fmt: skip
    if plan.limit is not None and plan.limit > 1:
        return f"The first {len(result.rows)}. {_tie_note(result)}".strip()
    which = "Most" if plan.order == "most" else "Fewest"
    return f"{which}: {_tied(result) or _bold(result.rows[0][0])} ({what})."


def _tied(result: Result) -> str:
    """The names of the first rows that have the same value, where there are several."""
    names = [row[0] for row in result.rows if row[1] == result.rows[0][1]]
    if len(names) < 2:
        return ""
    return f"a tie of {len(names)}: {', '.join(_bold(name) for name in names)}"


def _tie_note(result: Result) -> str:
    tie = _tied(result)
    return f"The first is {tie}." if tie else ""


def _notes(outcome: PlanOutcome) -> Iterator[str]:
    plan, result, data = outcome.plan, outcome.result, outcome.data
    if len(result.rows) < result.total:
        yield f"The first {len(result.rows)} of {result.total} rows are shown."
    yield from (f"{note[0].upper()}{note[1:]}." for note in result.notes)
    kinds = [outcome.graph.type_named(name) for name in (plan.type, *plan.also)]
    of_kinds = outcome.graph.entities.filter(pl.col("kind").is_in(kinds)).select("id")
    naming = (
        data.mentions.join(of_kinds, on="id", how="semi")
        .join(data.documents, on="unit")["document"]
        .n_unique()
    )
    names = " or ".join(_safe(name) for name in (plan.type, *plan.also))
    yield f"Rests on {naming} of {data.n_documents} documents: those that name some {names}."
    yield from map(_safe, outcome.notes)
    if outcome.graph.by_sentences:
        counted = "; ".join(dict.fromkeys(_sentence_notes(plan)))
        if counted:
            yield (
                "The relations of this graph have no types: counted is what one sentence names, "
                f"{counted}."
            )


def _sentence_notes(plan: Plan) -> Iterator[str]:
    """Where relations have no types, what was taken for each."""
    pairs = [(plan.type, link) for link in plan.all_links]
    pairs += [(link.name or link.type, link.then) for link in plan.all_links if link.then]
    for start, link in pairs:
        words = ", ".join(f"“{_safe(word)}”" for word in link.words)
        other = link.name or link.type
        ends = f"the {_safe(start)} and {_safe(other)}" if other else f"the {_safe(start)}"
        yield f"{ends} with {words}" if words else ends


def _rendered(table: AnswerTable) -> str:
    if not table.rows:
        return ""
    head = [_safe(name) for name in table.columns]
    lines = [_line([*head, "sources"]), _line(["---"] * (len(head) + 1))]
    lines += (_row(row, numbers) for row, numbers in zip(table.rows, table.citations, strict=True))
    return "\n".join(lines)


def _row(row: Sequence[Cell], numbers: Sequence[int]) -> str:
    sources = " ".join(f"[{number}]" for number in numbers)
    return _line([*(_safe(number(cell)) for cell in row), sources])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def number(value: Cell) -> str:
    """A cell as text: whole numbers without a point."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.10g}"
    return "" if value is None else str(value)


def _bold(name: Cell) -> str:
    return f"**{_safe(str(name))}**"


def _safe(text: str) -> str:
    """Text of a document that cannot be read as Markdown or as a citation."""
    return _MARKDOWN.sub(r"\\\1", one_line(text))
