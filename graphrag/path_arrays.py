"""The arrays of path search: how they lie in memory and on disk, and names looked up in them.

They say which unit has which term how often (BM25's saturated frequency), which names there are,
which units name them and which are *about* them, and for each sentence its terms and the names
in it. `path_index` makes them.
"""

from __future__ import annotations

import os
import shutil
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from graphrag import text as analysis
from graphrag.folders import make_private

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Number = TypeVar("Number", bound=np.generic)

LONGEST_NAME = 16  # words: titles can be long
# How far a unit is about a name: its title (as it is, and without what follows in parentheses),
# the name its text opens with, what stands before the title's comma, first with last name.
TITLE, OPENING, BEFORE_COMMA, SHORT = 1.0, 0.7, 0.6, 0.5
FOLDER = "paths"
FEW_OWNERS = 5  # a name that more units are about (a speaker, a series) tells them not apart


def folder_of(work_folder: Path, meta: Mapping[str, str]) -> Path:
    """Where the arrays of the index with this meta belong."""
    return work_folder / FOLDER / meta.get("content_hash", "unknown")


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
        encoded = self.data[self.offsets[index] : self.offsets[index + 1]].tobytes()
        return encoded.decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))

    def find(self, value: str) -> int:
        """The position of `value`, or -1."""
        wanted = value.encode("utf-8", "surrogatepass")
        data, offsets = self.data.data, self.offsets.data  # faster to read one by one

        def at(index: int) -> bytes:
            return bytes(data[offsets[index] : offsets[index + 1]])

        index = bisect_left(range(len(self)), wanted, key=at)
        return index if index < len(self) and at(index) == wanted else -1

    def has(self, value: str) -> bool:
        return self.find(value) >= 0


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

    def length(self, row: int) -> int:
        return int(self.ends[row + 1] - self.ends[row])

    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.ends)


@dataclass(frozen=True, slots=True)
class PathIndex:
    """The arrays. Units, terms and nodes (names) are numbered in the order of their strings."""

    units: Strings
    terms: Strings
    names: Strings  # every spelling of a name, folded
    name_nodes: Ints  # the node that a spelling means
    node_names: Ints  # one spelling of each node
    term_units: Lists
    term_weights: Floats  # saturated frequency, 0-1, beside term_units
    node_units: Lists  # units that name the node
    node_owners: Lists  # units that are about it
    owner_weights: Floats  # 0-1, beside node_owners
    owner_defines: Flags  # whether the unit begins by saying what something is, beside them too
    node_terms: Lists
    unit_nodes: Lists
    unit_sentences: NDArray[np.int64]  # first sentence of each unit, and the end
    sentence_terms: Lists
    sentence_nodes: Lists
    languages: Strings  # those of a good share of the units, by which a question is read
    shares: NDArray[np.float64]  # of the units: `linked_share`, `defining_share`

    def save(self, folder: Path) -> None:
        """Write the arrays into `folder`, whole or not at all."""
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        make_private(partial)
        for name, array in self._arrays():
            np.save(partial / f"{name}.npy", array)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)

    @classmethod
    def load(cls, folder: Path) -> PathIndex | None:
        """The arrays in `folder`, mapped into memory; None when they are not (all) there."""
        try:
            return _load(folder, _state_of(folder))
        except (OSError, ValueError, EOFError):
            return None

    def linked_share(self) -> float:
        """The share of units that are about a name which another unit mentions."""
        return float(self.shares[0])

    def defining_share(self) -> float:
        """The share of units that begin by saying what something is, as an article does."""
        return float(self.shares[1])

    def spelling(self, node: int) -> str:
        """One spelling of a node."""
        return self.names[int(self.node_names[node])]

    def _arrays(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Strings | Lists):
                for part in fields(value):
                    yield f"{field.name}.{part.name}", getattr(value, part.name)
            else:
                yield field.name, value


def find_names(
    words: Sequence[str],
    known: Callable[[str], bool],
    *,
    capitals: bool = True,
) -> set[str]:
    """The longest known names in a run of words, left to right.

    With `capitals` a name needs one (or a digit) in scripts that have them.
    """
    folded = [fold(word) for word in words]
    found: set[str] = set()
    free = 0  # the first word that is in no name yet
    for at in range(len(folded)):
        if at < free:
            continue
        for length in range(min(LONGEST_NAME, len(words) - at), 0, -1):
            name = " ".join(folded[at : at + length])
            if (
                len(name) > 2
                and known(name)
                and not (capitals and all(word[0].islower() for word in words[at : at + length]))
                and not all(analysis.is_stop_word(word) for word in folded[at : at + length])
            ):
                found.add(name)
                free = at + length
                break
    return found


def name_of(text: str) -> str:
    """`text` as a name is looked up: its words, folded."""
    return " ".join(map(fold, analysis.words(text)))


@lru_cache(maxsize=100_000)
def fold(word: str) -> str:
    return analysis.fold(word.casefold())


@lru_cache(maxsize=4)
def _load(folder: Path, _state: object) -> PathIndex:
    """Kept for the next question, as long as the files stay as they are."""
    return PathIndex(
        units=_strings(folder, "units"),
        terms=_strings(folder, "terms"),
        names=_strings(folder, "names"),
        name_nodes=_array(folder, "name_nodes", np.int32),
        node_names=_array(folder, "node_names", np.int32),
        term_units=_lists(folder, "term_units"),
        term_weights=_array(folder, "term_weights", np.float32),
        node_units=_lists(folder, "node_units"),
        node_owners=_lists(folder, "node_owners"),
        owner_weights=_array(folder, "owner_weights", np.float32),
        owner_defines=_array(folder, "owner_defines", np.bool_),
        node_terms=_lists(folder, "node_terms"),
        unit_nodes=_lists(folder, "unit_nodes"),
        unit_sentences=_array(folder, "unit_sentences", np.int64),
        sentence_terms=_lists(folder, "sentence_terms"),
        sentence_nodes=_lists(folder, "sentence_nodes"),
        languages=_strings(folder, "languages"),
        shares=_array(folder, "shares", np.float64),
    )


def _state_of(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.stat()) for entry in entries]
    return tuple(
        sorted((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found)
    )


def _strings(folder: Path, name: str) -> Strings:
    data = _array(folder, f"{name}.data", np.uint8)
    return Strings(data, _array(folder, f"{name}.offsets", np.int64))


def _lists(folder: Path, name: str) -> Lists:
    return Lists(
        _array(folder, f"{name}.ends", np.int64), _array(folder, f"{name}.items", np.int32)
    )


def _array(folder: Path, name: str, kind: type[Number]) -> NDArray[Number]:
    mapped = cast(NDArray[Number], np.load(folder / f"{name}.npy", mmap_mode="r"))
    if mapped.dtype != kind:
        raise ValueError(f"{name} holds {mapped.dtype}")
    return mapped.view(np.ndarray)  # still mapped; slices of a memmap itself are slow to make
