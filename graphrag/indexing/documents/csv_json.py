"""The text of a csv, json or jsonl file in, a document of each of its rows out."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents.result import Item, Reading

_DELIMITERS = ",;\t|"
_NAMES = 20  # columns that a reason lists
_CELLS = 1_000_000  # of a table beside those that are written out
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"')
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,14})")
_DECIMAL = re.compile(r"-?\d{1,15}\.\d{1,15}")


def read_csv(text: str, settings: InputSettings) -> Reading:
    return _read_rows(_csv_rows(text, settings), settings)


def read_json(text: str, settings: InputSettings) -> Reading:
    return _read_rows(_json_rows(text, settings), settings)


def read_jsonl(text: str, settings: InputSettings) -> Reading:
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
    if settings.text_column not in fields:
        problem = f"has no {settings.text_column!r} (found: {_named(list(fields))})"
        reading.problems.append((where, problem))
        return
    text = label(fields.pop(settings.text_column))
    if not text.strip():
        reading.problems.append((where, f"has no text in {settings.text_column!r}"))
        return
    title = label(fields.pop(settings.title_column, None))
    name = label(fields.pop(settings.id_column, None))
    reading.items.append(Item(text, title, fields, id=name, where=where))


def _kind(value: object) -> str:
    """The JSON name of what `value` is."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a boolean"
    return "text" if isinstance(value, str) else "a list" if isinstance(value, list) else "a number"


def _no_text_column(found: Sequence[str], settings: InputSettings) -> InputError:
    return InputError(
        f"has no column {settings.text_column!r} (found: {_named(found)})",
        hint="Name the column that holds the text in input.text_column.",
    )


def _named(found: Sequence[str]) -> str:
    more = f" and {len(found) - _NAMES} more" if len(found) > _NAMES else ""
    return (", ".join(map(repr, found[:_NAMES])) or "nothing") + more


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
    twice = sorted(name for name, count in Counter(header).items() if count > 1)
    if twice:
        raise InputError(f"has columns of one name: {_named(twice)}")
    if len(header) * len(records) > _CELLS + len(text):
        # Each cell that is there takes a character at least, if only the mark before it.
        raise InputError(
            f"has {len(header)} columns and {len(records) - 1} rows that lack most of them",
            hint="Look at its first line: it may have been damaged.",
        )
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
