"""Answer a question about the whole from the reports of one level: map and reduce.

Batches of the cover's reports are read at the same time (map), the points noted there ranked by
score, and the best put together (reduce). A batch that could not be read becomes a warning; when
none could be read that is an error, which is not the same as "the reports do not say".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import BaseModel

from graphrag import prompts
from graphrag.core.errors import ModelError
from graphrag.models.asking import ask_each, raise_if_all_failed
from graphrag.models.replies.items import Scale
from graphrag.query.answering import extractive
from graphrag.query.answering.writing import MARKER, Written, markers, write
from graphrag.query.context import (
    Evidence,
    Question,
    Resources,
    Source,
    Unit,
    estimate_tokens,
    load_units,
    one_line,
    render_history,
)
from graphrag.query.context.words import QuestionWords, weigh
from graphrag.query.global_search import digest
from graphrag.query.global_search.reports import (
    CitableFinding,
    CitableReport,
    Support,
    choose,
    find_cover,
    find_support,
    no_reports,
    read_reports,
    render_finding,
    render_head,
)
from graphrag.query.global_search.selection import select
from graphrag.text import tokens
from graphrag.text.questions import is_broad, subject

NOTHING = "The reports on the indexed documents hold nothing that answers this question."
HEADINGS_TOKENS = 20
MOST_READ = 300  # reports of a question that does not need every one of the cover


class Point(BaseModel):
    description: str
    score: Annotated[float, Scale(100)]


class MapReply(BaseModel):
    """What one map call replies."""

    points: list[Point]


@dataclass(frozen=True, slots=True)
class RankedPoint:
    """`numbers`: the findings it cites."""

    text: str
    score: float
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PackedPoints:
    """What the reduce call reads: how many points, and the numbers of findings in them."""

    text: str
    n_points: int
    numbers: list[int]


@dataclass(frozen=True, slots=True)
class _Cover:
    """Everything that one question reads."""

    reports: tuple[CitableReport, ...]
    words: QuestionWords  # of the question's subject
    subject: str
    warnings: tuple[str, ...] = ()
    trace: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def findings(self) -> list[CitableFinding]:
        return [finding for report in self.reports for finding in report.findings]


async def retrieve(question: Question, resources: Resources, *, most: int = MOST_READ) -> Evidence:
    """The reports of the cover, and the text behind the findings that fit the question best.

    `most`: reports that are read, where the question does not need every one.
    """
    found = await _read(question, resources, most=most)
    k = question.k or resources.settings.query.basic.k
    best = (digest.rank_findings(found.reports, found.words) or found.findings)[:k]
    return await _evidence(found, best, resources, k=k)


async def answer(
    question: Question, resources: Resources, *, on_text: Callable[[str], None] | None = None
) -> tuple[Written, Evidence]:
    """Raises UsageError without reports or on an unknown level, ModelError when no batch of
    reports could be read."""
    if resources.models.chat is None:
        return await _extract(question, resources)
    found = await _read(question, resources, most=None)
    return await _map_reduce(question, resources, found, on_text=on_text)


async def _read(question: Question, resources: Resources, *, most: int | None) -> _Cover:
    """`most`: reports of the cover, those that may help; None: every one."""
    language = (await resources.meta()).get("language") or "en"
    about = subject(question.text, language)
    words = await weigh(about, resources.store, language=language)
    warnings: tuple[str, ...] = ()
    trace: Mapping[str, object] = {}
    dynamic = resources.settings.query.global_.dynamic
    if dynamic and resources.models.chat is not None:
        selected = await select(question, resources)
        levels, warnings, trace = selected.levels, selected.warnings, selected.trace
    else:
        if dynamic:
            warnings = ("no chat model rates the reports: those of one level are read",)
        levels = await find_cover(question, resources)
        if most is not None:
            wanted = "" if _is_overview(question, words, about) else about
            chosen = await choose(levels, question, resources, subject=wanted, most=most)
            trace = {"reports_left": len(levels) - len(chosen)}
            levels = chosen
    reports = await read_reports(levels, question, resources)
    if not reports and not (await resources.store.counts()).get("reports"):
        raise no_reports()
    return _Cover(tuple(reports), words, about, warnings, trace)


def _is_overview(question: Question, words: QuestionWords, about: str) -> bool:
    """Whether the question names no subject, or what all of the index is about."""
    return not about or (words.common and is_broad(question.text) == "themes")


async def _evidence(
    found: _Cover,
    findings: Sequence[CitableFinding],
    resources: Resources,
    *,
    k: int | None = None,
    trace: Mapping[str, object] | None = None,
) -> Evidence:
    """The reports that were read, and the text units of `findings`, the first `k`."""
    ids = list(dict.fromkeys(key for one in findings for key in one.unit_ids))[:k]
    units = await load_units(resources.store, ids)
    return _shown(found, [units[key] for key in ids if key in units], trace=trace)


def _shown(
    found: _Cover,
    units: Iterable[Unit],
    *,
    warnings: Sequence[str] = (),
    trace: Mapping[str, object] | None = None,
) -> Evidence:
    words = found.words
    counted = {"reports": len(found.reports), "findings": len(found.findings)}
    return Evidence(
        units=tuple(
            (unit, round(words.weight(words.found(unit.text, unit.language)), 6)) for unit in units
        ),
        words=words,
        reports=tuple(report.hit for report in found.reports),
        warnings=tuple(dict.fromkeys([*found.warnings, *warnings])),
        trace={**counted, **found.trace, **(trace or {})},
    )


async def _extract(question: Question, resources: Resources) -> tuple[Written, Evidence]:
    """Without a model: the best-rated reports' main findings, or what fits the subject best."""
    found = await _read(question, resources, most=MOST_READ)
    if not found.subject and not is_broad(question.text):
        return Written(extractive.NOTHING, answered=False), _shown(found, ())
    warnings: Sequence[str] = ()
    if _is_overview(question, found.words, found.subject):
        told = await digest.overview(found.reports, found.words, resources)
    else:
        told, warnings = await digest.about(
            question, found.reports, found.words, resources, subject=found.subject
        )
    k = max(question.k or resources.settings.query.basic.k, len(told.written.citations))
    return told.written, _shown(found, (unit for unit, _ in told.units[:k]), warnings=warnings)


