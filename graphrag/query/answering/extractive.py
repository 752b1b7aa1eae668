"""Answer with the sentences that fit best, each cited, without a model.

A sentence is worth the question's words that it holds, rare ones most; words of its title, and
of the sentence that a "she" or "it" at its beginning refers to, count in part. Each pick lowers
what the same words are worth to the next, and each of the first passages has its say. When even
the best passages hold too little of the question's rare words, the answer is that the corpus
does not say.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import islice

from graphrag import text as analysis
from graphrag.core.answers import Citation
from graphrag.query.answering.citations import check
from graphrag.query.answering.writing import Written
from graphrag.query.context import Evidence, Unit, one_line
from graphrag.query.context.words import QuestionWords
from graphrag.text.page_marks import find_place, read_place
from graphrag.text.questions import answer_kind

INTRODUCTION = "Extractive answer (no chat model): the sentences that fit best."
NOTHING = (
    "Extractive answer (no chat model): nothing in the indexed documents fits this question "
    "well enough."
)
MAX_PASSAGES = 20  # whose sentences are looked at
LEADING = 3  # first passages, each of which is quoted if it has a word of the question
COVERING = 5  # best passages that must hold the question's words
WINDOW = 3  # sentences in which words stand close together
TOGETHER = 0.4  # of the question's weight in one window, for its words to count in full
MAX_SENTENCE = 400  # characters shown
SUBJECT_SHARE = 0.5  # of a word's weight, where only the title or the sentence before has it
FIRST = 0.1  # for the sentence that opens a passage: it says what the passage is about
RANK_SHARE = 0.3  # for the best passage, less for those behind it
OPENING = 2  # words of a sentence: what is named there is what it is about
RARITY = 1.0  # exponent of a word's rarity: among passages that fit, common words tell too
FITTING = 0.1  # for a sentence with a name or number, where one is asked for
REPEATED = 0.3  # of a word's weight, once a sentence with it is taken
LEAST = 0.25  # of the best sentence's words; what holds less says nothing to the question
MAX_OVERLAP = 0.7  # of two sentences' words; beyond it they say the same
MIN_WORDS = 4  # of a sentence; fewer are a crumb
LINE_WORDS = 8  # from which a line without a full stop is a sentence, not a heading
ENOUGH = 0.5  # of the question's weight in whole sentences, for rows and crumbs to be left out
NAMED, LISTED = 0.25, 0.4  # of few and of many words with a small letter; else a list of names

_LIST_MARK = re.compile(r"\s*(?:>\s*)*(?:[-*+•–]|\d{1,3}[.)])\s+")
_RULE = re.compile(r"\|[-:| \t]+")  # under the head of a table
_FULL_STOP = re.compile(r"[.!?…。！？][\"'”’»)\]*_]*$")
_CAUSES = frozenset(
    {
        "because", "blamed", "cause", "caused", "causes", "due", "led", "owing", "reason",
        "reasons", "since", "so", "therefore", "through",
    }
)  # fmt: skip
_NUMBERS = frozenset(
    {
        "billion", "dozen", "eight", "eighteen", "eighty", "eleven", "fifteen", "fifty", "five",
        "forty", "four", "fourteen", "half", "hundred", "hundreds", "million", "nine", "nineteen",
        "ninety", "seven", "seventeen", "seventy", "six", "sixteen", "sixty", "ten", "thirteen",
        "thirty", "thousand", "thousands", "three", "twelve", "twenty", "two",
    }
)  # fmt: skip
_REFERRING = frozenset(
    {
        "de", "den", "der", "die", "diese", "dieser", "él", "elle", "elles", "er", "es", "he",
        "her", "his", "hij", "il", "ils", "it", "its", "sie", "she", "their", "these", "they",
        "this", "those", "zij",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sentence:
    """A candidate: where it stands, and what it is worth whatever was taken.

    `subject`: words of the question that it need not say again; `bonus`: for its passage;
    `fit`: for being about what is asked for, and for naming a thing of the kind; `lead`: shown
    before it.
    """

    unit: Unit
    quote: str
    terms: frozenset[str]
    subject: frozenset[str] = frozenset()
    bonus: float = 0.0
    fit: float = 0.0
    lead: str = ""


def answer(evidence: Evidence, *, limit: int, min_coverage: float) -> Written:
    """The best `limit` sentences of the evidence's passages.

    Citations are numbered from 1 as the answer names them; a passage has one number.
    """
    units = [unit for unit, _ in evidence.units]
    if coverage(units, evidence.words) < min_coverage:
        return Written(NOTHING, answered=False)
    found = [
        sentence
        for place, unit in enumerate(units[:MAX_PASSAGES])
        for sentence in read(unit, evidence.words, bonus=RANK_SHARE / (1 + place))
    ]
    leading = {unit.id for unit in units[:LEADING]}
    return compose(pick(found, evidence.words, limit=limit, leading=leading))


def coverage(units: Sequence[Unit], words: QuestionWords) -> float:
    """The share of the question's weight that the first passages hold, 0 to 1.

    A word counts in full only where it stands close to others of the question: words of any
    question turn up one by one in a text that is long enough.
    """
    company: dict[str, float] = {}
    for unit in units[:COVERING]:
        for held in _windows(unit, words):
            share = words.weight(held)
            for term in held:
                company[term] = max(share, company.get(term, 0.0))
    return math.fsum(
        words.weight([term]) * min(1.0, share / TOGETHER) for term, share in sorted(company.items())
    )


def closest(unit: Unit, words: QuestionWords) -> float:
    """The most of the question's weight that stands in one place of `unit`, 0 to 1."""
    return max(map(words.weight, _windows(unit, words)), default=0.0)


