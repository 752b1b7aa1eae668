"""Answer from the text itself, on an index that no model helped to make.

LazyGraphRAG: the question is split into subqueries, text units are ranked by all of them, and a
walk through the communities tests the best units for relevance under one budget (`walk`).
From what passed the model notes claims (map), and the best are put together (reduce). Without a
chat model the test is how many of the question's words stand close together in a unit, and the
answer is made of sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel

from graphrag import prompts
from graphrag.core.errors import ModelError
from graphrag.models.asking import ask_each, raise_if_all_failed, reply_or_error
from graphrag.query.answering.excerpts import coverage
from graphrag.query.answering.writing import Written, write
from graphrag.query.context import (
    Evidence,
    Question,
    Resources,
    Unit,
    load_units,
    one_line,
    pack,
    plain,
    render_history,
)
from graphrag.query.context.words import QuestionWords
from graphrag.query.lazy.claims import note_claims, pack_claims
from graphrag.query.lazy.ranking import place_units, rank_units
from graphrag.query.lazy.walk import Path, Verdict, Walk, walk

NOTHING = "No text unit that was tested helps to answer this question."
MAX_SUBQUERIES = 5
MIN_CANDIDATES = 200
CANDIDATES_A_TEST = 4  # text units that are ranked for each one that may be tested
MIN_WORDS = 0.2  # without a model: share of the question's weight close together in a unit


class SubqueriesReply(BaseModel):
    subqueries: list[str]


class RelevanceReply(BaseModel):
    relevant: bool


@dataclass(frozen=True, slots=True)
class _Found:
    """What the walk found: the units that passed, best first, and where they stand."""

    units: tuple[tuple[Unit, float], ...]
    paths: Mapping[str, Path]
    words: QuestionWords
    subqueries: tuple[str, ...]
    warnings: tuple[str, ...]
    trace: Mapping[str, object]

    def evidence(
        self,
        units: tuple[tuple[Unit, float], ...],
        *,
        trace: Mapping[str, object] | None = None,
        warnings: Sequence[str] = (),
    ) -> Evidence:
        return Evidence(
            units=units,
            words=self.words,
            warnings=(*self.warnings, *warnings),
            trace={**self.trace, **(trace or {})},
        )


async def retrieve(question: Question, resources: Resources) -> Evidence:
    """The text units that passed the test, best first."""
    found = await _search(question, resources)
    settings = resources.settings.query.basic
    k = question.k or settings.k
    return found.evidence(pack(found.units, k=k, max_tokens=settings.max_context_tokens))


async def answer(
    question: Question, resources: Resources, *, on_text: Callable[[str], None] | None = None
) -> tuple[Written, Evidence]:
    """Raises ModelError when no test, or no batch of what passed, could be read."""
    found = await _search(question, resources)
    if not found.units:
        return Written(NOTHING, answered=False), found.evidence(())
    return await _map_reduce(question, resources, found, on_text=on_text)


async def _search(question: Question, resources: Resources) -> _Found:
    budget = resources.settings.query.lazy.budget
    subqueries, warnings = await _split(question, resources)
    ranking = await rank_units(
        question,
        resources,
        subqueries=subqueries,
        k=max(MIN_CANDIDATES, CANDIDATES_A_TEST * budget),
    )
    paths = await place_units(ranking.scores, resources)

    async def test(ids: Sequence[str]) -> Mapping[str, Verdict]:
        units = await load_units(resources.store, ids)
        if resources.models.chat is None:
            return _test_words(units, ranking.words)
        # The question refers to the conversation; its subqueries stand alone.
        asked = [question.text, *(subqueries if question.history else ())]
        return await _test(units, "\n".join(asked), resources)

    walked = await walk(ranking.scores, paths, test, budget=budget)
    warnings += [*ranking.warnings, *_about_tests(walked, resources)]
    passed = [verdict.unit for verdict in walked.verdicts.values() if verdict.relevant]
    passed.sort(key=lambda unit: (-ranking.scores[unit.id], unit.id))
    return _Found(
        tuple((unit, ranking.scores[unit.id]) for unit in passed[: question.k]),
        paths,
        ranking.words,
        tuple(subqueries),
        tuple(warnings),
        {
            "searches": list(ranking.searches),
            "subqueries": list(subqueries),
            "candidates": len(ranking.scores),
            "tests_failed": len(walked.errors),
            **walked.trace,
        },
    )


async def _split(question: Question, resources: Resources) -> tuple[list[str], list[str]]:
    """The subqueries, none without a model, and warnings."""
    if resources.models.chat is None:
        return [], []
    messages = prompts.load("query/lazy_subqueries", root=resources.root).fill(
        {
            "history": render_history(question, turns=resources.settings.query.local.history_turns),
            "question": question.text,
        }
    )
    reply = await reply_or_error(
        resources.models.json(messages, SubqueriesReply, kind="subqueries")
    )
    if isinstance(reply, ModelError):
        return [], [f"the question could not be split into subqueries: {reply}"]
    stripped = (" ".join(text.split()) for text in reply.subqueries)
    return list(dict.fromkeys(filter(None, stripped)))[:MAX_SUBQUERIES], []


def _test_words(units: Mapping[str, Unit], words: QuestionWords) -> dict[str, Verdict]:
    return {key: Verdict(unit, coverage([unit], words) >= MIN_WORDS) for key, unit in units.items()}


async def _test(
    units: Mapping[str, Unit], question: str, resources: Resources
) -> dict[str, Verdict]:
    prompt = prompts.load("query/lazy_relevance", root=resources.root)
    texts = [f"{one_line(unit.title)}\n{plain(unit.text)}" for unit in units.values()]
    replies = await ask_each(
        # One unit a call: its verdict stays in the response cache whatever else is tested.
        [prompt.fill({"question": question, "text": text}) for text in texts],
        lambda messages: resources.models.json(messages, RelevanceReply, kind="relevance"),
        limit=resources.settings.chat.concurrency,
    )
    return {
        unit.id: Verdict(unit, relevant=False, error=reply)
        if isinstance(reply, ModelError)
        else Verdict(unit, reply.relevant)
        for unit, reply in zip(units.values(), replies, strict=True)
    }


def _about_tests(walked: Walk, resources: Resources) -> list[str]:
    """Warnings. Raises ModelError when the model answered no test at all."""
    if resources.models.chat is None:
        return ["no chat model: relevance was tested by the words of the question"]
    verdicts, errors = walked.verdicts, walked.errors
    raise_if_all_failed(
        f"test any of {len(verdicts)} text units for relevance",
        [verdict.error for verdict in verdicts.values()],
    )
    if not errors:
        return []
    failed = f"{len(errors)} of {len(verdicts)} relevance tests failed and count as no"
    return [f"{failed}: {errors[0]}"]


async def _map_reduce(
    question: Question,
    resources: Resources,
    found: _Found,
    *,
    on_text: Callable[[str], None] | None,
) -> tuple[Written, Evidence]:
    everything = found.evidence(found.units)
    numbers = {unit.id: number for number, (unit, _) in enumerate(found.units, start=1)}
    grouped = sorted(found.units, key=lambda pair: (found.paths[pair[0].id], numbers[pair[0].id]))
    notes = await note_claims(
        [(numbers[unit.id], unit) for unit, _ in grouped],
        question="\n".join([question.text, *(found.subqueries if question.history else ())]),
        resources=resources,
    )
    claims, text = await pack_claims(notes.claims, resources)
    evidence = replace(
        everything,
        warnings=(*everything.warnings, *notes.warnings),
        trace={
            **everything.trace,
            "batches": notes.batches,
            "batches_failed": len(notes.warnings),
            "claims": len(notes.claims),
            "claims_read": claims,
        },
    )
    if not claims:
        return Written(NOTHING, answered=False), evidence
    messages = prompts.load("query/global_reduce", root=resources.root).fill(
        {
            "points": text,
            "history": render_history(question, turns=resources.settings.query.local.history_turns),
            "question": question.text,
        }
    )
    pieces = resources.models.stream(messages, kind="reduce")
    return await write(pieces, evidence.sources, on_text=on_text), evidence
