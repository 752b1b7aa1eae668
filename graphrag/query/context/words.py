"""Find which words of a question a text holds, and how much they weigh.

The store's index knows how rare a word is; here the same analysis runs over the few texts that
a search found, and only over those of their words that can be words of the question.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import lru_cache

from graphrag import text as analysis
from graphrag.stores import GraphStore
from graphrag.text.analysis import WORD
from graphrag.text.questions import ASKING_FOR_KIND, PRONOUNS, asking_words
from graphrag.text.scripts import HAN, HANGUL, KANA, UNSPACED
from graphrag.text.spellings import other_spellings
from graphrag.text.stopwords import STOP_WORDS

RARITY = 1.5  # exponent of the inverse document frequency: rare words decide
PRIOR = 10  # units imagined beside those of the index; a rare word is in one of them
TITLE_WEIGHT = 2
EARLIER = 0.5  # of a word's rarity, where only an earlier question has it
COMMON = 1 / 2  # of the units; a word that more of them have tells what the whole index is about
# Of a word's rarity. What kind of thing is asked for often goes without saying: "the Rhine
# flows" need not say "river". A text on a name or a number has to hold it.
KIND = 0.6
UNSEEN_KIND = 0.4
UNSEEN_NAME = 2.1
UNSEEN_BY_FEW = 0.8  # of a word's rarity, at least: a few units lack most words
KIND_WORDS = 2  # at most, behind the word that asks
NEAR = 4  # words apart
FOREIGN = 2  # more words of grammar than the index's language has in the question
SATURATION = 1.2
UNKNOWN = "und"
LONG = 500  # characters from which a text is kept as it was read
LENGTH_NORM = 0.5

_TYPOGRAPHIC = "“”„«»—–…"
_NOT_PLAIN = re.compile("['\\x80-\U0010ffff]")
_SPACED = {code: " " for code in range(128) if not chr(code).isalnum()}


@dataclass(frozen=True, slots=True)
class _Written:
    """A text in which words can be looked for, rather than at each of its words."""

    plain: str  # the words of ASCII letters and digits, with a space around each
    folded: str  # the same, casefolded
    others: tuple[str, ...]  # words

    def beginning_with(self, beginnings: Iterable[str]) -> list[str]:
        """Its words that begin so, and those of which that cannot be told, as often as it has them.

        Each beginning has the space before it; none begins another.
        """
        found = list(self.others)
        for beginning in beginnings:
            at = self.folded.find(beginning)
            while at >= 0:
                end = self.folded.index(" ", at + 1)
                found.append(self.plain[at + 1 : end])
                at = self.folded.find(beginning, end)
        return found


@dataclass(frozen=True, slots=True)
class _Reading:
    """How texts of one language write the question's terms."""

    terms: Mapping[str, tuple[str, ...]]  # term of that language: those of the question
    beginnings: tuple[str, ...]  # of the words that can have such a term, a space before each
    language: str
    known: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def terms_of(self, word: str) -> tuple[str, ...]:
        """The question's terms that `word`, of a text, stands for."""
        found = self.known.get(word)
        if found is None:
            read = analysis.terms(word, self.language)
            found = tuple(ours for term in read for ours in self.terms.get(term, ()))
            self.known[word] = found
        return found


@dataclass(frozen=True, slots=True)
class _Weights:
    """How much the terms of a question weigh, each and all."""

    of_term: Mapping[str, float]
    total: float