def _windows(unit: Unit, words: QuestionWords) -> Iterator[set[str]]:
    """The question's words in its title and each few sentences that follow one another."""
    title = words.found(unit.title, unit.language)
    spans = analysis.sentences(unit.text)
    sentences = [words.found(unit.text[start:end], unit.language) for start, end in spans]
    for place in range(max(1, len(sentences) - WINDOW + 1)):
        yield title.union(*sentences[place : place + WINDOW])


def read(unit: Unit, words: QuestionWords, *, bonus: float = 0.0) -> Iterator[Sentence]:
    """The sentences of `unit` as candidates."""
    in_title = frozenset(words.found(unit.title, unit.language))
    wanted = answer_kind(words.text)
    heading = introduced = before = columns = frozenset[str]()
    in_table = False
    first = FIRST
    for start, end in analysis.sentences(unit.text):
        written = unit.text[start:end]
        if read_place(written):
            continue
        terms = frozenset(words.found(written, unit.language))
        if written.startswith("#"):
            heading, introduced, before = terms, frozenset[str](), frozenset[str]()
            continue
        if _is_row(written):
            if not in_table:
                columns = terms
            in_table = True
            if _RULE.fullmatch(written):
                continue
        else:
            in_table, columns = False, frozenset[str]()
        quote = _quote(written)
        subject = in_title | heading | columns
        if _LIST_MARK.match(written):
            subject |= introduced
        elif _refers(quote):
            # "She studied in Ghent. There she met": the subject stays the same.
            subject |= before
        fit = FITTING if wanted and _names(quote, wanted, words) else 0.0
        if terms and words.found(" ".join(analysis.words(quote)[:OPENING]), unit.language):
            fit += FITTING
        yield Sentence(unit, quote, terms, subject - terms, bonus + first, fit)
        first = 0.0
        before = terms | (before if _refers(quote) else frozenset[str]())
        if written.endswith(":"):
            introduced = before
        elif not _LIST_MARK.match(written):
            introduced = frozenset[str]()


def pick(
    found: Iterable[Sentence],
    words: QuestionWords,
    *,
    limit: int,
    leading: Set[str] = frozenset(),
    repeated: float = REPEATED,
) -> list[Sentence]:
    """Greedily the sentences that add most, none of which says what another says.

    Each text unit of `leading` has one, if it can. `repeated`: what a word is worth once taken.
    Table rows, headings and crumbs are taken only where whole sentences hold less of the question
    than they would with them; a row also where it alone holds as much as any sentence does.
    """
    every = list(found)

    def weight(one: Sentence) -> float:
        return words.weight(one.terms | one.subject)

    # To tell what is a sentence takes longer than to weigh it, and few weigh enough to matter.
    fullest = (one for one in sorted(every, key=weight, reverse=True) if is_sentence(one.quote))
    most = max(map(weight, islice(fullest, 1)), default=0.0)
    rows = {id(one) for one in every if one.terms and weight(one) >= most and _is_row(one.quote)}

    def is_whole(one: Sentence) -> bool:
        return id(one) in rows or is_sentence(one.quote)

    chosen = _pick(every, words, is_whole, limit=limit, leading=leading, repeated=repeated)
    if words.weight(_held(chosen)) < ENOUGH and not all(map(is_whole, every)):
        return _pick(every, words, lambda _: True, limit=limit, leading=leading, repeated=repeated)
    return chosen


def _held(chosen: Iterable[Sentence]) -> set[str]:
    return {term for one in chosen for term in one.terms | one.subject}


