from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.text import (
    sentences,
)


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Mr. Holmes met Dr. Watson. They left.", ["Mr. Holmes met Dr. Watson.", "They left."]),
        ("J. R. R. Tolkien wrote it. Yes.", ["J. R. R. Tolkien wrote it.", "Yes."]),
        ("The U.S. Army left the U.S. The end.", ["The U.S. Army left the U.S.", "The end."]),
        ("Acme Inc. bought it. He won.", ["Acme Inc. bought it.", "He won."]),
        ("It is 3.14 at example.com now. Ok.", ["It is 3.14 at example.com now.", "Ok."]),
        ("In 1999. Then, e.g. Paul.", ["In 1999.", "Then, e.g. Paul."]),
        ("See Fig. 3 and No. 5. No. Never.", ["See Fig. 3 and No. 5.", "No.", "Never."]),
        ('"Why?" he asked. "So." He left.', ['"Why?" he asked.', '"So."', "He left."]),
        ("Well... maybe. (It was.) Done.", ["Well... maybe.", "(It was.)", "Done."]),
        ("wrapped\nlines. next", ["wrapped\nlines. next"]),
        ("Title\n\nbody text", ["Title", "body text"]),
        (
            "# Head\nText one\n- a\n- b\n1. Go. On",
            ["# Head", "Text one", "- a", "- b", "1. Go.", "On"],
        ),
        ("| a | b |\n|---|---|\n| 1 | 2 |", ["| a | b |", "|---|---|", "| 1 | 2 |"]),
        ("東京です。「本当？」はい！", ["東京です。", "「本当？」", "はい！"]),
        ("यह है। वह है।", ["यह है।", "वह है।"]),
        ("a\r\n\r\nb", ["a", "b"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert split(text) == expected


def test_a_long_span_without_punctuation_is_broken_at_its_lines() -> None:
    log = "\n".join(f"entry {number} of the log went well" for number in range(100))
    assert split(log) == log.split("\n")


@given(st.text(alphabet=st.sampled_from("aB1. \n!?\"'()#-|。、é\u00a0\u2028\t"), max_size=300))
def test_sentences_cover_all_but_white_space_and_never_overlap(text: str) -> None:
    at = 0
    for start, end in sentences(text):
        assert text[at:start].strip() == ""
        assert text[start:end] == text[start:end].strip() != ""
        at = end
    assert text[at:].strip() == ""
