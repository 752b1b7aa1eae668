"""Text units and entities in; memory-mapped arrays for multi-hop search out.

What the arrays hold: which unit has which term how often (BM25's saturated frequency), which
names there are, which units name them and which are *about* them (owners: their title, the name
their text opens with), and for each sentence its terms and the names in it.
"""

from __future__ import annotations

import re
import shutil
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graphrag import text as analysis
from graphrag.tables import stable_id

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Number = TypeVar("Number", bound=np.generic)

VERSION = "1"
FOLDER = "paths"
K1, B = 1.2, 0.5  # BM25's saturation and length correction
TITLE_COUNTS = 2  # a word of the title counts as often
LONGEST_NAME = 8  # words
# How far a unit is about a name: its title (as it is, and without what follows in parentheses),
# the name its text opens with, what stands before the title's comma, first with last name.
TITLE, OPENING, BEFORE_COMMA, SHORT = 1.0, 0.7, 0.6, 0.5
OPENING_CHARACTERS = 80

_PARENTHESIS = re.compile(r"\(.*?\)")
_SEPARATOR = re.compile(r"[^\w'’.\-\s]|\n")


@dataclass(frozen=True, slots=True)
class Strings:
    """Sorted strings in one block of UTF-8."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    @classmethod
    def pack(cls, values: Sequence[str]) -> Strings:
        encoded = [value.encode("utf-8", "surrogatepass") for value in values]
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(item) for item in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:
        return self._bytes(index).decode("utf-8", "surrogatepass")

    def find(self, value: str) -> int:
        """The position of `value`, or -1."""
        wanted = value.encode("utf-8", "surrogatepass")
        index = bisect_left(range(len(self)), wanted, key=self._bytes)
        return index if index < len(self) and self._bytes(index) == wanted else -1

    def has(self, value: str) -> bool:
        return self.find(value) >= 0

    def _bytes(self, index: int) -> bytes:
        return self.data[self.offsets[index] : self.offsets[index + 1]].tobytes()


@dataclass(frozen=True, slots=True)
class Lists:
    """One list of numbers for each row, end to end."""

    ends: NDArray[np.int64]  # len(rows) + 1
    items: Ints

    @classmethod
    def pack(cls, rows: Sequence[Iterable[int]]) -> Lists:
        lists = [list(row) for row in rows]
        ends = np.zeros(len(lists) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in lists], out=ends[1:])
        flat = np.fromiter((item for row in lists for item in row), np.int32, int(ends[-1]))
        return cls(ends, flat)

    def span(self, row: int) -> slice:
        return slice(int(self.ends[row]), int(self.ends[row + 1]))

    def __getitem__(self, row: int) -> Ints:
        return self.items[self.span(row)]

    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.ends)


@dataclass(frozen=True, slots=True)
class PathIndex:
    """The arrays. Units, terms and nodes (names) are numbered in the order of their strings."""

    units: Strings
    terms: Strings
    names: Strings  # every spelling of a name, folded
    name_nodes: Ints  # the node that a spelling means
    term_units: Lists
    term_weights: Floats  # saturated frequency, 0-1, beside term_units
    node_units: Lists  # units that name the node
    node_owners: Lists  # units that are about it
    owner_weights: Floats  # 0-1, beside node_owners
    node_terms: Lists
    unit_nodes: Lists
    unit_sentences: NDArray[np.int64]  # first sentence of each unit, and the end
    sentence_terms: Lists
    sentence_nodes: Lists

    def save(self, folder: Path) -> None:
        """Write the arrays into `folder`, whole or not at all."""
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, array in self._arrays():
            np.save(partial / f"{name}.npy", array)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)

    @classmethod
    def load(cls, folder: Path) -> PathIndex | None:
        """The arrays in `folder`, mapped into memory; None when they are not (all) there."""
        try:
            return cls(
                units=_strings(folder, "units"),
                terms=_strings(folder, "terms"),
                names=_strings(folder, "names"),
                name_nodes=_array(folder, "name_nodes", np.int32),
                term_units=_lists(folder, "term_units"),
                term_weights=_array(folder, "term_weights", np.float32),
                node_units=_lists(folder, "node_units"),
                node_owners=_lists(folder, "node_owners"),
                owner_weights=_array(folder, "owner_weights", np.float32),
                node_terms=_lists(folder, "node_terms"),
                unit_nodes=_lists(folder, "unit_nodes"),
                unit_sentences=_array(folder, "unit_sentences", np.int64),
                sentence_terms=_lists(folder, "sentence_terms"),
                sentence_nodes=_lists(folder, "sentence_nodes"),
            )
        except (OSError, ValueError):
            return None

    def linked_share(self) -> float:
        """The share of units that are about a name which another unit mentions."""
        owned = self.node_owners.lengths()
        mentioned = self.node_units.lengths() > owned
        owners = np.repeat(mentioned & (owned > 0), owned)
        if not len(self.units):
            return 0.0
        return len(np.unique(self.node_owners.items[owners])) / len(self.units)

    def spelling(self, node: int) -> str:
        """One spelling of a node."""
        return self.names[int(np.flatnonzero(self.name_nodes == node)[0])]

    def _arrays(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Strings | Lists):
                for part in fields(value):
                    yield f"{field.name}.{part.name}", getattr(value, part.name)
            else:
                yield field.name, value


def folder_of(work_folder: Path, meta: Mapping[str, str]) -> Path:
    """Where the arrays of the index with this meta belong."""
    return work_folder / FOLDER / meta.get("content_hash", "unknown")


def discard(work_folder: Path, *, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Remove the arrays of an earlier content."""
    old, new = folder_of(work_folder, before), folder_of(work_folder, now)
    if old != new:
        shutil.rmtree(old, ignore_errors=True)