async def _map_reduce(
    question: Question,
    resources: Resources,
    found: _Cover,
    *,
    on_text: Callable[[str], None] | None,
) -> tuple[Written, Evidence]:
    support = await find_support(found.findings, resources)
    settings = resources.settings.query.global_
    batches = pack_batches(found.reports, support, max_tokens=settings.batch_tokens)
    points, warnings = await _map(batches, question, resources)
    by_number = {finding.number: finding for finding in found.findings}
    ranked = rank_points(points, by_number)
    packed = pack_points(ranked, support, max_tokens=settings.reduce_tokens)
    trace = {
        "batches": len(batches),
        "batches_failed": len(warnings),
        "points": len(ranked),
        "points_read": packed.n_points,
    }
    findings = [by_number[number] for number in packed.numbers]
    evidence = await _evidence(found, findings, resources, trace=trace)
    if not packed.n_points:
        return Written(NOTHING, answered=False, warnings=tuple(warnings)), evidence
    passages = {passage.id: passage for passage in evidence.passages}
    sources = [
        Source(one.number, tuple(passages[key] for key in one.unit_ids if key in passages))
        for one in findings
    ]
    messages = prompts.load("query/global_reduce", root=resources.root).fill(
        {
            "points": packed.text,
            "history": render_history(question, turns=resources.settings.query.local.history_turns),
            "question": question.text,
        }
    )
    pieces = resources.models.stream(messages, kind="reduce")
    written = await write(pieces, sources, on_text=on_text)
    return replace(written, warnings=(*warnings, *written.warnings)), evidence


def pack_batches(
    reports: Sequence[CitableReport], support: Mapping[int, Support], *, max_tokens: int
) -> list[str]:
    """The rendered reports in as few texts of at most `max_tokens` as their order allows.

    A report that does not fit goes on in the next one, under its title again.
    """
    most = max_tokens // 2 - 1
    rendered = [
        (
            tokens.truncate(render_head(report), most),
            [tokens.truncate(render_finding(one, support), most) for one in report.findings],
        )
        for report in reports
    ]
    batches: list[list[str]] = []
    left = 0
    for head, findings in rendered:
        head_size, *sizes = (estimate_tokens(text) + 1 for text in [head, *findings])
        begun = False
        for text, size in zip(findings or [""], sizes or [0], strict=True):
            if size + (0 if begun else head_size) > left:
                batches.append([])
                left, begun = max_tokens, False
            if not begun:
                batches[-1].append(head)
                left, begun = left - head_size, True
            if text:
                batches[-1].append(text)
                left -= size
    return ["\n".join(batch) for batch in batches]


async def _map(
    batches: Sequence[str], question: Question, resources: Resources
) -> tuple[list[Point], list[str]]:
    """The points of all batches in order, and a warning for each that could not be read."""
    prompt = prompts.load("query/global_map", root=resources.root)

    filled = [prompt.fill({"reports": batch, "question": question.text}) for batch in batches]
    replies = await ask_each(
        filled,
        lambda messages: resources.models.json(messages, MapReply, kind="map"),
        limit=resources.settings.chat.concurrency,
    )
    raise_if_all_failed(f"read any of the {len(batches)} batches of reports", replies)
    warnings = [
        f"batch {place} of {len(batches)} of the reports could not be read: {reply}"
        for place, reply in enumerate(replies, start=1)
        if isinstance(reply, ModelError)
    ]
    points = [one for reply in replies if isinstance(reply, MapReply) for one in reply.points]
    return points, warnings


def rank_points(
    points: Iterable[Point], findings: Mapping[int, CitableFinding]
) -> list[RankedPoint]:
    """Points that help, best first; numbers that name no finding are taken out of the text."""

    def known(match: re.Match[str]) -> str:
        numbers = [number for number in markers(match[0]) if number in findings]
        return f"[{', '.join(map(str, numbers))}]" if numbers else ""

    ranked: list[RankedPoint] = []
    for point in points:
        text = " ".join(MARKER.sub(known, point.description).split())
        if point.score > 0 and text:
            numbers = tuple(dict.fromkeys(markers(text)))
            ranked.append(RankedPoint(text, min(point.score, 100.0), numbers))
    return sorted(ranked, key=lambda one: -one.score)


def pack_points(
    points: Sequence[RankedPoint], support: Mapping[int, Support], *, max_tokens: int
) -> PackedPoints:
    """The first points that fit, with the sentences behind the findings that they cite."""
    lines: list[str] = []
    quoted: dict[int, str] = {}
    left = max_tokens - HEADINGS_TOKENS
    for point in points:
        line = f"- ({point.score:g}) {point.text}"
        new = {
            number: f"[{number}] {one_line(support[number].quote)}" if number in support else ""
            for number in point.numbers
            if number not in quoted
        }
        left -= sum(estimate_tokens(text) + 1 for text in [line, *filter(None, new.values())])
        if left < 0:
            break
        lines.append(line)
        quoted.update(new)
    sentences = [sentence for sentence in quoted.values() if sentence]
    text = "\n".join(["## Points", *lines, "", "## Source sentences", *sentences])
    return PackedPoints(text, len(lines), list(quoted))
