"""Find the known words that the unknown words of a question were meant to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graphrag import text as analysis
from graphrag.core.answers import Citation
from graphrag.query.context.words import foreign_language
from graphrag.stores import GraphStore
from graphrag.text.questions import subject
from graphrag.text.spellings import other_spellings
from graphrag.text.stopwords import STOP_WORDS

if TYPE_CHECKING:
    from graphrag.stores.arrays.packed import Strings

STOP_WORD, SHORT, LONG = 4, 5, 8  # letters from which a slip is looked for, and two
_WITH_UNIT = re.compile(r"\b(\d+)([a-zA-Z]{1,3})\b")
_FORM = re.compile(r"(?:ed|ing|s)$")
FREQUENT = 5  # text units, for a name to be taken for a slip of the known one


@dataclass(frozen=True, slots=True)
class Spelled:
    """A question as it was meant.

    `written`: the words it had, by the known ones in their place. `spellings`: British for American
    ones and the reverse, which stand in a line below it.
    """

    text: str
    written: Mapping[str, str]
    spellings: tuple[str, ...] = ()

    def used(self, citations: Iterable[Citation]) -> tuple[str, ...]:
        """The known words that helped to find what is cited."""
        cited = [f"{one.title}\n{one.heading}\n{one.quote}" for one in citations]
        found = {word.casefold() for text in cited for word in analysis.words(text)}
        forms = {form for word in found for form in analysis.terms(word)}
        looked_for = (*self.written, *self.spellings)
        return tuple(one for one in looked_for if forms.intersection(analysis.terms(one)))


async def spell(text: str, store: GraphStore, *, language: str, work_folder: Path) -> Spelled:
    """`text` with each word that the index lacks replaced by the nearest that it has.

    Nearest: by optimal string alignment (Damerau), then by how many text units have it. A form of a
    known word that the index lacks is replaced where a longer word is that near: "editer" is no
    form of "edit", "hacked" is one of "hack". What the index spells the British or the American way
    is looked for, too. A question in another language than the index is left alone.
    """
    from graphrag.stores.arrays import unit_words

    text = await _with_units_apart(text, store, language=language)
    terms = {
        word: analysis.terms(word, language)
        for word in analysis.words(subject(text, language))
        if len(word) >= STOP_WORD and word.isalpha() and word.upper() != word
    }
    if not terms or foreign_language(text, language):
        return Spelled(text, {})
    others = {word: other_spellings(word) if language == "en" else [] for word in terms}
    spellings = {one: analysis.terms(one, language) for some in others.values() for one in some}
    frequencies = await _frequencies([*terms.values(), *spellings.values()], store)
    spelled_so = {one for one, stems in spellings.items() if any(map(frequencies.get, stems))}
    vocabulary = unit_words.load(work_folder).words
    stop_words = STOP_WORDS["en"] | STOP_WORDS.get(language, frozenset())
    put: dict[str, str] = {}
    for word, stems in terms.items():
        known = any(map(frequencies.get, stems))
        if not stems or not spelled_so.isdisjoint(others[word]):
            continue
        if known and (_FORM.search(word) or not len(vocabulary) or _has(vocabulary, word)):
            continue
        near = _nearest(word, [*_beginning_like(word, vocabulary), *stop_words])
        if not known and not stop_words.isdisjoint(near):
            put[word] = min(stop_words.intersection(near))
            continue
        by_term = {
            term: one
            for one in near
            if len(word) >= SHORT and (not known or one.startswith(stems[0]))
            for term in analysis.terms(one, language)
            if term not in stems
        }
        found = await _frequencies([by_term], store)
        best = max(sorted(by_term), key=lambda term: found.get(term, 0), default="")
        least = FREQUENT if word[0].isupper() else 1
        if found.get(best, 0) >= least:
            put[word] = by_term[best]
    spelled = text
    for word, meant in put.items():
        spelled = re.sub(rf"\b{re.escape(word)}\b", meant, spelled)
    written = {meant: word for word, meant in put.items() if meant not in stop_words}
    below = tuple(sorted(spelled_so - {word.casefold() for word in terms}))
    return Spelled("\n".join(filter(None, (spelled, " ".join(below)))), written, below)


async def _with_units_apart(text: str, store: GraphStore, *, language: str) -> str:
    """ "7pm" as "7 pm", where no text unit has it in one."""
    written = {match[0]: analysis.terms(match[0], language) for match in _WITH_UNIT.finditer(text)}
    if not written:
        return text
    found = await _frequencies(written.values(), store)
    unknown = {word for word, terms in written.items() if not any(map(found.get, terms))}
    return _WITH_UNIT.sub(lambda it: f"{it[1]} {it[2]}" if it[0] in unknown else it[0], text)


async def _frequencies(terms: Iterable[Iterable[str]], store: GraphStore) -> Mapping[str, int]:
    wanted = sorted({term for some in terms for term in some})
    return (await store.document_frequencies(wanted))[1]


def _has(vocabulary: Strings, word: str) -> bool:
    return any(map(vocabulary.has, (word, word.lower(), word.capitalize(), word.upper())))


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
