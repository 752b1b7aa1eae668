"""Communities in, one report each out: written by the model bottom-up, or extracted without one."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

import polars as pl
from pydantic import BaseModel, ValidationError, field_validator

from graphrag.core.concurrency import Progress, Silent, as_batches, batching_writer
from graphrag.core.errors import ContextTooLongError, CostLimitError, ModelAuthError, ModelError
from graphrag.core.logs import about
from graphrag.core.settings import Settings
from graphrag.core.tables import REPORTS, stable_id
from graphrag.indexing.graph.merging import Graph
from graphrag.indexing.reports.context import Context, Contexts, Count, Finding, Report, most_cited
from graphrag.indexing.reports.extractive import extract_reports
from graphrag.indexing.runners import HERE, Runner, Tools
from graphrag.models.models import Models
from graphrag.prompts import Message, Prompt
from graphrag.stores import GraphStore
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
    explanation: str


class CommunityReport(BaseModel):
    """The model's reply."""

    title: str
    summary: str
    rating: float
    rating_explanation: str
    findings: list[ReportFinding]

    @field_validator("title", "summary")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty")
        return value


@dataclass(frozen=True, slots=True)
class Written:
    """`reply_keys` are the replies these reports rest on; `failures` are (community, reason).

    `cut_edges` counts the relationships inside a community that its report could not cover.
    """

    reports: pl.DataFrame
    reply_keys: frozenset[str] = frozenset()
    failures: tuple[tuple[str, str], ...] = ()
    cut_edges: int = 0


@dataclass(frozen=True, slots=True)
class _Request:
    """One report to ask for."""

    community_id: str
    context: Context
    messages: tuple[Message, ...]
    key: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the model is sent for one report, and the key that its reply is kept under."""

    key: str
    messages: tuple[Message, ...]
    community_id: str = ""  # of the first community that asks it, for the log


@dataclass(slots=True)
class Replies:
    """By key: what came through, and why it did not. `stopped`: why the rest was not asked."""

    came: dict[str, CommunityReport] = field(default_factory=dict[str, CommunityReport])
    errors: dict[str, ModelError] = field(default_factory=dict[str, ModelError])
    stopped: ModelError | None = None


@dataclass(slots=True)
class _Run:
    graph: Graph
    sentences: pl.DataFrame
    models: Models
    store: GraphStore
    prompt: Prompt
    settings: Settings
    progress: Progress
    runner: Runner
    contexts: Contexts | None  # None: no report is asked for
    reports: dict[str, Report] = field(default_factory=dict[str, Report])
    reply_keys: set[str] = field(default_factory=set[str])
    errors: dict[str, ModelError] = field(default_factory=dict[str, ModelError])
    stopped: ModelError | None = None
    asked: int = 0
    answered: bool = False  # at least one call came through
    cut_edges: int = 0


async def write(
    communities: pl.DataFrame,
    *,
    graph: Graph,
    sentences: pl.DataFrame,
    models: Models,
    store: GraphStore,
    prompt: Prompt,
    settings: Settings,
    progress: Progress,
    runner: Runner = HERE,
    count: Count = tokens.counts,
) -> Written:
    """A report for every community of two entities or more.

    `sentences` are those of the text units, as `unit_words` gives them.

    The model writes those of `communities.min_report_size` entities and more; replies are kept
    in `store` as they arrive, under the hash of their prompt, and never asked for twice. The
    rest, and those whose call fails, are extracted from the texts; failures are named. After a
    cost limit, or when no call comes through, the rest is extracted too. Raises ModelAuthError.
    """
    large = pl.col("size") >= max(2, settings.communities.min_report_size)
    asked = communities.filter(large & pl.lit(value=models.chat is not None)).sort("id")
    contexts: Contexts | None = None
    if not asked.is_empty():
        contexts = await asyncio.to_thread(Contexts, communities, graph, count=count)
    run = _Run(graph, sentences, models, store, prompt, settings, progress, runner, contexts)
    await _extract(communities.join(asked, on="id", how="anti"), run)
    if contexts is not None:
        run.asked = asked.height
        progress.start(STEP, asked.height)
        for wave in _waves(asked, contexts, settings.reports.max_input_tokens):
            await _write_wave(asked.filter(pl.col("id").is_in(wave)), run)
        progress.finish(STEP)
    return Written(
        _frame(run.reports.values(), count),
        frozenset(run.reply_keys),
        _failures(run),
        run.cut_edges,
    )


async def _extract(communities: pl.DataFrame, run: _Run) -> None:
    reports = await asyncio.to_thread(
        extract_reports,
        communities,
        graph=run.graph,
        sentences=run.sentences,
        settings=run.settings.reports,
    )
    _keep(reports, run)


def _keep(reports: Sequence[Report], run: _Run) -> None:
    if run.contexts is not None:
        run.contexts.add_reports(reports)
    run.reports.update((report.community_id, report) for report in reports)


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


async def _write_wave(communities: pl.DataFrame, run: _Run) -> None:
    """The reports of communities that do not need each other's."""
    budget = run.settings.reports.max_input_tokens
    requests = [_request(community, budget, run) for community in communities["id"]]
    known = await run.store.replies([request.key for request in requests])
    written: list[Report] = []
    todo: list[_Request] = []
    for request in requests:
        reply = _parse(known.get(request.key))
        if reply is None:
            todo.append(request)
        else:
            written.append(_resolve(request, reply, run))
            run.progress.advance(STEP)
    written += await _ask_all(todo, run)
    _keep(written, run)
    done = [report.community_id for report in written]
    await _extract(communities.filter(~pl.col("id").is_in(done)), run)


