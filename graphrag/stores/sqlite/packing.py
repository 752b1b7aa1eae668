"""Keep long values small in a SQLite file: compress some, write lines that recur once.

A packed value is a BLOB, so that a column of any affinity and age may hold both forms. Text that
is seldom read, or much at a time, is compressed. Descriptions by rules are sentences of the
documents, each in many rows: a description of such lines is the numbers of its lines, as a JSON
list, and `lines_N` has them once.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping, Sequence

from graphrag.core.columns import COLUMNS

COMPRESSED: Mapping[str, tuple[str, ...]] = {
    "documents": ("text",),
    "text_units": ("text",),
    "evidence": ("entities", "relationships", "claims"),
    "reports": ("findings",),
}
DIVIDED: Mapping[str, str] = dict.fromkeys(("entities", "relationships", "mentions"), "description")

LINES = "CREATE TABLE IF NOT EXISTS lines_N (number INTEGER PRIMARY KEY, line TEXT NOT NULL)"

_SHORTEST = 64  # bytes; compression makes less of longer ones only
_SHORTEST_LINE = 16  # characters; the number of a line takes as much
_LEVEL = 6  # 10% smaller than the first one, at a third more time
_FIND = "SELECT line FROM lines_N WHERE number = ?"
_ADD = "INSERT INTO lines_N (number, line) VALUES (?, ?)"
_LINES_OF = (
    "CASE typeof({column}) WHEN 'blob' THEN (SELECT group_concat(line, char(10)) FROM"
    " (SELECT l.line FROM json_each(CAST({column} AS TEXT)) AS j"
    " CROSS JOIN lines_N AS l ON l.number = j.value ORDER BY j.key)) ELSE {column} END"
)
_USED = (
    "SELECT j.value FROM {table}_N AS t, json_each(CAST(t.{column} AS TEXT)) AS j"
    " WHERE typeof(t.{column}) = 'blob'"
)
DELETE_UNUSED = "DELETE FROM lines_N WHERE number NOT IN ({used})"


def expression(table: str, column: str) -> str:
    """The SQL of a column's value, in a session that has `unpacked`."""
    quoted = f'{table}_N."{column}"'
    if column in COMPRESSED.get(table, ()):
        return f'unpacked({quoted}) AS "{column}"'
    if column == DIVIDED.get(table):
        return _LINES_OF.replace("{column}", quoted) + f' AS "{column}"'
    return quoted


def listed_columns(table: str, columns: Sequence[str]) -> str:
    return ", ".join(expression(table, name) for name in columns)


def delete_unused() -> str:
    """The statement that drops the lines that no description has."""
    used = [
        _USED.replace("{table}", table).replace("{column}", column)
        for table, column in DIVIDED.items()
    ]
    return DELETE_UNUSED.replace("{used}", " UNION ".join(used))


def unpacked(value: str | bytes | None) -> str | None:
    return zlib.decompress(value).decode() if isinstance(value, bytes) else value


class Packer:
    """Rows of one namespace in the form that the file holds, while a transaction is open."""

    def __init__(self, connection: sqlite3.Connection, number: int) -> None:
        self._connection = connection
        self._find = _FIND.replace("_N", f"_{number}")
        self._add = _ADD.replace("_N", f"_{number}")
        self._numbers: dict[str, int] = {}

    def pack(self, table: str, rows: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
        """`rows` of all columns of `table`, and of what follows them."""
        names = list(COLUMNS[table])
        places = [names.index(name) for name in COMPRESSED.get(table, ())]
        divided = names.index(DIVIDED[table]) if table in DIVIDED else None
        packed: list[tuple[object, ...]] = []
        for row in rows:
            values = list(row)
            for place in places:
                values[place] = _compressed(row[place])
            if divided is not None:
                values[divided] = self._divide(row[divided])
            packed.append(tuple(values))
        return packed

    def _divide(self, value: object) -> object:
        if not isinstance(value, str) or len(value) < _SHORTEST_LINE:
            return value
        return f"[{','.join(str(self._number_of(line)) for line in value.split(chr(10)))}]".encode()

    def _number_of(self, line: str) -> int:
        """The number of a line, which is its hash, or the next that no other line has."""
        known = self._numbers.get(line)
        if known is not None:
            return known
        data = line.encode()
        number = zlib.crc32(data)
        while (found := self._connection.execute(self._find, (number,)).fetchone()) is not None:
            if found[0] == line:
                break
            number += 1
        else:
            self._connection.execute(self._add, (number, line))
        self._numbers[line] = number
        return number


def _compressed(value: object) -> object:
    if not isinstance(value, str) or len(value) < _SHORTEST:
        return value
    return zlib.compress(value.encode(), _LEVEL)
