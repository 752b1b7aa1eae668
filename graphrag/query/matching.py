"""A question in; which of its words a text holds, and how much they weigh, out.

The store's index knows how rare a word is; here the same analysis runs over the few texts that
a search found, and only over those of their words that can be words of the question.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from graphrag import text as analysis
from graphrag.stores import GraphStore

RARITY = 1.5  # exponent of the inverse document frequency: rare words decide
TITLE_WEIGHT = 2
EARLIER = 0.5  # of a word's rarity, where only an earlier question has it
SATURATION = 1.2
LONG = 500  # characters from which a text's words are kept
LENGTH_NORM = 0.5


@dataclass(frozen=True, slots=True)
class _Reading:
    """How texts of one language write the question's terms."""

    terms: Mapping[str, tuple[str, ...]]  # term of that language: those of the question
    beginnings: frozenset[str]


@dataclass(frozen=True, slots=True)
class QuestionWords:
    """The index terms of a question, as `language` reads it, each with its rarity."""

    text: str
    language: str
    idf: Mapping[str, float]
    n_units: int  # in the index
    _readings: dict[str, _Reading] = field(default_factory=dict[str, _Reading], repr=False)

    def counts(self, text: str, language: str) -> Counter[str]:
        """How often `text`, which is in `language`, holds each term of the question."""
        reading = self._read(language)
        found: Counter[str] = Counter()
        read = _word_counts if len(text) > LONG else _word_counts.__wrapped__
        for word, count in read(text):
            # A stem begins as its word does, accents apart; the rest need not be stemmed.
            if word[:2].casefold() in reading.beginnings or not word.isascii():
                for term in analysis.terms(word, language):
                    for ours in reading.terms.get(term, ()):
                        found[ours] += count
        return found

    def found(self, text: str, language: str) -> set[str]:
        return set(self.counts(text, language))

    def weight(self, terms: Iterable[str]) -> float:
        """The share of the question's weight that `terms` carry, 0 to 1."""
        total = _mass(self.idf.values())
        known = self.idf.keys() & set(terms)
        return _mass(self.idf[term] for term in known) / total if total else 0.0

    def relevance(self, counts: Mapping[str, int], *, length: float) -> float:
        """How well a text fits, 0 to 1: BM25 with a steeper weight on rare words.

        `length` is that of the text as a multiple of the usual one.
        """
        total = _mass(self.idf.values())
        norm = SATURATION * (1 - LENGTH_NORM + LENGTH_NORM * length)
        parts = sorted(
            self.idf[term] ** RARITY * count / (count + norm) for term, count in counts.items()
        )
        return math.fsum(parts) / total if total else 0.0

    def _read(self, language: str) -> _Reading:
        reading = self._readings.get(language)
        if reading is None:
            terms: dict[str, tuple[str, ...]] = {}
            for word in analysis.words(self.text):
                ours = tuple(analysis.terms(word, self.language))
                theirs = ours if language == self.language else analysis.terms(word, language)
                # The bigrams of a word stand one for one, its stems one for all.
                pairs = zip(theirs, ours, strict=False) if len(ours) == len(theirs) else ()
                for term in theirs:
                    terms.setdefault(term, ours)
                terms.update({term: (one,) for term, one in pairs})
            terms = {term: ours for term, ours in terms.items() if ours}
            reading = _Reading(terms, frozenset(term[:2] for term in terms))
            self._readings[language] = reading
        return reading


async def weigh(text: str, store: GraphStore, *, language: str, earlier: str = "") -> QuestionWords:
    """The terms of `text` as `language` reads it, weighed by how rare they are in the index.

    Those of `earlier` questions, which this one may refer to, count for less.
    """
    asked = set(analysis.terms(text, language))
    terms = sorted(asked.union(analysis.terms(earlier, language)))
    n_units, frequencies = await store.document_frequencies(terms)
    n_units = max(1, n_units)
    idf: dict[str, float] = {}
    for term in terms:
        # A word that the index lacks weighs no more than the rarest that it has.
        count = max(1, min(frequencies.get(term, 0), n_units))
        rarity = math.log(1 + (n_units - count + 0.5) / (count + 0.5))
        idf[term] = rarity if term in asked else EARLIER * rarity
    return QuestionWords(f"{text}\n{earlier}".strip(), language, idf, n_units)


@lru_cache(maxsize=256)
def _word_counts(text: str) -> tuple[tuple[str, int], ...]:
    # Questions that follow from one another look at the same texts.
    return tuple(Counter(analysis.words(text)).items())


def _mass(values: Iterable[float]) -> float:
    return math.fsum(sorted(value**RARITY for value in values))
