"""Find the known words that the unknown words of a question were meant to be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graphrag import text as analysis
from graphrag.query.context.words import foreign_language
from graphrag.stores import GraphStore
from graphrag.text.questions import subject
from graphrag.text.stopwords import STOP_WORDS

if TYPE_CHECKING:
    from graphrag.stores.arrays.packed import Strings

SHORT, LONG = 4, 8  # letters from which one slip is looked for, and two
FREQUENT = 5  # text units, for a name to be taken for a slip of the known one


@dataclass(frozen=True, slots=True)
class Spelled:
    """A question as it was meant; `words`: the known ones that stand in place of unknown ones."""

    text: str
    words: tuple[str, ...] = ()


async def spell(text: str, store: GraphStore, *, language: str, work_folder: Path) -> Spelled:
    """`text` with each word that the index lacks replaced by the nearest that it has.

    Nearest: by optimal string alignment (Damerau), then with the same consonants, then by how
    many text units have it. A question in another language than the index is left alone.
    """
    if foreign_language(text, language):
        return Spelled(text)
    unknown = await _unknown(text, store, language)
    if not unknown:
        return Spelled(text)
    from graphrag.stores.arrays import unit_words

    vocabulary = unit_words.load(work_folder).words
    stop_words = STOP_WORDS["en"] | STOP_WORDS.get(language, frozenset())
    put: dict[str, str] = {}
    for word in unknown:
        near = _nearest(word, [*_beginning_like(word, vocabulary), *stop_words])
        if not near:
            continue
        if not stop_words.isdisjoint(near):
            put[word] = min(stop_words.intersection(near))
            continue
        by_term = {term: one for one in near for term in analysis.terms(one, language)}
        _, frequencies = await store.document_frequencies(sorted(by_term))
        best = max(
            sorted(by_term),
            key=lambda term: (
                _consonants(by_term[term]) == _consonants(word),
                frequencies.get(term, 0),
            ),
            default="",
        )
        least = FREQUENT if word[0].isupper() else 1
        if frequencies.get(best, 0) >= least:
            put[word] = by_term[best]
    spelled = text
    for word, meant in put.items():
        spelled = spelled.replace(word, meant)
    return Spelled(spelled, tuple(one for one in put.values() if one not in stop_words))


def _consonants(word: str) -> str:
    return re.sub("[aeiouy]", "", word.casefold())


async def _unknown(text: str, store: GraphStore, language: str) -> list[str]:
    """The words that no text unit has, long enough for a slip to be told."""
    terms = {
        word: analysis.terms(word, language)
        for word in analysis.words(subject(text, language))
        if len(word) >= SHORT and word.isalpha() and word.upper() != word
    }
    wanted = sorted({term for some in terms.values() for term in some})
    _, frequencies = await store.document_frequencies(wanted)
    return [word for word, some in terms.items() if some and not any(map(frequencies.get, some))]


def _beginning_like(word: str, vocabulary: Strings) -> list[str]:
    """The known words of about its length with its first letter, casefolded, in their order."""
    import numpy as np

    if not len(vocabulary):
        return []
    firsts = [one.encode()[0] for one in (word[0].lower(), word[0].upper())]
    lengths = np.diff(vocabulary.offsets)
    size = len(word.encode())
    fits = np.isin(vocabulary.data[vocabulary.offsets[:-1]], firsts) & (abs(lengths - size) <= 2)
    found = (vocabulary[at].casefold() for at in np.flatnonzero(fits).tolist())
    return list(dict.fromkeys(found))


def _nearest(word: str, known: Iterable[str]) -> list[str]:
    """Those of `known` that the fewest slips part from `word`, if few enough do."""
    from rapidfuzz.distance import OSA

    most = 1 if len(word) < LONG else 2
    folded = word.casefold()
    slips = {one: OSA.distance(folded, one, score_cutoff=most) for one in known}
    least = min(slips.values(), default=most + 1)
    return [one for one, count in slips.items() if count == least] if least <= most else []
