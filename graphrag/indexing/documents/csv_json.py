"""Read the rows of a csv, json or jsonl file, each as a document."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents.result import Item, Reading

_DELIMITERS = ",;\t|"
_TITLES = ("title", "name", "subject", "heading", "headline", "label")
_MAX_TITLE = 200  # characters
_SEPARATOR = re.compile(r"\s*sep=([^\n])[ ]*\n", re.IGNORECASE)  # as spreadsheets write it
_NAMES = 20  # columns that a reason lists
_CELLS = 1_000_000  # of a table beside those that are written out
_UNCLOSED, _AFTER_QUOTE = "opens a quote that is never closed", "has text after a quote"
_SAMPLE = 1 << 16  # characters that tell the delimiter
_MAX_ABOVE = 50  # lines above a header
_NOT_SPACE = re.compile(r"\S")
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"')
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,14})")
_DECIMAL = re.compile(r"-?\d{1,15}\.\d{1,15}")


def read_csv(text: str, settings: InputSettings) -> Reading:
    noted: list[str] = []
    reading = _read_rows(_csv_rows(text, settings, noted), settings)
    reading.warnings.extend(noted)
    return reading


def read_json(text: str, settings: InputSettings) -> Reading:
    dropped: list[str] = []
    reading = _read_rows(_json_rows(text, settings, dropped), settings)
    reading.warnings.extend(dropped)
    return reading


def read_jsonl(text: str, settings: InputSettings) -> Reading:
    first = text.lstrip().partition("\n")[0]
    if not _is_json(first):
        values = _json_values(text)
        if len(values) == 1:
            return read_json(text, settings)
        if values:  # each over several lines
            rows = [_Row(f"item {number}", value) for number, value in enumerate(values, start=1)]
            return _read_rows(rows, settings)
    return _read_rows(_jsonl_rows(text), settings)


def label(value: object) -> str:
    """A text, or a number as text."""
    if isinstance(value, str):
        return value.strip() and value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else ""


@dataclass(frozen=True, slots=True)
class _Row:
    where: str
    value: object = None
    problem: str = ""


def _read_rows(rows: Sequence[_Row] | Iterator[_Row], settings: InputSettings) -> Reading:
    reading = Reading()
    good: list[tuple[str, dict[str, object]]] = []
    for row in rows:
        value = row.value
        if row.problem:
            reading.problems.append((row.where, row.problem))
        elif isinstance(value, dict):
            good.append((row.where, cast(dict[str, object], value)))
        else:
            reading.problems.append((row.where, f"holds {_kind(value)}, not an object"))
    has_text = any(settings.text_column in fields for _, fields in good)
    for where, fields in good:
        if has_text:
            _read_text_row(where, fields, settings=settings, reading=reading)
        else:
            _read_plain_row(where, fields, settings=settings, reading=reading)
    if not reading.items and not reading.problems:
        raise InputError("has no rows")
    return reading


def _read_text_row(
    where: str, fields: dict[str, object], *, settings: InputSettings, reading: Reading
) -> None:
    column = str(settings.text_column)
    if column not in fields:
        problem = f"has no {column!r} (found: {_named(list(fields))})"
        reading.problems.append((where, problem))
        return
    text = label(fields[column])
    if not text.strip():
        reading.problems.append((where, f"has no text in {column!r}"))
        return
    others = {name: value for name, value in fields.items() if name != column}
    title, name = label(fields.get(settings.title_column)), label(fields.get(settings.id_column))
    reading.items.append(Item(text, title, others, id=name, where=where))


def _read_plain_row(
    where: str, fields: dict[str, object], *, settings: InputSettings, reading: Reading
) -> None:
    """A row without a column of text: all its columns are the text, and metadata too."""
    lines = [
        f"{name or 'column'}: {' '.join(_written(value).split())}"
        for name, value in fields.items()
        if value not in (None, "", [], {})
    ]
    if not lines:
        reading.problems.append((where, "has no values"))
        return
    titled = next((name for name in fields if name.strip().casefold() in _TITLES), "")
    first = next((value for value in fields.values() if isinstance(value, str) and value), "")
    title = label(fields.get(settings.title_column)) or label(fields.get(titled)) or first
    name = label(fields.get(settings.id_column))
    reading.items.append(
        Item("\n".join(lines), " ".join(title.split())[:_MAX_TITLE], fields, id=name, where=where)
    )


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _kind(value: object) -> str:
    """The JSON name of what `value` is."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a boolean"
    return "text" if isinstance(value, str) else "a list" if isinstance(value, list) else "a number"


def _named(found: Sequence[str]) -> str:
    more = f" and {len(found) - _NAMES} more" if len(found) > _NAMES else ""
    return (", ".join(map(repr, found[:_NAMES])) or "nothing") + more


