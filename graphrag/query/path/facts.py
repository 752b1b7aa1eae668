"""The units that chains found in; the same ones, those with facts that a model picks first, out.

The fact filter of HippoRAG 2 over sentences: the model sees a few numbered facts of the best units
and names those that help, and what is still missing. What is missing is searched once more, and
the model picks from that too. So one question takes one call or two; where a call fails, the
ranking stays as it was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from graphrag import prompts
from graphrag import text as analysis
from graphrag.core.errors import CostLimitError, ModelAuthError, ModelError
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
Search = Callable[[str], Awaitable[Scored]]


class FactsReply(BaseModel):
    facts: list[int] = Field(default_factory=list[int])
    missing: list[str] = Field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Picked:
    """Scores are 1 / place where the order is new."""

    units: tuple[tuple[Unit, float], ...]
    warnings: tuple[str, ...] = ()
    trace: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class _Fact:
    unit: str
    text: str


async def pick(
    question: Question,
    ranked: Scored,
    resources: Resources,
    *,
    words: QuestionWords,
    search: Search,
) -> Picked:
    """`ranked` with the units first whose facts the model picks, and those that `search` adds."""
    if (
        resources.models.chat is None
        or not resources.settings.query.path.filter_facts
        or not ranked
    ):
        return Picked(tuple(ranked))
    budget = resources.settings.query.path.fact_tokens
    facts = _facts(ranked[:UNITS], words, max_tokens=budget)
    shown = {fact.unit for fact in facts}
    try:
        picked, missing = await _ask(question, facts, resources)
    except (ModelAuthError, CostLimitError):
        raise
    except ModelError as error:
        return Picked(tuple(ranked), (f"the facts could not be filtered: {error}",))
    trace: dict[str, object] = {"facts": [fact.text for fact in picked], "missing": missing}
    units = {unit.id: unit for unit, _ in ranked}
    warnings: list[str] = []
    if missing:
        found = [pair for pair in await search("\n".join(missing)) if pair[0].id not in shown]
        try:
            bridged = await _bridge(question, picked, found, resources, words=words)
        except (ModelAuthError, CostLimitError):
            raise
        except ModelError as error:
            bridged = []
            warnings.append(f"the facts of the last hop could not be filtered: {error}")
        units |= {unit.id: unit for unit, _ in found}
        picked = [*picked, *bridged]
        trace["bridged"] = [fact.text for fact in bridged]
    if not picked:
        return Picked(tuple(ranked), tuple(warnings), trace)
    order = dict.fromkeys([*(fact.unit for fact in picked), *(unit.id for unit, _ in ranked)])
    placed = [(units[key], round(1 / place, 9)) for place, key in enumerate(order, start=1)]
    return Picked(tuple(placed), tuple(warnings), trace)


async def _bridge(
    question: Question,
    picked: Sequence[_Fact],
    found: Scored,
    resources: Resources,
    *,
    words: QuestionWords,
) -> list[_Fact]:
    """The facts of new units that the model picks, beside those that it has picked already."""
    left = resources.settings.query.path.fact_tokens - sum(map(_tokens, picked))
    fresh = _facts(found[:UNITS], words, max_tokens=left)
    if not fresh:
        return []
    chosen, _ = await _ask(question, [*picked, *fresh], resources)
    return [fact for fact in chosen if fact in fresh]


async def _ask(
    question: Question, facts: Sequence[_Fact], resources: Resources
) -> tuple[list[_Fact], list[str]]:
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


def _facts(units: Scored, words: QuestionWords, *, max_tokens: int) -> list[_Fact]:
    """Of each unit its first sentence and the one that fits best, while the budget lasts."""
    titles = {analysis.normalise(unit.title): unit.id for unit, _ in units if unit.title.strip()}
    facts: list[_Fact] = []
    left = max_tokens
    for unit, _ in units:
        others = [title for title, key in titles.items() if key != unit.id]
        for sentence in _sentences(unit, words, others=others):
            fact = _Fact(unit.id, f"{one_line(unit.title)}: {one_line(sentence)[:LONGEST_FACT]}")
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


def _tokens(fact: _Fact) -> int:
    return estimate_tokens(fact.text) + 2  # its number
