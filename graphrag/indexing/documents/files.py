"""Load files, folders and rows as documents; list what cannot be read with its reason."""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias, cast
from urllib.parse import unquote, urlsplit

import polars as pl

from graphrag.core.errors import InputError, UsageError
from graphrag.core.logs import get_log
from graphrag.core.settings import FILE_NAME, InputSettings
from graphrag.core.tables import DOCUMENTS, stable_id
from graphrag.indexing.documents import readers
from graphrag.indexing.documents.result import Item
from graphrag.indexing.documents.sandbox import LimitError, Worker
from graphrag.text import detect_language, storable, tokens, without_invisible
from graphrag.text.blocks import first_heading

log = get_log(__name__, told=True)

Scalar: TypeAlias = str | int | float | bool | None

_NAMED = 10  # skipped files of one kind that a warning names
_OWN_NAMES = frozenset((FILE_NAME, "prompts"))  # directly under the root: not the corpus
_HASH_DIGITS = 12  # that name a row without an id
_NO_UTF8, _ESCAPED = re.compile("[\udc80-\udcff]"), re.compile("%([89A-F][0-9A-F])")
_ROW_SUFFIXES = tuple(
    suffix for suffix, kind in readers.KINDS.items() if kind in ("csv", "json", "jsonl")
)
_CARRIED_BYTES = 128_000_000  # of files that are sent elsewhere together
_MAX_INT = 2**63  # what the stores can hold


@dataclass(frozen=True, slots=True)
class Document:
    """A text to index. `source` identifies it: a path, a URI, or any name that stays the same.

    Without a `title` the first heading of the text is it, where there is one.
    `metadata` can be filtered on in queries: text, numbers, booleans or None by name; any other
    value is kept as JSON text.
    """

    source: str
    text: str
    title: str = ""
    metadata: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise UsageError("a document has no source", hint="Give each document its own source.")
        for name in ("source", "text", "title"):
            value = cast(str, getattr(self, name))
            clean = storable(value if name == "source" else without_invisible(value))
            if clean != value:
                object.__setattr__(self, name, clean)
        object.__setattr__(self, "metadata", _scalars(self.metadata))


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that was given and cannot be read, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What reading a file gave. `digest` is of its bytes, `documents` of what was made of them."""

    digest: str
    documents: str
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """`kept`: sources of documents that are unread, since the store has them as they are.

    `contents`: by source of the file, where another reading would give the same.
    """

    documents: list[Document] = field(default_factory=list[Document])
    failures: list[Failure] = field(default_factory=list[Failure])
    warnings: list[str] = field(default_factory=list[str])
    kept: list[str] = field(default_factory=list[str])
    contents: dict[str, Contents] = field(default_factory=dict[str, Contents])

    def add(self, other: Loaded) -> None:
        self.documents.extend(other.documents)
        self.failures.extend(other.failures)
        self.warnings.extend(other.warnings)
        self.kept.extend(other.kept)
        self.contents.update(other.contents)


@dataclass(frozen=True, slots=True)
class File:
    """A file to read. `data` is its content, where it was read before it was sent elsewhere."""

    path: Path
    source: str
    data: bytes | None = field(default=None, repr=False)


def load(paths: Sequence[Path], *, root: Path, settings: InputSettings) -> Loaded:
    """The documents of files and folders, in the order of `paths`, folders sorted by name.

    Raises UsageError for a path that is not there and for a folder without anything to read.
    """
    files, loaded = find_files(paths, root=root, settings=settings)
    loaded.add(parse(files, settings=settings))
    return loaded


def find_files(
    paths: Sequence[Path], *, root: Path, settings: InputSettings
) -> tuple[list[File], Loaded]:
    """The files to read, each once, and what was left out on the way. Raises as `load`."""
    missing = [str(path) for path in paths if not _exists(path)]
    if missing:
        raise UsageError(
            f"not found: {', '.join(map(repr, missing))}", hint="Check the spelling of the path."
        )
    loaded = Loaded()
    found: dict[Path, File] = {}
    for path in paths:
        files = [path]
        if path.is_dir():
            files = _files(path, root=root, settings=settings, loaded=loaded)
        for file in files:
            found.setdefault(_absolute(file), File(file, source_of(file, root=root)))
    log_failures(loaded)
    return list(found.values()), loaded


def with_data(files: Sequence[File], settings: InputSettings) -> Iterator[list[File]]:
    """`files` with their content, as many together as memory should hold.

    What cannot be read here is left as it is: whoever parses it says why.
    """
    part: list[File] = []
    size = 0
    for file in files:
        try:
            data = _bytes(file.path, settings.max_file_mb)
        except (OSError, InputError):
            data = None
        part.append(replace(file, data=data))
        size += len(data or b"")
        if size >= _CARRIED_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def parse(
    files: Sequence[File], *, settings: InputSettings, on_file: Callable[[File], None] | None = None
) -> Loaded:
    """The documents of `files`, in their order; `on_file` is told of each before it is read."""
    loaded = Loaded()
    with Worker(settings) as worker:
        for file in files:
            if on_file:
                on_file(file)
            loaded.add(_load_file(file, worker=worker, settings=settings))
    log_failures(loaded)
    return loaded


def digest_of_file(path: Path, max_mb: float) -> str:
    """The digest of a file's bytes. Raises OSError, and InputError where it is not to be read."""
    return _digest(_bytes(path, max_mb))