def content_hash(text_units: pl.DataFrame, documents: pl.DataFrame, entities: pl.DataFrame) -> str:
    """Of all that the arrays are made from."""
    aliases = pl.col("aliases").list.join("\n")
    parts = (
        text_units.select("id", "document_id"),
        documents.select("id", "title", "language"),
        entities.select("name", aliases),
    )
    return stable_id(VERSION, *(part.write_csv() for part in parts))


def build(text_units: pl.DataFrame, documents: pl.DataFrame, entities: pl.DataFrame) -> PathIndex:
    """The arrays for these tables, whatever the order of their rows."""
    described = documents.select(pl.col("id").alias("document_id"), "title", "language")
    units = text_units.select("id", "document_id", "text").join(
        described, on="document_id", how="left"
    )
    filled = units.with_columns(pl.col("title").fill_null(""), pl.col("language").fill_null("und"))
    return _Builder(filled.sort("id"), entities).build()


def find_names(
    words: Sequence[str], names: Mapping[str, int] | Strings, *, capitals: bool = True
) -> set[str]:
    """The longest known names in a run of words, left to right.

    With `capitals` a name needs one (or a digit) in scripts that have them.
    """
    known: Callable[[str], bool] = names.has if isinstance(names, Strings) else names.__contains__
    folded = [fold(word) for word in words]
    capital = [not (capitals and word[0].islower()) for word in words]
    found: set[str] = set()
    at = 0
    while at < len(words):
        for length in range(min(LONGEST_NAME, len(words) - at), 0, -1):
            name = " ".join(folded[at : at + length])
            if (
                len(name) > 2
                and any(capital[at : at + length])
                and known(name)
                and not all(analysis.is_stop_word(word) for word in folded[at : at + length])
            ):
                found.add(name)
                at += length - 1
                break
        at += 1
    return found


def name_of(text: str) -> str:
    """`text` as a name is looked up: its words, folded."""
    return " ".join(map(fold, analysis.words(text)))


@lru_cache(maxsize=100_000)
def fold(word: str) -> str:
    return analysis.fold(word.casefold())


