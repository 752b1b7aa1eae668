"""Grow a tree of answers by rounds of follow-up questions, each a local search of its own.

A round's questions are embedded in one call, read and asked at the same time; their text units
are numbered on through all rounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from graphrag import prompts
from graphrag.core.answers import EntityHit, RelationshipHit
from graphrag.core.concurrency import map_ordered
from graphrag.prompts import Message
from graphrag.query.context import Budget, Evidence, Question, Resources, Unit, render_context
from graphrag.query.drift.calls import PromptBudget, answered, ask
from graphrag.query.drift.tree import Candidate, Node, Tree, marks
from graphrag.query.search import local

LIKE = 0.97  # cosine from which two questions ask the same
WAITING = 4  # rounds' worth of candidates that are compared by their vectors
REPORT_SHARE = 0.1  # of a follow-up's context


@dataclass(frozen=True, slots=True)
class RoundState:
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

    def __call__(self, state: RoundState) -> float: ...


def new_evidence(state: RoundState) -> float:
    """The share of text units and entities that no earlier question read."""
    found = state.units + state.entities
    return (state.new_units + state.new_entities) / found if found else 0.0


@dataclass(slots=True)
class Gathered:
    """What all rounds have read, each thing once. Text units are numbered from `first` on."""

    first: int
    numbers: dict[str, int] = field(default_factory=dict[str, int])  # of text units
    units: dict[str, tuple[Unit, float]] = field(default_factory=dict[str, tuple[Unit, float]])
    entities: dict[str, EntityHit] = field(default_factory=dict[str, EntityHit])
    relationships: dict[str, RelationshipHit] = field(default_factory=dict[str, RelationshipHit])
    rounds: list[dict[str, int]] = field(default_factory=list[dict[str, int]])
    warnings: list[str] = field(default_factory=list[str])

    def add(self, evidence: Iterable[Evidence]) -> Counter[str]:
        """Counts of what one round's searches have found, and of what of it is new."""
        counts: Counter[str] = Counter()
        for one in evidence:
            counts["units"] += len(one.units)
            counts["new_units"] += sum(unit.id not in self.units for unit, _ in one.units)
            counts["entities"] += len(one.entities)
            counts["new_entities"] += sum(hit.id not in self.entities for hit in one.entities)
            for unit, score in one.units:
                self.numbers.setdefault(unit.id, self.first + len(self.numbers))
                known, best = self.units.get(unit.id, (unit, score))
                whole = known if known.n_tokens >= unit.n_tokens else unit
                self.units[unit.id] = (whole, max(score, best))
            self.entities |= {hit.id: hit for hit in one.entities}
            self.relationships |= {hit.id: hit for hit in one.relationships}
            self.warnings += one.warnings
        return counts


async def explore(
    tree: Tree,
    question: Question,
    resources: Resources,
    *,
    gathered: Gathered,
    budget: PromptBudget,
    reward: Reward,
) -> str:
    """Rounds of follow-up questions, which grow the tree; why they ended."""
    settings = resources.settings.query.drift
    for number in range(1, settings.depth + 1):
        chosen = await _choose(tree, question, resources)
        if not chosen:
            return "no new questions"
        evidence = await map_ordered(
            [one for _, one in chosen],
            lambda one: local.retrieve(one, resources, budget=_follow_up_budget(resources)),
            limit=len(chosen),
        )
        counts = gathered.add(evidence)
        state = RoundState(
            question=tree.question,
            round=number,
            questions=tuple(one.text for _, one in chosen),
            **counts,
            answers=tuple((node.question, node.answer, node.score) for node in tree.nodes()),
            prompt_tokens=budget.spent,
        )
        if reward(state) <= settings.min_gain:
            return "no new evidence"
        candidates = [candidate for candidate, _ in chosen]
        nodes = await _ask_round(
            candidates, evidence, tree, resources, numbers=gathered.numbers, budget=budget
        )
        for candidate, node in zip(candidates, nodes, strict=False):
            candidate.parent.follow_ups.append(node)
        gathered.rounds.append({"asked": len(nodes), **counts})
        gathered.warnings += [
            f"the follow-up question {node.question!r} could not be answered: {node.error}"
            for node in nodes
            if node.error
        ]
        if len(nodes) < len(chosen):
            return "budget"
    return "depth"


async def _choose(
    tree: Tree, question: Question, resources: Resources
) -> list[tuple[Candidate, Question]]:
    """The questions of the next round, each with its vector, the most promising first.

    One call embeds them; those that mean what a better one or an earlier one means are dropped.
    """
    import numpy as np

    breadth = resources.settings.query.drift.breadth
    candidates = tree.candidates()[: WAITING * breadth]
    template = replace(question, history=(), level=None)
    questions = [replace(template, text=candidate.text) for candidate in candidates]
    earlier = [replace(template, text=text) for text in tree.asked()]
    embedded = await embed_together([*questions, *earlier], resources)
    known = [one for one in embedded[len(questions) :] if one.vector is not None]
    chosen: list[tuple[Candidate, Question]] = []
    for candidate, fresh in zip(candidates, embedded, strict=False):
        if len(chosen) == breadth:
            break
        vector = fresh.vector
        if vector is not None and any(
            one.vector is not None
            and marks(one.text) == marks(fresh.text)
            and float(np.dot(one.vector, vector))
            >= LIKE * float(np.linalg.norm(one.vector) * np.linalg.norm(vector))
            for one in known
        ):
            continue
        known.append(fresh)
        chosen.append((candidate, fresh))
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
    candidates: Sequence[Candidate],
    evidence: Sequence[Evidence],
    tree: Tree,
    resources: Resources,
    *,
    numbers: Mapping[str, int],
    budget: PromptBudget,
) -> list[Node]:
    """The answers to the first of `candidates`, as many as the budget has room for."""
    prompt = prompts.load("query/drift_follow_up", root=resources.root)
    nodes: list[Node] = []
    filled: list[list[Message]] = []
    for candidate, read in zip(candidates, evidence, strict=True):
        messages = prompt.fill(
            {
                "context": render_context(read, numbers),
                "larger_question": tree.question,
                "question": candidate.text,
            }
        )
        if not budget.afford(messages, reserve=True):
            break
        filled.append(messages)
        units = tuple(unit.id for unit, _ in read.units)
        nodes.append(Node(candidate.text, candidate.value, units=units))
    replies = await ask(filled, resources, kind="follow_up")
    return [
        answered(node, reply, citable=map(numbers.__getitem__, node.units))
        for node, reply in zip(nodes, replies, strict=True)
    ]


def _follow_up_budget(resources: Resources) -> Budget:
    settings = resources.settings.query.drift
    reports = min(REPORT_SHARE, 1 - settings.text_share)
    return Budget.shared(settings.context_tokens, text=settings.text_share, reports=reports)