@dataclass(frozen=True, slots=True)
class QuestionWords:
    """The index terms of a question, as `language` reads it, each with its rarity.

    `unseen`: those that no text unit has; `asked_in`: another language, if the question is in it.
    `spelled_as`: of a word that the question spells the British and the American way, the term that
    stands for the other one.
    """

    text: str
    language: str
    idf: Mapping[str, float]
    n_units: int  # in the index
    unseen: frozenset[str] = frozenset()
    asked_in: str = ""
    spelled_as: Mapping[str, str] = field(default_factory=dict[str, str])
    _readings: dict[str, _Reading] = field(default_factory=dict[str, _Reading], repr=False)
    _weights: dict[float, _Weights] = field(default_factory=dict[float, _Weights], repr=False)

    @property
    def asked(self) -> str:
        """The question without earlier ones."""
        return self.text.partition("\n")[0]

    @property
    def names(self) -> set[str]:
        """The terms of names and numbers."""
        return _roles(self.asked, self.language)[1] & self.idf.keys()

    def counts(self, text: str, language: str) -> Counter[str]:
        """How often `text`, which is in `language`, holds each term of the question."""
        reading = self._read(language)
        found: Counter[str] = Counter()
        # A stem begins as its word does, accents apart; the rest need not be stemmed.
        written = (_read_long if len(text) > LONG else _read)(text)
        for word in written.beginning_with(reading.beginnings):
            for term in reading.terms_of(word):
                found[term] += 1
        return found

    def found(self, text: str, language: str) -> set[str]:
        return set(self.counts(text, language))

    def spans(self, text: str, language: str) -> tuple[tuple[int, int], ...]:
        """Where `text` has words of the question: the first character and that behind the last."""
        reading = self._read(language)
        found: list[tuple[int, int]] = []
        for word in WORD.finditer(text):
            terms = reading.terms_of(word[1])
            if not terms:
                continue
            start, end = word.span(1)
            if UNSPACED.match(word[1]):
                places = [at for at in map(word[1].find, terms) if at >= 0]
                if not places:
                    continue
                end = start + max(places) + 2
                start += min(places)
            found.append((start, end))
        return tuple(found)

    def side_by_side(self, text: str, language: str) -> float:
        """The share of the question's neighbouring words that are (nearly) neighbours in `text`.

        0 to 1, each pair by the lesser weight; 1 where the question has no two words.
        """
        asked = [
            next((term for term in analysis.terms(word, self.language) if term in self.idf), "")
            for word in analysis.words(self.asked)
        ]
        pairs = {
            (one, other)
            for at, one in enumerate(asked)
            for other in asked[at + 1 : at + 3][: 2 if not "".join(asked[at + 1 : at + 2]) else 1]
            if one and other and one != other
        }
        reading = self._read(language)
        places: dict[str, list[int]] = {}
        for at, word in enumerate(analysis.words(text)):
            for term in reading.terms_of(word):
                places.setdefault(term, []).append(at)
        weights = {pair: min(self.idf[pair[0]], self.idf[pair[1]]) for pair in pairs}
        near = [
            weight
            for (one, other), weight in weights.items()
            if any(
                0 < abs(here - there) <= NEAR
                for here in places.get(one, ())
                for there in places.get(other, ())
            )
        ]
        return math.fsum(near) / math.fsum(weights.values()) if weights else 1.0

    def missing(self, terms: Iterable[str]) -> list[str]:
        """The words of the question, as written, that none of `terms` stands for.

        Without "anybody" and its like, which name nothing.
        """
        held = set(terms)
        written: list[str] = []
        for word in analysis.words(self.text):
            ours = [term for term in analysis.terms(word, self.language) if term in self.idf]
            if ours and held.isdisjoint(ours) and word.casefold() not in PRONOUNS:
                written.append(word)
        return list(dict.fromkeys(written))

    def weight(self, terms: Iterable[str], *, rarity: float = RARITY) -> float:
        """The share of the question's weight that `terms` carry, 0 to 1."""
        weights = self._weighed(rarity)
        found = math.fsum(weights.of_term.get(term, 0.0) for term in set(terms))
        return found / weights.total if weights.total else 0.0

    @property
    def common(self) -> bool:
        """Whether much of the index has every term: the index is about just that."""
        bound = _rarity(self.n_units * COMMON, self.n_units)
        return bool(self.idf) and all(idf < bound for idf in self.idf.values())

    def relevance(
        self, counts: Mapping[str, float], *, length: float, rarity: float = RARITY
    ) -> float:
        """How well a text fits, 0 to 1: BM25 with a steeper weight on rare words.

        `length` is that of the text as a multiple of the usual one.
        """
        weights = self._weighed(rarity)
        norm = SATURATION * (1 - LENGTH_NORM + LENGTH_NORM * length)
        found = math.fsum(
            weights.of_term[term] * count / (count + norm) for term, count in counts.items()
        )
        return found / weights.total if weights.total else 0.0

    def _weighed(self, rarity: float) -> _Weights:
        if rarity not in self._weights:
            of_term = {term: idf**rarity for term, idf in self.idf.items()}
            # fsum rounds once, so that the order does not matter.
            self._weights[rarity] = _Weights(of_term, math.fsum(of_term.values()))
        return self._weights[rarity]

    def _read(self, language: str) -> _Reading:
        reading = self._readings.get(language)
        if reading is None:
            terms: dict[str, tuple[str, ...]] = {}
            for word in analysis.words(self.text):
                ours = tuple(
                    self.spelled_as.get(term, term) for term in analysis.terms(word, self.language)
                )
                theirs = analysis.terms(word, language)
                # The bigrams of a word stand one for one, its stems one for all.
                pairs = zip(theirs, ours, strict=False) if len(ours) == len(theirs) else ()
                for term in theirs:
                    terms.setdefault(term, ours)
                terms.update({term: (one,) for term, one in pairs})
            # The words of grammar of a question in another language have no weight.
            kept = {term: [one for one in ours if one in self.idf] for term, ours in terms.items()}
            terms = {term: tuple(ours) for term, ours in kept.items() if ours}
            beginnings = {f" {term[: _kept(term, language)]}" for term in terms}
            reading = _Reading(terms, tuple(_shortest(beginnings)), language)
            self._readings[language] = reading
        return reading