class _Builder:
    def __init__(self, units: pl.DataFrame, entities: pl.DataFrame) -> None:
        self.units = units
        self.owners: dict[str, dict[int, float]] = {}
        self.nodes: dict[str, str] = {}  # spelling -> the spelling that stands for the node
        for name, aliases in entities.select("name", "aliases").iter_rows():
            own = name_of(name)
            for spelling in (name, *(aliases or ())):
                self.nodes.setdefault(name_of(spelling), own)
        self.nodes.pop("", None)

    def build(self) -> PathIndex:
        for number, (title, text) in enumerate(self.units.select("title", "text").iter_rows()):
            for name, weight in owned_names(title, text).items():
                owned = self.owners.setdefault(self.nodes.setdefault(name, name), {})
                owned[number] = max(weight, owned.get(number, 0.0))
        node_names = sorted(set(self.nodes.values()) | self.owners.keys())
        node_ids = {name: number for number, name in enumerate(node_names)}
        spellings = sorted(self.nodes, key=lambda name: name.encode("utf-8", "surrogatepass"))
        lookup = {name: node_ids[self.nodes[name]] for name in spellings}
        counts, sentences = self._read(lookup)
        vocabulary = sorted(
            {term for count in counts for term in count},
            key=lambda term: term.encode("utf-8", "surrogatepass"),
        )
        term_ids = {term: number for number, term in enumerate(vocabulary)}
        term_units, term_weights = _postings(counts, term_ids)
        unit_nodes = self._unit_nodes(sentences, node_ids)
        owners = [sorted(self.owners.get(name, {}).items()) for name in node_names]
        spelled: list[set[int]] = [set() for _ in node_names]
        for name, node in lookup.items():
            spelled[node].update(
                term_ids[term] for term in analysis.terms(name) if term in term_ids
            )
        flat = [sentence for unit in sentences for sentence in unit]
        return PathIndex(
            units=Strings.pack(self.units["id"].to_list()),
            terms=Strings.pack(vocabulary),
            names=Strings.pack(spellings),
            name_nodes=np.array([lookup[name] for name in spellings], dtype=np.int32),
            term_units=term_units,
            term_weights=term_weights,
            node_units=_inverted(unit_nodes, len(node_names)),
            node_owners=Lists.pack([[unit for unit, _ in row] for row in owners]),
            owner_weights=np.array(
                [weight for row in owners for _, weight in row], dtype=np.float32
            ),
            node_terms=Lists.pack([sorted(terms) for terms in spelled]),
            unit_nodes=Lists.pack(unit_nodes),
            unit_sentences=np.cumsum([0, *map(len, sentences)], dtype=np.int64),
            sentence_terms=Lists.pack(
                [sorted(term_ids[term] for term in terms) for terms, _ in flat]
            ),
            sentence_nodes=Lists.pack([sorted(nodes) for _, nodes in flat]),
        )

    def _read(
        self, lookup: Mapping[str, int]
    ) -> tuple[list[Counter[str]], list[list[tuple[set[str], set[int]]]]]:
        """By unit: its term counts, and of each sentence its terms and nodes."""
        counts: list[Counter[str]] = []
        sentences: list[list[tuple[set[str], set[int]]]] = []
        for title, text, language in self.units.select("title", "text", "language").iter_rows():
            count: Counter[str] = Counter()
            rows: list[tuple[set[str], set[int]]] = []
            for start, end in analysis.sentences(text):
                sentence = text[start:end]
                terms = analysis.terms(sentence, language)
                count.update(terms)
                names = find_names(analysis.words(sentence), lookup)
                rows.append((set(terms), {lookup[name] for name in names}))
            for term in analysis.terms(title, language):
                count[term] += TITLE_COUNTS
            counts.append(count)
            sentences.append(rows)
        return counts, sentences

    def _unit_nodes(
        self,
        sentences: Sequence[Sequence[tuple[set[str], set[int]]]],
        node_ids: Mapping[str, int],
    ) -> list[list[int]]:
        named: list[set[int]] = [
            {node for _, nodes in unit for node in nodes} for unit in sentences
        ]
        for name, owned in self.owners.items():
            for unit in owned:
                named[unit].add(node_ids[name])
        return [sorted(nodes) for nodes in named]


