"""Write a report for each community: by the model, bottom-up, or from its sentences."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated

import polars as pl
from pydantic import BaseModel, ValidationError, field_validator

from graphrag import prompts
from graphrag.core.concurrency import Silent
from graphrag.core.errors import ContextTooLongError, CostLimitError, ModelError
from graphrag.core.tables import REPORTS, stable_id
from graphrag.indexing.graph.merging import Graph
from graphrag.indexing.reports.context import Context, Contexts, FindingRow, ReportRow, most_cited
from graphrag.indexing.reports.extractive import extract_reports
from graphrag.indexing.run import Run
from graphrag.indexing.runners import Tools
from graphrag.indexing.runners.asking import ask_and_keep
from graphrag.models.replies.items import Scale
from graphrag.prompts import Message, Prompt
from graphrag.stores.contract.hierarchy import render_report
from graphrag.text import tokens

STEP = "reports"
METHOD = "model"
HALVINGS = 2  # of the context, for a model that it does not fit
SLICE_ROUNDS = 4  # of calls at once that a remote worker is handed

_ID = r"[erf]\d+"
# [r12], [e3, f7], (r1; r2), also in the brackets of Chinese and Japanese texts.
_MARK = re.compile(
    rf"\s*[\[(【［（]\s*{_ID}(?:[\s,;、，；&–-]+(?:and\s+)?{_ID})*\s*[\])】］）]", re.I
)
_CITED = re.compile(_ID, re.I)


class ReportFinding(BaseModel):
    summary: str
    explanation: str = ""


class CommunityReport(BaseModel):
    """The model's reply."""

    title: str
    summary: str
    rating: Annotated[float, Scale(10)]
    rating_explanation: str = ""
    findings: list[ReportFinding]

    @field_validator("title", "summary")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty")
        return value


@dataclass(frozen=True, slots=True)
class _Request:
    """One report to ask for."""

    community_id: str
    context: Context
    prompt: ReportPrompt


@dataclass(frozen=True, slots=True)
class ReportPrompt:
    """What the model is sent for one report, and the key that its reply is kept under."""

    key: str
    messages: tuple[Message, ...]
    community_id: str = ""  # of the first community that asks it, for the log


@dataclass(slots=True)
class ReportReplies:
    """By key: what came through, and why it did not. `stopped`: why the rest was not asked."""

    came: dict[str, CommunityReport] = field(default_factory=dict[str, CommunityReport])
    errors: dict[str, ModelError] = field(default_factory=dict[str, ModelError])
    stopped: ModelError | None = None


@dataclass(slots=True)
class _Writing:
    """The reports so far, and what they are written from."""

    run: Run
    graph: Graph
    sentences: pl.DataFrame
    prompt: Prompt
    contexts: Contexts | None  # None: no report is asked for
    reports: dict[str, ReportRow] = field(default_factory=dict[str, ReportRow])
    errors: dict[str, ModelError] = field(default_factory=dict[str, ModelError])
    stopped: ModelError | None = None
    answered: bool = False  # at least one call came through
    cut_edges: int = 0


async def write(
    run: Run,
    communities: pl.DataFrame,
    *,
    graph: Graph,
    sentences: pl.DataFrame,
    by_model: bool,
) -> tuple[pl.DataFrame, int]:
    """A report for every community of two entities or more; and how many edges none covers.

    `sentences` are those of the text units, as `unit_words` gives them.

    Where it is to be asked, the model writes those of `communities.min_report_size` entities and
    more; replies are kept in the store as they arrive, under the hash of their prompt, and never
    asked for twice. The rest, and those whose call fails, are extracted from the texts; failures
    are named. After a cost limit, or when no call comes through, the rest is extracted too. Raises
    ModelAuthError.
    """
    large = pl.col("size") >= max(2, run.settings.communities.min_report_size)
    by_model = by_model and run.models.chat is not None
    asked = communities.filter(large & pl.lit(by_model)).sort("id")
    contexts: Contexts | None = None
    if not asked.is_empty():
        contexts = await asyncio.to_thread(Contexts, communities, graph)
    prompt = prompts.load("indexing/report", root=run.root)
    work = _Writing(run, graph, sentences, prompt, contexts)
    await _extract(communities.join(asked, on="id", how="anti"), work)
    if contexts is not None:
        run.progress.start(STEP, asked.height)
        for wave in _waves(asked, contexts, _budget(run)):
            reports = await _ask_all(*await _prepare(wave, work), work)
            _keep(reports, work)
            done = [report.community_id for report in reports]
            left = pl.col("id").is_in(wave) & ~pl.col("id").is_in(done)
            await _extract(asked.filter(left), work)
        run.progress.finish(STEP)
    _note_failures(work, asked["id"].to_list())
    return _frame(work.reports.values()), work.cut_edges