async def weigh(text: str, store: GraphStore, *, language: str, earlier: str = "") -> QuestionWords:
    """The terms of `text` as `language` reads it, weighed by how rare they are in the index.

    Those of `earlier` questions, which this one may refer to, count for less.
    """
    asked = _terms(text, language)
    asked = asked - _terms(" ".join(asking_words(text, language)), language) or asked
    terms = sorted(asked.union(_terms(earlier, language)))
    n_units, frequencies = await store.document_frequencies(terms)
    n_units = max(1, n_units)
    spelled_as = _spelled_as(text, language)
    for other, term in spelled_as.items():
        frequencies[term] = frequencies.get(term, 0) + frequencies.get(other, 0)
    terms = [term for term in terms if term not in spelled_as]
    kinds, names = _roles(text, language)
    unseen = {term for term in terms if not frequencies.get(term)}
    endings = _endings(text, language, unseen)
    idf: dict[str, float] = {}
    for term in terms:
        count = min(frequencies.get(term, 0), n_units)
        share = KIND if term in kinds else 1.0
        if not count:
            # That a few units lack a common word says little of what they are about.
            plain = max(UNSEEN_BY_FEW, n_units / (n_units + PRIOR))
            share = UNSEEN_KIND if term in kinds else UNSEEN_NAME if term in names else plain
        if term in endings:
            share = 0.0
        idf[term] = share * _rarity(count, n_units) * (1.0 if term in asked else EARLIER)
    return QuestionWords(
        f"{text}\n{earlier}".strip(),
        language,
        {term: idf for term, idf in idf.items() if idf},
        n_units,
        frozenset(unseen - endings),
        foreign_language(text, language),
        spelled_as,
    )


def _spelled_as(text: str, language: str) -> dict[str, str]:
    """By the term of a word's other spelling, which stands somewhere behind it: its own term."""
    spoken = list(dict.fromkeys(word.casefold() for word in analysis.words(text)))
    return {
        other_term: term
        for at, word in enumerate(spoken)
        for other in set(other_spellings(word)).intersection(spoken[at + 1 :])
        for other_term, term in zip(
            analysis.terms(other, language), analysis.terms(word, language), strict=False
        )
    }


def _endings(text: str, language: str, unseen: Set[str]) -> set[str]:
    """The bigrams behind the last known one of a word without spaces: how a question ends.

    "개항했나요" asks for 개항, as do all its other forms.
    """
    behind: set[str] = set()
    for word in analysis.words(text):
        if UNSPACED.match(word):
            terms = analysis.terms(word, language)
            known = [at for at, term in enumerate(terms) if term not in unseen]
            if known:
                behind.update(terms[known[-1] + 1 :])
    return behind & unseen


