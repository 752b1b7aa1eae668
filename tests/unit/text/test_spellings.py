"""British and American spellings of one word."""

from __future__ import annotations

import pytest

from graphrag.text.spellings import other_spellings


@pytest.mark.parametrize(
    ("british", "american"),
    [
        ("Colours", "colors"),
        ("behaviour", "behavior"),
        ("organisation", "organization"),
        ("analysed", "analyzed"),
        ("centre", "center"),
        ("licence", "license"),
        ("defence", "defense"),
        ("catalogue", "catalog"),
        ("programmes", "programs"),
    ],
)
def test_each_side_leads_to_the_other(british: str, american: str) -> None:
    assert american in other_spellings(british)
    assert british.casefold() in other_spellings(american)


@pytest.mark.parametrize(
    "word", ["hour", "four", "advice", "score", "less", "log", "Michael", "is"]
)
def test_a_word_with_one_spelling_has_no_other(word: str) -> None:
    assert other_spellings(word) == []
