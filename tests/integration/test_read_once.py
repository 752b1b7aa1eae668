"""A run over files that it knows reads none of them, and loses nothing of what they held."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from graphrag import GraphRAG
from graphrag.core.concurrency import Silent
from graphrag.indexing.run import IndexResult
from tests.unit.indexing.documents.office_files import docx_of

ADA = "Ada Lovelace wrote the first program for the Analytical Engine of Charles Babbage."
HOPPER = "Grace Hopper wrote the first compiler at Harvard with Howard Aiken."

started: list[str] = []
sys.addaudithook(
    lambda event, args: started.append(str(args[0])) if event == "subprocess.Popen" else None
)


def index(
    root: Path, options: dict[str, object] | None = None, *, prune: bool = False
) -> tuple[IndexResult, int]:
    """The result, and how many processes that read files were started."""
    started.clear()
    with GraphRAG.open(root, chat=None, embed=None, options=options) as rag:
        result = rag.index([root / "docs"], method="fast", prune=prune)
    return result, len(started)


def sources(root: Path, status: str = "ok") -> list[str]:
    import polars as pl

    with GraphRAG.open(root, chat=None, embed=None) as rag:
        shutil.rmtree(root / "tables", ignore_errors=True)
        rag.export(root / "tables")
    table = pl.read_parquet(root / "tables" / "documents.parquet")
    return sorted(table.filter(pl.col("status") == status)["source"])


def units(root: Path) -> list[tuple[object, ...]]:
    """Document, place and text of all text units."""
    import polars as pl

    sources(root)
    table = pl.read_parquet(root / "tables" / "text_units.parquet")
    return table.select("document_id", "ordinal", "start", "end", "text").sort("text").rows()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "ada.html").write_text(f"<h1>Ada</h1><p>{ADA}</p>")
    (docs / "note.md").write_text(f"---\ntitle: Notes\nyear: 1843\n---\n{ADA}\n")
    (docs / "rows.csv").write_text(f"id,text,year\n1,{ADA},1843\n2,,1952\n3,{HOPPER},1952\n")
    (docs / "bad.pdf").write_bytes(b"%PDF-1.7\nnothing more")
    return tmp_path


def test_unchanged_and_touched_files_start_no_reader(root: Path) -> None:
    first, n_started = index(root)
    assert n_started
    assert (first.documents, len(first.failed)) == (4, 2)
    for touched in (False, True):
        if touched:
            for file in (root / "docs").iterdir():
                os.utime(file, (500_000_000, 500_000_000))
        again, n_started = index(root)
        assert n_started == 0
        assert not again.changed
        assert again.failed == first.failed
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        found = rag.retrieve("Who wrote a compiler?", filters=["year=1952"])
        started.clear()
        rag.plan([root / "docs"])
    assert [one.document for one in found] == ["docs/rows.csv#3"]
    assert not started


def test_a_changed_file_is_read_and_the_others_stay(root: Path) -> None:
    index(root)
    (root / "docs" / "ada.html").write_text(f"<h1>Ada</h1><p>{ADA} In 1843.</p>")
    result, n_started = index(root)
    assert result.changed
    assert n_started == 1
    assert result.documents == 4
    (root / "docs" / "rows.csv").write_text(f"id,text,year\n3,{HOPPER},1952\n")
    result, n_started = index(root)
    assert n_started == 0  # nor for the pdf file that failed
    assert result.documents == 3
    assert sources(root) == ["docs/ada.html", "docs/note.md", "docs/rows.csv#3"]


def test_a_file_that_cannot_be_read_any_more_keeps_what_is_there(root: Path) -> None:
    index(root)
    (root / "docs" / "ada.html").write_text("<p></p>")
    for _ in range(2):
        result, _ = index(root, prune=True)
        assert "docs/ada.html" in [one.source for one in result.failed]
        assert "docs/ada.html" in sources(root)


@pytest.mark.parametrize(
    ("option", "value", "reads"),
    [
        ("input.exclude", ["*.bak"], False),
        ("query.basic.k", 3, False),
        ("input.title_column", "name", True),
    ],
)
def test_other_settings_read_again(root: Path, option: str, value: object, *, reads: bool) -> None:
    index(root)
    result, n_started = index(root, {option: value})
    assert bool(n_started) is reads
    assert result.documents == 4


def test_texts_that_are_split_anew_come_from_the_store(root: Path) -> None:
    index(root)
    result, n_started = index(root, {"chunks.max_tokens": 12, "chunks.overlap": 0})
    assert n_started == 0
    assert result.text_units > 4
    fresh = root.parent / "fresh"
    shutil.copytree(root, fresh, ignore=shutil.ignore_patterns(".graphrag"))
    index(fresh, {"chunks.max_tokens": 12, "chunks.overlap": 0})
    assert units(root) == units(fresh)


def test_what_was_deleted_comes_back_and_leaves_no_trace(root: Path) -> None:
    index(root)
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        rag.delete(["docs/note.md"])
    kept = [file.read_text() for file in (root / ".graphrag" / "files").iterdir()]
    assert "ada.html" in kept[0]
    assert "note.md" not in kept[0]
    result, _ = index(root)
    assert result.documents == 4


def test_another_index_under_the_same_root_is_filled(root: Path) -> None:
    index(root)
    result, n_started = index(root, {"namespace": "other"})
    assert n_started
    assert result.documents == 4
    assert index(root)[1] == 0


def test_a_skipped_copy_takes_the_place_of_what_is_gone(root: Path) -> None:
    skip: dict[str, object] = {"input.near_duplicates": "skip"}
    (root / "docs" / "b.html").write_text(f"<h1>Ada</h1><p>{ADA}</p>")
    first, _ = index(root, skip)
    copies = [one.source for one in first.skipped]
    assert "docs/b.html" in copies
    again, n_started = index(root, skip)
    assert (n_started, again.changed, again.skipped) == (0, False, first.skipped)
    for name in ("ada.html", "note.md", "rows.csv"):
        (root / "docs" / name).unlink()
    index(root, skip, prune=True)
    assert sources(root) == ["docs/b.html"]


class Watch(Silent):
    """Notes what is begun, and when reading starts and ends."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.times: list[float] = []

    def start(self, step: str, total: int | None = None) -> None:
        if step == "reading":
            self.times.append(time.perf_counter())

    def advance(self, step: str, count: int = 1, *, note: str = "") -> None:
        self.notes += [note] * (step == "reading")

    def finish(self, step: str, note: str = "") -> None:
        if step == "reading":
            self.times.append(time.perf_counter())


def test_reading_is_shown_and_is_a_part_of_the_run(root: Path) -> None:
    watch = Watch()
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        result = rag.index([root / "docs"], progress=watch)
    assert watch.notes == ["ada.html", "bad.pdf", "note.md", "rows.csv"]
    begun, ended = watch.times
    assert result.seconds >= ended - begun


def test_office_files_too(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.docx").write_bytes(docx_of(f"<w:p><w:r><w:t>{ADA}</w:t></w:r></w:p>"))
    assert index(tmp_path)[1] == 1
    assert index(tmp_path)[1] == 0