def digest_of_documents(hashes: Iterable[tuple[str, str]]) -> str:
    """The digest of documents by their ids and content hashes, in any order."""
    return stable_id(*(part for pair in sorted(hashes) for part in pair))


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def log_failures(loaded: Loaded) -> None:
    """Name the files that cannot be read in the log."""
    for source, count in Counter(one.source.partition("#")[0] for one in loaded.failures).items():
        # The reasons stand in `status`: they may quote the file.
        log.warning("cannot be read, in whole or in part: %r (%d)", source, count)


def documents_frame(documents: Sequence[Document]) -> pl.DataFrame:
    """One row of the documents table for each document, in their order."""
    rows = [
        {
            "id": document_id(document.source),
            "source": document.source,
            "title": document.title,
            "text": document.text,
            "content_hash": content_hash(document),
            "language": detect_language(document.text),
            "metadata": _metadata_json(document),
            "n_tokens": tokens.count(document.text),
            "status": "ok",
            "error": None,
        }
        for document in documents
    ]
    return pl.DataFrame(rows, schema=DOCUMENTS)


def document_id(source: str) -> str:
    return stable_id("document", source)


def file_of_row(source: str) -> str | None:
    """The file of which `source` names a row; None when it names no row."""
    end = source.find("#")
    while end >= 0:
        if source[:end].lower().endswith(_ROW_SUFFIXES):
            return source[:end]
        end = source.find("#", end + 1)
    return None


def content_hash(document: Document) -> str:
    """Changes when anything of the document changes that the index holds."""
    return stable_id(document.title, document.text, _metadata_json(document))


def source_of(path: Path, *, root: Path) -> str:
    """POSIX path relative to the root ("." for the root itself), or the URI outside it."""
    absolute, top = _absolute(path), _absolute(root)
    if not absolute.is_relative_to(top):
        # Through another name of the same folder, such as a linked /tmp.
        top = top.resolve()
        named = absolute.parent.resolve() / absolute.name
        if not named.is_relative_to(top):
            return _uri(absolute)
        absolute = named
    # Bytes that are no UTF-8, one sign each: two such files must not share a name.
    return _NO_UTF8.sub(
        lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", absolute.relative_to(top).as_posix()
    )


def path_of(source: str, *, root: Path) -> Path:
    """The file that `source_of` named so."""
    if source.startswith("file:"):
        from urllib.request import url2pathname  # loads an HTTP client

        return Path(url2pathname(unquote(urlsplit(source).path, errors="surrogateescape")))
    path = root / source
    if "%" not in source or _exists(path):
        return path
    return root / _ESCAPED.sub(lambda found: chr(0xDC00 + int(found[1], 16)), source)


def _uri(path: Path) -> str:
    try:
        return path.as_uri()
    except UnicodeEncodeError:  # no file can be called that
        return Path(storable(str(path))).as_uri()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a folder above that may not be read, or a NUL in the name
        return False


def _absolute(path: Path) -> Path:
    """Without "..", but with links as they are: a file's name is what it was called."""
    return Path(os.path.normpath(path.absolute()))


def _files(folder: Path, *, root: Path, settings: InputSettings, loaded: Loaded) -> list[Path]:
    """The files to read under `folder`; says in `loaded` what was left out."""
    unknown: dict[str, list[str]] = {}
    failures = len(loaded.failures)
    files = list(_walk(folder, folder.resolve(), root=root, settings=settings, loaded=loaded))
    wanted: list[Path] = []
    for file in files:
        if settings.include or file.suffix.lower() in readers.KINDS:
            wanted.append(file)
        else:
            unknown.setdefault(file.suffix.lower(), []).append(source_of(file, root=root))
    for suffix, names in sorted(unknown.items()):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        loaded.warnings.append(
            f"skipped, kind {suffix or 'without suffix'!r} not known: "
            f"{', '.join(names[:_NAMED])}{more}"
        )
    if not wanted and len(loaded.failures) == failures:
        known = ", ".join(sorted(readers.KINDS))
        raise UsageError(
            f"nothing to read in {str(folder)!r}" + (f"; {loaded.warnings[-1]}" if unknown else ""),
            hint=f"Kinds that can be read: {known}. A file named by itself is read as text.",
        )
    return wanted


def _walk(
    folder: Path, top: Path, *, root: Path, settings: InputSettings, loaded: Loaded
) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        loaded.failures.append(Failure(source_of(folder, root=root), reason))
        return
    for entry in entries:
        if _is_left_out(entry, root=root, settings=settings):
            continue
        if entry.is_symlink() and not _stays_inside(entry, top):
            reason = "is a link to nothing or out of the folder; name its target to read it"
            loaded.failures.append(Failure(source_of(entry, root=root), reason))
        elif entry.is_dir():
            if not entry.is_symlink():  # inside the folder: read under its own name
                yield from _walk(entry, top, root=root, settings=settings, loaded=loaded)
        elif not _is_included(entry, settings):
            continue
        elif entry.is_file():
            yield entry
        else:
            loaded.failures.append(Failure(source_of(entry, root=root), "is not a file"))


