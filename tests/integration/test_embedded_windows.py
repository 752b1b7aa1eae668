"""Text units of real indexes are embedded in windows: all of a unit, and each window once."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from graphrag import Document, GraphRAG
from graphrag.testing import FakeEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

TIDES = [f"The tide of day {day} came to the sluice at Norden before noon." for day in range(60)]
HERONS = "Grey herons breed in the alders beyond the dyke."
TEXT = "\n".join([*TIDES[:30], HERONS, *TIDES[30:]])


class Counting:
    """An embedder that remembers what it was given."""

    def __init__(self) -> None:
        self._inner = FakeEmbedder()
        self.texts: list[str] = []

    @property
    def name(self) -> str:
        return self._inner.name

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts.extend(texts)
        return await self._inner.embed(texts)


def index(root: Path, text: str, *, store: str | None = None, **options: object) -> list[str]:
    """The texts that were embedded for an index of one document."""
    embedder = Counting()
    given = {f"embedding.{name}": value for name, value in options.items()}
    with GraphRAG.open(root, store=store, chat=None, embed=embedder, options=given) as rag:
        rag.index(documents=[Document(source="a", title="Log", text=text)])
    return embedder.texts


def test_all_of_a_text_unit_is_embedded_in_parts_under_its_title(tmp_path: Path) -> None:
    texts = [text for text in index(tmp_path, TEXT) if text.startswith("Log\n")]
    assert len(texts) > 3
    together = "\n".join(text.removeprefix("Log\n") for text in texts)
    assert {*TEXT.split("\n")} <= {*together.split("\n")}


def test_a_window_is_paid_for_once(tmp_path: Path) -> None:
    before = index(tmp_path, TEXT)
    assert index(tmp_path, TEXT) == []
    (tmp_path / ".graphrag" / "cache.db").unlink()  # what must survive is in the store
    again = index(tmp_path, f"{TEXT}\nThe log ends here.")
    assert 0 < len(again) <= len(before) / 2
    resized = index(tmp_path, TEXT, window_tokens=64)
    assert len(resized) > len(again)


def test_a_copy_is_not_embedded_again(tmp_path: Path) -> None:
    prefixed = {"passage_prefix": "passage: "}
    assert all(text.startswith("passage: ") for text in index(tmp_path / "one", TEXT, **prefixed))
    target = tmp_path / "two" / "graph.db"
    with GraphRAG.open(tmp_path / "one", chat=None, embed=None) as rag:
        rag.copy_to(str(target))
    (tmp_path / "one" / ".graphrag" / "cache.db").unlink()
    assert index(tmp_path / "two", f"{TEXT}\n", store=str(target), **prefixed) == []


def test_an_index_of_an_earlier_version_says_what_to_do(tmp_path: Path) -> None:
    index(tmp_path, TEXT)
    with sqlite3.connect(tmp_path / ".graphrag" / "graph.db") as connection:
        connection.execute("DELETE FROM meta_1 WHERE key IN ('window_tokens', 'fingerprint')")
    question = "Where do herons breed?"
    with GraphRAG.open(tmp_path, chat=None, embed=FakeEmbedder()) as rag:
        assert any("graphrag index" in text for text in rag.query(question).warnings)
    index(tmp_path, TEXT)
    with GraphRAG.open(tmp_path, chat=None, embed=FakeEmbedder()) as rag:
        assert rag.query(question).warnings == ()