def _pick(
    found: Sequence[Sentence],
    words: QuestionWords,
    may_be: Callable[[Sentence], bool],
    *,
    limit: int,
    leading: Set[str],
    repeated: float,
) -> list[Sentence]:
    worth = [_value(one, words, set(), repeated=repeated) for one in found]
    dearest = sorted(range(len(found)), key=worth.__getitem__, reverse=True)
    best = next((at for at in dearest if may_be(found[at])), None)
    least = 0.0 if best is None else LEAST * worth[best]
    left = [
        one
        for one, value in zip(found, worth, strict=True)
        if (value >= least or (value > 0 and one.unit.id in leading)) and may_be(one)
    ]
    chosen: list[Sentence] = []
    taken: set[str] = set()
    used: Counter[str] = Counter()
    while left and len(chosen) < limit:
        fresh = [_value(one, words, taken, repeated=repeated) for one in left]
        # Bonuses speak for a passage, which its first sentence brings in.
        values = [
            value and round(value + one.fit + one.bonus / (1 + used[one.unit.id]), 9)
            for one, value in zip(left, fresh, strict=True)
        ]
        silent = {
            one.unit.id
            for one, value in zip(left, values, strict=True)
            if value > 0 and one.unit.id in leading and not used[one.unit.id]
        }
        if len(silent) >= limit - len(chosen):
            values = [
                value if one.unit.id in silent else 0.0
                for one, value in zip(left, values, strict=True)
            ]
        best = max(range(len(left)), key=lambda at: (values[at], -at))
        if values[best] <= 0:
            break
        sentence = left.pop(best)
        if adds(sentence, chosen):
            chosen.append(sentence)
            taken |= sentence.terms | sentence.subject
            used[sentence.unit.id] += 1
    return chosen


def compose(chosen: Sequence[Sentence]) -> Written:
    """The answer that these sentences make; every quote is verified."""
    if not chosen:
        return Written(NOTHING, answered=False)
    numbers: dict[str, int] = {}
    lines: list[str] = []
    citations: list[Citation] = []
    for one in chosen:
        unit = one.unit
        number = numbers.setdefault(unit.id, len(numbers) + 1)
        lead = f"**{one_line(one.lead)}**: " if one.lead else ""
        lines.append(f"- {lead}{_shown(one.quote)} [{number}]")
        place = find_place(one.quote, unit.text)
        citations.append(
            Citation(number, unit.id, unit.document, unit.title, one.quote, True, page=place)
        )
    return Written("\n".join([INTRODUCTION, "", *lines]), True, tuple(citations))


def quotes(text: str) -> list[str]:
    """The sentences of `text`, without headings and list marks, cut to a length that reads well."""
    found = (text[start:end] for start, end in analysis.sentences(text))
    return [_quote(written) for written in found if not written.startswith("#")]


def _quote(written: str) -> str:
    mark = _LIST_MARK.match(written)
    return _shorten(written[mark.end() :] if mark else written)


def _is_row(written: str) -> bool:
    return written.startswith("|") and written.count("|") > 1


def _refers(quote: str) -> bool:
    """Whether the sentence begins with a word for what was named before."""
    opening = analysis.words(quote[:20])[:1]
    return bool(opening) and opening[0].casefold() in _REFERRING


def _names(quote: str, wanted: str, words: QuestionWords) -> bool:
    """Whether `quote` speaks of causes, has a number, or a name that the question has not."""
    spoken = analysis.words(quote)
    if wanted == "cause":
        return any(word.casefold() in _CAUSES for word in spoken)
    if wanted == "number":
        return any(word[0].isdigit() or word.casefold() in _NUMBERS for word in spoken)
    known = set(analysis.words(words.text))
    return any(word[0].isupper() and word not in known for word in spoken[1:])


def is_sentence(quote: str) -> bool:
    """Whether `quote` can stand alone: no table row, heading, list of names, or mere crumb."""
    spoken = analysis.words(quote)
    length = len(spoken) + sum(character > "\u2e7f" for character in quote) // 2
    if length < MIN_WORDS or quote.count("|") > 1 or "\t" in quote:
        return False
    if length < LINE_WORDS and (quote[0].islower() or not _FULL_STOP.search(quote)):
        return False
    cased = [word for word in spoken if word[0].isupper() or word[0].islower() or word.isdigit()]
    small = sum(word[0].islower() for word in cased)
    least = NAMED if len(cased) < 2 * LINE_WORDS else LISTED
    return small >= least * len(cased)


def _value(sentence: Sentence, words: QuestionWords, taken: set[str], *, repeated: float) -> float:
    """What the words of `sentence` add to those `taken`."""

    def worth(terms: frozenset[str]) -> float:
        new, old = (words.weight(some, rarity=RARITY) for some in (terms - taken, terms & taken))
        return new + repeated * old

    return worth(sentence.terms) + SUBJECT_SHARE * worth(sentence.subject)


def adds(sentence: Sentence, chosen: Iterable[Sentence]) -> bool:
    """Whether none of `chosen` says what `sentence` says, and its quote can be verified."""
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
