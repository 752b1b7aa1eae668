"""Search around the entities of a question: what connects them and the text that says so.

The entities that the question names lead to their relationships, those lead to neighbours, and
text units rank by how well their words fit (the ranking of `basic`) plus what the graph knows:
which of these entities they mention, and which they are about. One token budget has shares for
text, reports and the graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from graphrag.core.answers import RelationshipHit, ReportHit
from graphrag.core.concurrency import together
from graphrag.query.context import (
    Budget,
    Evidence,
    Question,
    Resources,
    Unit,
    estimate_tokens,
    load_units,
    pack,
    render_entity,
    render_relationship,
    render_report_line,
)
from graphrag.query.context.rows import (
    EntityName,
    MentionRow,
    RelationshipRow,
    ReportTitle,
    SupportedRow,
    UnitPlace,
)
from graphrag.query.search import basic
from graphrag.query.search.basic import Ranking
from graphrag.query.search.entities import Linked, find, link, rarity

Item = TypeVar("Item")

MAX_RELATIONSHIPS = 400  # of the linked entities
MAX_NEIGHBOURS = 40
MAX_GRAPH_UNITS = 100
MAX_MENTIONS = 2000  # read for all of them, the rarest entities first
MENTIONED = 0.05  # of an entity's weight, for a unit that mentions it but is not about it
RARE, HEAVY = 0.5, 0.25  # how far a rare neighbour and a heavy edge count beside words
BLEND = 0.5  # of the text score: words alone, the rest is the ranking of `basic`


@dataclass(frozen=True, slots=True)
class _Edge:
    """A relationship of a linked entity; `end_id` is the entity at its far side."""

    hit: RelationshipHit
    end_id: str
    end_mentions: int
    between: bool  # both ends are linked
    score: float


async def retrieve(
    question: Question, resources: Resources, *, budget: Budget | None = None
) -> Evidence:
    """`budget` in place of that of the settings."""
    settings = resources.settings.query.local
    budget = budget or Budget.shared(
        settings.max_context_tokens, text=settings.text_share, reports=settings.report_share
    )
    k = question.k or settings.k
    turns, most = settings.history_turns, settings.entities
    text = basic.asked_text(question, turns=turns)
    async with together() as tasks:  # a server answers several at once
        embedded = tasks.create_task(basic.embed_text(text, question=question, resources=resources))
        rank = basic.rank(question, resources, k=k, turns=turns, embedded=embedded)
        units_first = tasks.create_task(rank)
        named = tasks.create_task(find(text, question, resources, limit=most, embedded=embedded))
    ranking, about = units_first.result(), named.result()
    linked = await link(about, ranking.words, question, resources, limit=most)
    allowed = await _allowed_documents(question, resources)
    async with together() as tasks:
        related = tasks.create_task(_edges(linked, ranking, resources, allowed=allowed))
        reported = tasks.create_task(_reports(linked, resources, allowed=allowed))
    edges, reports = related.result(), reported.result()
    found = [unit.id for unit, _ in ranking.units]
    support = await _support(linked, edges, resources, found=found)
    ranked = await _rank_units(ranking, support, resources, allowed=allowed)
    fitting = _fit(reports, map(render_report_line, reports), budget.reports)
    entities = [one.hit for one in linked]
    entities = _fit(entities, map(render_entity, entities), budget.graph // 2)
    left = budget.graph - sum(estimate_tokens(render_entity(entity)) for entity in entities)
    relationships = [edge.hit for edge in edges]
    relationships = _fit(relationships, map(render_relationship, relationships), left)
    return Evidence(
        units=pack(ranked, k=k, max_tokens=budget.text),
        words=ranking.words,
        entities=tuple(entities),
        relationships=tuple(relationships),
        reports=tuple(fitting),
        warnings=tuple(dict.fromkeys([*ranking.warnings, *about.warnings])),
        trace={
            "searches": list(ranking.searches),
            "entities": [
                {"name": one.name, "how": one.how, "weight": one.weight} for one in linked
            ],
            "relationships": len(edges),
            "candidates": len(ranked),
        },
    )


async def _allowed_documents(question: Question, resources: Resources) -> frozenset[str] | None:
    """The documents that the filters leave, or None where all may be read."""
    if not question.filters:
        return None
    return frozenset(await resources.store.matching_documents(question.filters))


async def _edges(
    linked: Sequence[Linked],
    ranking: Ranking,
    resources: Resources,
    *,
    allowed: frozenset[str] | None,
) -> list[_Edge]:
    """Their relationships: first those that connect two of them, then by what they say."""
    if not linked:
        return []
    words = ranking.words
    language = words.language
    ids = [one.id for one in linked]
    read = resources.store.relationships_of
    if allowed is None:
        rows = await read(ids, RelationshipRow, most=MAX_RELATIONSHIPS)
    else:
        found = await read(ids, SupportedRow, most=MAX_RELATIONSHIPS)
        rows = await _supported(found, resources, allowed)
    weights = {one.id: one.weight for one in linked}
    own = {one.id: words.found(one.name, language) for one in linked}
    known = await _names({end for row in rows for end in (row.source_id, row.target_id)}, resources)
    heaviest = max((row.weight for row in rows), default=0.0) or 1.0
    edges: list[_Edge] = []
    for row in rows:
        ends = (row.source_id, row.target_id)
        if not known.keys() >= {*ends}:
            continue
        start = max(ends, key=lambda end: (weights.get(end, -1.0), end))
        end = ends[1] if start == ends[0] else ends[0]
        said = words.found(f"{row.type} {row.description}", language) - own[start]
        score = weights[start] * (
            words.weight(said)
            + RARE * rarity(known[end][1], words.n_units)
            + HEAVY * math.sqrt(row.weight / heaviest)
        )
        names = (known[row.source_id][0], known[row.target_id][0])
        hit = RelationshipHit(row.id, *names, row.type or "", row.description or "", row.weight)
        between = weights.keys() >= {*ends}
        edges.append(_Edge(hit, end, known[end][1], between, round(score, 9)))
    return sorted(edges, key=lambda edge: (not edge.between, -edge.score, edge.hit.id))


async def _supported(
    rows: Sequence[SupportedRow], resources: Resources, allowed: frozenset[str]
) -> list[RelationshipRow]:
    """Those that a matching document supports; what others say of them is left out."""
    wanted = sorted({unit for row in rows for unit in row.text_unit_ids or ()})
    units = await resources.store.rows("text_units", UnitPlace, where=("id", wanted))
    inside = {unit.id for unit in units if unit.document_id in allowed}
    kept: list[RelationshipRow] = []
    for key, source, target, kind, description, weight, support in rows:
        if support and inside.intersection(support):
            said = description if inside.issuperset(support) else ""
            kept.append(RelationshipRow(key, source, target, kind, said, weight))
    return kept


async def _names(ids: Iterable[str], resources: Resources) -> dict[str, tuple[str, int]]:
    """Name and number of mentions by id."""
    rows = await resources.store.rows("entities", EntityName, where=("id", sorted(ids)))
    return {key: (name, n_mentions) for key, name, n_mentions in rows}


async def _support(
    linked: Sequence[Linked], edges: Sequence[_Edge], resources: Resources, *, found: Sequence[str]
) -> dict[str, float]:
    """What the graph says for each text unit. `found`: those that the searches found.

    Units add up over the linked entities that they mention; of the neighbours only the best
    counts, and only where the unit is about it. Nothing is scaled to the best of them: where no
    unit is about what the question names (in chats), the graph hardly moves what the words say.
    """
    if not linked:
        return {}
    starts = {one.id: one.weight for one in linked}
    frequent = {one.id: one.n_mentions for one in linked}
    reached: dict[str, float] = {}
    for edge in sorted(edges, key=lambda edge: (-edge.score, edge.hit.id))[:MAX_NEIGHBOURS]:
        if edge.end_id not in starts:
            reached[edge.end_id] = max(edge.score, reached.get(edge.end_id, 0.0))
            frequent[edge.end_id] = edge.end_mentions
    wanted = sorted(frequent, key=lambda key: (key in reached, frequent[key], key))
    mentions = await _mentions(wanted, frequent, resources, found=found)
    named: dict[str, float] = {}
    hopped: dict[str, float] = {}
    for unit, entity, owner in sorted(mentions):
        about = owner or 0.0
        if entity in starts:
            share = MENTIONED + (1 - MENTIONED) * about
            named[unit] = named.get(unit, 0.0) + starts[entity] * share
        else:
            hopped[unit] = max(hopped.get(unit, 0.0), reached[entity] * about)
    units = named.keys() | hopped.keys()
    total = {unit: named.get(unit, 0.0) + hopped.get(unit, 0.0) for unit in units}
    return {unit: round(score, 9) for unit, score in total.items() if score > 0}


async def _mentions(
    ids: Sequence[str], frequent: Mapping[str, int], resources: Resources, *, found: Sequence[str]
) -> list[MentionRow]:
    """All mentions of the first of `ids` that fit, of the others those in the units `found`.

    What thousands of units mention tells them little apart, and takes long to read.
    """
    read, left = list[str](), MAX_MENTIONS
    for key in ids:
        if frequent[key] <= left:
            left -= frequent[key]
            read.append(key)
    store = resources.store
    others = frozenset(ids).difference(read)
    places = sorted(found) if others else []
    async with together() as tasks:
        of_read = tasks.create_task(
            store.rows("mentions", MentionRow, where=("entity_id", sorted(read)))
        )
        near = tasks.create_task(store.rows("mentions", MentionRow, where=("text_unit_id", places)))
    return [*of_read.result(), *(row for row in near.result() if row.entity_id in others)]


async def _rank_units(
    ranking: Ranking,
    support: Mapping[str, float],
    resources: Resources,
    *,
    allowed: frozenset[str] | None,
) -> list[tuple[Unit, float]]:
    """The candidates of `basic` and the best that the graph adds, by both kinds of score."""
    scores = {unit.id: score for unit, score in ranking.units}
    units = {unit.id: unit for unit, _ in ranking.units}
    added = sorted(support.keys() - units.keys(), key=lambda key: (-support[key], key))
    extra = await load_units(resources.store, added[:MAX_GRAPH_UNITS])
    if allowed is not None:
        extra = {key: unit for key, unit in extra.items() if unit.document_id in allowed}
    units.update(extra)
    best = max(scores.values(), default=0.0) or 1.0
    # A unit that the searches missed still has some of the question's words.
    usual = ranking.usual_tokens
    found = {
        **ranking.lexical,
        **basic.relevance(extra.values(), ranking.words, usual_tokens=usual),
    }
    most = max(found.values(), default=0.0) or 1.0
    total = {
        key: scores.get(key, 0.0) / best * (1 - BLEND)
        + found[key] / most * BLEND
        + support.get(key, 0.0)
        for key in units
    }
    order = sorted(total, key=lambda key: (-round(total[key], 9), key))
    return [(units[key], round(total[key], 9)) for key in order]


async def _reports(
    linked: Sequence[Linked], resources: Resources, *, allowed: frozenset[str] | None
) -> list[ReportHit]:
    """Reports of the communities that hold most of the entities, the finest first.

    None under a filter: a report speaks of all documents.
    """
    if not linked or allowed is not None:
        return []
    store = resources.store
    weights = {one.id: one.weight for one in linked}
    held: dict[str, list[float]] = {}
    levels: dict[str, int] = {}
    for entity, community, level, _ in await store.memberships_of(sorted(weights)):
        held.setdefault(community, []).append(weights[entity])
        levels[community] = level
    total = {community: math.fsum(sorted(shares)) for community, shares in held.items()}
    rows = await store.rows("reports", ReportTitle, where=("community_id", sorted(held)))
    hits = [ReportHit(key, levels[key], title or "", summary or "") for key, title, summary in rows]
    return sorted(hits, key=lambda hit: (-total[hit.community_id], -hit.level, hit.community_id))


def _fit(items: Sequence[Item], lines: Iterable[str], max_tokens: int) -> list[Item]:
    """The first items whose lines fit into `max_tokens` together."""
    chosen: list[Item] = []
    for item, line in zip(items, lines, strict=True):
        max_tokens -= estimate_tokens(line)
        if max_tokens < 0:
            break
        chosen.append(item)
    return chosen
