"""The arrays of path search: how they lie in memory and on disk, and names looked up in them.

They say which unit has which term how often (BM25's saturated frequency), which names there are,
which units name them and which are *about* them, and for each sentence its terms and the names
in it; what a model found is a sentence, too (`facts`). `building` makes them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphrag import text as analysis
from graphrag.stores.arrays import packed
from graphrag.stores.arrays.packed import (
    Flags,
    Floats,
    Ints,
    Lists,
    Strings,
    load_array,
    load_lists,
    load_strings,
)

LONGEST_NAME = 16  # words: titles can be long
FOLDER = "paths"
FEW_OWNERS = 5  # a name that more units are about (a speaker, a series) tells them not apart


def folder_of(work_folder: Path, meta: Mapping[str, str]) -> Path:
    """Where the arrays of the index with this meta belong."""
    return work_folder / FOLDER / meta.get("content_hash", "unknown")


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
    node_sentences: Lists
    languages: Strings  # those of a good share of the units, by which a question is read
    shares: NDArray[np.float64]  # of the units: `linked_share`, `defining_share`

    def save(self, folder: Path) -> None:
        """Write the arrays into `folder`, whole or not at all. Raises OSError."""
        packed.save(self, folder)

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
        units=load_strings(folder, "units"),
        terms=load_strings(folder, "terms"),
        names=load_strings(folder, "names"),
        name_nodes=load_array(folder, "name_nodes", np.int32),
        node_names=load_array(folder, "node_names", np.int32),
        term_units=load_lists(folder, "term_units"),
        term_weights=load_array(folder, "term_weights", np.float32),
        node_units=load_lists(folder, "node_units"),
        node_owners=load_lists(folder, "node_owners"),
        owner_weights=load_array(folder, "owner_weights", np.float32),
        owner_defines=load_array(folder, "owner_defines", np.bool_),
        node_terms=load_lists(folder, "node_terms"),
        unit_nodes=load_lists(folder, "unit_nodes"),
        unit_sentences=load_array(folder, "unit_sentences", np.int64),
        sentence_terms=load_lists(folder, "sentence_terms"),
        sentence_nodes=load_lists(folder, "sentence_nodes"),
        node_sentences=load_lists(folder, "node_sentences"),
        languages=load_strings(folder, "languages"),
        shares=load_array(folder, "shares", np.float64),
    )


def _state_of(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.stat()) for entry in entries]
    return tuple(
        sorted((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found)
    )
