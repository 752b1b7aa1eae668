"""A tree with first answers in; the same grown by rounds of follow-up questions, out.

Each follow-up is a local search of its own. A round's questions are embedded in one call, read
and asked at the same time; their text units are numbered on through all rounds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pydantic import BaseModel, Field

from graphrag import prompts
from graphrag.core.answers import EntityHit, RelationshipHit, ReportHit
from graphrag.core.concurrency import map_ordered
from graphrag.core.errors import CostLimitError, ModelAuthError, ModelError
from graphrag.prompts import Message
from graphrag.query.answering.writing import MARKER, markers
from graphrag.query.context import (
    Evidence,
    Question,
    Resources,
    Unit,
    estimate_tokens,
    render_context,
)
from graphrag.query.drift.tree import Candidate, Node, Tree, marks, one_line_kept
from graphrag.query.global_search.reports import Finding
from graphrag.query.search import local

LIKE = 0.97  # cosine from which two questions ask the same
WAITING = 4  # rounds' worth of candidates that are compared by their vectors
REPORT_SHARE = 0.1  # of a follow-up's context
REDUCE_OVERHEAD = 1500  # tokens of the reduce call beside the answers


class DriftReply(BaseModel):
    """What a primer call and a follow-up call reply."""

    answer: str
    score: float = Field(allow_inf_nan=False)
    follow_ups: list[str] = []


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a search stands when the next round's evidence is found, before it is read."""

    question: str
    round: int  # from 1
    questions: tuple[str, ...]  # of this round
    units: int
    new_units: int  # that no earlier question read
    entities: int
    new_entities: int
    answers: tuple[tuple[str, str, float], ...]  # question, answer, score
    prompt_tokens: int


class Reward(Protocol):
    """What another round is worth, 0 to 1; a learnt model fits in here."""

    def __call__(self, progress: Progress) -> float: ...


def new_evidence(progress: Progress) -> float:
    """The share of text units and entities that no earlier question read."""
    found = progress.units + progress.entities
    return (progress.new_units + progress.new_entities) / found if found else 0.0


@dataclass(slots=True)
class Search:
    """What one question has read and spent so far."""

    question: Question
    resources: Resources
    findings: dict[int, Finding] = field(default_factory=dict[int, Finding])
    reports: list[ReportHit] = field(default_factory=list[ReportHit])
    numbers: dict[str, int] = field(default_factory=dict[str, int])  # of text units
    units: dict[str, tuple[Unit, float]] = field(default_factory=dict[str, tuple[Unit, float]])
    entities: dict[str, EntityHit] = field(default_factory=dict[str, EntityHit])
    relationships: dict[str, RelationshipHit] = field(default_factory=dict[str, RelationshipHit])
    warnings: list[str] = field(default_factory=list[str])
    calls: Counter[str] = field(default_factory=Counter[str])
    rounds: list[dict[str, int]] = field(default_factory=list[dict[str, int]])
    reports_cut: int = 0  # that found no room in a primer call
    estimated: int = 0  # prompt tokens

    @property
    def spent(self) -> int:
        """Prompt tokens: as estimated, or as the server counted where retries made them more."""
        return max(self.estimated, self.resources.models.usage.prompt_tokens)

    @property
    def left(self) -> int:
        return self.resources.settings.query.drift.max_prompt_tokens - self.spent

    def afford(self, messages: Sequence[Message], *, reserve: int = 0) -> bool:
        """Take the tokens of `messages` from the budget, if they leave `reserve`."""
        size = sum(estimate_tokens(message.content) for message in messages)
        if size > self.left - reserve:
            return False
        self.estimated += size
        return True

    def read(self, evidence: Evidence) -> dict[str, int]:
        """Number the text units of `evidence`, on from those before; counts of what is new."""
        counts = {
            "units": len(evidence.units),
            "new_units": sum(unit.id not in self.units for unit, _ in evidence.units),
            "entities": len(evidence.entities),
            "new_entities": sum(one.id not in self.entities for one in evidence.entities),
        }
        first = max(self.findings, default=0) + 1
        for unit, score in evidence.units:
            self.numbers.setdefault(unit.id, first + len(self.numbers))
            known = self.units.get(unit.id)
            best = max(score, known[1]) if known else score
            whole = known[0] if known and known[0].n_tokens >= unit.n_tokens else unit
            self.units[unit.id] = (whole, best)
        self.entities |= {one.id: one for one in evidence.entities}
        self.relationships |= {one.id: one for one in evidence.relationships}
        self.warnings += evidence.warnings
        return counts


async def explore(tree: Tree, search: Search, reward: Reward) -> str:
    """Rounds of follow-up questions, which grow the tree; why they ended."""
    settings = search.resources.settings.query.drift
    for number in range(1, settings.depth + 1):
        chosen = await _choose(tree, search)
        if not chosen:
            return "no new questions"
        searches = [question for _, question in chosen]
        found = await map_ordered(
            searches,
            lambda one: local.retrieve(one, _for_follow_ups(search.resources)),
            limit=len(searches),
        )
        counts: Counter[str] = Counter()
        for evidence in found:
            counts.update(search.read(evidence))
        progress = _progress(number, searches, counts, tree, search)
        if reward(progress) <= settings.min_gain:
            return "no new evidence"
        asked = await _ask_round(chosen, found, search)
        search.rounds.append({"asked": asked, **counts})
        if asked < len(chosen):
            return "budget"
    return "depth"


