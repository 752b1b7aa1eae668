"""Compare what a run was given with what the store holds.

So only what changed is split and extracted again.
"""

from __future__ import annotations

import re
import time
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)  # fmt: skip
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from graphrag.core.concurrency import Progress
from graphrag.core.errors import NoIndexError, UsageError
from graphrag.core.settings import ChunkSettings, InputSettings
from graphrag.core.tables import DOCUMENTS, empty
from graphrag.indexing.documents import files as documents
from graphrag.indexing.documents.files import Document, Failure, File, Loaded
from graphrag.indexing.run import Run
from graphrag.indexing.runners import Tools, in_order
from graphrag.indexing.text_units import chunks
from graphrag.stores import GraphStore
from graphrag.text.blocks import first_heading

if TYPE_CHECKING:
    from graphrag.indexing.corpus.manifest import Manifest
    from graphrag.indexing.corpus.microsoft import Imported
    from graphrag.indexing.extraction.extract import Extractor

READING, STEP = "reading", "parse"
SLICE = 16  # files that a remote worker is handed

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # of what is not below the root, or no file

OpenManifest: TypeAlias = "Callable[[], Awaitable[Manifest | None]]"
Parse: TypeAlias = Callable[[Sequence[File]], Awaitable[Loaded]]


@dataclass(frozen=True, slots=True)
class Input:
    """What a run was given, loaded. When it names no document the stored ones are used."""

    loaded: Loaded = field(default_factory=Loaded)
    is_empty: bool = True  # neither paths nor documents were named
    objects: frozenset[str] = frozenset()  # sources of documents that did not come from files
    read_at: float = 0.0  # seconds since 1970, before the first file was read
    started: float | None = None  # the same on the clock that measures the run
    paths: tuple[str, ...] = ()  # that were read, as sources and the heads of sources
    under: tuple[str, ...] = ()  # where to remove what is gone: in the same form
    delete: tuple[tuple[str, ...], ...] = ()  # by document: the sources that may be meant
    manifest: Manifest | None = None


@dataclass(frozen=True, slots=True)
class Corpus:
    """All current documents. `changed` are to be split; the units of the others are kept."""

    documents: pl.DataFrame
    changed: Mapping[str, Document]
    kept_units: pl.DataFrame
    removed: frozenset[str]  # ids of documents whose earlier text is gone, in whole or in part
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    fails_anew: bool = False  # what cannot be read is not what the store has noted

    @property
    def is_changed(self) -> bool:
        return bool(self.changed or self.removed or self.fails_anew)

    @property
    def n_readable(self) -> int:
        return self.documents.filter(~pl.col("status").is_in(["failed", "skipped"])).height

    @property
    def skipped(self) -> tuple[Failure, ...]:
        """Near-duplicates that were left out, with what they are like."""
        rows = self.documents.filter(pl.col("status") == "skipped").sort("source")
        return tuple(Failure(*row) for row in rows.select("source", "error").iter_rows())

    def split(self, settings: ChunkSettings) -> pl.DataFrame:
        """The text units of all current documents, sorted by id."""
        return self.with_units(
            chunks.split_documents(list(self.changed.values()), settings=settings)
        )

    def with_units(self, fresh: pl.DataFrame) -> pl.DataFrame:
        """The text units of all current documents, `fresh` being those of the changed ones."""
        return pl.concat([self.kept_units, fresh]).sort("id")

    def with_status(self, text_units: pl.DataFrame, good: pl.DataFrame) -> pl.DataFrame:
        """The documents table: `partial` where a unit is not among the `good` ones."""
        lacking = text_units.join(good, left_on="id", right_on="text_unit_id", how="anti")
        partial = lacking["document_id"].unique().to_list()
        return self.documents.with_columns(
            pl.when(pl.col("status").is_in(["failed", "skipped"]))
            .then(pl.col("status"))
            .when(pl.col("id").is_in(partial))
            .then(pl.lit("partial"))
            .otherwise(pl.lit("ok"))
            .alias("status")
        )

    def describe_failures(
        self, text_units: pl.DataFrame, failed: pl.DataFrame
    ) -> Iterator[tuple[str, int, str, bool]]:
        """Source, ordinal of the unit, reason and whether a later try may help, by failed unit."""
        rows = (
            text_units.join(failed, left_on="evidence_key", right_on="key", how="inner")
            .join(self.documents.select("id", "source"), left_on="document_id", right_on="id")
            .sort("source", "ordinal")
            .select("source", "ordinal", "error", "transient")
        )
        yield from rows.iter_rows()

    def source_of_unit(self, text_units: pl.DataFrame, unit_id: str) -> str:
        document = text_units.filter(pl.col("id") == unit_id)["document_id"].item()
        return str(self.documents.filter(pl.col("id") == document)["source"].item())


