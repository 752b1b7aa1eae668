"""Fuse what `basic`, `local` and `path` find by reciprocal rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from graphrag.core.concurrency import map_ordered
from graphrag.query import path
from graphrag.query.context import (
    Budget,
    Evidence,
    Question,
    Resources,
    Unit,
    distinct_warnings,
    estimate_tokens,
    pack,
    render_entity,
    render_relationship,
    render_report_line,
)
from graphrag.query.search import basic, local
from graphrag.query.search.rerank import rerank
from graphrag.query.search.rewriting import rewrite

DEPTH = 2  # times as many units are ranked by each method as are returned
# The usual 60 is for lists of hundreds. In short ones a unit that is fifth twice would beat one
# that the better method puts first.
RANK_CONSTANT = 1
METHODS = ("basic", "local", "path")


async def retrieve(question: Question, resources: Resources) -> Evidence:
    """The units that these methods agree on, with the entities and reports that `local` read."""
    settings = resources.settings.query.hybrid
    k = question.k or settings.k
    rewritten = await rewrite(question, resources)
    deeper = replace(rewritten.question, k=DEPTH * k)
    weights = {"basic": settings.basic, "local": settings.local, "path": settings.path}
    names = [name for name in METHODS if weights[name] > 0 or name == "basic"]
    evidence = await map_ordered(
        names, lambda name: _search(name, deeper, resources), limit=len(names)
    )
    found = dict(zip(names, evidence, strict=True))
    ranked = _fuse(found, weights)
    graph = found.get("local", found["basic"])
    left = settings.max_context_tokens - _graph_tokens(graph)
    reranked = await rerank(rewritten.question, ranked, resources)
    return Evidence(
        units=pack(reranked.units, k=k, max_tokens=max(1, left)),
        words=found["basic"].words,
        entities=graph.entities,
        relationships=graph.relationships,
        reports=graph.reports,
        warnings=distinct_warnings(
            rewritten.warnings, *(one.warnings for one in found.values()), reranked.warnings
        ),
        trace={
            "candidates": len(ranked),
            "weights": {name: weights[name] for name in names},
            **rewritten.trace,
            **reranked.trace,
            **{name: dict(one.trace) for name, one in found.items()},
        },
    )


async def _search(name: str, question: Question, resources: Resources) -> Evidence:
    """What one method ranks for itself, without what is done to all of them together.

    `local` keeps the share of this method's budget for its graph, with more text beside it.
    """
    settings = resources.settings.query
    whole = settings.hybrid.max_context_tokens
    text = DEPTH * whole
    match name:
        case "local":
            graph = whole * (1 - settings.local.text_share)
            reports = int(min(graph, whole * settings.local.report_share))
            budget = Budget(text, reports, round(graph) - reports)
            return await local.retrieve(question, resources, budget=budget)
        case "path":
            return await path.retrieve(question, resources, max_tokens=text, filter_facts=False)
        case _:
            k = question.k or settings.basic.k
            return await basic.search(question, resources, k=k, max_tokens=text)


def _fuse(found: Mapping[str, Evidence], weights: Mapping[str, float]) -> list[tuple[Unit, float]]:
    units: dict[str, Unit] = {}
    scores: dict[str, float] = {}
    for name, evidence in found.items():
        for place, (unit, _) in enumerate(evidence.units, start=1):
            units.setdefault(unit.id, unit)
            share = weights[name] / (RANK_CONSTANT + place)
            scores[unit.id] = scores.get(unit.id, 0.0) + share
    order = sorted(scores, key=lambda key: (-round(scores[key], 9), key))
    return [(units[key], round(scores[key], 9)) for key in order if scores[key] > 0]


def _graph_tokens(evidence: Evidence) -> int:
    lines = [
        *map(render_entity, evidence.entities),
        *map(render_relationship, evidence.relationships),
        *map(render_report_line, evidence.reports),
    ]
    return sum(map(estimate_tokens, lines))