def _terms(text: str, language: str) -> set[str]:
    # Texts too short to tell their language are indexed with all their words; a question has
    # words that only ask, whatever it is about. So has one in another language than the index.
    read_as = _grammar_of(text, language)
    if language != UNKNOWN and read_as == language:
        return set(analysis.terms(text, language))
    return {
        term
        for word in analysis.words(text)
        if not analysis.is_stop_word(word, read_as)
        for term in analysis.terms(word, language)
    }


def _grammar_of(text: str, language: str) -> str:
    """The language whose words of grammar `text` has, unless `language` has nearly as many."""
    spoken = analysis.words(text)
    grammar = {one: sum(analysis.is_stop_word(word, one) for word in spoken) for one in STOP_WORDS}
    read_as = max(sorted(STOP_WORDS, key=lambda one: (one != "en", one)), key=grammar.__getitem__)
    is_foreign = language == UNKNOWN or grammar[read_as] >= grammar.get(language, 0) + FOREIGN
    return read_as if is_foreign else language


def foreign_language(text: str, language: str) -> str:
    """The language of `text`, where its script or grammar is not that of `language`."""
    for script, written_in in ((HANGUL, "ko"), (KANA, "ja"), (HAN, "zh")):
        if script.search(text):
            return "" if language in (written_in, UNKNOWN, "ja") else written_in
    read_as = _grammar_of(text, language)
    return "" if language in (read_as, UNKNOWN) else read_as


def _rarity(count: float, n_units: int) -> float:
    """Inverse document frequency. The prior keeps that of a few units from saying much.

    A word that the index lacks weighs no more than the rarest that a large index has.
    """
    units = n_units + PRIOR
    found = max(1.0, count + PRIOR / units)
    return math.log(1 + (units - found + 0.5) / (found + 0.5))


def _roles(text: str, language: str) -> tuple[set[str], set[str]]:
    """The question's terms for the kind of thing it asks for, and those of names and numbers."""
    spoken = analysis.words(text)
    # German writes every noun with a capital, a heading or a shout every word.
    capitals = language != "de" and any(word[0].islower() for word in spoken[1:])
    kinds: set[str] = set()
    names: set[str] = set()
    left = 0
    for place, word in enumerate(spoken):
        if word.casefold() in ASKING_FOR_KIND:
            left = KIND_WORDS
            continue
        if analysis.is_stop_word(word, language):
            left = 0
        proper = capitals and place > 0 and word[0].isupper()
        if left and not proper:
            kinds.update(analysis.terms(word, language))
        elif not left and (proper or any(map(str.isdigit, word))):
            names.update(analysis.terms(word, language))
        left = max(0, left - 1)
    return kinds - names, names


def _read(text: str) -> _Written:
    # Quotation marks and dashes are in no word; without them few words are left that are not plain.
    if not text.isascii():
        for mark in _TYPOGRAPHIC:
            text = text.replace(mark, " ")
    others = ""
    if not text.isascii() or "'" in text:
        text, others = _parted(f" {' '.join(text.split())} ")
    plain = f" {text} ".translate(_SPACED)
    return _Written(plain, plain.lower(), tuple(analysis.words(others)))


def _parted(text: str) -> tuple[str, str]:
    """The words that are ASCII without an apostrophe, and the others; single spaces in `text`.

    A part of "O'Brien" is a word, too; an accent is not in the term.
    """
    plain: list[str] = []
    others: list[str] = []
    done = 0
    for match in _NOT_PLAIN.finditer(text):
        if match.start() >= done:
            begin, end = text.rindex(" ", 0, match.start()), text.index(" ", match.end())
            plain.append(text[done:begin])
            others.append(text[begin:end])
            done = end
    plain.append(text[done:])
    return "".join(plain), "".join(others)


@lru_cache(maxsize=512)
def _read_long(text: str) -> _Written:
    """Kept: questions that follow from one another look at the same texts."""
    return _read(text)


def _shortest(beginnings: Iterable[str]) -> list[str]:
    """Those that do not begin with another."""
    kept: list[str] = []
    for beginning in sorted(beginnings):
        if not kept or not beginning.startswith(kept[-1]):
            kept.append(beginning)
    return kept


def _kept(term: str, language: str) -> int:
    """How many letters of a term all words have that it stands for.

    An English ending changes at most the last two ("hoping": "hope", "dying": "die").
    """
    return max(1, len(term) - 2) if language == "en" else 2
