"""One file's bytes in, its title, text and metadata out, or those of each of its rows."""

from __future__ import annotations

import json
import re
from typing import Literal, TypeAlias, cast

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents import csv_json as rows
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

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_OTHERS = (
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a zip archive, perhaps an office file,"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office file of before 2007"),
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
        case "html":
            declared = _META_CHARSET.search(data[:2048])
            return _read_html(decode(data, declared=declared[1].decode() if declared else ""))
        case _:
            return _read_text(decode(data), kind, settings)


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
    for mark, what in _OTHERS:
        if data.startswith(mark):
            raise InputError(f"is {what} under another name")
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
