"""Ranked evidence in, an answer without a model out: the sentences that fit best, each cited.

A sentence is worth the question's words that it holds, rare ones most; words of its title count
in part, for a text about the subject need not name it again. Each pick lowers what the same
words are worth to the next. When even the best passages hold too little of the question's rare
words, the answer is that the corpus does not say.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphrag import text as analysis
from graphrag.answers import Citation
from graphrag.query.citations import check
from graphrag.query.context import Evidence, Unit, one_line
from graphrag.query.matching import QuestionWords
from graphrag.query.writing import Written

INTRODUCTION = "Extractive answer (no chat model): the sentences that fit best."
NOTHING = (
    "Extractive answer (no chat model): nothing in the indexed documents fits this question "
    "well enough."
)
MAX_PASSAGES = 20  # whose sentences are looked at
COVERING = 5  # best passages that must hold the question's words
WINDOW = 3  # sentences in which words stand close together
TOGETHER = 0.4  # of the question's weight in one window, for its words to count in full
MAX_SENTENCE = 400  # characters shown
TITLE_SHARE = 0.5  # of a word's weight, where only the title has it
FIRST = 0.1  # for the sentence that opens a passage: it says what the passage is about
RANK_SHARE = 0.3  # for the best passage, less for those behind it
REPEATED = 0.3  # of a word's weight, once a sentence with it is taken
MAX_OVERLAP = 0.7  # of two sentences' words; beyond it they say the same


@dataclass(frozen=True, slots=True)
class Sentence:
    """A candidate: `[number]`, where it stands, and what it is worth whatever was taken."""

    number: int
    unit: Unit
    quote: str
    terms: frozenset[str]
    title_terms: frozenset[str]
    bonus: float


def answer(evidence: Evidence, *, limit: int, min_coverage: float) -> Written:
    """The best `limit` sentences of the evidence's passages, cited by their numbers."""
    units = [unit for unit, _ in evidence.units]
    if coverage(units, evidence.words) < min_coverage:
        return Written(NOTHING, answered=False)
    found = [
        sentence
        for place, unit in enumerate(units[:MAX_PASSAGES])
        for sentence in _sentences(place, unit, evidence.words)
    ]
    return compose(pick(found, evidence.words, limit=limit))


def coverage(units: Sequence[Unit], words: QuestionWords) -> float:
    """The share of the question's weight that the first passages hold, 0 to 1.

    A word counts in full only where it stands close to others of the question: words of any
    question turn up one by one in a text that is long enough.
    """
    company: dict[str, float] = {}
    for unit in units[:COVERING]:
        title = words.found(unit.title, unit.language)
        spans = analysis.sentences(unit.text)
        sentences = [words.found(unit.text[start:end], unit.language) for start, end in spans]
        for place in range(max(1, len(sentences) - WINDOW + 1)):
            held = title.union(*sentences[place : place + WINDOW])
            share = words.weight(held)
            for term in held:
                company[term] = max(share, company.get(term, 0.0))
    return math.fsum(
        words.weight([term]) * min(1.0, share / TOGETHER) for term, share in sorted(company.items())
    )


def pick(found: Iterable[Sentence], words: QuestionWords, *, limit: int) -> list[Sentence]:
    """Greedily the sentences that add most, none of which says what another says."""
    left = list(found)
    chosen: list[Sentence] = []
    taken: set[str] = set()
    used: Counter[str] = Counter()
    while left and len(chosen) < limit:
        values = [_value(one, words, taken, used=used[one.unit.id]) for one in left]
        best = max(range(len(left)), key=lambda at: (values[at], -at))
        if values[best] <= 0:
            break
        sentence = left.pop(best)
        if _adds(sentence, chosen):
            chosen.append(sentence)
            taken |= sentence.terms | sentence.title_terms
            used[sentence.unit.id] += 1
    return chosen


def first(found: Iterable[Sentence], _: QuestionWords, *, limit: int) -> list[Sentence]:
    """The first sentences in their order, none of which says what another says."""
    chosen: list[Sentence] = []
    for sentence in found:
        if len(chosen) < limit and _adds(sentence, chosen):
            chosen.append(sentence)
    return chosen


def compose(chosen: Sequence[Sentence]) -> Written:
    """The answer that these sentences make; every quote is verified."""
    if not chosen:
        return Written(NOTHING, answered=False)
    lines = [f"- {_shown(sentence.quote)} [{sentence.number}]" for sentence in chosen]
    citations = tuple(
        Citation(
            sentence.number,
            sentence.unit.id,
            sentence.unit.document,
            sentence.unit.title,
            sentence.quote,
            verified=True,
        )
        for sentence in chosen
    )
    return Written("\n".join([INTRODUCTION, "", *lines]), answered=True, citations=citations)


def quotes(text: str) -> list[str]:
    """The sentences of `text`, without headings, cut to a length that reads well."""
    found = (_shorten(text[start:end]) for start, end in analysis.sentences(text))
    return [quote for quote in found if not quote.startswith("#")]


def _sentences(place: int, unit: Unit, words: QuestionWords) -> Iterable[Sentence]:
    in_title = frozenset(words.found(unit.title, unit.language))
    for order, quote in enumerate(quotes(unit.text)):
        terms = frozenset(words.found(quote, unit.language))
        bonus = RANK_SHARE / (1 + place) + (FIRST if order == 0 else 0.0)
        yield Sentence(place + 1, unit, quote, terms, in_title - terms, bonus)


def _value(sentence: Sentence, words: QuestionWords, taken: set[str], *, used: int) -> float:
    """What `sentence` adds to the words `taken`, after `used` sentences of its text unit."""
    if not sentence.terms and not sentence.title_terms:
        return 0.0

    def worth(terms: frozenset[str]) -> float:
        return words.weight(terms - taken) + REPEATED * words.weight(terms & taken)

    value = worth(sentence.terms) + TITLE_SHARE * worth(sentence.title_terms)
    return round(value + sentence.bonus / (1 + used), 9)


def _adds(sentence: Sentence, chosen: Iterable[Sentence]) -> bool:
    if any(_same(sentence.quote, other.quote) for other in chosen):
        return False
    return check(sentence.quote, sentence.unit.text)


def _same(one: str, other: str) -> bool:
    left, right = ({word.casefold() for word in analysis.words(text)} for text in (one, other))
    return len(left & right) > MAX_OVERLAP * min(len(left), len(right))


def _shorten(sentence: str) -> str:
    if len(sentence) <= MAX_SENTENCE:
        return sentence
    cut = sentence[:MAX_SENTENCE]
    return cut[: max(cut.rfind(" "), MAX_SENTENCE // 2)].rstrip(" \n\t,;:-–—")


def _shown(quote: str) -> str:
    """On one line, in which nothing looks like a mark of ours."""
    line = one_line(quote)
    return f"{line} …" if len(quote) >= MAX_SENTENCE // 2 and line[-1].isalnum() else line