def _request(community: str, budget: int, run: _Run) -> _Request:
    assert run.models.chat is not None
    assert run.contexts is not None
    context = run.contexts.build(community, budget)
    findings = str(run.settings.reports.max_findings)
    messages = run.prompt.fill({"max_findings": findings, "context": context.text})
    key = stable_id("report", run.models.chat.name, run.prompt.hash, findings, context.text)
    return _Request(community, context, tuple(messages), key)


async def _ask_all(requests: Sequence[_Request], run: _Run) -> list[Report]:
    """The reports that came through; the errors of the others are noted."""
    reports: list[Report] = []
    progress = run.progress
    for halvings in range(HALVINGS + 1):
        if run.stopped is not None or not requests:
            break
        known = await run.store.replies([request.key for request in requests]) if halvings else {}
        came = {key: reply for key, text in known.items() if (reply := _parse(text))}
        await _ask_round([request for request in requests if request.key not in came], run, came)
        reports += [_resolve(one, came[one.key], run) for one in requests if one.key in came]
        too_long = [
            request
            for request in requests
            if isinstance(run.errors.get(request.community_id), ContextTooLongError)
        ]
        if halvings == HALVINGS:
            break
        budget = run.settings.reports.max_input_tokens // 2 ** (halvings + 1)
        for request in too_long:
            del run.errors[request.community_id]
        requests = [_request(request.community_id, budget, run) for request in too_long]
        run.progress = Silent()  # they were counted when they were first asked for
    run.progress = progress
    return reports


async def _ask_round(
    requests: Sequence[_Request], run: _Run, came: dict[str, CommunityReport]
) -> None:
    """Fill `came` with the replies, by key."""
    limit = run.settings.chat.concurrency
    tools = Tools(run.models, run.store, run.settings, run.progress)
    work = partial(ask, patience=None if run.answered else max(1, limit - len(run.errors)))
    size = SLICE_ROUNDS * limit
    # Communities with the same context, as a parent and its only child, share one reply.
    questions = list(
        {one.key: Question(one.key, one.messages, one.community_id) for one in requests}.values()
    )
    run.progress.advance(STEP, len(requests) - len(questions))
    async with aclosing(run.runner.slices(STEP, questions, work, tools=tools, size=size)) as slices:
        async for _, replies in slices:
            came.update(replies.came)
            run.answered = run.answered or bool(replies.came)
            for request in requests:
                if request.key in replies.errors:
                    run.errors[request.community_id] = replies.errors[request.key]
            if isinstance(replies.stopped, CostLimitError) or not run.answered:
                run.stopped = replies.stopped
            if run.stopped is not None:
                break


