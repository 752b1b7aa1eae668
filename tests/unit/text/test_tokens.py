from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.errors import GraphRAGError
from graphrag.text import tokens

TEXT = st.text(alphabet=st.one_of(st.sampled_from("ab AB.,'s\n\t12/-é中😀"), st.characters()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("hello world", 2),
        ("Hello, world!", 4),
        ("tiktoken is great!", 6),
        ("antidisestablishmentarianism", 6),
        ("2 + 2 = 4", 7),
        ("お誕生日おめでとう", 8),
        ("1234567", 3),
        ("<|endoftext|>", 7),
    ],
)
def test_count_is_that_of_o200k_base(text: str, expected: int) -> None:
    assert tokens.count(text) == expected


def test_counts() -> None:
    assert tokens.counts(["hello world", "", "2 + 2 = 4"]) == [2, 0, 7]


@pytest.mark.parametrize("unit", ["word, ", "ein Wort. ", "中文，", "слово ", "x1 y2\n"])
def test_long_text_counts_as_the_encoder_would_count_it_at_once(unit: str) -> None:
    text = unit * (2 * tokens._PART // len(unit) + 7)
    assert len(text) > 2 * tokens._PART
    assert tokens.count(text) == len(tokens._load().encode_ordinary(text))


@given(TEXT, TEXT)
def test_a_cut_between_parts_changes_no_count(before: str, after: str) -> None:
    text = before + after
    for match in tokens._EXACT_CUT.finditer(text):
        parts = tokens.count(text[: match.end()]) + tokens.count(text[match.end() :])
        assert parts == tokens.count(text), match


@pytest.mark.parametrize("character", ["a", " ", "=", "\n", "中"])
def test_a_megabyte_of_one_character_is_counted(character: str) -> None:
    assert 0 < tokens.count(character * 1_000_000) <= 1_000_000


@given(TEXT, st.integers(0, 30))
def test_truncate(text: str, limit: int) -> None:
    cut = tokens.truncate(text, limit)
    assert tokens.count(cut) <= limit
    assert text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").startswith(cut)
    if tokens.count(text) <= limit:
        assert len(cut) == len(text)


def test_truncate_takes_as_much_as_fits() -> None:
    assert tokens.truncate("one two three four", 3) == "one two three"
    assert tokens.truncate("one two", 2) == "one two"
    assert tokens.truncate("one", -1) == ""
    assert tokens.truncate("word " * 100_000, 10) == "word " * 9 + "word"


@given(TEXT, st.integers(4, 20), st.integers(0, 3))
def test_split_covers_the_text_in_pieces_that_fit(text: str, limit: int, overlap: int) -> None:
    pieces = tokens.split(text, max_tokens=limit, overlap=overlap)
    assert all(0 < tokens.count(piece) <= limit for piece in pieces)
    clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if overlap == 0:
        assert "".join(pieces) == clean
    at = 0
    for piece in pieces:  # each begins inside or right after what was covered
        start = clean.rfind(piece, 0, at + len(piece))
        assert start >= 0
        at = start + len(piece)
    assert at == len(clean)


def test_split_repeats_the_end_of_the_piece_before() -> None:
    pieces = tokens.split("a b c d e f g", max_tokens=4, overlap=2)
    assert pieces == ["a b c d", " c d e f", " e f g"]


def test_damaged_ranks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "ranks"
    damaged.write_bytes(b"IQ== 0\n")
    monkeypatch.setattr(tokens, "_RANKS", damaged)
    with pytest.raises(GraphRAGError, match="damaged"):
        tokens._load.__wrapped__()
    monkeypatch.setattr(tokens, "_RANKS", tmp_path / "missing")
    with pytest.raises(GraphRAGError, match="cannot be read"):
        tokens._load.__wrapped__()