async def _choose(tree: Tree, search: Search) -> list[tuple[Candidate, Question]]:
    """The questions of the next round, each with its vector, the most promising first.

    One call embeds them; those that mean what a better one or an earlier one means are dropped.
    """
    import numpy as np

    breadth = search.resources.settings.query.drift.breadth
    candidates = tree.candidates()[: WAITING * breadth]
    template = replace(search.question, history=(), level=None)
    questions = [replace(template, text=candidate.text) for candidate in candidates]
    earlier = [replace(template, text=text) for text in tree.asked()]
    embedded = await embed_together([*questions, *earlier], search.resources)
    known = [one for one in embedded[len(questions) :] if one.vector is not None]
    chosen: list[tuple[Candidate, Question]] = []
    for candidate, question in zip(candidates, embedded, strict=False):
        if len(chosen) == breadth:
            break
        vector = question.vector
        if vector is not None and any(
            one.vector is not None
            and marks(one.text) == marks(question.text)
            and float(np.dot(one.vector, vector))
            >= LIKE * float(np.linalg.norm(one.vector) * np.linalg.norm(vector))
            for one in known
        ):
            continue
        known.append(question)
        chosen.append((candidate, question))
    return chosen


async def embed_together(questions: Sequence[Question], resources: Resources) -> list[Question]:
    """The same with their vectors, made in one call; as they are where there is no model."""
    if resources.models.embedder is None or not questions:
        return list(questions)
    if not int((await resources.meta()).get("dimensions") or 0):
        return list(questions)
    vectors = await resources.models.embed([one.text for one in questions], kind="query")
    return [replace(one, vector=vector) for one, vector in zip(questions, vectors, strict=True)]


async def _ask_round(
    chosen: Sequence[tuple[Candidate, Question]], found: Sequence[Evidence], search: Search
) -> int:
    """Put the questions with their evidence to the model, into the tree; how many were asked."""
    resources = search.resources
    reserve = resources.settings.query.drift.reduce_tokens + REDUCE_OVERHEAD
    prompt = prompts.load("query/drift_follow_up", root=resources.root)
    pairs: list[tuple[Node, list[Message]]] = []
    for (candidate, _), evidence in zip(chosen, found, strict=True):
        messages = prompt.fill(
            {
                "context": render_context(evidence, search.numbers),
                "larger_question": search.question.text,
                "question": candidate.text,
            }
        )
        if not search.afford(messages, reserve=reserve):
            break
        units = tuple(unit.id for unit, _ in evidence.units)
        node = Node(candidate.text, candidate.value, units=units)
        candidate.parent.follow_ups.append(node)
        pairs.append((node, messages))

    def known(node: Node) -> frozenset[int]:
        return frozenset(search.numbers[unit] for unit in node.units)

    nodes = await map_ordered(
        pairs,
        lambda pair: ask(*pair, search, kind="follow_up", known=known(pair[0])),
        limit=resources.settings.chat.concurrency,
    )
    search.warnings += [
        f"the follow-up question {node.question!r} could not be answered: {node.error}"
        for node in nodes
        if node.error
    ]
    return len(nodes)


async def ask(
    node: Node, messages: Sequence[Message], search: Search, *, kind: str, known: frozenset[int]
) -> Node:
    """`node` with the model's answer, or with the error. Only `known` numbers stay in it."""

    def keep(match: re.Match[str]) -> str:
        numbers = [number for number in markers(match[0]) if number in known]
        return f"[{', '.join(map(str, numbers))}]" if numbers else ""

    search.calls[kind] += 1
    try:
        reply = await search.resources.models.json(messages, DriftReply, kind=kind)
    except (ModelAuthError, CostLimitError):
        raise
    except ModelError as error:
        node.error = str(error)
        return node
    node.answer = one_line_kept(MARKER.sub(keep, reply.answer))
    node.score = min(max(reply.score, 0.0), 100.0)
    node.proposed = tuple(reply.follow_ups)
    return node


def _for_follow_ups(resources: Resources) -> Resources:
    """With the smaller context of a follow-up question, and none of the conversation."""
    query = resources.settings.query
    narrow = query.local.model_copy(
        update={
            "max_context_tokens": query.drift.context_tokens,
            "text_share": query.drift.text_share,
            "report_share": min(REPORT_SHARE, 1 - query.drift.text_share),
            "history_turns": 0,
        }
    )
    changed = query.model_copy(update={"local": narrow})
    return replace(resources, settings=resources.settings.model_copy(update={"query": changed}))


def _progress(
    number: int,
    questions: Sequence[Question],
    counts: Mapping[str, int],
    tree: Tree,
    search: Search,
) -> Progress:
    return Progress(
        question=tree.question,
        round=number,
        questions=tuple(one.text for one in questions),
        units=counts["units"],
        new_units=counts["new_units"],
        entities=counts["entities"],
        new_entities=counts["new_entities"],
        answers=tuple((node.question, node.answer, node.score) for node in tree.nodes()),
        prompt_tokens=search.spent,
    )