def _budget(run: Run) -> int:
    return run.models.window.fit(run.settings.reports.max_input_tokens)


async def _extract(communities: pl.DataFrame, work: _Writing) -> None:
    reports = await asyncio.to_thread(
        extract_reports,
        communities,
        graph=work.graph,
        sentences=work.sentences,
        settings=work.run.settings.reports,
    )
    _keep(reports, work)


def _keep(reports: Sequence[ReportRow], work: _Writing) -> None:
    if work.contexts is not None:
        work.contexts.add_reports(reports)
    work.reports.update((report.community_id, report) for report in reports)


def _waves(asked: pl.DataFrame, contexts: Contexts, budget: int) -> list[list[str]]:
    """Communities in the order of writing: those that need no other's report come first."""
    number: dict[str, int] = {}
    for community in asked.sort("level", "id", descending=[True, False])["id"]:
        below = [number[child] for child in contexts.children(community) if child in number]
        needed = bool(below) and not contexts.fits(community, budget)
        number[community] = 1 + max(below) if needed else 0
    waves: list[list[str]] = [[] for _ in range(max(number.values()) + 1)]
    for community in sorted(number):
        waves[number[community]].append(community)
    return waves


async def _prepare(
    communities: Sequence[str], work: _Writing
) -> tuple[list[ReportRow], list[_Request]]:
    """The reports whose reply is kept, and the requests for the others."""
    budget = _budget(work.run)
    requests = [_request(community, budget, work) for community in communities]
    kept = await work.run.store.replies([request.prompt.key for request in requests])
    reports: list[ReportRow] = []
    todo: list[_Request] = []
    for request in requests:
        reply = _parse(kept.get(request.prompt.key))
        if reply is None:
            todo.append(request)
        else:
            reports.append(_resolve(request, reply, work))
            work.run.progress.advance(STEP)
    return reports, todo


def _request(community: str, budget: int, work: _Writing) -> _Request:
    assert work.run.models.chat is not None
    assert work.contexts is not None
    context = work.contexts.build(community, budget)
    findings = str(work.run.settings.reports.max_findings)
    messages = work.prompt.fill({"max_findings": findings, "context": context.text})
    key = stable_id("report", work.run.models.chat.name, work.prompt.hash, findings, context.text)
    return _Request(community, context, ReportPrompt(key, tuple(messages), community))


