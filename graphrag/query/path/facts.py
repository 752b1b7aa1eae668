"""Have a model pick the facts that help, and put their text units first.

The fact filter of HippoRAG 2 over sentences: the model sees a few numbered facts of the best units
and names those that help, and what is still missing. What is missing is searched once more, and
the model picks from that too. So one question takes one call or two; where a call fails, the
ranking stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from graphrag import prompts
from graphrag import text as analysis
from graphrag.core.errors import ModelError
from graphrag.models.asking import reply_or_error
from graphrag.query.context import (
    Question,
    Resources,
    Unit,
    estimate_tokens,
    one_line,
    render_history,
)

if TYPE_CHECKING:
    from graphrag.query.context.words import QuestionWords

KIND = "facts"
UNITS = 12  # of which facts are shown in one call
LONGEST_FACT = 400  # characters
NAMES_ANOTHER = 0.25  # of the question's weight, for a sentence that names another unit's title
MAX_MISSING = 3
MAX_MISSING_CHARACTERS = 200
HISTORY_TURNS = 1

Scored = Sequence[tuple[Unit, float]]


class FactsReply(BaseModel):
    facts: list[int] = Field(default_factory=list[int])
    missing: list[str] = Field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Fact:
    unit_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Picked:
    """The facts that the model picked, and what it misses. `shown`: units whose facts it saw."""

    facts: tuple[Fact, ...] = ()
    missing: tuple[str, ...] = ()
    shown: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    trace: Mapping[str, object] = field(default_factory=dict[str, object])


async def pick(
    question: Question, ranked: Scored, resources: Resources, *, words: QuestionWords
) -> Picked:
    """Of the facts of the best units those that help; a failed call is a warning."""
    max_tokens = resources.settings.query.path.fact_tokens
    facts = _facts(ranked[:UNITS], words, max_tokens=max_tokens)
    reply = await reply_or_error(_ask(question, facts, resources))
    if isinstance(reply, ModelError):
        return Picked(warnings=(f"the facts could not be filtered: {reply}",))
    picked, missing = reply
    return Picked(
        tuple(picked),
        tuple(missing),
        frozenset(fact.unit_id for fact in facts),
        trace={"facts": [fact.text for fact in picked], "missing": missing},
    )


async def pick_missing(
    picked: Picked,
    found: Scored,
    question: Question,
    resources: Resources,
    *,
    words: QuestionWords,
) -> Picked:
    """`picked` with those facts of the units `found` that help beside it."""
    left = resources.settings.query.path.fact_tokens - sum(map(_tokens, picked.facts))
    fresh = _facts(found[:UNITS], words, max_tokens=left)
    chosen: list[Fact] = []
    warnings = picked.warnings
    if fresh:
        reply = await reply_or_error(_ask(question, [*picked.facts, *fresh], resources))
        if isinstance(reply, ModelError):
            warnings = (*warnings, f"the facts of the last hop could not be filtered: {reply}")
        else:
            chosen = [fact for fact in reply[0] if fact in fresh]
    return replace(
        picked,
        facts=(*picked.facts, *chosen),
        warnings=warnings,
        trace={**picked.trace, "bridged": [fact.text for fact in chosen]},
    )


def rank_by_facts(ranked: Scored, found: Scored, facts: Sequence[Fact]) -> Scored:
    """The units of `facts`, then the rest of `ranked`; scores are 1 / place where any is picked."""
    if not facts:
        return ranked
    units = {unit.id: unit for unit, _ in (*ranked, *found)}
    order = dict.fromkeys([*(fact.unit_id for fact in facts), *(unit.id for unit, _ in ranked)])
    return [(units[key], round(1 / place, 9)) for place, key in enumerate(order, start=1)]


async def _ask(
    question: Question, facts: Sequence[Fact], resources: Resources
) -> tuple[list[Fact], list[str]]:
    """The facts that the model picks, in their order, and what it names as missing."""
    numbered = "\n".join(f"[{number}] {fact.text}" for number, fact in enumerate(facts, start=1))
    messages = prompts.load("query/path_facts", root=resources.root).fill(
        {
            "facts": numbered,
            "history": render_history(question, turns=HISTORY_TURNS),
            "question": question.text,
        }
    )
    reply = await resources.models.json(messages, FactsReply, kind=KIND)
    numbers = set(reply.facts)
    picked = [fact for number, fact in enumerate(facts, start=1) if number in numbers]
    missing = dict.fromkeys(one_line(name)[:MAX_MISSING_CHARACTERS] for name in reply.missing)
    return picked, [name for name in missing if name][:MAX_MISSING]


def _facts(units: Scored, words: QuestionWords, *, max_tokens: int) -> list[Fact]:
    """Of each unit its first sentence and the one that fits best, while the budget lasts."""
    titles = {analysis.normalise(unit.title): unit.id for unit, _ in units if unit.title.strip()}
    facts: list[Fact] = []
    left = max_tokens
    for unit, _ in units:
        others = [title for title, key in titles.items() if key != unit.id]
        for sentence in _sentences(unit, words, others=others):
            fact = Fact(unit.id, f"{one_line(unit.title)}: {one_line(sentence)[:LONGEST_FACT]}")
            if _tokens(fact) <= left:
                facts.append(fact)
                left -= _tokens(fact)
    return facts


def _sentences(unit: Unit, words: QuestionWords, *, others: Iterable[str]) -> list[str]:
    spans = analysis.sentences(unit.text)
    texts = [unit.text[start:end].strip() for start, end in spans]

    def fit(place: int) -> float:
        spoken = f" {analysis.normalise(texts[place])} "
        linked = any(f" {title} " in spoken for title in others)
        return words.weight(words.found(texts[place], unit.language)) + NAMES_ANOTHER * linked

    best = max(range(1, len(texts)), key=lambda place: (fit(place), -place), default=0)
    return [texts[place] for place in dict.fromkeys((0, best)) if place < len(texts)]


def _tokens(fact: Fact) -> int:
    return estimate_tokens(fact.text) + 2  # its number