def _is_left_out(entry: Path, *, root: Path, settings: InputSettings) -> bool:
    if entry.name.startswith("."):
        return True
    if entry.name in _OWN_NAMES and _absolute(entry.parent) == _absolute(root):
        return True
    return any(fnmatchcase(entry.name, pattern) for pattern in settings.exclude)


def _is_included(entry: Path, settings: InputSettings) -> bool:
    return not settings.include or any(
        fnmatchcase(entry.name, pattern) for pattern in settings.include
    )


def _stays_inside(link: Path, top: Path) -> bool:
    try:
        return link.resolve(strict=True).is_relative_to(top)
    except (OSError, RuntimeError):  # broken, or a circle
        return False


def _load_file(file: File, *, worker: Worker, settings: InputSettings) -> Loaded:
    source, loaded = file.source, Loaded()
    kind = readers.KINDS.get(file.path.suffix.lower(), "text")
    digest = ""
    try:
        data = _bytes(file.path, settings.max_file_mb) if file.data is None else file.data
        digest = _digest(data)
        reading = worker.read(data, kind=kind, settings=_of_file(settings, file.path.name))
    except OSError as error:
        loaded.failures.append(Failure(storable(source), f"cannot be read: {error.strerror}"))
        return loaded
    except InputError as error:
        reason = f"{error}. {error.hint}" if error.hint else str(error)
        loaded.failures.append(Failure(storable(source), reason))
        if not digest or isinstance(error, LimitError):
            return loaded
    else:
        loaded.warnings.extend(f"{source}: {warning}" for warning in reading.warnings)
        for where, problem in reading.problems:
            loaded.failures.append(Failure(storable(f"{source}#{where}".rstrip("#")), problem))
        _add_documents(reading.items, source, fallback=file.path.stem, loaded=loaded)
    hashes = ((document_id(one.source), content_hash(one)) for one in loaded.documents)
    loaded.contents[source] = Contents(
        digest, digest_of_documents(hashes), tuple(loaded.failures), tuple(loaded.warnings)
    )
    return loaded


def _of_file(settings: InputSettings, name: str) -> InputSettings:
    """`settings` with what they say of files of this name."""
    found: dict[str, str] = {}
    for field_name, default in (("text_column", "text"), ("encoding", "")):
        value = cast("str | dict[str, str]", getattr(settings, field_name))
        if isinstance(value, dict):
            matching = (said for pattern, said in value.items() if fnmatchcase(name, pattern))
            found[field_name] = next(matching, default)
    return settings.model_copy(update=found) if found else settings


def _bytes(path: Path, max_mb: float) -> bytes:
    """The content of a file, of which no more is read than the limit allows."""
    if not path.is_file():  # a pipe would never end
        raise InputError("is not a file")
    limit = int(max_mb * 1_000_000)
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        size = max(path.stat().st_size, len(data)) / 1_000_000
        raise InputError(
            f"has {size:.1f} MB, more than input.max_file_mb allows",
            hint="Raise input.max_file_mb or divide the file.",
        )
    return data


def _add_documents(items: Sequence[Item], source: str, *, fallback: str, loaded: Loaded) -> None:
    first_use: dict[str, str] = {}  # of each id
    copies: dict[str, int] = {}
    for item in items:
        document = Document(
            source=source,
            text=item.text,
            title=item.title.strip() or first_heading(item.text) or fallback,
            metadata=cast(Mapping[str, Scalar], item.metadata),
        )
        if item.id:
            if item.id in first_use:
                reason = f"repeats the id {item.id!r} of {first_use[item.id]} and was left out"
                loaded.failures.append(Failure(storable(f"{source}#{item.where}"), reason))
                continue
            first_use[item.id] = item.where
            document = replace(document, source=f"{source}#{item.id}")
        elif item.where:
            name = content_hash(document)[:_HASH_DIGITS]
            copies[name] = copy = copies.get(name, 0) + 1
            mark = f"-{copy}" if copy > 1 else ""  # equal rows are both kept
            document = replace(document, source=f"{source}#{name}{mark}")
        loaded.documents.append(document)


def _metadata_json(document: Document) -> str:
    return json.dumps(dict(document.metadata), ensure_ascii=False, sort_keys=True)


def _scalars(metadata: Mapping[str, object]) -> dict[str, Scalar]:
    return {storable(str(name)): _scalar(value) for name, value in metadata.items()}


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return storable(without_invisible(value))
    if isinstance(value, int):
        return value if abs(value) < _MAX_INT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, date):
        return value.isoformat()
    try:
        return storable(json.dumps(value, ensure_ascii=False, sort_keys=True, default=str))
    except (TypeError, ValueError, RecursionError):  # keys that do not sort, or a circle
        return storable(str(value))
