"""A question in; the reports that a made-up answer resembles, and what they say at first, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphrag.query.context import Question, Resources, estimate_tokens
from graphrag.query.context.rows import ReportRating
from graphrag.query.global_search.reports import (
    Report,
    check_level,
    no_reports,
    read_reports,
    render_finding,
    render_head,
)
from graphrag.query.search import basic
from graphrag.stores.contract.hierarchy import CommunityPlace, cover

MAX_SAMPLE = 1200  # characters of the report that shows the shape
MAX_MADE_UP = 4000  # characters of the hypothetical report that are looked for
WIDER = 10  # times as many hits, where only one level of them is wanted


async def readable(question: Question, resources: Resources) -> dict[str, int]:
    """The communities with a report, by level: all, or those of the cover that was asked for.

    The most important report comes first. Raises UsageError without reports or such a level.
    """
    communities = await resources.store.rows("communities", CommunityPlace)
    if question.level is not None:
        check_level(question.level, communities)
        communities = cover(communities, question.level)
    levels = {place.id: place.level for place in communities}
    reports = await resources.store.rows("reports", ReportRating)
    reports.sort(key=lambda row: (row.rating is None, -(row.rating or 0.0), row.community_id))
    found = {row.community_id: levels[row.community_id] for row in reports if row[0] in levels}
    if not found:
        raise no_reports()
    return found


async def sample_report(
    question: Question, resources: Resources, *, levels: Mapping[str, int]
) -> str:
    """The most important report, as a model for the hypothetical one."""
    best = next(iter(levels))
    for report in await read_reports({best: levels[best]}, question, resources):
        findings = [f"- {finding.text}" for finding in report.findings[:3]]
        return "\n".join([render_head(report), *findings])[:MAX_SAMPLE]
    return "none"


async def find_reports(
    question: Question,
    resources: Resources,
    *,
    levels: Mapping[str, int],
    like: str,
    about: Sequence[str] = (),
) -> tuple[list[Report], list[str]]:
    """The reports that are most like the text `like`, best first, and warnings.

    By words and, with an embedding model, by meaning. `about`: communities of the question's
    entities, best first, which count as much. Where nothing fits, the most important ones.
    """
    store, limit = resources.store, resources.settings.query.drift.reports
    k = limit if question.level is None else WIDER * limit
    like = like[:MAX_MADE_UP]
    hits = await store.search_text("reports", like, k=k, filters=question.filters)
    near, warnings = await basic.search_vectors(
        "reports", like, question=replace(question, vector=None), resources=resources, k=k
    )
    scores = basic.fuse([[hit.id for hit in hits], list(near), about])
    order = sorted(scores.keys() & levels.keys(), key=lambda key: (-scores[key], key))[:limit]
    order = order or list(levels)[:limit]
    found = await read_reports({key: levels[key] for key in order}, question, resources)
    place = {key: at for at, key in enumerate(order)}
    return sorted(found, key=lambda report: place[report.hit.community_id]), warnings


def fold(reports: Sequence[Report], *, folds: int, max_tokens: int) -> tuple[list[str], int]:
    """The reports dealt out to texts of at most `max_tokens`, and how many found no room.

    They are dealt one by one, so that each text has its share of the best.
    """
    texts: list[list[str]] = [[] for _ in range(min(folds, len(reports)))]
    left = [max_tokens] * len(texts)
    left_out = 0
    for at, report in enumerate(reports):
        lines = [render_head(report), *(render_finding(one, {}) for one in report.findings)]
        place = at % len(texts)
        fitting = 0
        room = left[place]
        for line in lines:
            room -= estimate_tokens(line)
            if room < 0:
                break
            fitting += 1
            left[place] = room
        texts[place].extend(lines[:fitting])
        left_out += fitting < len(lines)
    return ["\n".join(text) for text in texts if text], left_out
