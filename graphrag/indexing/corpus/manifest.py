"""Remember what files gave when they were read, so that unchanged ones are not read again.

A file is known by its size, times and inode, and by the digest of its bytes where those differ.
What it gave stands in the store; the manifest says by a digest which documents that were.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

import polars as pl

from graphrag.core.errors import InputError
from graphrag.core.settings import WORK_FOLDER, InputSettings, Settings
from graphrag.core.tables import stable_id
from graphrag.core.work_folder import write_whole
from graphrag.indexing.corpus import GRAIN_S
from graphrag.indexing.documents import files as documents
from graphrag.indexing.documents.files import Contents, Document, Failure, File, Loaded, Scalar
from graphrag.indexing.text_units import chunks
from graphrag.stores import GraphStore

Stat: TypeAlias = tuple[int, ...]

_LIBRARIES = (
    "beautifulsoup4", "charset-normalizer", "mammoth", "pdfplumber", "pypdfium2",
    "python-calamine", "pyyaml",
)  # fmt: skip
_COLUMNS = ("id", "source", "content_hash", "status")
_CONTENT = ("title", "text", "metadata")
_LISTING = frozenset({"include", "exclude"})  # settings that do not change what a file holds


@dataclass(frozen=True, slots=True)
class Entry:
    """`stat` is empty where the file was written so lately that its times cannot tell."""

    stat: Stat
    contents: Contents


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was read of each file, by its source, beside the documents that the store holds."""

    path: Path
    reader: str
    entries: dict[str, Entry]
    stored: pl.DataFrame
    retry_failed: bool = False
    splits_again: bool = False  # so that texts are needed: `stored` has them then
    stats: dict[str, Stat] = field(default_factory=dict[str, Stat])  # before the files were read

    def sort_out(
        self, files: Sequence[File], *, settings: InputSettings, alone: bool, now: float
    ) -> tuple[list[File], Loaded]:
        """The files that must be read, and what is known of the others; `now` is since 1970.

        Skipped near-duplicates are compared again when any other document may have changed:
        unless the files are given `alone` and none of them has to be read.
        """
        by_file = _by_file(self.stored, {file.source for file in files})
        unchanged: dict[str, Contents] = {}
        for file in files:
            self.stats[file.source] = _stat(file.path, now)
            entry = self._known(file, by_file.get(file.source, []), settings)
            if entry:
                unchanged[file.source] = entry.contents
                self.entries[file.source] = Entry(self.stats[file.source], entry.contents)
        if not alone or len(unchanged) < len(files):
            for source in [*unchanged]:
                if any(row[3] == "skipped" for row in by_file.get(source, [])):
                    del unchanged[source]
        loaded = Loaded()
        for source, contents in unchanged.items():
            rows = by_file.get(source, [])
            if self.splits_again:
                loaded.documents.extend(map(_document, rows))
            else:
                loaded.kept.extend(row[1] for row in rows)
            loaded.failures.extend(contents.failures)
            loaded.warnings.extend(contents.warnings)
        documents.log_failures(loaded)
        return [file for file in files if file.source not in unchanged], loaded

    def _known(
        self, file: File, rows: Sequence[tuple[str, ...]], settings: InputSettings
    ) -> Entry | None:
        """The entry of a file that it and the store still agree with."""
        entry = self.entries.get(file.source)
        if entry is None or (self.retry_failed and entry.contents.failures):
            return None
        hashes = documents.digest_of_documents((row[0], row[2]) for row in rows)
        if hashes != entry.contents.documents:
            return None
        if entry.stat and entry.stat == self.stats[file.source]:
            return entry
        try:
            digest = documents.digest_of_file(file.path, settings.max_file_mb)
        except (OSError, InputError):  # whoever reads it says why
            return None
        return entry if digest == entry.contents.digest else None

    def write(self, contents: Mapping[str, Contents], sources: Collection[str]) -> None:
        """Add what was read, and forget the files of which the index has nothing: `sources`."""
        found = {source: Entry(self.stats.get(source, ()), one) for source, one in contents.items()}
        entries = self.entries | found
        named = {source if source in entries else _file(source) for source in sources}
        kept = {
            source: [list(entry.stat), *_written(entry.contents)]
            for source, entry in sorted(entries.items())
            if source in named
        }
        text = json.dumps({"reader": self.reader, "files": kept})
        if kept or self.path.is_file():
            write_whole(self.path, text)


