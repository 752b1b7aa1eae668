"""One file's bytes in, its title, text and metadata out, or those of each of its rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

from graphrag.errors import InputError
from graphrag.settings import InputSettings

Kind: TypeAlias = Literal["text", "markdown", "html", "csv", "json", "jsonl"]

KINDS: dict[str, Kind] = {
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_SAMPLE = 1 << 16  # bytes that tell the encoding
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\x80-\x84\x86-\x9f]")
_MAX_CONTROLS = 0.02  # of all characters; more is not text
# What Western European text in Windows-1252 has beyond ASCII, as far as no other encoding of
# that family puts a frequent letter of another language in its place.
_WESTERN = frozenset("àâäåáæçèéêëîïíñôöóœùûüúßøÀÂÄÅÁÆÇÈÉÊÎÍÑÔÖÓØÜÚ£©®°§«»¿¡‘’“”–—…•€·½")
_MAX_WESTERN = 0.25  # of all characters
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)

_FRONT_MATTER = re.compile(
    r"\ufeff?---[ \t]*\n(.{0,65536}?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S | re.M
)
_ANCHOR = re.compile(r"(?:^|[-:,?\[{])[ \t]*&\w", re.MULTILINE)
_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"')
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,14})")
_DECIMAL = re.compile(r"-?\d{1,15}\.\d{1,15}")


@dataclass(frozen=True, slots=True)
class Item:
    """One document of a file. `where` is its place among the rows, "" for the whole file."""

    text: str
    title: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    id: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """`problems`: rows that could not be read, as place and reason."""

    items: list[Item] = field(default_factory=list[Item])
    problems: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    warnings: list[str] = field(default_factory=list[str])


def read(data: bytes, *, kind: Kind, settings: InputSettings) -> Reading:
    """What a file with the content `data` holds. Raises InputError with the reason."""
    declared = _META_CHARSET.search(data[:2048]) if kind == "html" else None
    text = decode(data, declared=declared.group(1).decode() if declared else "")
    if not text.strip():
        raise InputError("is empty")
    match kind:
        case "text":
            return Reading([Item(text)])
        case "markdown":
            return _read_markdown(text)
        case "html":
            from graphrag.indexing.markup import read_html

            title, body = read_html(text)
            if not body:
                raise InputError("has no text besides its markup")
            return Reading([Item(body, title)])
        case "csv":
            return _read_rows(_csv_rows(text, settings), settings)
        case "json":
            return _read_rows(_json_rows(text, settings), settings)
        case "jsonl":
            return _read_rows(_jsonl_rows(text), settings)


def decode(data: bytes, *, declared: str = "") -> str:
    """`data` as text with "\\n" line ends: UTF-8, what a mark or declaration says, or detected.

    Raises InputError when it is no text.
    """
    text = _decode(data, declared).replace("\r\n", "\n").replace("\r", "\n")
    sample = text[:_SAMPLE]
    if len(_CONTROLS.findall(sample)) > _MAX_CONTROLS * len(sample):
        raise InputError("is binary, not text")
    return text


def _decode(data: bytes, declared: str) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _decode_as(data, encoding)
    if data.startswith(b"%PDF-"):
        raise InputError("is a PDF file under another name")
    if b"\0" in data:
        return _decode_as(data, _guess_utf16(data[:_SAMPLE]))
    try:
        return data.decode()
    except UnicodeDecodeError:
        text = data.decode(errors="replace")
    damaged = text.count("\ufffd")
    if len(data) - len(text) >= 10 * damaged:
        return text  # UTF-8 all the same: what is valid outweighs a few damaged characters
    if declared:
        try:
            return data.decode(declared)
        except (LookupError, UnicodeError):
            pass  # declared wrongly
    return _detect(data)


def _decode_as(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"begins as {encoding} and is not valid at byte {error.start}") from error


def _guess_utf16(sample: bytes) -> str:
    """The byte order of UTF-16 without a mark: in most text every other byte is zero."""
    half = len(sample) // 2
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > 0.3 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.3 * half and odd < 0.05 * half:
        return "utf-16-be"
    raise InputError("is binary, not text: it holds NUL bytes")


def _detect(data: bytes) -> str:
    # Short Western text is too little for statistics, and it is the most frequent case.
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = ""
    beyond = [character for character in text if not character.isascii()]
    letters = sum(map(str.isalpha, beyond))
    if text and letters <= _MAX_WESTERN * len(text) and _WESTERN.issuperset(beyond):
        return text
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    if best is None:
        raise InputError("is not text in any known encoding", hint="Save it as UTF-8.")
    return str(best)


def _read_markdown(text: str) -> Reading:
    match = _FRONT_MATTER.match(text)
    if match is None:
        return Reading([Item(text)])
    body = text[match.end() :]
    try:
        fields = _front_matter(match.group(1))
    except ValueError as error:
        note = f"its front matter was read as text: {' '.join(str(error).split())}"
        return Reading([Item(text)], warnings=[note])
    if not fields:
        return Reading([Item(text)])  # a rule, some text, another rule
    if not body.strip():
        raise InputError("has no text besides its front matter")
    title = fields.pop("title", None)
    return Reading([Item(body, _label(title), fields)])


def _front_matter(source: str) -> dict[str, object]:
    """Raises ValueError when it is no YAML mapping that can be read safely."""
    if _ANCHOR.search(source):
        raise ValueError("it has anchors (&name), which can expand without bound")
    import yaml

    try:
        value = cast(object, yaml.safe_load(source))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(value, dict):
        return {}
    return {str(key): item for key, item in cast(dict[object, object], value).items()}


@dataclass(frozen=True, slots=True)
class _Row:
    where: str
    value: object = None
    problem: str = ""


def _read_rows(rows: Sequence[_Row] | Iterator[_Row], settings: InputSettings) -> Reading:
    reading = Reading()
    lacking: set[str] = set()  # the keys of rows without the text column
    for row in rows:
        value = row.value
        if row.problem:
            reading.problems.append((row.where, row.problem))
        elif not isinstance(value, dict):
            reading.problems.append((row.where, f"holds {_kind(value)}, not an object"))
        else:
            fields = dict(cast(dict[str, object], value))
            if settings.text_column not in fields:
                lacking.update(fields)
            _read_row(row.where, fields, settings=settings, reading=reading)
    if lacking and not reading.items:
        raise _no_text_column(sorted(lacking), settings)
    if not reading.items and not reading.problems:
        raise InputError("has no rows")
    return reading


def _read_row(
    where: str, fields: dict[str, object], *, settings: InputSettings, reading: Reading
) -> None:
    found = ", ".join(map(repr, fields)) or "nothing"
    if settings.text_column not in fields:
        problem = f"has no {settings.text_column!r} (found: {found})"
        reading.problems.append((where, problem))
        return
    text = _label(fields.pop(settings.text_column))
    if not text.strip():
        reading.problems.append((where, f"has no text in {settings.text_column!r}"))
        return
    title = _label(fields.pop(settings.title_column, None))
    name = _label(fields.pop(settings.id_column, None))
    reading.items.append(Item(text, title, fields, id=name, where=where))


def _label(value: object) -> str:
    """A text, or a number as text."""
    if isinstance(value, str):
        return value.strip() and value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else ""


def _kind(value: object) -> str:
    """The JSON name of what `value` is."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a boolean"
    return "text" if isinstance(value, str) else "a list" if isinstance(value, list) else "a number"


