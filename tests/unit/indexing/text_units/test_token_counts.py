from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrag.indexing.text_units.token_counts import FOLDER, TokenCounts
from graphrag.text import tokens


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text()), st.lists(st.text()))
def test_counts_are_exact_whatever_was_kept(
    tmp_path_factory: pytest.TempPathFactory, first: list[str], second: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("work")
    for texts in (first, second, first):
        counted = TokenCounts(folder)
        assert counted.of(texts) == tokens.counts(texts)
        counted.save()


def test_what_was_kept_is_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["The Great Eastern", "sailed in 1866", "The Great Eastern"]
    before = TokenCounts(tmp_path)
    expected = before.of(texts)
    before.save()
    asked: list[str] = []

    def counts(texts: list[str]) -> list[int]:
        asked.extend(texts)
        return [len(text) for text in texts]

    monkeypatch.setattr(tokens, "counts", counts)
    after = TokenCounts(tmp_path)
    assert after.of([*texts, "new"]) == [*expected, 3]
    assert asked == ["new"]


def test_only_what_was_asked_for_is_kept(tmp_path: Path) -> None:
    for text in ("one", "two"):
        counted = TokenCounts(tmp_path)
        counted.of([text])
        counted.save()
    (folder,) = (tmp_path / FOLDER).iterdir()
    assert (folder / "counts.npy").stat().st_size == 128 + 4


@pytest.mark.parametrize("damage", [b"", b"no array", None])
def test_damaged_counts_are_counted_again_and_kept(tmp_path: Path, damage: bytes | None) -> None:
    def counted() -> bytes:
        counts = TokenCounts(tmp_path)
        assert counts.of(["one two"]) == [2]
        counts.save()
        (file,) = (tmp_path / FOLDER).glob("*/counts.npy")
        return file.read_bytes()

    before = counted()
    (file,) = (tmp_path / FOLDER).glob("*/counts.npy")
    file.write_bytes(damage) if damage is not None else file.unlink()
    assert counted() == before
