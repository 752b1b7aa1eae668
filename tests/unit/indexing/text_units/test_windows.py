from __future__ import annotations

from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.tables import TEXT_UNITS, WINDOWS
from graphrag.indexing.text_units.windows import divide
from graphrag.text import tokens

SENTENCES = [f"The weir number {number} keeps the water of the mill high." for number in range(40)]


def units(*texts: str, repeats: str = "", at: int | None = 0) -> pl.DataFrame:
    """A text unit for each text, which `repeats` something before what it covers."""
    rows = [
        {
            "id": f"u{number}",
            "document_id": "d",
            "ordinal": number,
            "start": at,
            "end": None if at is None else at + len(text),
            "text": repeats + text,
            "n_tokens": tokens.count(repeats + text),
        }
        for number, text in enumerate(texts)
    ]
    return pl.DataFrame(rows, schema=TEXT_UNITS)


def test_a_short_unit_is_one_window_and_a_long_one_many_of_whole_sentences() -> None:
    long = " ".join(SENTENCES)
    found = divide(units("One line.", long), size=64)
    assert found.drop("text").schema == WINDOWS
    short, rest = found.filter(text_unit_id="u0"), found.filter(text_unit_id="u1")
    assert short.rows() == [("u0", 0, 0, 9, "One line.")]
    assert rest["ordinal"].to_list() == list(range(rest.height))
    texts: list[str] = rest["text"].to_list()
    assert " ".join(texts) == long
    assert all(text.endswith(".") and tokens.count(text) <= 64 for text in texts[:-1])


def test_a_window_knows_its_place_in_the_document_beside_what_its_unit_repeats() -> None:
    text = " ".join(SENTENCES)
    found = divide(units(text, repeats="--- Page 3 ---\n\n", at=1000), size=64)
    first = str(found["text"][0])
    assert first.startswith("--- Page 3 ---")
    assert found["start"][0] == 1000
    for start, end, window in found.select("start", "end", "text").iter_rows():
        assert window.endswith(text[start - 1000 : end - 1000])
    nowhere = divide(units(text, at=None), size=64)
    assert nowhere["start"].null_count() == nowhere.height > 1


def test_what_is_left_of_a_unit_and_small_belongs_to_the_window_before() -> None:
    per_sentence = tokens.count(SENTENCES[0])
    text = " ".join(SENTENCES[:9])
    assert divide(units(text), size=8 * per_sentence + 2).height == 1
    assert divide(units(" ".join(SENTENCES[:13])), size=8 * per_sentence + 2).height == 2


@given(st.text(max_size=400), st.integers(16, 40))
def test_all_of_a_text_is_in_a_window_and_in_one(text: str, size: int) -> None:
    found = divide(units(text), size=size)
    spans = found.select("start", "end").rows()
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    outside = text
    for start, end in reversed(spans):
        outside = outside[:start] + outside[end:]
    assert not outside.strip()
    for window in found["text"]:
        assert tokens.count(window) <= 2 * size + 8  # of letters outside all words


def test_an_edit_leaves_the_windows_before_it_as_they_were() -> None:
    before = divide(units(" ".join(SENTENCES)), size=64)["text"].to_list()
    after = divide(units(" ".join([*SENTENCES[:30], "A new one.", *SENTENCES[30:]])), size=64)
    shared = set(before) & set(after["text"])
    assert len(shared) >= 0.6 * len(before)
