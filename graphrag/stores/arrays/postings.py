"""List the terms of each unit and sentence, and the names in it.

Every word is looked at once, however often it stands there. What follows from the words is then
worked out in blocks of units, for all sentences of a block together.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphrag import text as analysis
from graphrag.stores.arrays.packed import Ints, Lists
from graphrag.stores.arrays.path_index import LONGEST_NAME, fold
from graphrag.stores.arrays.unit_words import UnitWords

BLOCK = 256  # units
TITLE_COUNTS = 2  # a word of the title counts as often
Numbers = NDArray[np.int64]

_PAIR = 1 << 31  # the numbers of two words as one


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a unit beside its words."""

    title: str
    language: str


class Postings:
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
    words: UnitWords,
    heads: Sequence[Head],
    lookup: Mapping[str, int],
    *,
    inner: Mapping[str, Sequence[str]],
) -> Postings:
    """Read units, with the head of each. `lookup` has the node of each name.

    A name in `inner` stands for others too. Names are found as `arrays.find_names` finds
    them.
    """
    postings = Postings()
    spoken = _Spoken(words, heads)
    of_words = Lists.pack(
        [postings.number(analysis.terms_of((word,), language)) for word, language in spoken.words]
    )
    names = _Names(lookup, inner, [word for word, _ in spoken.words])
    for start in range(0, len(heads), BLOCK):
        block = spoken.block(start)
        _add_terms(postings, block, of_words)
        postings.sentence_nodes.extend(*names.find(block), n_rows=block.n_sentences)
        before = postings.unit_sentences[-1]
        postings.unit_sentences.extend(before + end for end in block.unit_ends)
    return postings


@dataclass(frozen=True, slots=True)
class _Block:
    """The sentences of some units."""

    heads: Sequence[Head]
    unit_ends: list[int]  # sentences up to each end
    lengths: Numbers  # of each sentence, in words
    flat: Ints  # their words, by their place in `_Spoken.words`

    @property
    def n_sentences(self) -> int:
        return len(self.lengths)


class _Spoken:
    """Each word as it is written, once in each language that it stands in."""

    def __init__(self, words: UnitWords, heads: Sequence[Head]) -> None:
        self._words = words
        self._heads = heads
        languages = sorted({head.language for head in heads})
        number = {language: place for place, language in enumerate(languages)}
        self._languages = np.array([number[head.language] for head in heads], dtype=np.int64)
        is_used = np.zeros((len(languages), len(words.words)), dtype=np.bool_)
        for start in range(0, len(heads), BLOCK):
            is_used[self._written(start)] = True
        self._places = (np.cumsum(is_used, dtype=np.int32) - 1).reshape(is_used.shape)
        written = list(words.words)
        self.words = [
            (written[word], language)
            for language, used in zip(languages, is_used, strict=True)
            for word in np.flatnonzero(used).tolist()
        ]

    def block(self, start: int) -> _Block:
        """The units from `start` on."""
        ends = self._ends(start)
        first, last = int(ends[0]), int(ends[-1])
        return _Block(
            self._heads[start : start + BLOCK],
            (ends[1:] - first).tolist(),
            np.diff(self._words.sentence_words.ends[first : last + 1]),
            self._places[self._written(start)],
        )

    def _ends(self, start: int) -> Numbers:
        return self._words.unit_sentences[start : start + BLOCK + 1]

    def _written(self, start: int) -> tuple[Numbers, Ints]:
        """The language and the word of each place in a block."""
        ends, lists = self._ends(start), self._words.sentence_words
        word_ends = lists.ends[ends]
        languages = self._languages[start : start + BLOCK]
        return np.repeat(languages, np.diff(word_ends)), lists.items[word_ends[0] : word_ends[-1]]


def _add_terms(postings: Postings, block: _Block, of_words: Lists) -> None:
    titles = [postings.number(analysis.terms(head.title, head.language)) for head in block.heads]
    n_terms = len(postings.terms)
    counts = of_words.lengths()[block.flat]
    # Where each word's terms begin, and beside it how far into them we are.
    first = np.repeat(of_words.ends[:-1][block.flat], counts)
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    terms = of_words.items[first + within].astype(np.int64)
    sentences = np.repeat(np.repeat(np.arange(block.n_sentences), block.lengths), counts)
    rows, items = _divided(np.unique(sentences * n_terms + terms), n_terms)
    postings.sentence_terms.extend(rows, items, n_rows=block.n_sentences)
    n_units = len(block.heads)
    unit_of = np.repeat(np.arange(n_units), np.diff([0, *block.unit_ends]))
    counted = [unit_of[sentences] * n_terms + terms]
    for unit, title in enumerate(titles):
        counted.append(np.repeat(unit * n_terms + np.array(title, dtype=np.int64), TITLE_COUNTS))
    keys, often = np.unique(np.concatenate(counted), return_counts=True)
    postings.unit_terms.extend(*_divided(keys, n_terms), n_rows=n_units)
    postings.frequencies.frombytes(often.astype(np.int32).tobytes())


class _Names:
    """Names by the numbers of their words."""

    def __init__(
        self,
        lookup: Mapping[str, int],
        inner: Mapping[str, Sequence[str]],
        written: Sequence[str],
    ) -> None:
        folded: dict[str, int] = {}  # the words that stand in names
        self._nodes: dict[bytes, tuple[int, ...]] = {}
        lengths: dict[int, set[int]] = {}  # by the two words that a name begins with
        singles: set[int] = set()
        for name, node in lookup.items():
            words = name.split(" ")
            if not len(name) > 2 or len(words) > LONGEST_NAME:
                continue
            if all(analysis.is_stop_word(word) for word in words):
                continue
            numbers = [folded.setdefault(word, len(folded)) for word in words]
            also = [lookup[other] for other in inner.get(name, ())]
            self._nodes[np.array(numbers, dtype=np.int32).tobytes()] = (node, *also)
            if len(words) == 1:
                singles.add(numbers[0])
            else:
                lengths.setdefault(numbers[0] * _PAIR + numbers[1], set()).add(len(words))
        self._lengths = {pair: sorted(found, reverse=True) for pair, found in lengths.items()}
        self._pairs = np.array([*sorted(lengths), np.iinfo(np.int64).max], dtype=np.int64)
        self._none = len(folded)  # of words that stand in no name
        self._is_single = np.zeros(self._none + 1, dtype=np.bool_)
        self._is_single[list(singles)] = True
        self._numbers = np.array([folded.get(fold(word), self._none) for word in written], np.int32)
        self._is_lower = np.array([word[0].islower() for word in written], dtype=np.bool_)

    def find(self, block: _Block) -> tuple[Numbers, Numbers]:
        """By sentence the nodes that it names: both as one array of equal length."""
        flat: Ints = self._numbers[block.flat]
        sentences = np.repeat(np.arange(block.n_sentences), block.lengths)
        ends = np.cumsum(block.lengths)[sentences]
        pairs = flat.astype(np.int64) * _PAIR + np.append(flat[1:], self._none)
        # np.isin would sort all pairs again for every block.
        near = self._pairs[np.searchsorted(self._pairs[:-1], pairs)]
        paired = (near == pairs) & (np.arange(len(flat)) + 1 < ends)
        starts = np.flatnonzero(paired | self._is_single[flat])
        pairs[~paired] = -1
        packed, lower = flat.tobytes(), self._is_lower[block.flat].tobytes()
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
