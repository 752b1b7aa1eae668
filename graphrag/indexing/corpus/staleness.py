"""Find the files that changed or vanished since they were indexed.

A file can differ from what the index holds of it only if it was written, moved or replaced since
it was read. Those files alone are read again and compared; the index keeps no times of files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import polars as pl

from graphrag.core.settings import InputSettings
from graphrag.indexing.corpus import GRAIN_S

if TYPE_CHECKING:
    from graphrag.indexing.corpus.changes import Input


@dataclass(frozen=True, slots=True)
class Stale:
    """A file that differs from the index, by its source."""

    source: str
    change: Literal["changed", "gone"]


def note(meta: Mapping[str, str], documents: pl.DataFrame, given: Input) -> dict[str, str]:
    """What the index must remember: since when its files were read, and what was never a file.

    `meta` is of the index before, `documents` of the index as it will be.
    """
    named = set(documents.filter(~_is_address())["source"])
    loaded = given.loaded
    named_now = {item.source for item in (*loaded.documents, *loaded.failures)}
    read = named_now.union(loaded.kept) - given.objects
    others = (set(not_files(meta)) - read | given.objects) & named
    since = float(meta.get("read_since", "0" if meta else "inf"))
    if named <= others | read:
        since = given.read_at
    elif read:
        since = min(since, given.read_at)
    return {"read_since": str(since), "given": json.dumps(sorted(others))}


def find_stale(
    documents: pl.DataFrame, meta: Mapping[str, str], *, root: Path, settings: InputSettings
) -> list[Stale]:
    """By source, the files of `documents` that changed or are gone since they were read."""
    from graphrag.indexing.documents.files import path_of

    came = documents.filter(~pl.col("source").is_in(not_files(meta)) & ~_is_address())
    since = float(meta.get("read_since", "0")) - GRAIN_S
    files: dict[str, dict[str, str]] = {}  # by file: the content of its documents, by id
    for key, source, digest in came.select("id", "source", "content_hash").sort("source").rows():
        files.setdefault(_file(source, root), {})[key] = digest
    times = {source: _changed_at(path_of(source, root=root)) for source in files}
    stale = [Stale(source, "gone") for source, time in times.items() if time is None]
    newer = [source for source, time in times.items() if time is not None and time >= since]
    if newer:
        now = _read(newer, root, settings)
        stale += [Stale(source, "changed") for source in newer if now[source] != files[source]]
    return sorted(stale, key=lambda one: one.source)


def not_files(meta: Mapping[str, str]) -> list[str]:
    """Sources of the documents that did not come from files."""
    return cast(list[str], json.loads(meta.get("given", "[]")))


def _is_address() -> pl.Expr:
    """Sources that name no file: a URI of another kind."""
    scheme = pl.col("source").str.extract(r"^([A-Za-z][A-Za-z0-9+.-]+):", 1).str.to_lowercase()
    return (scheme != "file").fill_null(value=False)


def _file(source: str, root: Path) -> str:
    """The source of the file that a document, perhaps a row, came from."""
    from graphrag.indexing.documents.files import file_of_row, path_of

    if path_of(source, root=root).is_file():
        return source
    return file_of_row(source) or source


def _changed_at(path: Path) -> float | None:
    """When the file was written or put in its place; None when there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return max(found.st_mtime, found.st_ctime)


def _read(sources: list[str], root: Path, settings: InputSettings) -> dict[str, dict[str, str]]:
    """By file, what `find_stale` has of the index, as an index run would now read it."""
    from graphrag.indexing.documents.files import content_hash, document_id, load, path_of

    loaded = load([path_of(source, root=root) for source in sources], root=root, settings=settings)
    found: dict[str, dict[str, str]] = {source: {} for source in sources}
    for document in loaded.documents:
        file = _file(document.source, root)
        found.setdefault(file, {})[document_id(document.source)] = content_hash(document)
    for failure in loaded.failures:
        found.setdefault(_file(failure.source, root), {})[document_id(failure.source)] = ""
    return found
