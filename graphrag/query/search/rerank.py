"""Rerank text units by an endpoint or by a chat model.

endpoint: a model made for it, behind a Cohere-shaped `/rerank`. listwise: the chat model orders
them in one call. pairwise: the chat model compares each pair of the first few, and strengths
that explain the outcomes best (Bradley and Terry 1952) order them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from pydantic import BaseModel

from graphrag import prompts
from graphrag.core.concurrency import map_ordered
from graphrag.core.errors import ModelError
from graphrag.models.asking import reply_or_error
from graphrag.query.context import Question, Resources, Unit, one_line, plain

MOST = 1000  # documents that rerank servers take in one call
PAIRWISE = 8  # units of which every pair is compared: 28 calls
PASSAGE_TOKENS = 400  # of a unit that a chat model reads to rank it
ROUNDS = 50
PRIOR = 0.5  # draws of each unit against one of strength 1, so that no strength is 0 or infinite

Scored = Sequence[tuple[Unit, float]]


class RankingReply(BaseModel):
    ranking: list[int]


@dataclass(frozen=True, slots=True)
class Reranked:
    """Scores are 1 / place where the order is new."""

    units: tuple[tuple[Unit, float], ...]
    warnings: tuple[str, ...] = ()
    trace: Mapping[str, object] = field(default_factory=dict[str, object])


async def rerank(question: Question, ranked: Scored, resources: Resources) -> Reranked:
    """`ranked` as `rerank.method` orders it; as it was when that fails, with a warning."""
    settings = resources.settings.rerank
    if settings.method == "none" or len(ranked) < 2:
        return Reranked(tuple(ranked))
    if settings.method != "endpoint" and resources.models.chat is None:
        return Reranked(tuple(ranked), ("no chat model: what was found was not reranked",))
    most = min(settings.candidates, PAIRWISE if settings.method == "pairwise" else MOST)
    units = [unit for unit, _ in ranked[:most]]
    match settings.method:
        case "endpoint":
            ordering = _by_endpoint(question, units, resources)
        case "listwise":
            ordering = _ask(question, units, resources)
        case "pairwise":
            ordering = _by_pairs(question, units, resources)
    order = await reply_or_error(ordering)
    if isinstance(order, ModelError):
        return Reranked(tuple(ranked), (f"what was found could not be reranked: {order}",))
    best = _complete(order, len(units))
    ordered = [*(units[place] for place in best), *(unit for unit, _ in ranked[len(units) :])]
    return Reranked(
        tuple((unit, round(1 / place, 9)) for place, unit in enumerate(ordered, start=1)),
        trace={"reranked": {"method": settings.method, "units": len(units)}},
    )


def strengths(wins: Mapping[tuple[int, int], float], count: int) -> list[float]:
    """Bradley–Terry strengths of `count` items, of which i beat j `wins[i, j]` times.

    By minorisation-maximisation (Hunter 2004), with a few draws against an item of strength 1.
    """
    strength = [1.0] * count
    won = [
        PRIOR / 2 + sum(wins.get((one, other), 0.0) for other in range(count))
        for one in range(count)
    ]
    for _ in range(ROUNDS):
        strength = [
            won[one]
            / (
                PRIOR / (strength[one] + 1)
                + sum(
                    (wins.get((one, other), 0.0) + wins.get((other, one), 0.0))
                    / (strength[one] + strength[other])
                    for other in range(count)
                    if other != one
                )
            )
            for one in range(count)
        ]
    return [round(value, 9) for value in strength]


async def _by_endpoint(
    question: Question, units: Sequence[Unit], resources: Resources
) -> list[int]:
    documents = [f"{one_line(unit.title)}\n{unit.text}" for unit in units]
    scores = await resources.models.rerank(question.text, documents)
    return sorted(range(len(units)), key=lambda place: (-scores[place], place))


async def _by_pairs(question: Question, units: Sequence[Unit], resources: Resources) -> list[int]:
    pairs = [
        # Models favour what they read first: each unit is read first in half of its pairs.
        (one, other) if (one + other) % 2 else (other, one)
        for one, other in combinations(range(len(units)), 2)
    ]

    async def compare(pair: tuple[int, int]) -> tuple[int, int]:
        order = await _ask(question, [units[place] for place in pair], resources)
        better = _complete(order, 2)[0]
        return pair[better], pair[1 - better]

    outcomes = await map_ordered(pairs, compare, limit=resources.settings.chat.concurrency)
    strength = strengths(dict.fromkeys(outcomes, 1.0), len(units))
    return sorted(range(len(units)), key=lambda place: (-strength[place], place))


async def _ask(question: Question, units: Sequence[Unit], resources: Resources) -> list[int]:
    """The places that the chat model names, best first; not checked yet."""
    from graphrag.text import tokens

    passages = "\n\n".join(
        f"[{number}] {one_line(unit.title)}\n{plain(tokens.truncate(unit.text, PASSAGE_TOKENS))}"
        for number, unit in enumerate(units, start=1)
    )
    messages = prompts.load("query/rerank", root=resources.root).fill(
        {"passages": passages, "question": question.text}
    )
    reply = await resources.models.json(messages, RankingReply, kind="rerank")
    return [number - 1 for number in reply.ranking]


def _complete(order: Iterable[int], count: int) -> list[int]:
    """Each place once: those that were named, then the rest as they stood."""
    named = [place for place in order if 0 <= place < count]
    return list(dict.fromkeys([*named, *range(count)]))