async def open_manifest(
    store: GraphStore, *, root: Path, settings: Settings, retry_failed: bool = False
) -> Manifest:
    """The manifest of the index in `store`; it knows nothing where other readers wrote it."""
    # A folder that moves keeps its manifest.
    place = store.url.replace(os.path.abspath(root), "")  # noqa: ASYNC240, PTH100 - no disk is asked
    name = f"{stable_id(place, store.namespace)}.json"
    path = root / WORK_FOLDER / "files" / name
    reader = _reader(settings.input)
    meta = await store.meta()
    splits_again = meta.get("chunks") != chunks.fingerprint(settings.chunks)
    columns = [*_COLUMNS, *_CONTENT] if splits_again else _COLUMNS
    stored = (await store.read("documents", columns=columns)).select(columns)
    if splits_again:
        stored = stored.filter(pl.col("text").is_not_null() | (pl.col("status") == "failed"))
    return Manifest(path, reader, read_entries(path, reader), stored, retry_failed, splits_again)


def read_entries(path: Path, reader: str) -> dict[str, Entry]:
    """Empty where there is none, or one that other readers or settings wrote."""
    try:
        kept = cast(dict[str, object], json.loads(path.read_text(encoding="utf-8")))
        if kept["reader"] != reader:
            return {}
        return {
            source: Entry(tuple(stat), Contents(digest, found, _failures(failed), tuple(warnings)))
            for source, (stat, digest, found, failed, warnings) in cast(
                "dict[str, tuple[list[int], str, str, list[list[str]], list[str]]]", kept["files"]
            ).items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # it only saves work
        return {}


def _failures(rows: Sequence[Sequence[str]]) -> tuple[Failure, ...]:
    return tuple(Failure(source, reason) for source, reason in rows)


def _written(contents: Contents) -> list[object]:
    failures = [(one.source, one.reason) for one in contents.failures]
    return [contents.digest, contents.documents, failures, contents.warnings]


def _reader(settings: InputSettings) -> str:
    """Of all that decides what is read of a file: our readers, their libraries, the settings."""
    from importlib.metadata import PackageNotFoundError, version

    package = Path(documents.__file__).parents[2]
    folders = (package / "indexing" / "documents", package / "text")
    code = [path.read_text("utf-8") for one in folders for path in sorted(one.rglob("*.py"))]
    versions: list[str] = []
    for name in _LIBRARIES:
        try:
            versions.append(version(name))
        except PackageNotFoundError:  # an extra
            versions.append("")
    return stable_id(*code, *versions, settings.model_dump_json(exclude=set(_LISTING)))


def _stat(path: Path, now: float) -> Stat:
    """Size, times and inode; empty where a later change might leave them as they are."""
    try:
        found = path.stat()
    except OSError:
        return ()
    if max(found.st_mtime, found.st_ctime) > now - GRAIN_S:
        return ()
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _document(row: Sequence[str]) -> Document:
    """A document as it was read, of its stored columns."""
    _, source, _, _, title, text, metadata = row
    return Document(source, text, title, cast(dict[str, Scalar], json.loads(metadata)))


def _by_file(stored: pl.DataFrame, files: Collection[str]) -> dict[str, list[tuple[str, ...]]]:
    """Id, source, content hash and status of the documents that were read of each file."""
    found: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for row in stored.filter(pl.col("status") != "failed").iter_rows():
        source = cast(str, row[1])
        found[source if source in files else _file(source)].append(row)
    return found


def _file(source: str) -> str:
    return documents.file_of_row(source) or source
