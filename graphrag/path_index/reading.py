"""The words of units in; the terms of each unit and sentence, and the names in it, out.

Units are read in blocks: every word of a block is looked at once, however often it stands there,
and what follows from its words is worked out for all sentences of the block together.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from graphrag import text as analysis
from graphrag.packed import Ints, Lists
from graphrag.path_index.arrays import LONGEST_NAME, fold
from graphrag.unit_words import UnitWords

BLOCK = 256  # units
TITLE_COUNTS = 2  # a word of the title counts as often
Numbers = NDArray[np.int64]

_PAIR = 1 << 31  # the numbers of two words as one


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a unit beside its words."""

    title: str
    language: str


class Reading:
    """The text of all units in order; terms are numbered as they come."""

    def __init__(self) -> None:
        self.terms: dict[str, int] = {}
        self.unit_terms = Rows()
        self.frequencies = array("i")  # beside unit_terms
        self.unit_sentences = array("q", [0])
        self.sentence_terms = Rows()  # in each row ascending, as are the nodes
        self.sentence_nodes = Rows()

    def number(self, terms: Iterable[str]) -> list[int]:
        return [self.terms.setdefault(term, len(self.terms)) for term in terms]


class Rows:
    """Lists that grow at the end, packed."""

    def __init__(self) -> None:
        self.ends = array("q", [0])
        self.items = array("i")

    def extend(self, rows: Numbers, items: Numbers, *, n_rows: int) -> None:
        """Add `n_rows` rows; `items` lie by the number of their row, which ascends."""
        ends = np.searchsorted(rows, np.arange(1, n_rows + 1)) + len(self.items)
        self.ends.frombytes(ends.astype(np.int64).tobytes())
        self.items.frombytes(items.astype(np.int32).tobytes())

    def lists(self) -> Lists:
        return Lists(np.array(self.ends, dtype=np.int64), np.array(self.items, dtype=np.int32))


def read_units(
    words: UnitWords, heads: Sequence[Head], lookup: Mapping[str, int], *, short: Mapping[str, str]
) -> Reading:
    """Read units, with the head of each. `lookup` has the node of each name.

    A name in `short` stands for another too. Names are found as `arrays.find_names` finds
    them.
    """
    reading = Reading()
    names = _Names(lookup, short)
    for start in range(0, len(heads), BLOCK):
        block = _Block(words, heads[start : start + BLOCK], start)
        _add_terms(reading, block)
        reading.sentence_nodes.extend(*names.find(block), n_rows=block.n_sentences)
        before = reading.unit_sentences[-1]
        reading.unit_sentences.extend(before + end for end in block.unit_ends)
    return reading


class _Block:
    """The sentences of some units, as numbers of their words."""

    def __init__(self, words: UnitWords, heads: Sequence[Head], start: int) -> None:
        self.heads = heads
        ends: Numbers = words.unit_sentences[start : start + len(heads) + 1]
        self.unit_ends: list[int] = (ends[1:] - ends[0]).tolist()  # sentences up to each end
        self.n_sentences = int(ends[-1] - ends[0])
        found = words.sentence_words.take(np.arange(int(ends[0]), int(ends[-1])))
        self.lengths = found.lengths()
        languages = sorted({head.language for head in heads})
        number = {language: place for place, language in enumerate(languages)}
        of_units = np.array([number[head.language] for head in heads], dtype=np.int64)
        of_sentences = np.repeat(of_units, np.diff(ends))
        written = found.items.astype(np.int64) * len(languages)
        keys = written + np.repeat(of_sentences, self.lengths)
        distinct, flat = np.unique(keys, return_inverse=True)
        self.flat: Ints = flat.astype(np.int32)
        spoken = [divmod(key, len(languages)) for key in cast(list[int], distinct.tolist())]
        # Each word as it is written, once in each language.
        self.words = [(words.words[word], languages[language]) for word, language in spoken]


