"""Read one file of any kind: its title, text and metadata, or those of each of its rows."""

from __future__ import annotations

import json
import re
from typing import Literal, TypeAlias, cast

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents import csv_json as rows
from graphrag.indexing.documents.encodings import decode
from graphrag.indexing.documents.result import FAULTS, Item, Reading

Kind: TypeAlias = Literal[
    "text", "markdown", "html", "csv", "json", "jsonl", "pdf", "docx", "pptx", "xlsx"
]

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
    ".pdf": "pdf",
    ".docx": "docx",
    ".docm": "docx",
    ".pptx": "pptx",
    ".pptm": "pptx",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}

_FRONT_MATTER = re.compile(
    r"\ufeff?---[ \t]*\n(?![ \t]*\n)(.{0,65536}?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S | re.M
)
_ANCHOR = re.compile(r"(?:^|[-:,?\[{])[ \t]*&\w", re.MULTILINE)


def read(data: bytes, *, kind: Kind, settings: InputSettings) -> Reading:
    """What a file with the content `data` holds. Raises InputError with the reason."""
    if not data.strip():
        raise InputError("is empty")
    match kind:
        case "pdf":
            return _read_pdf(data, settings)
        case "docx" | "pptx" | "xlsx":
            from graphrag.indexing.documents.office import read_office

            return read_office(data, kind=kind, settings=settings)
        case _:
            decoded = decode(data, markup=kind == "html", stated=str(settings.encoding or ""))
            reading = (
                _read_html(decoded.text)
                if kind == "html"
                else _read_text(decoded.text, kind, settings)
            )
            reading.warnings.extend([decoded.doubt] if decoded.doubt else [])
            return reading


def _read_pdf(data: bytes, settings: InputSettings) -> Reading:
    if settings.pdf == "pdfplumber":
        from graphrag.indexing.documents.pdf.tables import read_pdf_with_tables

        return read_pdf_with_tables(data)
    from graphrag.indexing.documents.pdf import read_pdf

    return read_pdf(data)


def _read_html(text: str) -> Reading:
    from graphrag.indexing.documents.html_pages import read_html

    title, body = read_html(text)
    if not body:
        raise InputError("has no text besides its markup")
    return Reading([Item(body, title)])


def _read_text(
    text: str, kind: Literal["text", "markdown", "csv", "json", "jsonl"], settings: InputSettings
) -> Reading:
    if not text.strip():
        raise InputError("is empty")
    match kind:
        case "text":
            return Reading([Item(text)])
        case "markdown":
            return _read_markdown(text)
        case "csv":
            return rows.read_csv(text, settings)
        case "json":
            return rows.read_json(text, settings)
        case "jsonl":
            return rows.read_jsonl(text, settings)


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
    return Reading([Item(body, rows.label(title), fields)])


def _front_matter(source: str) -> dict[str, object]:
    """Raises ValueError when it is no YAML mapping that can be read safely."""
    if _ANCHOR.search(source):
        raise ValueError("it has anchors (&name), which can expand without bound")
    import yaml

    try:
        value = cast(object, yaml.safe_load(source))
        # A number may have too many digits to be written.
        json.dumps(value, default=str, skipkeys=True)
    except (yaml.YAMLError, *FAULTS) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    if not isinstance(value, dict):
        return {}
    return {str(key): item for key, item in cast(dict[object, object], value).items()}
