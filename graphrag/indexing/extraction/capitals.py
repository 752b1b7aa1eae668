"""Tell names from words that merely have a capital letter, by how the corpus writes them.

A name has its capital inside sentences of running text, mostly there; a word of the language is
written small elsewhere, or has its capital where any word has one: at the start of a sentence and
in headings. Where all nouns have capitals, a name is what takes no "a", "no" or "every".
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from graphrag.indexing.extraction.lexicon import COUNTING
from graphrag.text import normalise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from graphrag.stores.arrays.unit_words import UnitWords

SMALL, CAPITAL, NEITHER = range(3)

_MOSTLY = 0.5  # of its uses inside sentences have a capital: a name
_RARELY = 0.1  # as many capitals inside sentences as small letters, for ...
_INSIDE = 0.75  # ... a name that is a command or a file, too ("git"), and rarely opens a sentence
_OFTEN = 3  # such uses
_SHOUTED = 0.6  # of the longer words of a sentence have a capital: it is a heading or a list
_LONGER = 4  # letters
_COUNTED = 0.05  # of the uses of a noun are "a" or "every" such thing: there are many


def common_words(words: UnitWords, capital_nouns: Collection[str]) -> list[str]:
    """The normalised words that name nothing, sorted, of those that have a capital anywhere.

    `capital_nouns`: ids of the units in whose language all nouns have a capital.
    """
    import numpy as np

    written = list(words.words)
    kinds = np.array([_kind(word) for word in written], dtype=np.int8)
    norms = [normalise(word) for word in written]
    numbers = {norm: number for number, norm in enumerate(dict.fromkeys(norms))}
    norm_of = np.array([numbers[norm] for norm in norms], dtype=np.int64)
    items, lengths = words.sentence_words.items, words.sentence_words.lengths()
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    kind = kinds[items]
    opens = np.ones(len(items), dtype=np.bool_)
    opens[1:] = sentence[1:] != sentence[:-1]
    long = np.array([len(word) >= _LONGER for word in written], dtype=np.bool_)[items]
    capitals = np.bincount(sentence[long & (kind == CAPITAL)], minlength=len(lengths))
    letters = np.bincount(sentence[long & (kind != NEITHER)], minlength=len(lengths))
    inside = ~(opens | (capitals >= _SHOUTED * letters)[sentence])

    def count(where: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(norm_of[items[where]], minlength=len(numbers))

    with_capital = count(kind == CAPITAL)
    as_name, small = count(inside & (kind == CAPITAL)), count(kind == SMALL)
    is_name = (as_name > _MOSTLY * (as_name + small)) | (
        (as_name >= np.maximum(_RARELY * small, _OFTEN)) & (as_name >= _INSIDE * with_capital)
    )
    is_common = (small > 0) & ~is_name
    if capital_nouns:
        held = np.array([unit in capital_nouns for unit in words.units], dtype=np.bool_)
        nouns = np.repeat(np.repeat(held, np.diff(words.unit_sentences)), lengths)
        counting = np.array([word.lower() in COUNTING for word in written], dtype=np.bool_)[items]
        after = np.zeros(len(items), dtype=np.bool_)
        after[1:] = counting[:-1] & ~opens[1:]
        nouns &= kind == CAPITAL
        is_common |= count(nouns & after) > _COUNTED * with_capital
    return sorted(
        norm for norm, number in numbers.items() if with_capital[number] and is_common[number]
    )


def _kind(word: str) -> int:
    if word[0].islower():
        return SMALL
    return CAPITAL if word[0].isupper() else NEITHER
