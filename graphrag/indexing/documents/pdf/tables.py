"""Read a pdf with its ruled tables by pdfplumber, which is slower and an extra."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from graphrag.core.errors import InputError
from graphrag.indexing.documents.pdf import assemble, heading_levels, page_text
from graphrag.indexing.documents.pdf.layout import Line
from graphrag.indexing.documents.pdf.pdfium import read_about
from graphrag.indexing.documents.result import FAULTS, Reading
from graphrag.indexing.documents.tables import plain_rows, table_lines

if TYPE_CHECKING:
    from pdfplumber.page import Page

Rows: TypeAlias = list[list[str]]


def read_pdf_with_tables(data: bytes) -> Reading:
    """Like `read_pdf`, with ruled tables as tables. Raises InputError with the reason."""
    about = read_about(data)
    try:
        import pdfplumber
    except ImportError as error:
        raise InputError(
            "input.pdf is 'pdfplumber', which is not installed",
            hint='pip install "graphrag-neo4j[pdf]", or set input.pdf to pdfium.',
        ) from error
    from pdfminer.pdfexceptions import PDFException
    from pdfminer.psexceptions import PSException
    from pdfplumber.utils.exceptions import PdfminerException

    try:
        with pdfplumber.open(io.BytesIO(data)) as pdf:
            pages = [list(_parts(page)) for page in pdf.pages]
    except (PDFException, PSException, PdfminerException, *FAULTS) as error:
        reason = f"is damaged, or no pdf that can be read ({type(error).__name__})"
        raise InputError(reason) from error
    lines = [[part for part in page if isinstance(part, Line)] for page in pages]
    levels = heading_levels(lines)
    return assemble([_text(page, levels) for page in pages], about)


def _parts(page: Page) -> Iterator[Line | Rows]:
    """The lines outside of tables, and the tables, from the top down."""
    tables = page.find_tables()
    boxes = [table.bbox for table in tables]

    def is_outside(item: Mapping[str, object]) -> bool:
        x, y = _middle(item)
        return not any(left <= x <= right and top <= y <= end for left, top, right, end in boxes)

    parts: list[tuple[float, Line | Rows]] = []
    for found in page.filter(is_outside).extract_text_lines():
        line = cast(Mapping[str, object], found)
        top = cast(float, line["top"])
        size = _size(cast(Sequence[Mapping[str, object]], line["chars"]))
        parts.append((top, Line(" ".join(str(line["text"]).split()), size, -top)))
    for table in tables:
        rows = [[cell or "" for cell in row] for row in table.extract()]
        if any(map(any, rows)):
            parts.append((table.bbox[1], rows))
    page.close()  # it holds each letter
    for _, part in sorted(parts, key=lambda entry: entry[0]):
        yield part


def _middle(item: Mapping[str, object]) -> tuple[float, float]:
    left, right, top, end = (cast(float, item[name]) for name in ("x0", "x1", "top", "bottom"))
    return (left + right) / 2, (top + end) / 2


def _size(characters: Sequence[Mapping[str, object]]) -> float:
    sizes = Counter(round(cast(float, one["size"]), 1) for one in characters)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _text(parts: Sequence[Line | Rows], levels: Mapping[float, int]) -> str:
    pieces: list[str] = []
    lines: list[Line] = []
    for part in parts:
        if isinstance(part, Line):
            lines.append(part)
            continue
        pieces.extend([page_text(lines, levels), "\n".join(table_lines(plain_rows(part)))])
        lines = []
    pieces.append(page_text(lines, levels))
    return "\n\n".join(piece for piece in pieces if piece.strip())