def _no_text_column(found: Sequence[str], settings: InputSettings) -> InputError:
    return InputError(
        f"has no column {settings.text_column!r} (found: {', '.join(map(repr, found))})",
        hint="Name the column that holds the text in input.text_column.",
    )


def _json_rows(text: str, settings: InputSettings) -> Iterator[_Row]:
    try:
        value = cast(object, json.loads(text))
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not valid JSON: {error}") from error
    if isinstance(value, dict):
        fields = cast(dict[str, object], value)
        inner = fields.get("documents")
        if settings.text_column in fields or not isinstance(inner, list):
            yield _Row("", fields)
            return
        value = cast(object, inner)
    if not isinstance(value, list):
        raise InputError(
            f"holds {_kind(value)}, not documents",
            hint='Write a list of objects, or {"documents": [...]}.',
        )
    for number, item in enumerate(cast(list[object], value), start=1):
        yield _Row(f"item {number}", item)


def _jsonl_rows(text: str) -> Iterator[_Row]:
    # Not splitlines: JSON text may hold other line separators as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield _Row(f"line {number}", cast(object, json.loads(line)))
        except (ValueError, RecursionError) as error:
            yield _Row(f"line {number}", problem=f"is not valid JSON: {error}")


def _csv_rows(text: str, settings: InputSettings) -> Iterator[_Row]:
    records = list(_csv_records(text))
    header = [name.strip() for name in records[0][1]]
    if settings.text_column not in header:
        raise _no_text_column(header, settings)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(f"has columns of one name: {', '.join(map(repr, twice))}")
    rows: list[_Row] = []
    good: list[list[str]] = []
    for line, values, problem in records[1:]:
        while len(values) > len(header) and not values[-1].strip():
            values.pop()
        if problem or len(values) > len(header):
            counted = f"has {len(values)} fields where the header has {len(header)}"
            rows.append(_Row(f"line {line}", problem=problem or counted))
        elif any(value.strip() for value in values):
            values.extend([""] * (len(header) - len(values)))
            good.append(values)
            rows.append(_Row(f"line {line}"))
    kept = {settings.text_column, settings.title_column, settings.id_column}
    columns = {
        name: values if name in kept else _typed(values)
        for name, values in zip(header, map(list, zip(*good, strict=True)), strict=False)
    }
    position = 0
    for row in rows:
        if row.problem:
            yield row
            continue
        yield _Row(row.where, {name: values[position] for name, values in columns.items()})
        position += 1


