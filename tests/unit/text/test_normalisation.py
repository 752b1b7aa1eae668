from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.text import normalise, without_invisible


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Sherlock Holmes", "sherlock holmes"),
        ("  SHERLOCK\n holmes's ", "sherlock holmes"),
        ("Holmes’s", "holmes"),
        ("O'Brien", "o brien"),
        ("Jean-Luc", "jean luc"),
        ("AT&T", "at t"),
        ("C", "c"),
        ("C++", "c++"),
        ("C#", "c#"),
        ("#1 hit", "1 hit"),
        ("Ｆｕｌｌ　Ｗｉｄｔｈ", "full width"),
        ("Straße", "strasse"),
        ("Cafe\u0301", "café"),
        ("हिन्दी", "हिन्दी"),
        ("東京", "東京"),
        ("!!!", "!!!"),
        ("", ""),
    ],
)
def test_normalise(name: str, expected: str) -> None:
    assert normalise(name) == expected


@given(st.text())
def test_a_normalised_name_is_its_own_normal_form(name: str) -> None:
    once = normalise(name)
    assert bool(once) == bool(name.strip())
    assert "  " not in once
    assert once == once.strip()


@given(st.text(st.sampled_from("aZ09sS_'+#.- \t\n\x1c~")))
def test_ascii_names_are_normalised_as_their_wide_twins(name: str) -> None:
    wide = name.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    assert normalise(name) == normalise(wide)


@pytest.mark.parametrize("pair", [("C", "C++"), ("C", "C#"), ("Iron Man", "Ironman")])
def test_different_names_stay_different(pair: tuple[str, str]) -> None:
    assert normalise(pair[0]) != normalise(pair[1])


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Mehr\u00adwert\u00adsteuer", "Mehrwertsteuer"),
        ("Zan\u200bzi\u200dbar\u2060 is\ufeff", "Zanzibar is"),
        ("a\u200c\u200db", "ab"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("👩\u200d🔬 ❤\ufe0f\u200d🔥", "👩\u200d🔬 ❤\ufe0f\u200d🔥"),
        ("ភាសា\u200bខ្មែរ", "ភាសា\u200bខ្មែរ"),
    ],
)
def test_signs_that_nobody_sees_are_taken_out_of_words(text: str, clean: str) -> None:
    assert without_invisible(text) == clean