async def ask(questions: Sequence[Question], tools: Tools, *, patience: int | None) -> Replies:
    """Ask where this runs and keep each reply. Without any reply `patience` failures end it."""
    replies = Replies()
    if tools.may_repeat:
        known = await tools.store.replies([question.key for question in questions])
        replies.came = {key: reply for key, text in known.items() if (reply := _parse(text))}

    async def attempt(question: Question) -> CommunityReport | ModelError:
        with about(question.community_id):
            try:
                return await tools.models.json(
                    question.messages, CommunityReport, kind="report", cache=False
                )
            except ModelError as error:
                return error

    todo = [question for question in questions if question.key not in replies.came]
    limit = tools.settings.chat.concurrency

    async def save(came: list[tuple[str, CommunityReport]]) -> None:
        await tools.store.put_replies({key: reply.model_dump_json() for key, reply in came})

    async with (
        batching_writer(save, most=limit) as saving,
        aclosing(as_batches(todo, attempt, limit=limit)) as batches,
    ):
        async for batch in batches:
            tools.progress.advance(STEP, len(batch))
            came = {one.key: it for one, it in batch if isinstance(it, CommunityReport)}
            await saving.add(came.items())
            replies.came |= came
            for question, result in batch:
                if isinstance(result, ModelAuthError):
                    raise result
                if isinstance(result, ModelError):
                    replies.errors[question.key] = result
                    lost = patience and not replies.came and len(replies.errors) >= patience
                    if isinstance(result, CostLimitError) or lost:
                        replies.stopped = result
            if replies.stopped is not None:
                break
    return replies


def _parse(reply: str | None) -> CommunityReport | None:
    """A kept reply; None where there is none, or one of another shape."""
    if reply is None:
        return None
    try:
        return CommunityReport.model_validate_json(reply)
    except ValidationError:
        return None


def _resolve(request: _Request, reply: CommunityReport, run: _Run) -> Report:
    """The report with its citations checked: ids of context rows become text units."""
    run.reply_keys.add(request.key)
    run.cut_edges += len(request.context.cut)
    units = request.context.units
    findings = [
        Finding(
            _without_marks(finding.summary),
            _without_marks(finding.explanation),
            _cited_units(f"{finding.summary} {finding.explanation}", units),
        )
        for finding in reply.findings
        if finding.summary.strip() or finding.explanation.strip()
    ]
    rating = reply.rating if math.isfinite(reply.rating) else 0.0
    return Report(
        request.community_id,
        _without_marks(reply.title),
        _without_marks(reply.summary),
        tuple(findings[: run.settings.reports.max_findings]),
        min(max(rating, 0.0), 10.0),
        _without_marks(reply.rating_explanation),
        METHOD,
        request.key,
    )


def _cited_units(text: str, units: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    cited = [name.lower() for mark in _MARK.findall(text) for name in _CITED.findall(mark)]
    return most_cited(units[name] for name in dict.fromkeys(cited) if name in units)


def _without_marks(text: str) -> str:
    return _MARK.sub("", text).strip()


def _frame(reports: Iterable[Report], count: Count) -> pl.DataFrame:
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
    counts = count([render_report(row) for row in rows])
    frame = pl.DataFrame(rows, schema=REPORTS)
    return frame.with_columns(pl.Series("n_tokens", counts, dtype=pl.Int64))


def _failures(run: _Run) -> tuple[tuple[str, str], ...]:
    failed = {community: str(error) for community, error in run.errors.items()}
    if run.stopped is not None:
        left = run.asked - sum(report.method == METHOD for report in run.reports.values())
        first = min(failed)
        failed[first] = f"{run.stopped}; {left} reports were extracted from the texts instead"
    return tuple(sorted(failed.items()))
