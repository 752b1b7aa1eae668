from __future__ import annotations

import pytest

from graphrag.text import scripts, without_ending


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


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("漢", {"HAN", "SPACELESS", "UNSPACED"}),
        ("\U00020bb7", {"HAN", "SPACELESS", "UNSPACED"}),  # a rare sign of names
        ("ㇰ", {"KANA", "SPACELESS", "UNSPACED"}),
        ("한", {"HANGUL", "UNSPACED"}),
        ("ㅎ", {"HANGUL", "UNSPACED"}),
        ("ไ", {"SPACELESS", "UNSPACED"}),
        ("é", set[str]()),
        ("ﬁ", set[str]()),
    ],
)
def test_what_a_character_belongs_to(text: str, patterns: set[str]) -> None:
    names = ("HAN", "KANA", "HANGUL", "SPACELESS", "UNSPACED")
    assert {name for name in names if getattr(scripts, name).match(text)} == patterns