def owned_names(title: str, text: str) -> dict[str, float]:
    """The names that a unit with this title and text is about, and how far (0-1)."""
    owned: dict[str, float] = {}
    full = name_of(title)
    if set(full.split()).isdisjoint(map(fold, analysis.words(text))):
        full = title = ""  # a file name or a number, not what the text is about
    opening = _opening_name(text)
    words = opening.split()
    if opening and (not full or (len(words) > 1 and set(words) & set(full.split()))):
        owned[opening] = OPENING
        if 3 <= len(words) <= 6:
            for word in words[:-1]:
                if not word.isdigit() and not analysis.is_stop_word(word):
                    owned.setdefault(f"{word} {words[-1]}", SHORT)
    if full:
        owned[full] = TITLE
        owned[name_of(_PARENTHESIS.sub("", title))] = TITLE
        head, comma, _ = title.partition(",")
        if comma and len(name_of(head)) > 2:
            owned.setdefault(name_of(head), BEFORE_COMMA)
    return {name: weight for name, weight in owned.items() if name}


def _opening_name(text: str) -> str:
    """The first run of capitalised words within the first characters."""
    run: list[str] = []
    for part in _SEPARATOR.split(text[:OPENING_CHARACTERS]):
        for word in analysis.words(part):
            capital = word[0].isupper()
            if capital and (run or not analysis.is_stop_word(fold(word))):
                run.append(word)
            elif run and not analysis.is_stop_word(fold(word)):
                break
            elif run:
                run.append(word)
        if run:
            break
    while run and (not run[-1][0].isupper() or analysis.is_stop_word(fold(run[-1]))):
        run.pop()
    name = " ".join(map(fold, run))
    return name if len(name) > 2 else ""


def _postings(counts: Sequence[Counter[str]], term_ids: Mapping[str, int]) -> tuple[Lists, Floats]:
    """By term: the units that have it, and its saturated frequency there."""
    lengths = np.array([max(1, sum(count.values())) for count in counts], dtype=np.float64)
    mean = float(lengths.mean()) if len(lengths) else 1.0
    sizes = [len(count) for count in counts]
    units = np.repeat(np.arange(len(counts)), sizes)
    terms = np.fromiter((term_ids[t] for count in counts for t in count), np.int64, sum(sizes))
    frequency = np.fromiter((f for count in counts for f in count.values()), float, sum(sizes))
    order = np.lexsort((units, terms))
    units, terms, frequency = units[order], terms[order], frequency[order]
    weights = frequency / (frequency + K1 * (1 - B + B * lengths[units] / mean))
    ends = np.searchsorted(terms, np.arange(len(term_ids) + 1))
    return Lists(ends.astype(np.int64), units.astype(np.int32)), weights.astype(np.float32)


def _inverted(rows: Sequence[Sequence[int]], n_items: int) -> Lists:
    """By item: the rows that hold it."""
    lists = Lists.pack(rows)
    owner = np.repeat(np.arange(len(rows), dtype=np.int32), lists.lengths())
    order = np.argsort(lists.items, kind="stable")
    ends = np.searchsorted(lists.items[order], np.arange(n_items + 1))
    return Lists(ends.astype(np.int64), owner[order])


def _strings(folder: Path, name: str) -> Strings:
    data = _array(folder, f"{name}.data", np.uint8)
    return Strings(data, _array(folder, f"{name}.offsets", np.int64))


def _lists(folder: Path, name: str) -> Lists:
    return Lists(
        _array(folder, f"{name}.ends", np.int64), _array(folder, f"{name}.items", np.int32)
    )


def _array(folder: Path, name: str, kind: type[Number]) -> NDArray[Number]:
    array = cast(NDArray[Number], np.load(folder / f"{name}.npy", mmap_mode="r"))
    if array.dtype != kind:
        raise ValueError(f"{name} holds {array.dtype}")
    return array
