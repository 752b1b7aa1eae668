"""Divide text units into sentences and words, kept from one run to the next.

Merging, reports and path search read every unit by sentence and word. A unit's id tells its text,
so a unit that was read before is not read again: only what came since the last run is.
"""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graphrag import text as analysis
from graphrag.core.columns import stable_id
from graphrag.stores.arrays import packed
from graphrag.stores.arrays.packed import (
    Ints,
    Lists,
    Longs,
    Strings,
    as_bytes,
    load_array,
    load_lists,
    load_strings,
    places_of,
)

if TYPE_CHECKING:
    import polars as pl

FOLDER = "words"
VERSION = "1"  # of what `text` calls a sentence and a word


@dataclass(frozen=True, slots=True)
class UnitWords:
    """The sentences of units, which are in the order of their ids, as spans and as words."""

    units: Strings
    words: Strings  # each as it is written
    unit_sentences: Longs  # first sentence of each unit, and the end
    starts: Ints  # of each sentence, in characters of its unit
    ends: Ints
    sentence_words: Lists

    def save(self, work_folder: Path) -> UnitWords:
        """Write the arrays, and return them mapped into memory; unwritten where that fails."""
        folder = _folder_of(work_folder, self.units)
        try:
            if not folder.exists():
                packed.save(self, folder)
            return _load(folder)
        except (OSError, ValueError, EOFError):
            return self  # what cannot be kept is read again by the next run


NOTHING = UnitWords(
    units=Strings.pack([]),
    words=Strings.pack([]),
    unit_sentences=np.zeros(1, dtype=np.int64),
    starts=np.zeros(0, dtype=np.int32),
    ends=np.zeros(0, dtype=np.int32),
    sentence_words=Lists.pack([]),
)


def read(text_units: pl.DataFrame, *, known: UnitWords = NOTHING) -> UnitWords:
    """Read `text_units` (id and text); those that are `known` are taken from there.

    The result does not depend on what was known.
    """
    import polars as pl

    units = text_units.select("id", "text").sort("id")
    ids: list[str] = units["id"].to_list()
    numbers = {unit: number for number, unit in enumerate(known.units)}
    found = np.array([numbers.get(unit, -1) for unit in ids], dtype=np.int64)
    is_new = found < 0
    both = _Both(known, _read(units["text"].filter(pl.Series(is_new))))
    return both.take(ids, np.where(is_new, len(numbers) - 1 + np.cumsum(is_new), found))


def load(work_folder: Path) -> UnitWords:
    """What the last run read; nothing where it left nothing that can be used."""
    for folder in sorted((work_folder / FOLDER).glob(f"{VERSION}-*")):
        try:
            return _load(folder)
        except (OSError, ValueError, EOFError):
            continue
    return NOTHING


def keep_only(work_folder: Path, text_units: pl.DataFrame) -> None:
    """Remove the words of other units, which may be gone."""
    kept = _folder_of(work_folder, text_units["id"].sort())
    for folder in (work_folder / FOLDER).glob("*"):
        if folder != kept:
            shutil.rmtree(folder, ignore_errors=True)


def sentences(text_units: pl.DataFrame, words: UnitWords | None = None) -> pl.DataFrame:
    """`text_unit_id`, `ordinal` and `sentence`, sorted by these; `words` are of the same units."""
    import polars as pl

    words = words or read(text_units)
    counts = np.diff(words.unit_sentences)
    places = np.arange(len(words.starts)) - np.repeat(words.unit_sentences[:-1], counts)
    of_unit = pl.Series(np.repeat(np.arange(len(counts)), counts))
    spans = pl.DataFrame(
        {
            "text_unit_id": pl.Series(list(words.units), dtype=pl.String).gather(of_unit),
            "ordinal": places.astype(np.int64),
            "start": words.starts,
            "length": words.ends - words.starts,
        }
    )
    texts = text_units.select(pl.col("id").alias("text_unit_id"), "text")
    cut = pl.col("text").str.slice(pl.col("start"), pl.col("length"))
    return spans.join(texts, on="text_unit_id", maintain_order="left").select(
        "text_unit_id", "ordinal", cut.alias("sentence")
    )


@dataclass(frozen=True, slots=True)
class _New:
    """Units that were read just now; words are numbered as they came."""

    words: list[str]
    unit_sentences: Longs
    starts: Ints
    ends: Ints
    sentence_words: Lists


def _read(texts: pl.Series) -> _New:
    numbers: dict[str, int] = {}
    unit_sentences, word_ends = array("q", [0]), array("q", [0])
    starts, ends, flat = array("i"), array("i"), array("i")
    for text in texts:
        for start, end in analysis.sentences(text):
            starts.append(start)
            ends.append(end)
            found = analysis.words(text[start:end])
            flat.extend([numbers.setdefault(word, len(numbers)) for word in found])
            word_ends.append(len(flat))
        unit_sentences.append(len(starts))
    return _New(
        list(numbers),
        np.array(unit_sentences, dtype=np.int64),
        np.array(starts, dtype=np.int32),
        np.array(ends, dtype=np.int32),
        Lists(np.array(word_ends, dtype=np.int64), np.array(flat, dtype=np.int32)),
    )


class _Both:
    """Known units and then new ones, end to end."""

    def __init__(self, known: UnitWords, new: _New) -> None:
        self._known, self._new = known.words, new.words
        self._unit_sentences = _appended(known.unit_sentences, new.unit_sentences)
        self._starts = np.concatenate([known.starts, new.starts])
        self._ends = np.concatenate([known.ends, new.ends])
        first, second = known.sentence_words, new.sentence_words
        items = np.concatenate([first.items, second.items + np.int32(len(known.words))])
        self._words = Lists(_appended(first.ends, second.ends), items)

    def take(self, ids: list[str], units: Longs) -> UnitWords:
        """These units in this order, with the words that they have."""
        chosen = places_of(self._unit_sentences, units)
        counts = np.diff(self._unit_sentences)[units]
        words = self._words.take(chosen)
        is_used = np.zeros(len(self._known) + len(self._new), dtype=np.bool_)
        is_used[words.items] = True
        used = np.flatnonzero(is_used)
        every = [*self._known, *self._new]
        spelled = [every[number] for number in used.tolist()]
        vocabulary = sorted(dict.fromkeys(spelled), key=as_bytes)  # the known ones are sorted
        numbers = {word: number for number, word in enumerate(vocabulary)}
        renumbered = np.zeros(len(is_used), dtype=np.int32)
        renumbered[used] = [numbers[word] for word in spelled]
        return UnitWords(
            units=Strings.pack(ids),
            words=Strings.pack(vocabulary),
            unit_sentences=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            starts=self._starts[chosen],
            ends=self._ends[chosen],
            sentence_words=Lists(words.ends, renumbered[words.items]),
        )


def _appended(first: Longs, second: Longs) -> Longs:
    return np.concatenate([first, second[1:] + first[-1]])


def _folder_of(work_folder: Path, units: Iterable[str]) -> Path:
    return work_folder / FOLDER / f"{VERSION}-{stable_id('words', *units)}"


def _load(folder: Path) -> UnitWords:
    return UnitWords(
        units=load_strings(folder, "units"),
        words=load_strings(folder, "words"),
        unit_sentences=load_array(folder, "unit_sentences", np.int64),
        starts=load_array(folder, "starts", np.int32),
        ends=load_array(folder, "ends", np.int32),
        sentence_words=load_lists(folder, "sentence_words"),
    )