def _csv_records(text: str) -> Iterator[tuple[int, list[str], str]]:
    """Line, fields and problem of each record (RFC 4180; the delimiter as the header shows)."""
    first = _QUOTED.sub("", text.lstrip()).partition("\n")[0]
    mark = max(_DELIMITERS, key=lambda sign: (first.count(sign), -_DELIMITERS.index(sign)))
    pattern = re.compile(
        rf'[ ]*"([^"]*(?:""[^"]*)*)("|\Z)([^{re.escape(mark)}\n]*)|([^{re.escape(mark)}\n]*)'
    )
    at = len(text) - len(text.lstrip())
    line = 1 + text.count("\n", 0, at)
    while at < len(text):
        begun, values, problem = line, list[str](), ""
        ended = False
        while not ended:
            match = pattern.match(text, at)
            if match is None:  # the pattern matches anywhere, if only nothing
                break
            quoted, closed, rest, plain = match.groups()
            values.append(plain if quoted is None else quoted.replace('""', '"') + rest)
            if quoted is not None and not closed:
                problem = "opens a quote that is never closed"
            line += match.group().count("\n")
            at = match.end()
            ended = at >= len(text) or text[at] == "\n"
            line += ended
            at += 1
        yield begun, values, problem


def _typed(values: Sequence[str]) -> list[object]:
    """A column of numbers as numbers, empty fields as None, any other as it is."""
    filled = [value.strip() for value in values if value.strip()]
    if filled and all(map(_INTEGER.fullmatch, filled)):
        return [int(value) if value.strip() else None for value in values]
    if filled and all(_INTEGER.fullmatch(value) or _DECIMAL.fullmatch(value) for value in filled):
        return [float(value) if value.strip() else None for value in values]
    return [value if value.strip() else None for value in values]
