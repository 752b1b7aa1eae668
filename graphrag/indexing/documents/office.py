"""Read docx, pptx and xlsx files, after checking their archives for what could harm.

Nothing is unpacked before the sizes that the archive states are within the limit, and no part
may declare entities, which these formats have no use for. Nothing that a file refers to is
fetched.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias
from xml.etree import ElementTree
from xml.parsers.expat import ExpatError

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents.result import FAULTS, Item, Reading
from graphrag.indexing.documents.tables import Cell, table_lines
from graphrag.text.page_marks import place_line

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

Kind: TypeAlias = Literal["docx", "pptx", "xlsx"]
Value: TypeAlias = "int | float | str | bool | time | date | timedelta"

_FOLDERS: dict[str, Kind] = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx"}
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LOCKED = "EncryptedPackage".encode("utf-16-le")
_MAX_PARTS = 10_000
_MAX_RATIO = 200  # unpacked to packed, of what is larger than this:
_SMALL = 10_000_000
_PIECE = 1 << 20
_DECLARES = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_LONGEST_MARK = 18  # bytes of "<!DOCTYPE", in UTF-16 too
_XML = (".xml", ".rels", ".vml")
_TEXTS = re.compile(r"word/(?:document|footnotes|endnotes|comments)\d*\.xml")
_SHEETS = re.compile(r"xl/worksheets/[^/]+\.xml")
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_AUTHOR = "{http://purl.org/dc/elements/1.1/}creator"
_BACK = re.compile(r" *↑")  # of a footnote to its place in the text
_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"
# What zipfile and the parsers raise that were led astray by a damaged file.
_DAMAGE = (*FAULTS, zipfile.BadZipFile, zlib.error, ExpatError, ElementTree.ParseError)


def read_office(data: bytes, *, kind: Kind, settings: InputSettings) -> Reading:
    """The text of an office file. Raises InputError with the reason."""
    archive = _open(data, kind=kind)
    try:
        _check(archive, kind=kind, limit=settings.max_unpacked_mb)
        about = _about(archive)
        match kind:
            case "docx":
                from graphrag.indexing.documents.docx import readable

                text = _docx_text(_with_parts(archive, data, parts=_TEXTS, change=readable))
            case "pptx":
                from graphrag.indexing.documents.pptx import slides_text

                text = slides_text(archive)
            case "xlsx":
                from graphrag.indexing.documents.sparse import closed_up

                text = _xlsx_text(_with_parts(archive, data, parts=_SHEETS, change=closed_up))
    except InputError:
        raise
    except _DAMAGE as error:
        raise InputError(f"is damaged, or no {kind} that can be read ({_name(error)})") from error
    if not text.strip():
        raise InputError("has no text; it may hold pictures only")
    title, author = about
    return Reading([Item(text, title, {"author": author} if author else {})])


def _open(data: bytes, *, kind: Kind) -> zipfile.ZipFile:
    if data.startswith(_OLD):
        if _LOCKED in data:
            raise InputError("is encrypted", hint="Save a copy without a password.")
        raise InputError("is an office file of before 2007", hint=f"Save it as {kind}.")
    if not data.startswith(b"PK"):
        raise InputError(f"is not a {kind}, whatever its name says")
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except _DAMAGE as error:
        raise InputError(f"is damaged: its archive cannot be opened ({_name(error)})") from error


def _check(archive: zipfile.ZipFile, *, kind: Kind, limit: float) -> None:
    """Raises InputError for an archive of another kind and for one that could harm."""
    parts = archive.infolist()
    found = next((of for part in parts for top, of in _FOLDERS.items() if top in part.filename), "")
    if found != kind:
        what = f"a {found}" if found else "another archive"
        raise InputError(f"is not a {kind} but {what}, whatever its name says")
    if any(part.flag_bits & 1 for part in parts):
        raise InputError("is encrypted", hint="Save a copy without a password.")
    unpacked = sum(part.file_size for part in parts)
    packed = max(1, sum(part.compress_size for part in parts))
    if len(parts) > _MAX_PARTS:
        raise InputError(f"has {len(parts)} parts; {_MAX_PARTS} is the most")
    if unpacked > limit * 1_000_000:
        raise InputError(
            f"has {unpacked / 1_000_000:.1f} MB unpacked, more than input.max_unpacked_mb allows",
            hint="Raise input.max_unpacked_mb or divide the file.",
        )
    if unpacked > _SMALL and unpacked > _MAX_RATIO * packed:
        raise InputError(f"unpacks to {unpacked // packed} times its size, as only a trap does")
    for part in parts:
        if part.filename.casefold().endswith(_XML) and _declares(archive, part):
            raise InputError(f"declares entities in {part.filename!r}, which no {kind} needs")


def _declares(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    tail = b""
    with archive.open(part) as stream:
        while piece := stream.read(_PIECE):
            # UTF-16 sets a zero byte beside each of these letters.
            if _DECLARES.search((tail + piece).replace(b"\0", b"")):
                return True
            tail = piece[-_LONGEST_MARK:]
    return False


def _with_parts(
    archive: zipfile.ZipFile,
    data: bytes,
    *,
    parts: re.Pattern[str],
    change: Callable[[bytes], bytes],
) -> bytes:
    """`data`, or the same archive with `parts` passed through `change` where that changes any."""
    changed: dict[str, bytes] = {}
    for name in filter(parts.fullmatch, archive.NameToInfo):
        old = archive.read(name)
        new = change(old)
        if new != old:
            changed[name] = new
    if not changed:
        return data
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as rewritten:
        for name in archive.NameToInfo:
            rewritten.writestr(name, changed.get(name) or archive.read(name))
    return out.getvalue()


def _about(archive: zipfile.ZipFile) -> tuple[str, str]:
    """Title and author as the file states them."""
    if "docProps/core.xml" not in archive.NameToInfo:
        return "", ""
    root = ElementTree.fromstring(archive.read("docProps/core.xml"))  # noqa: S314 - no entities
    title, author = (" ".join((root.findtext(name) or "").split()) for name in (_TITLE, _AUTHOR))
    return title, author


def _docx_text(data: bytes) -> str:
    from graphrag.indexing.documents.docx import docx_to_html
    from graphrag.indexing.documents.html_pages import read_html

    _, text = read_html(docx_to_html(data, styles=_STYLES), heads=True)
    return _BACK.sub("", text)


def _xlsx_text(data: bytes) -> str:
    from python_calamine import CalamineError, CalamineWorkbook

    sheets: list[str] = []
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
            for name in book.sheet_names:
                body = "\n\n".join(_tables(_cells(book.get_sheet_by_name(name))))
                if body:
                    label = " ".join(name.split()) or "without name"
                    sheets.append(f"{place_line(f'Sheet: {label}')}\n\n{body}")
    except CalamineError as error:
        raise InputError(f"is damaged, or no xlsx that can be read ({_name(error)})") from error
    return "\n\n".join(sheets)


def _cells(sheet: CalamineSheet) -> list[list[Cell | None]]:
    """The cells of a sheet; None where one that is merged downwards takes the place."""
    values = sheet.to_python(skip_empty_area=True)
    top, left = sheet.start or (0, 0)
    rows: list[list[Cell | None]] = [[Cell(_written(value)) for value in row] for row in values]
    for (first, begin), (last, end) in sheet.merged_cell_ranges or []:
        row, column = first - top, begin - left
        if not (0 <= row < len(rows) and 0 <= column < len(rows[row])):
            continue
        end, last = min(end - left, len(rows[row]) - 1), min(last - top, len(rows) - 1)
        merged = rows[row][column]
        if merged is None or not merged.text:
            continue
        rows[row][column] = Cell(merged.text, end - column + 1, last - row + 1)
        for covered in rows[row + 1 : last + 1]:
            covered[column : end + 1] = [None] * (end + 1 - column)
    return rows


def _tables(rows: Sequence[Sequence[Cell | None]]) -> Iterator[str]:
    """Each run of rows between empty ones as a table; rows of one cell as lines."""
    block: list[Sequence[Cell | None]] = []
    end: Sequence[Cell | None] = ()
    for row in [*rows, end]:
        filled = [cell for cell in row if cell is None or cell.text]
        if not block and not any(filled):
            continue
        if len(filled) > 1 or (filled and block and row[:1] == filled):
            block.append(row)  # if only with nothing but its name
            continue
        if block:
            yield "\n".join(table_lines(_narrow(block)))
            block = []
        yield from (cell.text for cell in filled if cell is not None)


def _narrow(block: Sequence[Sequence[Cell | None]]) -> list[list[Cell]]:
    """`block` without the columns at its sides that are empty throughout, and covered places."""
    used = [place for row in block for place, cell in enumerate(row) if cell is None or cell.text]
    narrow: list[list[Cell]] = []
    for number, row in enumerate(block):
        free, cells = 0, list[Cell]()
        for place, cell in enumerate(row[min(used) : max(used) + 1]):
            if cell is None and number == 0:
                cell = Cell("")  # what covers it stands before the table
            if cell is not None and place >= free:
                cells.append(cell)
                free = place + cell.across
        narrow.append(cells)
    return narrow


def _written(cell: Value) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, date | time):
        return cell.isoformat()
    return " ".join(str(cell).split())


def _name(error: Exception) -> str:
    return type(error).__name__
