"""Sentences and words of units: read once, kept, and the same whatever was known before."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from graphrag import text
from graphrag.stores.arrays import packed, unit_words
from graphrag.stores.arrays.unit_words import UnitWords

SCHEMA = {"id": pl.String, "text": pl.String}
TEXTS = st.dictionaries(
    st.sampled_from("abcdef"), st.text("aB1'. \n。é한글Ω", max_size=60), max_size=6
)
PROSE = {"b": "Otters swim. They don't walk.", "a": "It rains.\n\nOtters sleep."}


def units(texts: dict[str, str]) -> pl.DataFrame:
    return pl.DataFrame({"id": list(texts), "text": list(texts.values())}, schema=SCHEMA)


def assert_equal(one: UnitWords, other: UnitWords) -> None:
    right = dict(packed.arrays(other))
    for name, array in packed.arrays(one):
        np.testing.assert_array_equal(array, right[name], name)
        assert array.dtype == right[name].dtype, name


@given(TEXTS, TEXTS)
def test_what_was_known_changes_nothing(before: dict[str, str], now: dict[str, str]) -> None:
    # An id tells its text.
    known = unit_words.read(units({f"{key}{value}": value for key, value in before.items()}))
    wanted = units({f"{key}{value}": value for key, value in (before | now).items()})
    assert_equal(unit_words.read(wanted, known=known), unit_words.read(wanted))


@given(TEXTS)
def test_sentences_and_words_are_those_of_the_text(texts: dict[str, str]) -> None:
    frame = units(texts).sort("id")
    words = unit_words.read(frame)
    rows = unit_words.sentences(frame, words).rows()
    expected = [
        (unit, ordinal, whole[start:end])
        for unit, whole in frame.iter_rows()
        for ordinal, (start, end) in enumerate(text.sentences(whole))
    ]
    assert rows == expected
    spelled = [
        [words.words[number] for number in words.sentence_words[place].tolist()]
        for place in range(len(rows))
    ]
    assert spelled == [text.words(sentence) for _, _, sentence in rows]
    # Sentences leave out no word.
    for place, (_, whole) in enumerate(frame.iter_rows()):
        first, end = words.unit_sentences[place : place + 2].tolist()
        assert list(chain.from_iterable(spelled[first:end])) == text.words(whole)


def test_only_new_units_are_read(tmp_path: Path) -> None:
    first = unit_words.read(units(PROSE)).save(tmp_path)
    assert isinstance(first.starts.base, np.memmap)
    assert_equal(unit_words.load(tmp_path), unit_words.read(units(PROSE)))
    # The text of a known unit is not looked at.
    again = unit_words.read(units({"a": "never read", "c": "New."}), known=first)
    assert [again.words[number] for number in again.sentence_words.items] == [
        *("It", "rains", "Otters", "sleep"),
        "New",
    ]


def test_words_of_units_that_are_gone_are_removed(tmp_path: Path) -> None:
    unit_words.read(units(PROSE)).save(tmp_path)
    left = units({"a": PROSE["a"]})
    unit_words.read(left, known=unit_words.load(tmp_path)).save(tmp_path)
    unit_words.keep_only(tmp_path, left)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*.npy"))
    assert b"rains" in kept
    assert b"swim" not in kept


def test_damaged_or_missing_words_are_read_again(tmp_path: Path) -> None:
    assert_equal(unit_words.load(tmp_path), unit_words.NOTHING)
    saved = unit_words.read(units(PROSE)).save(tmp_path)
    for path in sorted(tmp_path.rglob("*.npy")):
        whole = path.read_bytes()
        path.write_bytes(whole[:40])
        assert unit_words.load(tmp_path) is unit_words.NOTHING, path.name
        path.write_bytes(whole)
    assert_equal(unit_words.load(tmp_path), saved)


def test_words_that_cannot_be_written_are_still_there(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("a file where the folder belongs")
    read = unit_words.read(units(PROSE))
    assert read.save(tmp_path) is read
