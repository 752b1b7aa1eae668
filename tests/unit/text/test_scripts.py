from __future__ import annotations

import pytest

from graphrag.text import (
    without_ending,
)


@pytest.mark.parametrize(
    ("word", "bare"),
    [
        ("검류계를", "검류계"),
        ("만들었는가", "만들"),
        ("설계한", "설계"),
        ("대학교에서", "대학교"),
        ("그레이트이스턴호였다", "그레이트이스턴호"),
        ("누구인가", "누구"),
        ("나는", "나는"),  # two syllables stay
        ("cable은", "cable은"),
        ("ships", "ships"),
    ],
)
def test_korean_words_go_without_their_endings(word: str, bare: str) -> None:
    assert without_ending(word) == bare
