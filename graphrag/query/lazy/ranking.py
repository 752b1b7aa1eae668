"""Rank text units by a question and its subqueries, and place them in the hierarchy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphrag.query.context import Question, Resources, earlier_questions
from graphrag.query.context.rows import EntityName, MentionRow, UnitPlace
from graphrag.query.context.words import QuestionWords
from graphrag.query.lazy.walk import Path
from graphrag.query.search import basic
from graphrag.query.search.entities import rarity

BASIC_K = 12  # passages that the ranking of `basic` is made for


@dataclass(frozen=True, slots=True)
class Ranked:
    """Reciprocal-rank scores by text unit."""

    scores: Mapping[str, float]
    words: QuestionWords
    searches: tuple[str, ...]
    warnings: tuple[str, ...]


async def rank_units(
    question: Question, resources: Resources, *, subqueries: Sequence[str], k: int
) -> Ranked:
    """The `k` units, and more, that are nearest to the question or to one of its subqueries.

    Words and vectors count; the order that `basic` gives for the question counts as much as
    the orders by the words of all subqueries together.
    """
    turns = resources.settings.query.local.history_turns
    searched = "\n".join(filter(None, (question.text, earlier_questions(question, turns=turns))))
    queries = await _with_vectors([searched, *subqueries], question, resources)
    own = await basic.rank(
        replace(queries[0], text=question.text), resources, k=BASIC_K, turns=turns
    )
    best = [unit.id for unit, _ in own.units]
    rankings: list[list[str]] = []
    for place, query in enumerate(queries):
        found = await resources.store.search_text(
            "text_units", query.text, k=k, filters=query.filters
        )
        near, _ = await basic.search_vectors(
            "text_units", query.text, question=query, resources=resources, k=k
        )
        hits = [hit.id for hit in found]
        if place == 0:
            # What `basic` has ranked keeps its place before what it did not look at.
            hits = list(dict.fromkeys([*best, *hits]))
            rankings += [hits] * (len(subqueries) - 1)
        rankings += [hits, [*near]]
    return Ranked(basic.fuse(rankings), own.words, own.searches, own.warnings)


async def _with_vectors(
    queries: Sequence[str], question: Question, resources: Resources
) -> list[Question]:
    """Each query as a question, all embedded by one call where there are vectors to search."""
    asked = [replace(question, text=query) for query in queries]
    dimensions = int((await resources.meta()).get("dimensions") or 0)
    if resources.models.embedder is None or not dimensions:
        return asked
    vectors = await resources.models.embed(queries, kind="query")
    return [replace(one, vector=vector) for one, vector in zip(asked, vectors, strict=True)]


async def place_units(scores: Mapping[str, float], resources: Resources) -> dict[str, Path]:
    """Where each unit stands in the hierarchy: on each level in one community.

    That is the one whose entities it mentions most, those that it is about and rare ones first.
    Units without entities stand together, by document.
    """
    store = resources.store
    ids = sorted(scores)
    mentions = await store.rows("mentions", MentionRow, where=("text_unit_id", ids))
    entities = sorted({mention.entity_id for mention in mentions})
    counts = await store.rows("entities", EntityName, where=("id", entities))
    n_units = max((await store.counts())["text_units"], 1)
    rare = {row.id: rarity(row.n_mentions, n_units) for row in counts}
    parents: dict[str, str | None] = {}
    memberships: dict[str, list[str]] = {}
    for entity, community, _, parent in await store.memberships_of(sorted(rare)):
        parents[community] = parent
        memberships.setdefault(entity, []).append(community)
    weights: dict[str, dict[str, list[float]]] = {}
    for unit, entity, owner in mentions:
        for community in memberships.get(entity, ()):
            shares = weights.setdefault(unit, {}).setdefault(community, [])
            shares.append((1 + (owner or 0.0)) * rare[entity])
    units = await store.rows("text_units", UnitPlace, where=("id", ids))
    return {
        unit: _descend(weights.get(unit, {}), parents) or (f"document {document}",)
        for unit, document in units
    }


def _descend(weights: Mapping[str, Sequence[float]], parents: Mapping[str, str | None]) -> Path:
    path: list[str] = []
    inside: str | None = None
    while options := [key for key in weights if parents[key] == inside]:
        inside = min(options, key=lambda key: (-round(math.fsum(sorted(weights[key])), 9), key))
        path.append(inside)
    return tuple(path)