def _add_terms(reading: Reading, block: _Block) -> None:
    of_words = Lists.pack(
        [reading.number(analysis.terms_of((word,), language)) for word, language in block.words]
    )
    titles = [reading.number(analysis.terms(head.title, head.language)) for head in block.heads]
    n_terms = len(reading.terms)
    counts = of_words.lengths()[block.flat]
    # Where each word's terms begin, and beside it how far into them we are.
    first = np.repeat(of_words.ends[:-1][block.flat], counts)
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    terms = of_words.items[first + within].astype(np.int64)
    sentences = np.repeat(np.repeat(np.arange(block.n_sentences), block.lengths), counts)
    rows, items = _divided(np.unique(sentences * n_terms + terms), n_terms)
    reading.sentence_terms.extend(rows, items, n_rows=block.n_sentences)
    n_units = len(block.heads)
    unit_of = np.repeat(np.arange(n_units), np.diff([0, *block.unit_ends]))
    counted = [unit_of[sentences] * n_terms + terms]
    for unit, title in enumerate(titles):
        counted.append(np.repeat(unit * n_terms + np.array(title, dtype=np.int64), TITLE_COUNTS))
    keys, often = np.unique(np.concatenate(counted), return_counts=True)
    reading.unit_terms.extend(*_divided(keys, n_terms), n_rows=n_units)
    reading.frequencies.frombytes(often.astype(np.int32).tobytes())


class _Names:
    """Names by the numbers of their words."""

    def __init__(self, lookup: Mapping[str, int], short: Mapping[str, str]) -> None:
        self._numbers: dict[str, int] = {}  # of the words that stand in names, folded
        self._nodes: dict[bytes, tuple[int, ...]] = {}
        lengths: dict[int, set[int]] = {}  # by the two words that a name begins with
        singles: set[int] = set()
        for name, node in lookup.items():
            words = name.split(" ")
            if not len(name) > 2 or len(words) > LONGEST_NAME:
                continue
            if all(analysis.is_stop_word(word) for word in words):
                continue
            numbers = [self._numbers.setdefault(word, len(self._numbers)) for word in words]
            also = (lookup[short[name]],) if name in short else ()
            self._nodes[np.array(numbers, dtype=np.int32).tobytes()] = (node, *also)
            if len(words) == 1:
                singles.add(numbers[0])
            else:
                lengths.setdefault(numbers[0] * _PAIR + numbers[1], set()).add(len(words))
        self._lengths = {pair: sorted(found, reverse=True) for pair, found in lengths.items()}
        self._pairs = np.array([*sorted(lengths), np.iinfo(np.int64).max], dtype=np.int64)
        self._is_single = np.zeros(len(self._numbers) + 1, dtype=np.bool_)  # the last: no name's
        self._is_single[list(singles)] = True

    def find(self, block: _Block) -> tuple[Numbers, Numbers]:
        """By sentence the nodes that it names: both as one array of equal length."""
        none = len(self._numbers)
        of_words = [self._numbers.get(fold(word), none) for word, _ in block.words]
        flat: Ints = np.array(of_words, dtype=np.int32)[block.flat]
        is_lower = np.array([word[0].islower() for word, _ in block.words], dtype=np.bool_)
        sentences = np.repeat(np.arange(block.n_sentences), block.lengths)
        ends = np.cumsum(block.lengths)[sentences]
        pairs = flat.astype(np.int64) * _PAIR + np.append(flat[1:], none)
        # np.isin would sort all pairs again for every block.
        near = self._pairs[np.searchsorted(self._pairs[:-1], pairs)]
        paired = (near == pairs) & (np.arange(len(flat)) + 1 < ends)
        starts = np.flatnonzero(paired | self._is_single[flat])
        pairs[~paired] = -1
        packed, lower = flat.tobytes(), is_lower[block.flat].tobytes()
        rows, items = array("q"), array("q")
        free = 0  # the first word that is in no name yet
        steps = zip(
            starts.tolist(),
            pairs[starts].tolist(),
            sentences[starts].tolist(),
            ends[starts].tolist(),
            strict=True,
        )
        for at, pair, sentence, end in steps:
            if at < free:
                continue
            for length in (*self._lengths.get(pair, ()), 1):
                nodes = self._nodes.get(packed[4 * at : 4 * (at + length)])
                # A name needs a capital (or a digit) in scripts that have them.
                if nodes and at + length <= end and 0 in lower[at : at + length]:
                    rows.extend(sentence for _ in nodes)
                    items.extend(nodes)
                    free = at + length
                    break
        n_nodes = max(items, default=0) + 1
        keys = np.array(rows, dtype=np.int64) * n_nodes + np.array(items, dtype=np.int64)
        return _divided(np.unique(keys), n_nodes)


def _divided(keys: Numbers, by: int) -> tuple[Numbers, Numbers]:
    rows, items = np.divmod(keys, max(1, by))
    return rows, items
