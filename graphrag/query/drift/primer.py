"""Find the reports that a hypothetical answer resembles, and ask what they say at first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphrag import prompts
from graphrag.core.concurrency import together
from graphrag.core.errors import ModelError
from graphrag.models.asking import raise_if_all_failed, reply_or_error
from graphrag.query.context import Question, Resources, estimate_tokens, render_history
from graphrag.query.context.rows import ReportRating
from graphrag.query.drift.calls import PromptBudget, answered, ask
from graphrag.query.drift.tree import Node, Tree
from graphrag.query.global_search.reports import (
    CitableFinding,
    CitableReport,
    check_level,
    no_reports,
    read_reports,
    render_finding,
    render_head,
)
from graphrag.query.search import basic, local
from graphrag.stores.contract.hierarchy import CommunityPlace, cover

MAX_SAMPLE = 1200  # characters of the report that shows the shape
MAX_HYPOTHETICAL = 4000  # characters of the hypothetical report that are looked for
WIDER = 10  # times as many hits, where only one level of them is wanted
# Seconds for which the first search waits, unless that call is done: it takes the interpreter,
# and would hold back the request, which takes longer than both.
HEAD_START = 0.3


@dataclass(frozen=True, slots=True)
class Primed:
    """The first answers, and the reports that they cite. `reports_cut`: that found no room."""

    tree: Tree
    reports: tuple[CitableReport, ...]
    findings: Mapping[int, CitableFinding]  # by number
    reports_cut: int
    warnings: tuple[str, ...]


async def prime(question: Question, resources: Resources, *, budget: PromptBudget) -> Primed:
    """First answers, one for each batch of the reports that a hypothetical one resembles.

    Raises ModelError when the model could read none of them.
    """
    settings = resources.settings.query.drift
    levels = await readable(question, resources)
    history = render_history(question, turns=resources.settings.query.local.history_turns)
    sample = await _sample_report(question, resources, levels=levels)
    values = {"report": sample, "history": history, "question": question.text}
    async with together() as group:
        imagined = group.create_task(_imagine(question, values, resources, budget))
        await asyncio.wait([imagined], timeout=HEAD_START)
        direct = await local.retrieve(question, resources)
    hypothetical, warnings = imagined.result()
    reports, unsearched = await find_reports(
        question,
        resources,
        levels=levels,
        like=hypothetical,
        about=[hit.community_id for hit in direct.reports],
    )
    findings = {one.number: one for report in reports for one in report.findings}
    texts, reports_cut = fold(reports, folds=settings.folds, max_tokens=settings.fold_tokens)
    prompt = prompts.load("query/drift_primer", root=resources.root)
    filled = [
        prompt.fill({"reports": text, "history": history, "question": question.text})
        for text in texts
    ]
    filled = [one for one in filled if budget.afford(one, reserve=True)] or filled[:1]
    replies = await ask(filled, resources, kind="primer")
    raise_if_all_failed(f"read any of the {len(replies)} parts of the reports", replies)
    nodes = [answered(Node(question.text), reply, citable=findings) for reply in replies]
    failed = [
        f"part {place} of {len(nodes)} of the reports could not be read: {node.error}"
        for place, node in enumerate(nodes, start=1)
        if node.error
    ]
    return Primed(
        Tree(question.text, tuple(nodes)),
        tuple(reports),
        findings,
        reports_cut,
        (*warnings, *unsearched, *failed),
    )


async def _imagine(
    question: Question, values: Mapping[str, str], resources: Resources, budget: PromptBudget
) -> tuple[str, list[str]]:
    """The question and a hypothetical report that would answer it (HyDE), and warnings."""
    prompt = prompts.load("query/drift_hypothetical", root=resources.root).fill(values)
    budget.afford(prompt)
    report = await reply_or_error(resources.models.text(prompt, kind="hypothetical"))
    if isinstance(report, ModelError):
        return question.text, [f"no hypothetical report, the question itself is used: {report}"]
    return f"{question.text}\n{report}", []


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


async def _sample_report(
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
) -> tuple[list[CitableReport], list[str]]:
    """The reports that are most like the text `like`, best first, and warnings.

    By words and, with an embedding model, by meaning. `about`: communities of the question's
    entities, best first, which count as much. Where nothing fits, the most important ones.
    """
    store, limit = resources.store, resources.settings.query.drift.reports
    k = limit if question.level is None else WIDER * limit
    like = like[:MAX_HYPOTHETICAL]
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


def fold(reports: Sequence[CitableReport], *, folds: int, max_tokens: int) -> tuple[list[str], int]:
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
