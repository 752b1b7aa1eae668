"""A question about the whole in, an answer from the reports of one level out: map and reduce.

Batches of the cover's reports are read at the same time (map), the points noted there ranked by
score, and the best put together (reduce). A batch that could not be read becomes a warning; when
none could be read that is an error, which is not the same as "the reports do not say".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel

from graphrag import prompts, tokens
from graphrag import text as analysis
from graphrag.concurrency import map_ordered
from graphrag.errors import CostLimitError, ModelAuthError, ModelError
from graphrag.query import extractive
from graphrag.query.context import (
    Evidence,
    Question,
    Resources,
    Source,
    load_units,
    one_line,
    render_history,
)
from graphrag.query.matching import QuestionWords, weigh
from graphrag.query.reports import (
    Finding,
    Report,
    Support,
    find_support,
    read_cover,
    render_finding,
    render_head,
)
from graphrag.query.writing import MARKER, Written, markers, write

NOTHING = "The reports on the indexed documents hold nothing that answers this question."
MAX_RANKED = 200  # findings with the question's words that a model-free answer looks at
RATING_SHARE = 0.2  # of a sentence's worth there, for the highest rating
HEADINGS_TOKENS = 20

_CORPUS_WORDS = frozenset(
    {
        "across", "archive", "collection", "corpus", "dataset", "documents", "everything",
        "overall", "texts",
    }
)  # fmt: skip
_THEME_WORDS = frozenset(
    {
        "motifs", "outline", "overview", "summarise", "summarize", "summary", "theme", "themes",
        "topic", "topics", "trends",
    }
)  # fmt: skip
_FILLERS = frozenset(
    {
        "about", "all", "central", "common", "data", "discussed", "give", "important", "key",
        "main", "major", "me", "mentioned", "most", "recurring", "set", "tell", "whole",
    }
)  # fmt: skip


class Point(BaseModel):
    description: str
    score: float


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

    reports: tuple[Report, ...]
    words: QuestionWords

    @property
    def findings(self) -> list[Finding]:
        return [finding for report in self.reports for finding in report.findings]

    def ranked(self) -> list[Finding]:
        """The findings that hold words of the question, those with most of them first."""
        worth = {
            finding.number: self.words.weight(self.words.found(finding.text, self.words.language))
            for finding in self.findings
        }
        ranked = sorted(self.findings, key=lambda one: (-worth[one.number], one.number))
        return [finding for finding in ranked if worth[finding.number] > 0]


async def retrieve(question: Question, resources: Resources) -> Evidence:
    """The reports of the cover, and the text behind the findings that fit the question best."""
    found = await _read(question, resources)
    k = question.k or resources.settings.query.basic.k
    best = (found.ranked() or found.findings)[:k]
    return await _evidence(found, best, resources, k=k)


async def answer(
    question: Question, resources: Resources, *, on_text: Callable[[str], None] | None = None
) -> tuple[Written, Evidence]:
    """Raises UsageError without reports or on an unknown level, ModelError when no batch of
    reports could be read."""
    found = await _read(question, resources)
    if resources.models.chat is None:
        return await _extract(question, resources, found)
    return await _map_reduce(question, resources, found, on_text=on_text)


def is_broad(text: str) -> Literal["", "corpus", "themes"]:
    """Whether a question is about the whole: it speaks of the collection, or of main themes."""
    spoken = analysis.normalise(text).split() if text.strip() else []
    if _CORPUS_WORDS.intersection(spoken):
        return "corpus"
    return "themes" if _THEME_WORDS.intersection(spoken) else ""


async def _read(question: Question, resources: Resources) -> _Cover:
    reports = await read_cover(question, resources)
    language = (await resources.store.meta()).get("language") or "en"
    # "Main themes across the documents" asks for no text with the word "themes".
    asked = " ".join(
        word
        for word in analysis.words(question.text)
        if word.casefold() not in _CORPUS_WORDS | _THEME_WORDS | _FILLERS
    )
    words = await weigh(asked, resources.store, language=language)
    return _Cover(tuple(reports), words)


async def _evidence(
    found: _Cover,
    findings: Sequence[Finding],
    resources: Resources,
    *,
    k: int | None = None,
    trace: Mapping[str, object] | None = None,
) -> Evidence:
    """The reports that were read, and the text units of `findings`, the first `k`."""
    ids = list(dict.fromkeys(key for one in findings for key in one.unit_ids))[:k]
    units = await load_units(resources.store, ids)
    scores = {
        key: found.words.weight(found.words.found(unit.text, unit.language))
        for key, unit in units.items()
    }
    counted = {"reports": len(found.reports), "findings": len(found.findings)}
    return Evidence(
        units=tuple((units[key], round(scores[key], 6)) for key in ids if key in units),
        words=found.words,
        reports=tuple(report.hit for report in found.reports),
        trace={**counted, **(trace or {})},
    )


async def _extract(
    question: Question, resources: Resources, found: _Cover
) -> tuple[Written, Evidence]:
    """Without a model: the sentences behind the findings that fit, or behind the main ones."""
    settings = resources.settings.query
    ranked = found.ranked()[:MAX_RANKED]
    held = {term for one in ranked for term in found.words.found(one.text, found.words.language)}
    fits = found.words.weight(held) >= settings.min_coverage
    if not fits and not is_broad(question.text):
        return Written(extractive.NOTHING, answered=False), await _evidence(found, (), resources)
    pool = ranked if fits else [report.findings[0] for report in found.reports if report.findings]
    ratings = {one.number: report.rating for report in found.reports for one in report.findings}
    pool = pool[: max(MAX_RANKED // 4, 4 * settings.sentences)]
    support = await find_support(pool, resources)
    sentences = [
        extractive.Sentence(
            one.number,
            support[one.number].unit,
            support[one.number].quote,
            frozenset(found.words.found(one.text, found.words.language)),
            frozenset(),
            RATING_SHARE * ratings[one.number] / 10,
        )
        for one in pool
        if one.number in support
    ]
    choose = extractive.pick if fits else extractive.first
    chosen = choose(sentences, found.words, limit=settings.sentences)
    cited = {sentence.number for sentence in chosen}
    evidence = await _evidence(found, [one for one in pool if one.number in cited], resources)
    return extractive.compose(chosen), evidence


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
    reports: Sequence[Report], support: Mapping[int, Support], *, max_tokens: int
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
        head_size, *sizes = (size + 1 for size in tokens.counts([head, *findings]))
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

    async def read(batch: str) -> list[Point] | ModelError:
        messages = prompt.fill({"reports": batch, "question": question.text})
        try:
            return (await resources.models.json(messages, MapReply, kind="map")).points
        except (ModelAuthError, CostLimitError):
            raise
        except ModelError as error:
            return error

    replies = await map_ordered(batches, read, limit=resources.settings.chat.concurrency)
    failures = [reply for reply in replies if isinstance(reply, ModelError)]
    if failures and len(failures) == len(batches):
        raise ModelError(
            f"the model could not read any of the {len(batches)} batches of reports: {failures[0]}",
            hint=failures[0].hint,
            transient=failures[0].transient,
        ) from failures[0]
    warnings = [
        f"batch {place} of {len(batches)} of the reports could not be read: {reply}"
        for place, reply in enumerate(replies, start=1)
        if isinstance(reply, ModelError)
    ]
    return [one for reply in replies if isinstance(reply, list) for one in reply], warnings


def rank_points(points: Iterable[Point], findings: Mapping[int, Finding]) -> list[RankedPoint]:
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
        left -= sum(size + 1 for size in tokens.counts([line, *filter(None, new.values())]))
        if left < 0:
            break
        lines.append(line)
        quoted.update(new)
    sentences = [sentence for sentence in quoted.values() if sentence]
    text = "\n".join(["## Points", *lines, "", "## Source sentences", *sentences])
    return PackedPoints(text, len(lines), list(quoted))
