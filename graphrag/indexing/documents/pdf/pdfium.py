"""Read the words of each page of a pdf and where they stand, through PDFium, which has no types."""

from __future__ import annotations

import base64
import ctypes
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import pypdfium2
from pypdfium2 import raw

from graphrag.core.errors import InputError

_MARK = b"%PDF-"
_HEAD = 1024  # bytes in which the mark must stand
_NEEDS_PASSWORD = (4, 5)  # FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY
_DIVIDED = "\ufffe"  # stands for the hyphen and the line end of a divided word
_WORD = re.compile(r"[^\s\ufffe]+")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_HIDDEN = 2 | 32  # flags of annotations: hidden, not to be shown
_BUTTONS = (raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON)
_FIELDS = (raw.FPDF_FORMFIELD_TEXTFIELD, raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX)
_MAX_FONT_NAME = 256  # bytes
# A stream that states no more than its size and how it is packed: the content of a page.
_CONTENT = re.compile(
    rb"<<((?:\s|/Length \d+(?: \d+ R)?|/Filter|[\[\]]|/FlateDecode|/ASCII85Decode)*)>>\s*"
    rb"stream\r?\n"
)
_BEGIN = 1 << 16  # bytes of a stream; PDFium shows what stands before the damage
_MAX_FIELD = 1 << 16  # bytes of a field's value


@dataclass(frozen=True, slots=True)
class Word:
    """A word where a reader sees it, turned upright; lengths in points, `y` upwards.

    `turn`: quarters of a circle that it was turned by. `advance`: the width of a letter where
    all have one width, as far as this word tells. `label`: names the form field that holds it.
    """

    text: str
    x: float
    end: float
    y: float
    size: float
    turn: int = 0
    font: str = ""
    advance: float = 0.0
    label: str = ""


@dataclass(frozen=True, slots=True)
class Pages:
    """The words of each page, and the numbers of the pages that are damaged."""

    words: list[list[Word]]
    damaged: list[int]
    about: dict[str, str]


def read_pages(data: bytes) -> Pages:
    """Raises InputError for what is no pdf, is damaged beyond repair or needs a password."""
    with closing(_open(data)) as document:
        if document.get_formtype() != raw.FORMTYPE_NONE:
            document.init_forms()
        pages = Pages([], [], _about(document))
        blank: list[int] = []
        for number in range(len(document)):
            try:
                with closing(document[number]) as page:
                    pages.words.append([*_words(page), *_fields(page, document)])
                    if raw.FPDFPage_CountObjects(page.raw) == 0:
                        blank.append(number + 1)
            except pypdfium2.PdfiumError:
                pages.words.append([])
                pages.damaged.append(number + 1)
    if blank and _has_damaged_content(data):
        pages.damaged[:] = sorted({*pages.damaged, *blank})
    return pages


def _has_damaged_content(data: bytes) -> bool:
    """Whether the content of a page cannot be unpacked, which PDFium shows as a page of nothing."""
    if b"/Encrypt" in data:
        return False
    for found in _CONTENT.finditer(data):
        packed = data[found.end() : data.find(b"endstream", found.end())]
        try:
            if b"/ASCII85Decode" in found[1]:
                packed = base64.a85decode(b"<~" + packed.strip(), adobe=True)
            if b"/FlateDecode" in found[1]:
                zlib.decompressobj().decompress(packed, _BEGIN)
        except (ValueError, zlib.error):
            return True
    return False


def read_about(data: bytes) -> dict[str, str]:
    """Title and author as the file states them. Raises InputError as `read_pages`."""
    with closing(_open(data)) as document:
        return _about(document)


def _open(data: bytes) -> pypdfium2.PdfDocument:
    if _MARK not in data[:_HEAD]:
        raise InputError("is not a pdf, whatever its name says")
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code in _NEEDS_PASSWORD:
            raise InputError("is encrypted", hint="Save a copy without a password.") from error
        raise InputError("is damaged, or no pdf that can be read") from error
    if not len(document):
        document.close()
        raise InputError("is damaged, or no pdf that can be read: it has no pages")
    return document


def _about(document: pypdfium2.PdfDocument) -> dict[str, str]:
    found = {name: document.get_metadata_value(name.capitalize()) for name in ("title", "author")}
    return {name: " ".join(value.split()) for name, value in found.items() if value.strip()}


def _words(page: pypdfium2.PdfPage) -> Iterator[Word]:
    text_page = raw.FPDFText_LoadPage(page.raw)
    if not text_page:
        raise pypdfium2.PdfiumError("the text of a page cannot be read")
    try:
        reader = _TextReader(text_page)
        text = reader.text()
        for match in _WORD.finditer(text):
            word = reader.word(match.group(), match.start())
            if word is not None:
                divided = text[match.end() : match.end() + 1] == _DIVIDED
                yield replace(word, text=f"{word.text}-") if divided else word
    finally:
        raw.FPDFText_ClosePage(text_page)


