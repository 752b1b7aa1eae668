"""Answer a question about the whole from community reports, without a model.

A question with a subject is answered by the sentences that fit it best, those behind the
reports' findings and those that a search of the texts brings. One without ("What are the main
themes?") is answered by the best-rated reports: the most central finding of each, under the
report's title.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from graphrag.query.answering import extractive
from graphrag.query.answering.extractive import Sentence
from graphrag.query.answering.writing import Written
from graphrag.query.context import Question, Resources, Unit
from graphrag.query.context.words import QuestionWords
from graphrag.query.global_search.reports import Finding, Report, find_support
from graphrag.query.search import basic

REPORTS_LOOKED_AT = 6  # for each sentence of an answer about the whole
FINDINGS_LOOKED_AT = 3  # of each of them
MAX_FINDINGS = 50  # with the question's words
MAX_UNITS = 40  # that a search brings
LONGER = 2  # times as many sentences as in an answer to a narrow question
REPEATED = 0.9  # of a word's weight, once said: many texts on the same are what is asked for
RANK_SHARE = 0.1  # for the passage that fits best: many of them count
RATING_SHARE = 0.1  # of a sentence's worth, for the highest rating


@dataclass(frozen=True, slots=True)
class Digest:
    """`units`: what the answer cites in the order of its numbers, then what else was found."""

    written: Written
    units: tuple[Unit, ...]
    warnings: tuple[str, ...] = ()


async def overview(
    reports: Sequence[Report], words: QuestionWords, resources: Resources, *, limit: int
) -> Digest:
    """The most central finding of each of the `limit` best-rated reports.

    Of a report's first findings, those with words of the question come first. A document that
    is cited already gives way to others, as far as their reports are rated.
    """
    looked_at = [report for report in reports if report.findings][: REPORTS_LOOKED_AT * limit]
    central = [report.findings[:FINDINGS_LOOKED_AT] for report in looked_at]
    support = await find_support((one for some in central for one in some), resources)
    best: list[tuple[float, Sentence]] = []
    crumbs: list[tuple[float, Sentence]] = []
    for report, findings in zip(looked_at, central, strict=True):
        said = [
            Sentence(
                support[one.number].unit,
                support[one.number].quote,
                frozenset(words.found(support[one.number].quote, words.language)),
                lead=report.hit.title,
            )
            for one in findings
            if one.number in support
        ]
        whole = [sentence for sentence in said if extractive.is_sentence(sentence.quote)]
        if said:
            # The first of the best: findings are in order of how central they are.
            main = max(whole or said, key=lambda one: round(words.weight(one.terms), 9))
            (best if whole else crumbs).append((report.rating, main))
    best = best or crumbs
    chosen: list[Sentence] = []
    cited: Counter[str] = Counter()
    while best and len(chosen) < limit:
        worth = [rating / (1 + cited[one.unit.document_id]) for rating, one in best]
        _, sentence = best.pop(max(range(len(best)), key=lambda at: (worth[at], -at)))
        if extractive.adds(sentence, chosen):
            chosen.append(sentence)
            cited[sentence.unit.document_id] += 1
    return Digest(extractive.compose(chosen), _units(chosen, ()))


async def about(
    question: Question,
    reports: Sequence[Report],
    words: QuestionWords,
    resources: Resources,
    *,
    subject: str,
) -> Digest:
    """The sentences that say most about `subject`, from different text units."""
    settings = resources.settings.query
    asked = replace(question, text=subject, vector=None, history=())
    ranking = await basic.rank(asked, resources, k=MAX_UNITS, turns=0)
    ranked = [unit for unit, _ in ranking.units][:MAX_UNITS]
    if extractive.coverage(ranked, words) < settings.min_coverage:
        nothing = Written(extractive.NOTHING, answered=False)
        return Digest(nothing, (), ranking.warnings)
    ratings = {one.number: report.rating for report in reports for one in report.findings}
    findings = rank_findings(reports, words)[:MAX_FINDINGS]
    support = await find_support(findings, resources)
    found = [
        Sentence(
            support[one.number].unit,
            support[one.number].quote,
            frozenset(words.found(support[one.number].quote, words.language)),
            bonus=RATING_SHARE * ratings[one.number] / 10,
        )
        for one in findings
        if one.number in support
    ]
    for place, unit in enumerate(ranked):
        found += extractive.read(unit, words, bonus=RANK_SHARE / (1 + place))
    chosen = extractive.pick(found, words, limit=LONGER * settings.sentences, repeated=REPEATED)
    return Digest(extractive.compose(chosen), _units(chosen, ranked), ranking.warnings)


def rank_findings(reports: Iterable[Report], words: QuestionWords) -> list[Finding]:
    """The findings that hold words of the question, those with most of them first."""
    findings = [one for report in reports for one in report.findings]
    worth = {one.number: words.weight(words.found(one.text, words.language)) for one in findings}
    ranked = sorted(findings, key=lambda one: (-round(worth[one.number], 9), one.number))
    return [finding for finding in ranked if worth[finding.number] > 0]


def _units(chosen: Iterable[Sentence], others: Iterable[Unit]) -> tuple[Unit, ...]:
    by_id = {unit.id: unit for unit in [*(one.unit for one in chosen), *others]}
    return tuple(by_id.values())