def _json_rows(text: str, settings: InputSettings, dropped: list[str]) -> Iterator[_Row]:
    try:
        value = cast(object, json.loads(text))
    except (ValueError, RecursionError) as error:
        if _is_json(text.lstrip().partition("\n")[0]):  # JSON Lines under another name
            yield from _jsonl_rows(text)
            return
        raise InputError(f"is not valid JSON: {error}") from error
    around: dict[str, object] = {}
    while isinstance(value, dict):
        fields = cast(dict[str, object], value)
        key = "" if settings.text_column in fields else _rows_key(fields)
        if not key:
            yield _Row("", around | fields)
            return
        others = [name for name, one in fields.items() if name != key and _is_nested(one)]
        if others:
            dropped.append(
                f"only the rows under {key!r} were read, not {_named(others)} beside them"
            )
        around |= {name: one for name, one in fields.items() if not isinstance(one, dict | list)}
        value = fields[key]
    if not isinstance(value, list):
        raise InputError(
            f"holds {_kind(value)}, not documents",
            hint='Write a list of objects, or {"documents": [...]}.',
        )
    for number, item in enumerate(_flat(cast(list[object], value)), start=1):
        fields = around | cast(dict[str, object], item) if isinstance(item, dict) else item
        yield _Row(f"item {number}", fields)


def _is_nested(value: object) -> bool:
    return isinstance(value, dict | list) and bool(cast(object, value))


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _json_values(text: str) -> list[object]:
    """The values that `text` is written of, one after the other; none where it is anything else."""
    decoder, values, at = json.JSONDecoder(), list[object](), 0
    try:
        while match := _NOT_SPACE.search(text, at):
            value, at = cast("tuple[object, int]", decoder.raw_decode(text, match.start()))
            values.append(value)
    except (ValueError, RecursionError):
        return []
    return values


def _rows_key(fields: dict[str, object]) -> str:
    """The key under which an object has its rows: the largest part, if it leads to objects."""
    if isinstance(fields.get("documents"), list):
        return "documents"
    parts = [(len(json.dumps(one, default=str)), name) for name, one in fields.items()]
    size, name = max(parts, default=(0, ""))
    return name if 2 * size > sum(one for one, _ in parts) and _holds_rows(fields[name]) else ""


def _holds_rows(value: object) -> bool:
    if isinstance(value, list):
        items = cast(list[object], value)
        if len(items) == 1:
            return isinstance(items[0], dict)
        return len(items) > 1 and all(isinstance(item, dict | list) for item in items)
    inner = list(cast(dict[str, object], value).values()) if isinstance(value, dict) else []
    return any(isinstance(one, list) and _holds_rows(cast(object, one)) for one in inner)


def _flat(items: list[object]) -> Iterator[object]:
    """The items of lists in lists, one after the other."""
    waiting = items[::-1]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list) and all(
            isinstance(one, dict | list) for one in cast(list[object], item)
        ):
            waiting.extend(reversed(cast(list[object], item)))
        else:
            yield item


def _jsonl_rows(text: str) -> Iterator[_Row]:
    # Not splitlines: JSON text may hold other line separators as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield _Row(f"line {number}", cast(object, json.loads(line)))
        except (ValueError, RecursionError) as error:
            yield _Row(f"line {number}", problem=f"is not valid JSON: {error}")