async def _ask_all(
    reports: list[ReportRow], requests: Sequence[_Request], work: _Writing
) -> list[ReportRow]:
    """`reports` and those that came through; the errors of the others are noted.

    What does not fit the model is asked for again with half of the context.
    """
    run, budget = work.run, _budget(work.run)
    limit = run.settings.chat.concurrency
    for halvings in range(HALVINGS + 1):
        if work.stopped is not None or not requests:
            break
        keys = [request.prompt.key for request in requests]
        kept = await run.store.replies(keys) if halvings else {}
        came = {key: reply for key, text in kept.items() if (reply := _parse(text))}
        todo = [request for request in requests if request.prompt.key not in came]
        # Communities with the same context, as a parent and its only child, share one reply.
        sent = list({one.prompt.key: one.prompt for one in todo}.values())
        run.progress.advance(STEP, len(todo) - len(sent))
        ask_some = partial(
            ask, patience=None if work.answered else max(1, limit - len(work.errors))
        )
        async with aclosing(
            run.runner.slices(STEP, sent, ask_some, tools=run, size=SLICE_ROUNDS * limit)
        ) as slices:
            async for _, coming in slices:
                replies = await coming
                came.update(replies.came)
                _note(replies, todo, work)
                if work.stopped is not None:
                    break
        reports += [
            _resolve(one, came[one.prompt.key], work) for one in requests if one.prompt.key in came
        ]
        if halvings == HALVINGS:
            break
        requests = _shortened(requests, budget // 2 ** (halvings + 1), work)
        run = replace(run, progress=Silent())  # they were counted when they were first asked for
    return reports


def _note(replies: ReportReplies, requests: Sequence[_Request], work: _Writing) -> None:
    work.answered = work.answered or bool(replies.came)
    for request in requests:
        if request.prompt.key in replies.errors:
            work.errors[request.community_id] = replies.errors[request.prompt.key]
    if isinstance(replies.stopped, CostLimitError) or not work.answered:
        work.stopped = replies.stopped


def _shortened(requests: Sequence[_Request], budget: int, work: _Writing) -> list[_Request]:
    """New requests for those that were too long, whose error is forgotten."""
    too_long = [
        request.community_id
        for request in requests
        if isinstance(work.errors.get(request.community_id), ContextTooLongError)
    ]
    for community in too_long:
        del work.errors[community]
    return [_request(community, budget, work) for community in too_long]


async def ask(
    asked: Sequence[ReportPrompt], tools: Tools, *, patience: int | None
) -> ReportReplies:
    """Ask where this runs and keep each reply. Without any reply `patience` failures end it."""
    replies = ReportReplies()
    if tools.may_repeat:
        kept = await tools.store.replies([one.key for one in asked])
        replies.came = {key: reply for key, text in kept.items() if (reply := _parse(text))}

    async def keep(results: list[tuple[ReportPrompt, CommunityReport | ModelError]]) -> None:
        new = {one.key: reply for one, reply in results if isinstance(reply, CommunityReport)}
        await tools.store.put_replies({key: new[key].model_dump_json() for key in new})
        replies.came |= new

    done = await ask_and_keep(
        [one for one in asked if one.key not in replies.came],
        lambda one: tools.models.json(one.messages, CommunityReport, kind="report", cache=False),
        keep,
        limit=tools.settings.chat.concurrency,
        on_done=lambda some: tools.progress.advance(STEP, len(some)),
        name=lambda one: one.community_id,
        patience=None if replies.came else patience,
    )
    replies.errors = {one.key: error for one, error in done.errors.items()}
    replies.stopped = done.stopped
    return replies


def _parse(reply: str | None) -> CommunityReport | None:
    """A kept reply; None where there is none, or one of another shape."""
    if reply is None:
        return None
    try:
        return CommunityReport.model_validate_json(reply)
    except ValidationError:
        return None


def _resolve(request: _Request, reply: CommunityReport, work: _Writing) -> ReportRow:
    """The report with its citations checked: ids of context rows become text units."""
    work.run.reply_keys.add(request.prompt.key)
    work.cut_edges += len(request.context.cut)
    units = request.context.units
    findings = [
        FindingRow(
            _without_marks(finding.summary),
            _without_marks(finding.explanation),
            _cited_units(f"{finding.summary} {finding.explanation}", units),
        )
        for finding in reply.findings
        if finding.summary.strip() or finding.explanation.strip()
    ]
    rating = reply.rating if math.isfinite(reply.rating) else 0.0
    return ReportRow(
        request.community_id,
        _without_marks(reply.title),
        _without_marks(reply.summary),
        tuple(findings[: work.run.settings.reports.max_findings]),
        min(max(rating, 0.0), 10.0),
        _without_marks(reply.rating_explanation),
        METHOD,
        request.prompt.key,
    )


def _cited_units(text: str, units: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    cited = [name.lower() for mark in _MARK.findall(text) for name in _CITED.findall(mark)]
    return most_cited(units[name] for name in dict.fromkeys(cited) if name in units)


def _without_marks(text: str) -> str:
    return _MARK.sub("", text).strip()


def _frame(reports: Iterable[ReportRow]) -> pl.DataFrame:
    rows = [
        {
            "community_id": report.community_id,
            "title": report.title,
            "summary": report.summary,
            "findings": [
                {
                    "summary": finding.summary,
                    "explanation": finding.explanation,
                    "text_unit_ids": list(finding.text_unit_ids),
                }
                for finding in report.findings
            ],
            "rating": report.rating,
            "rating_explanation": report.rating_explanation,
            "method": report.method,
            "n_tokens": 0,
            "input_hash": report.input_hash,
        }
        for report in sorted(reports, key=lambda report: report.community_id)
    ]
    counts = tokens.counts([render_report(row) for row in rows])
    frame = pl.DataFrame(rows, schema=REPORTS)
    return frame.with_columns(pl.Series("n_tokens", counts, dtype=pl.Int64))


def _note_failures(work: _Writing, asked: Sequence[str]) -> None:
    failed = {community: str(error) for community, error in work.errors.items()}
    if work.stopped is not None:
        left = [community for community in asked if work.reports[community].method != METHOD]
        reason = f"{work.stopped}; {len(left)} reports were extracted from the texts instead"
        failed[min(failed or left)] = reason
    for community, reason in sorted(failed.items()):
        work.run.fail(f"community {community}", f"report: {reason}")
