"""Turn the plain values of a store into named tuples of the columns that a query asks for.

Queries read few rows, and polars takes longer to import than they take.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, cast

from graphrag.core.columns import COLUMNS

Record = TypeVar("Record", bound=tuple[object, ...])
"""A NamedTuple whose fields are columns of one table. A list comes as list, a finding as dict."""

_LISTS = ("texts", "integers", "findings")


def fields_of(table: str, record: type[Record]) -> tuple[str, ...]:
    """The columns that `record` asks for. Raises ValueError on a name that is no column."""
    names = tuple(record.__annotations__)
    unknown = [name for name in names if name not in COLUMNS[table]]
    if unknown:
        raise ValueError(f"{table} has no columns {unknown}; it has {', '.join(COLUMNS[table])}")
    return names


def from_values(table: str, record: type[Record], rows: Iterable[Sequence[object]]) -> list[Record]:
    """Rows as a database gives them, lists as JSON text, in the order of the fields."""
    kinds = [COLUMNS[table][name] for name in fields_of(table, record)]
    lists = [place for place, kind in enumerate(kinds) if kind in _LISTS]
    truths = [place for place, kind in enumerate(kinds) if kind == "boolean"]
    made: list[Sequence[object]] = []
    for row in rows:
        values = list(row)
        for place in lists:
            values[place] = json.loads(str(row[place])) if row[place] is not None else None
        for place in truths:
            values[place] = bool(row[place]) if row[place] is not None else None
        made.append(values)
    return named(record, made)


def named(record: type[Record], rows: Iterable[Sequence[object]]) -> list[Record]:
    """Rows of Python values, lists as lists, in the order of the fields."""
    make = cast("Callable[..., Record]", record)
    return [make(*row) for row in rows]