@dataclass(frozen=True, slots=True)
class Changes:
    """What a run has to do: the documents, and the index as it was."""

    corpus: Corpus
    extractor: Extractor
    meta: Mapping[str, str]  # of the index as it was
    fingerprint: str  # of everything but the documents that the index depends on
    files: Mapping[str, str] = field(default_factory=dict[str, str])  # of `staleness.note`
    imported: Imported | None = None


async def read_input(
    paths: Sequence[Path],
    given: Iterable[Document],
    *,
    prune: bool,
    root: Path,
    settings: InputSettings,
    progress: Progress,
    parse: Parse | None = None,
    open_manifest: OpenManifest | None = None,
) -> Input:
    """Load `paths`, by `parse` where it is given, and add the documents that were `given`.

    Files that the manifest knows unchanged are not read.

    Raises UsageError on a path that is not there, and when `prune` finds none readable.
    """
    read_at, started, given = time.time(), time.perf_counter(), list(given)  # may come but once
    there = [path for path in paths if path.exists()] if prune else paths
    files, loaded = documents.find_files(there, root=root, settings=settings)
    sources = tuple(documents.source_of(path, root=root) for path in paths)
    opened = {documents.source_of(path, root=root) for path in there}
    if prune and paths and not opened.difference(one.source for one in loaded.failures):
        raise UsageError(
            f"none of the paths can be read: {', '.join(map(str, paths))}",
            hint="--prune would remove everything indexed from them.",
        )
    manifest = await open_manifest() if open_manifest and paths else None
    if manifest:
        files, unchanged = manifest.sort_out(
            files, settings=settings, alone=not (prune or given), now=read_at
        )
        loaded.add(unchanged)
    if files:
        loaded.add(
            await parse(files) if parse else _parse(files, settings=settings, progress=progress)
        )
    seen = {item.source for item in loaded.documents}.union(loaded.kept)
    from_files = frozenset(seen)
    for item in given:
        if item.source in seen:
            reason = "is given twice; the first one was taken"
            loaded.failures.append(Failure(item.source, reason))
        elif not item.text.strip():
            loaded.failures.append(Failure(item.source, "is empty"))
        else:
            title = item.title.strip() or first_heading(item.text)
            loaded.documents.append(replace(item, title=title))
        seen.add(item.source)
    return Input(
        loaded,
        is_empty=not paths and not given,
        objects=frozenset(item.source for item in given) - from_files,
        read_at=read_at,
        started=started,
        paths=sources,
        under=sources if prune else (),
        manifest=manifest,
    )


def _parse(files: Sequence[File], *, settings: InputSettings, progress: Progress) -> Loaded:
    progress.start(READING, len(files))
    loaded = documents.parse(
        files,
        settings=settings,
        on_file=lambda file: progress.advance(READING, note=file.path.name),
    )
    progress.finish(READING)
    return loaded


async def parse_elsewhere(files: Sequence[File], run: Run) -> Loaded:
    """What `files` hold, read here and parsed where the runner sends them."""
    loaded = Loaded()
    run.progress.start(STEP, len(files))
    for part in documents.with_data(files, run.settings.input):
        for found in await in_order(run.runner, STEP, part, parse_files, tools=run, size=SLICE):
            loaded.add(found)
    run.progress.finish(STEP)
    return loaded


async def parse_files(files: Sequence[File], tools: Tools) -> Loaded:
    """What `files` hold, parsed where this runs."""
    return documents.parse(files, settings=tools.settings.input)