def _csv_rows(text: str, settings: InputSettings, noted: list[str]) -> Iterator[_Row]:
    start, mark = _csv_start(text)
    above = " ".join(text[:start].split())
    if above and not _SEPARATOR.fullmatch(text[:start]):
        noted.append(f"what stands above its header was left out: {above[:_MAX_TITLE]!r}")
    records = list(_csv_records(text, start, mark))
    header = _distinct(records[0][1])
    if len(header) * len(records) > _CELLS + len(text):
        # Each cell that is there takes a character at least, if only the mark before it.
        raise InputError(
            f"has {len(header)} columns and {len(records) - 1} rows that lack most of them",
            hint="Look at its first line: it may have been damaged.",
        )
    rows: list[_Row] = []
    good: list[list[str]] = []
    n_wide = 0  # rows
    for line, values, problem in records[1:]:
        while len(values) > len(header) and not values[-1].strip():
            values.pop()
        if problem or len(values) > len(header):
            n_wide += not problem
            counted = f"has {len(values)} fields where the header has {len(header)}"
            rows.append(_Row(f"line {line}", problem=problem or counted))
        elif any(value.strip() for value in values):
            values.extend([""] * (len(header) - len(values)))
            good.append(values)
            rows.append(_Row(f"line {line}"))
    if n_wide > max(_NAMES, len(rows) // 2):
        counted = f"has {n_wide} rows with more fields than the {len(header)} of its header"
        yield _Row("", problem=f"{counted} in line {records[0][0]}")
        rows = [row for row in rows if not row.problem]
    kept = {str(settings.text_column), settings.title_column, settings.id_column}
    columns = {
        name: values if name in kept else _typed(values)
        for name, stated, values in zip(
            header, records[0][1], map(list, zip(*good, strict=True)), strict=False
        )
        if stated.strip() or any(map(str.strip, values))
    }
    position = 0
    for row in rows:
        if row.problem:
            yield row
            continue
        yield _Row(row.where, {name: values[position] for name, values in columns.items()})
        position += 1


def _distinct(header: Sequence[str]) -> list[str]:
    """Names of columns; of those that are the same, all after the first are numbered."""
    stated = [name.strip() or "column" for name in header]
    used, seen = set(stated), Counter[str]()
    names: list[str] = []
    for name in stated:
        seen[name] += 1
        distinct = name
        while seen[name] > 1 and distinct in used:
            distinct = f"{name} {seen[name]}"
            seen[name] += distinct in used
        used.add(distinct)
        names.append(distinct)
    return names


def _csv_start(text: str) -> tuple[int, str]:
    """Where the header begins and the delimiter: as it is stated, or as the header shows.

    A title and comments may stand above a header that is as wide as most lines.
    """
    stated = _SEPARATOR.match(text)
    if stated:
        return stated.end(), stated[1]
    begin = at = len(text) - len(text.lstrip())
    sample = text[at : at + _SAMPLE]
    lines = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), sample).split("\n")
    shown = [_most(line) for line in lines if line.strip()]
    n_usual, mark = statistics.mode(shown) if shown else (0, ",")
    if n_usual and 2 * shown.count((n_usual, mark)) > len(shown):
        for line, following in pairwise(lines[:_MAX_ABOVE]):
            filled = [field for field in line.split(mark) if field.strip()]
            if len(filled) > 1 and line.count(mark) == n_usual:
                return at, mark
            is_title = (" " in line.strip() and mark not in line) or not following.strip(f"{mark} ")
            if not (line.startswith("#") or not filled or (len(filled) == 1 and is_title)):
                break
            at += len(line) + 1
    return begin, shown[0][1] if shown else mark


def _most(line: str) -> tuple[int, str]:
    """The delimiter that a line has most often, and how often."""
    count, order = max((line.count(sign), -order) for order, sign in enumerate(_DELIMITERS))
    return count, _DELIMITERS[-order]


def _csv_records(text: str, at: int, mark: str) -> Iterator[tuple[int, list[str], str]]:
    """Line, fields and problem of each record (RFC 4180).

    A quote that runs on over what are rows of their own is stray: it costs its own row alone.
    """
    pattern = re.compile(
        rf'[ ]*"([^"]*(?:""[^"]*)*)("|\Z)([^{re.escape(mark)}\n]*)|([^{re.escape(mark)}\n]*)'
    )
    line = 1 + text.count("\n", 0, at)
    width = 0
    while at < len(text):
        values, end, problem = _csv_record(text, at, pattern)
        line_end = text.find("\n", at)
        runs_on = -1 < line_end < end - 1
        width = width or len(values)
        if runs_on and (problem or len(values) != width):
            following, _, flaw = _csv_record(text, line_end + 1, pattern)
            if not flaw and len(following) == width:
                end, problem = line_end + 1, _UNCLOSED
        problem = "" if problem == _AFTER_QUOTE else problem
        yield line, values, problem
        line += text.count("\n", at, end)
        at = end


def _csv_record(text: str, at: int, pattern: re.Pattern[str]) -> tuple[list[str], int, str]:
    """The fields of the record that begins at `at`, where it ends, and what is wrong with it."""
    values, problem = list[str](), ""
    while (match := pattern.match(text, at)) is not None:
        quoted, closed, rest, plain = match.groups()
        values.append(plain if quoted is None else quoted.replace('""', '"') + rest)
        if quoted is not None and not closed:
            problem = _UNCLOSED
        elif quoted is not None and rest.strip():
            problem = problem or _AFTER_QUOTE
        at = match.end() + 1
        if at > len(text) or text[at - 1] == "\n":
            break
    return values, min(at, len(text)), problem


def _typed(values: Sequence[str]) -> list[object]:
    """A column of numbers as numbers, empty fields as None, any other as it is."""
    filled = [value.strip() for value in values if value.strip()]
    if filled and all(map(_INTEGER.fullmatch, filled)):
        return [int(value) if value.strip() else None for value in values]
    if filled and all(_INTEGER.fullmatch(value) or _DECIMAL.fullmatch(value) for value in filled):
        return [float(value) if value.strip() else None for value in values]
    return [value if value.strip() else None for value in values]
