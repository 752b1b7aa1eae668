"""Write a question set with answers and gold from an index, by a chat model.

Local questions come from one text unit, multi-hop ones from two units that a name joins, global
ones from the reports of communities, asked by personas with tasks. A question is kept when its
quotes are found in its units and the critique rates groundedness, relevance and stand-alone sense
high enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Literal, TypeAlias, TypeVar

from pydantic import BaseModel

from graphrag import text as analysis
from graphrag.core.concurrency import Progress, map_ordered
from graphrag.evaluation.generate.material import (
    Community,
    GraphPath,
    Material,
    TextUnit,
    groups_of_reports,
)
from graphrag.evaluation.judge import Asker, Lost
from graphrag.query.answering.citations import check

Kind = Literal["local", "multi-hop", "global"]
KINDS: tuple[Kind, ...] = ("local", "multi-hop", "global")

PERSONAS, TASKS = 4, 4
PERSONA_REPORTS = 12  # whose titles and summaries they are drawn from
TRIES = 3  # candidates that are used up for each question that is wanted, at most
MIN_QUOTE = 5  # words; a shorter quote is widened to its sentence
UNSAFE = "quote not in the text"

Row = dict[str, object]
Candidate = TypeVar("Candidate")
Making: TypeAlias = Coroutine[object, object, Row | str]


class LocalReply(BaseModel):
    context: str
    question: str
    answer: str
    refined_question: str


class PathReply(BaseModel):
    first_context: str
    second_context: str
    question: str
    answer: str
    refined_question: str


class Persona(BaseModel):
    name: str
    description: str
    tasks: list[str]


class PersonasReply(BaseModel):
    personas: list[Persona]


class Assertion(BaseModel):
    statement: str
    finding: int


class GlobalReply(BaseModel):
    question: str
    assertions: list[Assertion]


class Rating(BaseModel):
    reason: str = ""
    score: int


class CritiqueReply(BaseModel):
    groundedness: Rating
    relevance: Rating
    stand_alone: Rating


@dataclass(frozen=True, slots=True)
class Generated:
    """`rows` as they are written; `dropped`: candidates that gave no question, by reason."""

    rows: tuple[Row, ...]
    dropped: Mapping[str, int]


@dataclass(slots=True)
class _Round:
    """What the questions of one kind share."""

    asker: Asker
    min_score: int
    seen: set[str]
    dropped: Counter[str] = field(default_factory=Counter[str])


async def generate(
    material: Material,
    asker: Asker,
    *,
    wanted: Mapping[Kind, int],
    min_score: int,
    limit: int,
    progress: Progress,
) -> Generated:
    """At most `wanted` questions of each kind; `limit` calls at once.

    When the budget is spent, what was made until then. Raises ModelAuthError.
    """
    this = _Round(asker, min_score, set())
    rows: list[Row] = []
    for kind, count in wanted.items():
        if not count:
            continue
        progress.start(f"{kind} questions", count)
        match kind:
            case "local":
                made = await _fill(material.units, count, this, _local, limit=limit)
            case "multi-hop":
                made = await _fill(material.paths, count, this, _over_path, limit=limit)
            case "global":
                made = await _global(material, count, this, limit=limit)
        progress.finish(f"{kind} questions", f"{len(made)} of {count}")
        rows += made
    return Generated(tuple(rows), dict(sorted(this.dropped.items())))


async def _fill(
    candidates: Iterable[Candidate],
    count: int,
    this: _Round,
    make: Callable[[Candidate, _Round], Making],
    *,
    limit: int,
) -> list[Row]:
    """Rows from the candidates in their order, until there are `count` or too many were used."""
    source = islice(candidates, TRIES * count)
    rows: list[Row] = []
    while len(rows) < count and not this.asker.lost["budget"]:
        wave = list(islice(source, count - len(rows)))
        if not wave:
            break
        for made in await map_ordered(wave, lambda one: make(one, this), limit=limit):
            if isinstance(made, str):
                this.dropped[made] += 1
            elif (key := analysis.normalise(str(made["question"]))) in this.seen:
                this.dropped["asked already"] += 1
            else:
                this.seen.add(key)
                rows.append(made)
    return rows


async def _local(unit: TextUnit, this: _Round) -> Row | str:
    reply = await this.asker.ask(
        "local_question", {"title": unit.title, "text": unit.text}, LocalReply
    )
    if isinstance(reply, Lost):
        return reply.why
    question = reply.refined_question.strip() or reply.question.strip()
    if not question or not reply.answer.strip():
        return "no question"
    gold = _quote(reply.context, unit.text)
    if gold is None:
        return UNSAFE
    row: Row = {
        "question": question,
        "answer": reply.answer.strip(),
        "kind": "local",
        "gold_texts": [gold],
        "text_unit_ids": [unit.id],
        "documents": [unit.document],
        "original_question": reply.question.strip(),
    }
    return await _criticised(row, unit.text, reply.answer, this)


async def _over_path(path: GraphPath, this: _Round) -> Row | str:
    values = {
        "path": " - ".join(path.names),
        "first": f"{path.first.title}\n{path.first.text}",
        "second": f"{path.second.title}\n{path.second.text}",
    }
    reply = await this.asker.ask("path_question", values, PathReply)
    if isinstance(reply, Lost):
        return reply.why
    question = reply.refined_question.strip() or reply.question.strip()
    if not question or not reply.answer.strip():
        return "no question"
    golds = [
        _quote(reply.first_context, path.first.text),
        _quote(reply.second_context, path.second.text),
    ]
    if None in golds:
        return UNSAFE
    row: Row = {
        "question": question,
        "answer": reply.answer.strip(),
        "kind": "multi-hop",
        "gold_texts": golds,
        "text_unit_ids": [path.first.id, path.second.id],
        "documents": [path.first.document, path.second.document],
        "path": list(path.names),
        "original_question": reply.question.strip(),
    }
    return await _criticised(row, f"{path.first.text}\n\n{path.second.text}", reply.answer, this)


@dataclass(frozen=True, slots=True)
class _Task:
    persona: Persona
    task: str
    communities: tuple[Community, ...]
    units: Mapping[str, TextUnit]


async def _global(material: Material, count: int, this: _Round, *, limit: int) -> list[Row]:
    communities = material.communities
    reports = "\n".join(f"- {one.title}: {one.summary}" for one in communities[:PERSONA_REPORTS])
    if not communities:
        this.dropped["no reports"] += count
        return []
    values = {"persona_count": str(PERSONAS), "task_count": str(TASKS), "reports": reports}
    reply = await this.asker.ask("personas", values, PersonasReply)
    if isinstance(reply, Lost):
        this.dropped[reply.why] += 1
        return []
    # The first task of each person, then the second of each.
    tasks = [
        (persona, persona.tasks[place])
        for place in range(max((len(one.tasks) for one in reply.personas), default=0))
        for persona in reply.personas
        if place < len(persona.tasks)
    ]
    if not tasks:
        this.dropped["no question"] += 1
        return []
    candidates = (
        _Task(persona, task, group, material.by_id)
        for (persona, task), group in zip(
            cycle(tasks), groups_of_reports(communities), strict=False
        )
    )
    return await _fill(candidates, count, this, _for_task, limit=limit)


async def _for_task(task: _Task, this: _Round) -> Row | str:
    findings = [finding for one in task.communities for finding in one.findings]
    shown = "\n".join(
        f"[{number}] {finding['summary']} {finding['explanation']}"
        for number, finding in enumerate(findings, start=1)
    )
    values = {
        "persona": f"{task.persona.name}: {task.persona.description}",
        "task": task.task,
        "reports": shown,
    }
    reply = await this.asker.ask("global_question", values, GlobalReply)
    if isinstance(reply, Lost):
        return reply.why
    known = [one for one in reply.assertions if 0 < one.finding <= len(findings)]
    if not reply.question.strip() or not known:
        return "no question"
    ids = sorted(
        {
            unit
            for one in known
            for unit in findings[one.finding - 1]["text_unit_ids"][:1]
            if unit in task.units
        }
    )
    if not ids:
        return "no text unit"
    row: Row = {
        "question": reply.question.strip(),
        "kind": "global",
        "assertions": [one.statement.strip() for one in known],
        "gold_texts": [task.units[unit].text for unit in ids],
        "text_unit_ids": ids,
        "documents": sorted({task.units[unit].document for unit in ids}),
        "persona": task.persona.name,
        "task": task.task,
        "communities": [one.id for one in task.communities],
    }
    return await _criticised(row, shown, "\n".join(one.statement for one in known), this)


async def _criticised(row: Row, text: str, answer: str, this: _Round) -> Row | str:
    """The row with its critique, or why it is dropped."""
    reply = await this.asker.ask(
        "critique",
        {"text": text, "question": str(row["question"]), "answer": answer},
        CritiqueReply,
    )
    if isinstance(reply, Lost):
        return reply.why
    ratings = {
        "groundedness": reply.groundedness,
        "relevance": reply.relevance,
        "stand_alone": reply.stand_alone,
    }
    if not all(1 <= rating.score <= 5 for rating in ratings.values()):
        return "malformed"
    low = [name for name, rating in ratings.items() if rating.score < this.min_score]
    if low:
        return f"{low[0]} below {this.min_score}"
    return row | {"critique": {name: rating.model_dump() for name, rating in ratings.items()}}


def _quote(quote: str, text: str) -> str | None:
    """`quote` if `text` says it, widened to its sentence where it is short."""
    words = analysis.words(quote)
    if not check(quote, text):
        return None
    if len(words) >= MIN_QUOTE:
        return quote.strip()
    spans = [text[start:end].strip() for start, end in analysis.sentences(text)]
    return next((span for span in spans if check(quote, span)), quote.strip())
