"""Read the reports of a level's cover, with numbered findings.

The cover: communities of that level and coarser ones that were not divided, so that each entity
counts once. A finding's number stands for the text units that it rests on, and beside each goes
one sentence of theirs, so that what a model quotes was written in the documents.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from graphrag import text as analysis
from graphrag.core.answers import ReportHit
from graphrag.core.errors import UsageError
from graphrag.query.answering.excerpts import quotes
from graphrag.query.context import Question, Resources, Unit, load_units, one_line
from graphrag.query.context.rows import ReportRating, ReportRow, UnitPlace
from graphrag.stores.contract.hierarchy import CommunityPlace, cover

UNITS_LOOKED_AT = 2  # of a finding, for a sentence to show
MIN_SHARED = 3  # words that a sentence and its finding share
DEEPEST = 1000  # level that a hierarchy can have
LEVELS_FOUND = 4  # times as many are searched for: those of other levels are left out


@dataclass(frozen=True, slots=True)
class CitableFinding:
    """`[number]`. `unit_ids`: the text units it rests on, of documents that pass the filters."""

    number: int
    summary: str
    explanation: str
    unit_ids: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(filter(None, (self.summary, self.explanation)))


@dataclass(frozen=True, slots=True)
class CitableReport:
    hit: ReportHit
    rating: float
    findings: tuple[CitableFinding, ...]


@dataclass(frozen=True, slots=True)
class Support:
    """The sentence of `unit` that fits a finding best."""

    quote: str
    unit: Unit


async def find_cover(question: Question, resources: Resources) -> dict[str, int]:
    """The communities of the cover, each with its level.

    Raises UsageError when there is no such level.
    """
    store = resources.store
    level = question.level
    if level is None:
        level = resources.settings.query.global_.level
    # Finer ones are most of the hierarchy.
    down_to = ("level", list(range(min(level, DEEPEST) + 1)))
    communities = await store.rows("communities", CommunityPlace, where=down_to)
    if question.level is not None and all(place.level != level for place in communities):
        check_level(level, await store.rows("communities", CommunityPlace))
    return {place.id: place.level for place in cover(communities, level)}


async def choose(
    levels: Mapping[str, int], question: Question, resources: Resources, *, subject: str, most: int
) -> dict[str, int]:
    """Those of `levels` to read where there are more than `most`.

    With a subject the reports that a search of their text finds, else the best-rated ones.
    """
    if len(levels) <= most:
        return dict(levels)
    store = resources.store
    best: list[str] = []
    if subject:
        # Other levels speak of the same.
        hits = await store.search_text(
            "reports", subject, k=LEVELS_FOUND * most, filters=question.filters
        )
        best = [hit.id for hit in hits if hit.id in levels]
    elif question.filters:
        return dict(levels)  # which of them speak of these documents only their findings tell
    if not best:
        rated = await store.rows("reports", ReportRating)
        best = [row.community_id for row in sorted(rated, key=_importance) if row[0] in levels]
    return {key: levels[key] for key in best[:most]}


async def read_reports(
    levels: Mapping[str, int], question: Question, resources: Resources
) -> list[CitableReport]:
    """The reports of these communities, most important first, their findings numbered from 1.

    `levels`: of each community. Under filters: only findings with a text unit of a matching
    document, and no summaries, for those speak of all.
    """
    wanted = ("community_id", sorted(levels))
    rows = sorted(await resources.store.rows("reports", ReportRow, where=wanted), key=_importance)
    allowed = await _allowed(question, resources)
    return list(_numbered(rows, levels, allowed))


def no_reports() -> UsageError:
    return UsageError(
        "the index has no community reports",
        hint="Run `graphrag index` to write them, or ask with --method basic or local.",
    )


def _numbered(
    rows: Iterable[ReportRow], levels: Mapping[str, int], allowed: frozenset[str] | None
) -> Iterator[CitableReport]:
    number = 0
    for row in rows:
        findings: list[CitableFinding] = []
        for item in row.findings or ():
            ids = tuple(
                key for key in item["text_unit_ids"] or () if allowed is None or key in allowed
            )
            if ids or allowed is None:
                number += 1
                summary, explanation = item["summary"] or "", item["explanation"] or ""
                findings.append(CitableFinding(number, summary, explanation, ids))
        if findings or allowed is None:
            summary = (row.summary or "") if allowed is None else ""
            hit = ReportHit(row.community_id, levels[row.community_id], row.title or "", summary)
            yield CitableReport(hit, row.rating or 0.0, tuple(findings))


async def find_support(
    findings: Iterable[CitableFinding], resources: Resources
) -> dict[int, Support]:
    """By number: a sentence of the finding's text units that says what it says."""
    wanted = list(findings)
    units = await load_units(
        resources.store, (key for one in wanted for key in one.unit_ids[:UNITS_LOOKED_AT])
    )
    sentences = {key: quotes(unit.text) for key, unit in units.items()}
    folded = _Folded()
    words = {key: [_words(quote, folded) for quote in found] for key, found in sentences.items()}
    support: dict[int, Support] = {}
    for finding in wanted:
        said = _words(finding.text, folded)
        best = 0.0
        for key in finding.unit_ids[:UNITS_LOOKED_AT]:
            for quote, spoken in zip(sentences.get(key, ()), words.get(key, ()), strict=True):
                shared = len(said & spoken)
                fit = shared / (len(spoken) ** 0.5) if shared >= MIN_SHARED else 0.0
                if fit > best:
                    best = fit
                    support[finding.number] = Support(quote, units[key])
    return support


def render_head(report: CitableReport) -> str:
    """What stands above a report's findings in a prompt."""
    title = f"# {one_line(report.hit.title)} (rating {report.rating:g})"
    return "\n".join(filter(None, (title, one_line(report.hit.summary))))


def render_finding(finding: CitableFinding, support: Mapping[int, Support]) -> str:
    """A numbered finding, and below it the sentence that it rests on."""
    lines = [f"[{finding.number}] {one_line(finding.summary)}", one_line(finding.explanation)]
    found = support.get(finding.number)
    if found:
        sentence = one_line(found.quote)
        if sentence == lines[1]:
            lines.pop()
        lines.append(f"> {sentence}")
    return "\n".join(filter(None, lines))


def _importance(row: ReportRow | ReportRating) -> tuple[float, str]:
    return (-math.inf if row.rating is None else -row.rating, row.community_id)


def check_level(level: int, communities: Iterable[CommunityPlace]) -> None:
    known = sorted({place.level for place in communities})
    if level in known:
        return
    there = ", ".join(map(str, known)) or "none"
    raise UsageError(
        f"the index has no community level {level!r}", hint=f"Levels there are: {there}."
    )


async def _allowed(question: Question, resources: Resources) -> frozenset[str] | None:
    """The text units of documents that pass the filters; None where all may be read."""
    if not question.filters:
        return None
    documents = await resources.store.matching_documents(question.filters)
    units = await resources.store.rows("text_units", UnitPlace, where=("document_id", documents))
    return frozenset(unit.id for unit in units)


class _Folded(dict[str, str]):
    """By word: itself, casefolded; "" for a stop word."""

    def __missing__(self, word: str) -> str:
        folded = "" if analysis.is_stop_word(word) else word.casefold()
        self[word] = folded
        return folded


def _words(text: str, folded: Mapping[str, str]) -> frozenset[str]:
    return frozenset(map(folded.__getitem__, analysis.words(text))) - {""}