class _TextReader:
    """The places of the letters of one page. PDFium writes into variables that it is given."""

    def __init__(self, text_page: object) -> None:
        self._page = text_page
        self._x, self._y = ctypes.c_double(), ctypes.c_double()
        self._box = tuple(ctypes.c_double() for _ in range(4))  # left, right, bottom, top
        self._matrix = raw.FS_MATRIX()
        self._styles: dict[int, tuple[float, int, str]] = {}  # size, turn, font of an object

    def text(self) -> str:
        count = raw.FPDFText_CountChars(self._page)
        if count <= 0:
            return ""
        buffer = (ctypes.c_ushort * (2 * count + 2))()
        written = raw.FPDFText_GetText(self._page, 0, count, buffer)
        return bytes(buffer)[: 2 * max(0, written - 1)].decode("utf-16-le", errors="replace")

    def word(self, text: str, start: int) -> Word | None:
        first = raw.FPDFText_GetCharIndexFromTextIndex(self._page, start)
        last = raw.FPDFText_GetCharIndexFromTextIndex(self._page, start + len(text) - 1)
        clean = _CONTROLS.sub("", text)
        if min(first, last) < 0 or not clean:
            return None
        size, turn, font = self._style(first)
        x, y = self._origin(first, turn)
        far, _ = self._origin(last, turn)
        left, right, bottom, top = self._box
        raw.FPDFText_GetCharBox(self._page, last, left, right, bottom, top)
        end = (right.value, top.value, -left.value, -bottom.value)[turn]
        advance = (far - x) / (len(text) - 1) if len(text) > 1 else 0.0
        return Word(clean, min(x, end), max(x, end), y, size, turn, font, round(advance, 3))

    def _origin(self, index: int, turn: int) -> tuple[float, float]:
        raw.FPDFText_GetCharOrigin(self._page, index, self._x, self._y)
        x, y = self._x.value, self._y.value
        return ((x, y), (y, -x), (-x, -y), (-y, x))[turn]

    def _style(self, index: int) -> tuple[float, int, str]:
        drawn = raw.FPDFText_GetTextObject(self._page, index)
        key = ctypes.addressof(drawn.contents) if drawn else 0
        if key not in self._styles:
            matrix = self._matrix
            raw.FPDFText_GetMatrix(self._page, index, matrix)
            size = raw.FPDFText_GetFontSize(self._page, index) * math.hypot(matrix.c, matrix.d)
            turn = round(math.atan2(matrix.b, matrix.a) / (math.pi / 2)) % 4
            self._styles[key] = (round(size, 1), turn, _font_name(drawn) if key else "")
        return self._styles[key]


def _font_name(drawn: object) -> str:
    # Not its address, which another font may get after it.
    buffer = ctypes.create_string_buffer(_MAX_FONT_NAME)
    raw.FPDFFont_GetBaseFontName(raw.FPDFTextObj_GetFont(drawn), buffer, _MAX_FONT_NAME)
    return buffer.value.decode(errors="replace")


def _fields(page: pypdfium2.PdfPage, document: pypdfium2.PdfDocument) -> Iterator[Word]:
    """What was filled into the fields of a form on `page`."""
    if document.formenv is None:
        return
    form = document.formenv.raw
    for number in range(raw.FPDFPage_GetAnnotCount(page.raw)):
        field = raw.FPDFPage_GetAnnot(page.raw, number)
        try:
            is_field = raw.FPDFAnnot_GetSubtype(field) == raw.FPDF_ANNOT_WIDGET
            if not is_field or raw.FPDFAnnot_GetFlags(field) & _HIDDEN:
                continue
            value, box = _field_value(form, field), raw.FS_RECTF()
            if value and raw.FPDFAnnot_GetRect(field, box):
                low, high = sorted((box.bottom, box.top))
                left, right = sorted((box.left, box.right))
                size = min(12.0, max(high - low, 1.0) * 0.7)
                y = high - size - 1 if high - low > 2.5 * size else (low + high) / 2 - 0.35 * size
                label = _written(raw.FPDFAnnot_GetFormFieldAlternateName, form, field)
                label = label or _written(raw.FPDFAnnot_GetFormFieldName, form, field)
                yield Word(value, left, right, y, round(size, 1), label=label)
        finally:
            raw.FPDFPage_CloseAnnot(field)


def _field_value(form: object, field: object) -> str:
    kind = raw.FPDFAnnot_GetFormFieldType(form, field)
    if kind in _BUTTONS:
        return "[x]" if raw.FPDFAnnot_IsChecked(form, field) else "[ ]"
    return _written(raw.FPDFAnnot_GetFormFieldValue, form, field) if kind in _FIELDS else ""


def _written(ask: raw.AskForText, form: object, field: object) -> str:
    """A text that PDFium writes into a buffer, as one line."""
    size = ask(form, field, None, 0)
    if not 2 < size <= _MAX_FIELD:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    ask(form, field, buffer, size)
    text = bytes(buffer)[: size - 2].decode("utf-16-le", errors="replace")
    return " ".join(_CONTROLS.sub(" ", text).split())