async def read_corpus(
    given: Input,
    *,
    store: GraphStore,
    same_chunks: bool,
    same_rules: bool,
    not_files: frozenset[str] = frozenset(),
) -> Corpus:
    """Compare what was given with the store. Documents that were skipped as near-duplicates are
    looked at again when anything changed, or without `same_rules`; those of `not_files` are
    not looked for in folders.

    Raises NoIndexError when both are empty, UsageError on a delete of an unknown source.
    """
    stored = await store.read("documents")
    loaded = given.loaded
    if given.is_empty and stored.is_empty():
        raise NoIndexError(
            "there is nothing to index", hint="Name files or folders: graphrag index FOLDER"
        )
    before = dict(zip(stored["id"], stored["content_hash"], strict=True))
    states: dict[str, str] = dict(zip(stored["id"], stored["status"], strict=True))
    readable = {key: state not in ("failed", "skipped") for key, state in states.items()}
    fresh = {documents.document_id(item.source): item for item in loaded.documents}
    current = {*fresh, *map(documents.document_id, loaded.kept)}
    # An index made before documents kept their text has it when they are read again.
    textless = set(stored.filter(pl.col("text").is_null())["id"])
    changed = {
        key: item
        for key, item in fresh.items()
        if before.get(key) != documents.content_hash(item)
        or states[key] == "failed"
        or key in textless
        or not same_chunks
    }
    gone = _gone(given, stored, current, not_files=not_files | given.objects)
    if changed or gone or not same_rules:
        changed |= {key: item for key, item in fresh.items() if states.get(key) == "skipped"}
    removed = frozenset(key for key in before if readable[key] and (key in gone or key in changed))
    # A document that cannot be read this time keeps what was read of it before.
    unread = [
        failure
        for failure in loaded.failures
        if not readable.get(key := documents.document_id(failure.source)) and key not in current
    ]
    replaced = [*changed, *gone, *(documents.document_id(item.source) for item in unread)]
    failed = _failed_rows(unread)
    noted = failed.select("id", "error").join(stored, on=["id", "error"], how="semi")
    frame = pl.concat(
        [
            stored.filter(~pl.col("id").is_in(replaced)),
            documents.documents_frame(list(changed.values())),
            failed,
        ]
    ).sort("id")
    stored_units = await store.read("text_units")
    return Corpus(
        documents=frame,
        changed=changed,
        kept_units=stored_units.filter(~pl.col("document_id").is_in(replaced)),
        removed=removed | (gone & before.keys()),
        failures=tuple(loaded.failures),
        warnings=tuple(loaded.warnings),
        fails_anew=noted.height < failed.height,
    )


def _gone(
    given: Input,
    stored: pl.DataFrame,
    current: Collection[str],
    *,
    not_files: frozenset[str],
) -> frozenset[str]:
    """Ids of stored documents to drop: deleted, pruned, or parts that their file has no more.

    A failure that was noted goes when its place was read and it did not come again. What a file
    or folder held that cannot be read this time stays.
    """
    by_source = dict(zip(stored["source"], stored["id"], strict=True))
    named = [_named(sources, by_source) for sources in given.delete]
    unknown = [sources[0] for sources, found in zip(given.delete, named, strict=True) if not found]
    if unknown:
        raise UsageError(
            f"not in the index: {', '.join(map(repr, unknown))}",
            hint="Name sources as `graphrag export` lists them in the table documents.",
        )
    gone = {by_source[name] for names in named for name in names}
    failed = {failure.source for failure in given.loaded.failures}
    sources = [*given.loaded.kept, *(one.source for one in given.loaded.documents)]
    from_files = [source for source in sources if source not in given.objects]
    read = set(map(_file, from_files)) - set(map(_file, failed))
    noted = set(stored.filter(pl.col("status") == "failed")["source"])
    for source, key in by_source.items():
        if key in current or source in not_files:
            continue
        if failed and not failed.isdisjoint(_heads(source)):
            continue
        places = given.paths if source in noted else given.under
        if documents.file_of_row(source) in read or any(_is_under(source, top) for top in places):
            gone.add(key)
    return frozenset(gone)


def _file(source: str) -> str:
    """The file of a row's source; any other source itself."""
    return documents.file_of_row(source) or source


def _heads(source: str) -> Iterator[str]:
    """The source, the file whose row it is, and the folders that this is in."""
    file = _file(source)
    yield from (source, file, ".")
    end = file.rfind("/")
    while end > 0:
        yield file[:end]
        end = file.rfind("/", 0, end)


def _named(sources: Sequence[str], by_source: Mapping[str, str]) -> list[str]:
    """The stored sources that one of `sources` names: itself, or the rows of that file."""
    return [name for name in by_source if name in sources or _file(name) in sources]


def _is_under(source: str, top: str) -> bool:
    if top == ".":
        return not _ADDRESS.match(source)
    return top in (source, _file(source)) or source.startswith(f"{top}/")


def _failed_rows(failures: Sequence[Failure]) -> pl.DataFrame:
    if not failures:
        return empty("documents")
    return pl.DataFrame(
        [
            {
                "id": documents.document_id(failure.source),
                "source": failure.source,
                "title": failure.source,
                "text": None,
                "content_hash": "",
                "language": "und",
                "metadata": "{}",
                "n_tokens": 0,
                "status": "failed",
                "error": failure.reason,
            }
            for failure in {item.source: item for item in failures}.values()
        ],
        schema=DOCUMENTS,
    )
