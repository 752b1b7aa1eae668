"""What is remembered of files that were read, and when it no longer holds."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from graphrag.core.settings import InputSettings
from graphrag.indexing.corpus.manifest import Manifest, read_entries
from graphrag.indexing.documents.files import File, documents_frame, parse

INPUT = InputSettings()
LATER = time.time() + 86_400  # than the files were written, however long the tests before took

opened: list[str] = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)


def stored(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("id", "source", "content_hash", "status")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Of two files that were read and stored: `a.txt`, and `rows.csv` with a bad row."""
    (tmp_path / "a.txt").write_text("Ada wrote notes.")
    (tmp_path / "rows.csv").write_text("id,text\n1,The Rhine\n2,\n3,The Rhone\n")
    nothing = stored(documents_frame([]))
    empty = Manifest(tmp_path / "m.json", "r", {}, nothing)
    read, unchanged = sort_out(empty, tmp_path)
    assert [file.source for file in read] == ["a.txt", "rows.csv"]
    assert unchanged == []
    loaded = parse(read, settings=INPUT)
    assert len(loaded.failures) == 1
    empty.write(loaded.contents, [one.source for one in loaded.documents])
    frame = stored(documents_frame(loaded.documents))
    return reread(replace(empty, stored=frame))


def reread(manifest: Manifest) -> Manifest:
    return replace(manifest, entries=read_entries(manifest.path, "r"), stats={})


def sort_out(
    manifest: Manifest, root: Path, *, alone: bool = True, now: float = LATER
) -> tuple[list[File], list[str]]:
    files = [File(root / name, name) for name in ("a.txt", "rows.csv")]
    read, loaded = manifest.sort_out(files, settings=INPUT, alone=alone, now=now)
    return read, loaded.kept


def read_sources(manifest: Manifest, root: Path, **options: bool) -> list[str]:
    return [file.source for file in sort_out(manifest, root, **options)[0]]


def test_an_unchanged_file_is_not_even_opened(manifest: Manifest, tmp_path: Path) -> None:
    opened.clear()
    read, kept = sort_out(manifest, tmp_path)
    assert (read, kept) == ([], ["a.txt", "rows.csv#1", "rows.csv#3"])
    assert not [name for name in opened if name.startswith(str(tmp_path))]


def test_what_went_wrong_is_told_again(manifest: Manifest, tmp_path: Path) -> None:
    files = [File(tmp_path / "rows.csv", "rows.csv")]
    _, loaded = manifest.sort_out(files, settings=INPUT, alone=True, now=LATER)
    assert [one.source for one in loaded.failures] == ["rows.csv#line 3"]
    assert read_sources(replace(manifest, retry_failed=True), tmp_path) == ["rows.csv"]


def test_a_touched_file_is_hashed_alone(manifest: Manifest, tmp_path: Path) -> None:
    os.utime(tmp_path / "a.txt", (1, 1))
    opened.clear()
    assert sort_out(manifest, tmp_path)[0] == []
    assert [name for name in opened if "a.txt" in name]
    assert not [name for name in opened if "rows.csv" in name]


def test_the_same_size_and_time_with_another_text_is_read(
    manifest: Manifest, tmp_path: Path
) -> None:
    times = (tmp_path / "a.txt").stat()
    (tmp_path / "fresh").write_text("Ada wrote NOTES.")
    os.utime(tmp_path / "fresh", ns=(times.st_atime_ns, times.st_mtime_ns))
    (tmp_path / "fresh").replace(tmp_path / "a.txt")
    assert read_sources(manifest, tmp_path) == ["a.txt"]


def test_times_of_a_moment_ago_do_not_tell(tmp_path: Path, manifest: Manifest) -> None:
    sort_out(manifest, tmp_path, now=(tmp_path / "a.txt").stat().st_ctime)
    manifest.write({}, ["a.txt"])
    assert reread(manifest).entries["a.txt"].stat == ()


@pytest.mark.parametrize("lacking", ["a.txt", "rows.csv#1"])
def test_what_the_store_has_not_is_read(manifest: Manifest, tmp_path: Path, lacking: str) -> None:
    other = replace(manifest, stored=manifest.stored.filter(pl.col("source") != lacking))
    assert read_sources(other, tmp_path) == [lacking.partition("#")[0]]


def test_skipped_copies_are_read_where_others_may_have_changed(
    manifest: Manifest, tmp_path: Path
) -> None:
    skipped = pl.when(pl.col("source") == "a.txt").then(pl.lit("skipped")).otherwise("status")
    other = replace(manifest, stored=manifest.stored.with_columns(status=skipped))
    assert read_sources(other, tmp_path) == []
    assert read_sources(other, tmp_path, alone=False) == ["a.txt"]
    (tmp_path / "rows.csv").write_text("id,text\n1,The Rhine\n")
    assert read_sources(other, tmp_path) == ["a.txt", "rows.csv"]


def test_nothing_of_a_file_that_left_the_index_stays(manifest: Manifest) -> None:
    manifest.write({}, ["rows.csv#3"])
    assert "a.txt" not in manifest.path.read_text()
    assert list(reread(manifest).entries) == ["rows.csv"]


@pytest.mark.parametrize("text", ["", "[]", '{"reader": "r", "files": {"a.txt": 1}}', "{"])
def test_a_broken_manifest_is_none(manifest: Manifest, text: str) -> None:
    manifest.path.write_text(text)
    assert reread(manifest).entries == {}
