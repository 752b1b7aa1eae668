"""Close the gaps of a sheet whose few cells lie far apart, before it is read as a whole."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

_CELL = re.compile(rb"<(?:\w+:)?c(?=[\s>/])[^>]*>")
_ROW = re.compile(rb"(<(?:\w+:)?row\s(?:[^>]*\s)?r=[\"'])(\d{1,7})")
_PLACE = re.compile(rb"(\sr=[\"'])([A-Z]{1,3})(\d{1,7})")
_MERGED = re.compile(
    rb"<(?:\w+:)?mergeCell\s[^>]*?ref=\"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})\"[^>]*>"
)
_DIMENSION = re.compile(rb"<(?:\w+:)?dimension\s[^>]*>")
_DENSE = 50  # places for each cell; a sheet with more, and more than these, is closed up
_FEW = 10_000
_LONGEST_PREFIX = 20  # bytes, of a namespace
_WIDTHS = (
    (re.compile(rb"\sr=[\"'][A-Z]{3}\d"), 16_384),
    (re.compile(rb"\sr=[\"'][A-Z]{2}\d"), 702),
)


def closed_up(sheet: bytes) -> bytes:
    """The XML of `sheet` with one empty row or column for each run of them, where it is sparse."""
    n_cells = sheet.count(b"<c ") + sheet.count(b":c ")
    if not n_cells or not _is_sparse(_most_rows(sheet) * _most_columns(sheet), n_cells):
        return sheet
    tags = _CELL.findall(sheet)
    places = [found for found in map(_PLACE.search, tags) if found]
    if not places or len(places) < len(tags):
        return sheet
    rows = sorted({int(found[3]) for found in places})
    columns = sorted({_number(found[2]) for found in places})
    area = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    if not _is_sparse(area, len(places)):
        return sheet
    row_of, column_of = _without_gaps(rows), _without_gaps(columns)

    def place(found: re.Match[bytes]) -> bytes:
        row, column = row_of[int(found[3])], column_of[_number(found[2])]
        return found[1] + _letters(column) + str(row).encode()

    def row(found: re.Match[bytes]) -> bytes:
        return found[1] + str(row_of.get(int(found[2]), 1)).encode()

    def merged(found: re.Match[bytes]) -> bytes:
        begin = column_of.get(_number(found[1])), row_of.get(int(found[2]))
        if None in begin:
            return b""
        first = _letters(begin[0] or 1) + str(begin[1]).encode()
        last_column = column_of[columns[bisect_right(columns, _number(found[3])) - 1]]
        last_row = row_of[rows[bisect_right(rows, int(found[4])) - 1]]
        last = _letters(last_column) + str(last_row).encode()
        return b'<mergeCell ref="%b:%b"/>' % (first, last) if first != last else b""

    sheet = _DIMENSION.sub(b"", sheet)
    sheet = _CELL.sub(lambda tag: _PLACE.sub(place, tag[0], count=1), sheet)
    return _MERGED.sub(merged, _ROW.sub(row, sheet))


def _is_sparse(area: int, n_cells: int) -> bool:
    return area > max(_FEW, _DENSE * n_cells)


def _most_rows(sheet: bytes) -> int:
    """The number of the last row, as it stands there."""
    last = _ROW.search(sheet, max(0, sheet.rfind(b"row ") - _LONGEST_PREFIX))
    return int(last[2]) if last else 0


def _most_columns(sheet: bytes) -> int:
    """The columns that there may be, by the letters of the longest name."""
    return next((most for pattern, most in _WIDTHS if pattern.search(sheet)), 26)


def _without_gaps(used: Iterable[int]) -> dict[int, int]:
    """New numbers for those that are used, from 1."""
    numbers: dict[int, int] = {}
    last = 0
    for number in used:
        new = 1 if not numbers else numbers[last] + min(2, number - last)
        numbers[number], last = new, number
    return numbers


def _number(letters: bytes) -> int:
    value = 0
    for letter in letters:
        value = 26 * value + letter - 64
    return value


def _letters(number: int) -> bytes:
    letters = b""
    while number:
        number, letter = divmod(number - 1, 26)
        letters = bytes([65 + letter]) + letters
    return letters
