"""Answer a question about the whole from community reports, without a model.

A question with a subject is answered by the excerpts that fit it best, of the texts behind the
reports' findings and of those that a search brings. One without ("What are the main themes?") is
answered by the best-rated reports: the most central finding of each, under the report's title.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from graphrag.query.answering import extractive
from graphrag.query.answering.excerpts import Excerpt, quoted
from graphrag.query.answering.extractive import WHOLE, Extract
from graphrag.query.context import Evidence, Question, Resources
from graphrag.query.context.words import QuestionWords
from graphrag.query.global_search.reports import CitableFinding, CitableReport, find_support
from graphrag.query.search import basic

OVERVIEW = 5  # reports of which a finding is shown
REPORTS_LOOKED_AT = 6  # for each excerpt of an answer about the whole
FINDINGS_LOOKED_AT = 3  # of each of them
MAX_FINDINGS = 50  # with the question's words
MAX_UNITS = 40  # that a search brings


async def overview(
    reports: Sequence[CitableReport], words: QuestionWords, resources: Resources
) -> Extract:
    """The most central finding of each of the best-rated reports.

    Of a report's first findings, those with words of the question come first. A document that
    is cited already gives way to others, as far as their reports are rated.
    """
    looked_at = [report for report in reports if report.findings]
    looked_at = looked_at[: REPORTS_LOOKED_AT * OVERVIEW]
    central = [report.findings[:FINDINGS_LOOKED_AT] for report in looked_at]
    support = await find_support((one for some in central for one in some), resources)
    best: list[tuple[float, str, Excerpt]] = []
    for report, findings in zip(looked_at, central, strict=True):
        said = [
            quoted(support[one.number].unit, support[one.number].quote, words)
            for one in findings
            if one.number in support
        ]
        if said:
            # The first of the best: findings are in order of how central they are.
            main = max(said, key=lambda one: round(words.weight(one.terms), 9))
            best.append((report.rating, report.hit.title, main))
    chosen: list[tuple[str, Excerpt]] = []
    cited: Counter[str] = Counter()
    while best and len(chosen) < OVERVIEW:
        worth = [rating / (1 + cited[one.unit.document_id]) for rating, _, one in best]
        _, title, excerpt = best.pop(max(range(len(best)), key=lambda at: (worth[at], -at)))
        if not any(excerpt.says_the_same(one) for _, one in chosen):
            chosen.append((title, excerpt))
            cited[excerpt.unit.document_id] += 1
    if not chosen:
        return Extract(extractive.refusal((), words), ())
    titles, shown = zip(*chosen, strict=True)
    units = {one.unit.id: (one.unit, words.weight(one.terms)) for one in shown}
    return Extract(extractive.compose(shown, words, titles=titles), tuple(units.values()))


async def about(
    question: Question,
    reports: Sequence[CitableReport],
    words: QuestionWords,
    resources: Resources,
    *,
    subject: str,
) -> tuple[Extract, tuple[str, ...]]:
    """The excerpts that say most about `subject`, and warnings."""
    asked = replace(question, text=subject, vector=None, history=())
    ranking = await basic.rank(asked, resources, k=MAX_UNITS, turns=0)
    support = await find_support(rank_findings(reports, words)[:MAX_FINDINGS], resources)
    evidence = Evidence(ranking.units[:MAX_UNITS], words)
    others = (one.unit for one in support.values())
    return extractive.answer(evidence, others, scope=WHOLE), ranking.warnings


def rank_findings(reports: Iterable[CitableReport], words: QuestionWords) -> list[CitableFinding]:
    """The findings that hold words of the question, those with most of them first."""
    findings = [one for report in reports for one in report.findings]
    worth = {one.number: words.weight(words.found(one.text, words.language)) for one in findings}
    ranked = sorted(findings, key=lambda one: (-round(worth[one.number], 9), one.number))
    return [finding for finding in ranked if worth[finding.number] > 0]
