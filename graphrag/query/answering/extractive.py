"""Answer without a model: quote the excerpts that a reader would mark, or say what is missing.

An excerpt is worth the question's words that it holds, rare ones most; its title and headings
count in part, and so does that it has the kind of thing asked for. What one excerpt has said is
worth little to the next. Whether the best ones answer at all is a fitted score of how much of
the question they hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import MappingProxyType

from graphrag import text as analysis
from graphrag.core.answers import Citation, trail
from graphrag.query.answering.citations import check
from graphrag.query.answering.excerpts import (
    LONGEST,
    Excerpt,
    Titles,
    coverage,
    excerpts,
    find_titles,
    is_fence,
)
from graphrag.query.answering.writing import Written
from graphrag.query.context import Evidence, Unit, one_line, plain
from graphrag.query.context.words import QuestionWords
from graphrag.text.questions import ANSWER_SIGNS, Answering, answer_kind, asks_nothing, hops

NO_QUESTION = "That asks nothing of the documents."
NOTHING = "Nothing in the indexed documents fits this question well enough."
MAX_CHARACTERS = 1500  # of all excerpts with their headings
COVERING = 5  # units that must hold the question's words
COMPARED = 12  # excerpts whose words are looked at side by side
MANY_TERMS = 12
FENCE = "```"
CLOSE = 0.5  # of the question's weight, from which a refusal shows the closest excerpt
FAINT = 0.3  # of it, from which a refusal names it
MAX_CLOSE = 400  # characters of it
SENTENCE = 0.8  # of an excerpt's question words in one sentence, for it to begin there


# What an excerpt is worth beside the question's words, and how soon more of one word says little.
HELD = 0.5  # of the share of the question that excerpt, title and headings hold
LENGTH = 0.3  # share of the saturation that grows with the excerpt
KIND = 0.1  # for having the kind of thing asked for
SUBJECT = 1.0  # less, for the share of the question in names of documents that its unit lacks


@dataclass(frozen=True, slots=True)
class Scope:
    """How many excerpts of what length, and how they are told apart.

    `repeated`: what a word is worth once it was said. `rank`: what each step down costs, as a
    logarithm, in what the method found.
    """

    most: int
    longest: int  # characters; beyond it only what stands alone, as a sentence does
    repeated: float
    rank: float


NARROW = Scope(most=3, longest=LONGEST, repeated=0.5, rank=0.05)
# Where the method follows links, its order says more, and each excerpt is one step of the answer.
STEPS = Scope(most=3, longest=LONGEST, repeated=0.1, rank=0.15)
# Of the whole many short ones on the same are asked for.
WHOLE = Scope(most=10, longest=0, repeated=0.9, rank=0.05)


@dataclass(frozen=True, slots=True)
class Support:
    """How much of the question the best excerpts hold: what decides whether it is answered."""

    covered: float  # share of its weight in the best units, words that stand together in full
    together: float  # share of it in one excerpt, and share of its neighbouring words side by side
    n_terms: float  # of twelve: a long question need not be said word for word
    unseen: float  # share of its weight in words that no unit has
    # Where it leads from one thing to another, or is about the whole, 1 less `unseen`: no excerpt
    # need hold it alone, but nothing leads to what no unit has.
    hops: float
    respelled: float  # share of its weight in words that stand for unknown ones
    # Share of its weight in names and numbers that the unit of the best excerpt (or step) lacks.
    unnamed: float

    @property
    def log_odds(self) -> float:
        """Of being answered, by the weights that `bench/answers.py` fits."""
        return (
            2.33 * self.covered
            + 2.29 * self.together
            + 2.01 * self.n_terms
            - 1.72 * self.unseen
            + 0.63 * self.hops
            - 1.98 * self.respelled
            - 1.84 * self.unnamed
            - 3.76
        )


@dataclass(frozen=True, slots=True)
class Extract:
    """The answer, and the units it was found in: those that it cites first."""

    written: Written
    units: tuple[tuple[Unit, float], ...]
    support: Support | None = None


def answer(
    evidence: Evidence,
    others: Iterable[Unit],
    *,
    scope: Scope = NARROW,
    respelled: Mapping[str, str] = MappingProxyType({}),
) -> Extract:
    """The best excerpts of the evidence's units and `others`; best first.

    `respelled`: words that stand in the question for those written, which may have been no slips.
    """
    words = evidence.words
    if asks_nothing(words.asked):
        return Extract(Written(NO_QUESTION, answered=False), ())
    ranks = {unit.id: rank for rank, (unit, _) in enumerate(evidence.units)}
    units = {unit.id: unit for unit in (*(unit for unit, _ in evidence.units), *others)}
    titles = find_titles(units.values())
    found = [
        _with_kind(one, words)
        for unit in units.values()
        for one in excerpts(unit, words, titles=titles)
    ]
    quotable = found
    if scope.longest != LONGEST:
        short = (
            excerpts(unit, words, longest=scope.longest, titles=titles) for unit in units.values()
        )
        quotable = [one for some in short for one in some]
    chosen = choose(quotable, words, ranks, scope=scope)
    if scope is not WHOLE:
        chosen = with_close_ones_joined(chosen, words, titles=titles)
    put = analysis.terms(" ".join(respelled), words.language)
    support = measure_support(
        list(units.values())[:COVERING], found, chosen, words, respelled=put, scope=scope
    )
    # Of a question of several words one alone says nothing of what was asked.
    is_met = scope is WHOLE or len(words.idf) < 2 or any(len(one.held) > 1 for one in found)
    if not chosen or not is_met or support.log_odds < 0:
        return Extract(refusal(found, words, written=respelled), evidence.units, support)
    scores = {unit.id: score for unit, score in evidence.units}
    cited = {one.unit.id: one.unit for one in chosen}
    least = min(scores.values(), default=0.0)
    first = [(unit, scores.get(key, least)) for key, unit in cited.items()]
    rest = [(unit, score) for unit, score in evidence.units if unit.id not in cited]
    composed = compose(chosen, words)
    if not words.asked_in and (nowhere := _nowhere(words, {})):
        composed = replace(composed, warnings=(f"no document has {_listed(nowhere)}",))
    return Extract(composed, (*first, *rest), support)


def choose(
    found: Sequence[Excerpt], words: QuestionWords, ranks: dict[str, int], *, scope: Scope
) -> list[Excerpt]:
    """Greedily the excerpts that add most to the question, best first."""
    kind, _ = answer_kind(words.text)
    last = len(ranks) + 10
    # Where one thing leads to another, what is found there need not speak of the first.
    leads_on = scope is not NARROW or hops(words.asked)
    off_subject = {} if leads_on else _off_subject([one.unit for one in found], words)
    fixed = [
        (
            one,
            KIND * _has(one.quote, kind, words)
            - scope.rank * math.log1p(ranks.get(one.unit.id, last))
            - SUBJECT * off_subject.get(one.unit.id, 0.0),
        )
        for one in found
    ]
    share = {term: words.weight([term], rarity=1.0) for term in words.idf}
    said = {term: scope.repeated * weight for term, weight in share.items()}
    chosen: list[Excerpt] = []
    left = MAX_CHARACTERS
    while fixed and len(chosen) < scope.most:
        values = [round(bonus + _worth(one, share), 9) for one, bonus in fixed]
        at = max(range(len(fixed)), key=lambda at: (values[at], -at))
        one, _ = fixed.pop(at)
        around = _size(one) - len(one.quote)
        # The first is quoted whole, whatever its size.
        best = one.fitted(left - around, words) if chosen else _from_answer(one, kind, found, words)
        if best is None or not best.terms or any(map(one.says_the_same, chosen)):
            continue
        if chosen and scope is not WHOLE and best.is_scrap():
            continue
        if not check(best.quote, best.unit.text):  # a table's head alone, and its like
            continue
        chosen.append(best)
        left -= around + len(best.quote)
        for term in best.held:
            share[term] = said[term]
    return chosen


def _off_subject(units: Iterable[Unit], words: QuestionWords) -> dict[str, float]:
    """By unit: the share of the question in words that titles have and neither it nor its title.

    What has a document of its own is what the question is about.
    """
    texts = {unit.id: unit for unit in units}.values()
    titles = {title: words.found(*title) for title in {(it.title, it.language) for it in texts}}
    subject = set[str]().union(*titles.values())
    return {
        it.id: words.weight(
            subject - titles[it.title, it.language] - words.found(it.text, it.language), rarity=1.0
        )
        for it in texts
    }


def with_close_ones_joined(
    chosen: Sequence[Excerpt], words: QuestionWords, *, titles: Titles
) -> list[Excerpt]:
    """Best first; those that stand close together as one, with what stands between them.

    That takes the room of the last, if need be. What their first words refer to comes with them,
    where there is room.
    """
    kept: list[Excerpt] = []
    for one in chosen:
        for at, other in enumerate(kept):
            first, second = sorted((one, other), key=lambda it: it.start)
            both = first.with_next(second, words) if one.unit is other.unit else None
            if both and _size(both) <= MAX_CHARACTERS:
                kept[at] = both
                break
        else:
            kept.append(one)
    while len(kept) > 1 and sum(map(_size, kept)) > MAX_CHARACTERS:
        kept.pop()
    for at, one in enumerate(kept):
        whole = one.with_antecedent(words, titles)
        overlaps = any(whole.says_the_same(other) for other in kept if other is not one)
        if not overlaps and sum(map(_size, kept)) - _size(one) + _size(whole) <= MAX_CHARACTERS:
            kept[at] = whole
    return kept


def _size(one: Excerpt) -> int:
    return len(_title(one)) + len(one.lead) + len(one.quote)


def _worth(one: Excerpt, share: dict[str, float]) -> float:
    norm = (1 - LENGTH) + LENGTH * (one.parts[-1].end - one.start) / LONGEST
    worth = 0.0
    for term in one.held:
        count = one.terms[term] + (term in one.around)
        worth += share[term] * (count / (count + norm) + HELD)
    return worth


def _with_kind(one: Excerpt, words: QuestionWords) -> Excerpt:
    """With the word for what is asked for ("day", "command"), where it has such a thing."""
    kind, said = answer_kind(words.text)
    if not said or not _has(one.quote, kind, words):
        return one
    return replace(one, around=one.around | words.found(said, words.language))


def _has(quote: str, kind: Answering, words: QuestionWords) -> bool:
    """Whether it has what is asked for: a date, a command, a name that the question has not."""
    if kind == "name":
        asked = set(analysis.words(words.text))
        spoken = analysis.words(quote)[1:]
        return any(word[0].isupper() and word not in asked for word in spoken)
    return kind in ANSWER_SIGNS and ANSWER_SIGNS[kind].search(quote) is not None


def _from_answer(
    one: Excerpt, kind: Answering, found: Sequence[Excerpt], words: QuestionWords
) -> Excerpt:
    """The excerpt from the sentence on that answers alone, where one does that others follow."""
    whole = words.weight(one.terms)
    sentences = analysis.sentences(one.quote) if kind in ("name", "date", "number") else []
    for begin, end in sentences[:-1]:
        sentence = one.quote[begin:end]
        held = words.weight(words.found(sentence, one.unit.language))
        if held >= SENTENCE * whole and _has(sentence, kind, words):
            cut = one.cut(begin, words) if begin else one
            from_there = (other for other in found if other.unit is one.unit)
            return next((other for other in from_there if other.start == cut.start), cut)
    return one


def measure_support(
    units: Sequence[Unit],
    found: Sequence[Excerpt],
    chosen: Sequence[Excerpt],
    words: QuestionWords,
    *,
    respelled: Iterable[str],
    scope: Scope,
) -> Support:
    fullest = sorted(found, key=lambda one: -words.weight(one.held))[:COMPARED]
    unseen = words.weight(words.unseen)
    steps = chosen if scope == STEPS else fullest[:1]
    named = [
        words.found(f"{it.title}\n{it.text}", it.language) for it in (step.unit for step in steps)
    ]
    return Support(
        covered=coverage(units, words),
        together=max((words.weight(one.held) + one.phrases(words) for one in fullest), default=0.0),
        n_terms=min(len(words.idf) / MANY_TERMS, 1.0),
        unseen=unseen,
        hops=(1 - unseen) * (scope == WHOLE or bool(hops(words.asked))),
        respelled=words.weight(respelled),
        unnamed=words.weight(words.names.difference(*named)),
    )


def refusal(
    found: Sequence[Excerpt],
    words: QuestionWords,
    *,
    written: Mapping[str, str] = MappingProxyType({}),
) -> Written:
    """That there is no answer, and which words of the question no document, or no passage, has.

    An excerpt with much of the question is shown for the reader to judge, and cited by nothing.
    `written`: the words that the question had, by those that were searched in their place.
    """
    slips = set(analysis.terms(" ".join(written), words.language))
    best = max(found, key=lambda one: words.weight(one.held - slips), default=None)
    held = best.held - slips if best else frozenset[str]()
    fit = words.weight(held) if len(held) > 1 else 0.0
    nowhere = _nowhere(words, written)
    said = [NOTHING]
    if nowhere:
        said.append(f"No document has {_listed(nowhere)}.")
    if searched := sorted(put for put, word in written.items() if word in nowhere):
        said.append(f"Instead was searched: {_listed(searched)}.")
    if words.asked_in:
        said.append(
            f"The question seems to be in another language ({words.asked_in}) than the documents "
            f"({words.language}), which may be the cause."
        )
    name = f"**{_title(best)}** ({PurePosixPath(best.unit.document).name})" if best else ""
    name = one_line(name)
    if best and fit >= CLOSE:
        lacking = _telling(words, held.union(slips, words.unseen))
        without = f" does not speak of {_listed(lacking)}, and" if lacking else ""
        shown = one_line((best.fitted(MAX_CLOSE, words) or best).quote)
        cut = f"{shown[:MAX_CLOSE]}…" if len(shown) > MAX_CLOSE else shown
        shown = f"\n\nThe closest passage, {name},{without} says:\n\n> {plain(cut)}"
    elif (apart := _telling(words, ())) and not nowhere:
        closest = f"; the closest is {name}" if fit >= FAINT else ""
        shown = f" No passage has {_listed(apart)} together{closest}."
    else:
        shown = ""
    return Written(" ".join(map(one_line, said)) + shown, answered=False)


def _telling(words: QuestionWords, held: Iterable[str]) -> list[str]:
    """The names and the weightier words of the question, as asked, that `held` lacks."""
    usual = 1 / max(1, len(words.idf))
    light = {term for term in words.idf.keys() - words.names if words.weight([term]) < usual}
    return words.missing(light.union(held))


def _nowhere(words: QuestionWords, written: Mapping[str, str]) -> list[str]:
    """The words of the question that no text unit has, as they were written."""
    put = analysis.terms(" ".join(written), words.language)
    lacking = words.missing(words.idf.keys() - words.unseen - set(put))
    return [written.get(word, word) for word in lacking]


def compose(
    chosen: Sequence[Excerpt], words: QuestionWords, *, titles: Sequence[str] = ()
) -> Written:
    """The answer that these excerpts make, each under its title and headings, cited."""
    numbers: dict[str, int] = {}
    told: list[str] = []
    citations: list[Citation] = []
    for place, one in enumerate(chosen):
        unit = one.unit
        number = numbers.setdefault(unit.id, len(numbers) + 1)
        title = titles[place] if titles else _title(one)
        shown = "\n".join(filter(None, (one.lead, _fenced(one))))
        told.append(f"**{one_line(title)}** [{number}]\n\n{_shown(shown)}")
        citations.append(
            Citation(
                number,
                unit.id,
                unit.document,
                unit.title,
                one.quote,
                check(one.quote, unit.text),
                marks=words.spans(one.quote, unit.language),
            )
        )
    return Written("\n\n".join(told), True, tuple(citations))


def _title(one: Excerpt) -> str:
    return trail(one.unit.title, *one.headings)


def _fenced(one: Excerpt) -> str:
    """The quote, with the fences of the code that it is cut from."""
    lines = one.quote.split("\n")
    if one.parts[0].kind == "code" and not is_fence(lines[0]):
        lines.insert(0, FENCE)
    if sum(map(is_fence, lines)) % 2:
        lines.append(FENCE)
    return "\n".join(lines)


def _shown(text: str) -> str:
    """As it is, but nothing outside code looks like a citation."""
    return "```".join(
        part if number % 2 else plain(part) for number, part in enumerate(text.split("```"))
    )


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
