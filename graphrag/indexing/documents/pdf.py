"""A pdf in, its text out, page by page: headings by the size of their letters, paragraphs by gaps.

A page begins with a line that names it. A sentence that runs over the end of a page stays whole
on the page where it begins.
"""

from __future__ import annotations

import io
import logging
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from graphrag.core.errors import InputError
from graphrag.indexing.documents.result import FAULTS, Item, Reading
from graphrag.text.page_marks import place_line

if TYPE_CHECKING:
    from pypdf import PdfReader

_MARK = b"%PDF-"
_HEAD = 1024  # bytes in which the mark must stand
_LARGER = 1.15  # than the body text: a heading
_MAX_HEADING = 120  # characters
_MAX_LEVEL = 5
_WIDER = 1.25  # than the usual distance of two lines: a new paragraph
_IDS = re.compile(r"\d{9,}")  # addresses in memory differ from run to run
_HYPHEN = re.compile(r"([^\W\d_]{2,})[-\u2010]\n([a-zà-öø-ÿ][^\W\d_]*)")
_SENTENCE_END = re.compile(r"[.!?…。！？:][\"'”’»)\]]*(?=\s|$)")
_NO_TITLE = re.compile(r"untitled|microsoft (?:word|powerpoint|excel) - .*|.*\.\w{2,4}", re.I)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page: its text, the size of its letters and its height on the page."""

    text: str
    size: float
    y: float


def read_pdf(data: bytes) -> Reading:
    """The text of a pdf with a text layer. Raises InputError with the reason."""
    reader = open_pdf(data)
    from pypdf.errors import PyPdfError

    try:
        pages = [_lines(reader, number) for number in range(len(reader.pages))]
        about = read_about(reader)
    except (PyPdfError, *FAULTS) as error:
        raise damaged(error) from error
    levels = heading_levels(pages)
    return assemble([page_text(lines, levels) for lines in pages], about)


def open_pdf(data: bytes) -> PdfReader:
    """Raises InputError for what is no pdf, is damaged beyond repair or needs a password."""
    if _MARK not in data[:_HEAD]:
        raise InputError("is not a pdf, whatever its name says")
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns of each repair
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise InputError("is encrypted", hint="Save a copy without a password.")
        len(reader.pages)
    except DependencyError as error:
        raise InputError("is encrypted", hint="Save a copy without a password.") from error
    except (PyPdfError, *FAULTS) as error:
        raise damaged(error) from error
    return reader


def read_about(reader: PdfReader) -> dict[str, str]:
    """Title and author as the file states them."""
    from pypdf.errors import PyPdfError

    try:
        about = reader.metadata
        found = {"title": about.title, "author": about.author} if about else {}
    except (PyPdfError, *FAULTS):  # damaged; the pages can be whole all the same
        return {}
    return {name: " ".join(value.split()) for name, value in found.items() if value}


def assemble(texts: Sequence[str], about: Mapping[str, str]) -> Reading:
    """The document that the texts of the pages make, in which a place line opens each."""
    if not any(text.strip() for text in texts):
        raise InputError(
            "has no text layer; it may be a scan", hint="Run it through text recognition (OCR)."
        )
    whole = _join_words("\n\n".join(_whole_sentences(list(texts))))
    metadata: dict[str, object] = {"pages": len(texts)}
    if about.get("author"):
        metadata["author"] = about["author"]
    title = "" if _NO_TITLE.fullmatch(about.get("title", "")) else about.get("title", "")
    return Reading([Item(whole, title, metadata)])


def heading_levels(pages: Sequence[Sequence[Line]]) -> dict[float, int]:
    """The level of heading of each size that is larger than the body's, the largest first."""
    body = _body_size(pages)
    larger = {
        line.size for lines in pages for line in lines if line.size >= body * _LARGER and body > 0
    }
    ranked = sorted(larger, reverse=True)
    return {size: min(rank, _MAX_LEVEL) for rank, size in enumerate(ranked, start=1)}


def page_text(lines: Sequence[Line], levels: Mapping[float, int]) -> str:
    """The lines of a page as Markdown."""
    usual = _usual_gap(lines)
    text = ""
    previous: Line | None = None
    for line in _join_headings(lines, levels):
        level = levels.get(line.size, 0) if _is_heading(line) else 0
        if previous is None:
            gap = ""
        elif level or (_is_heading(previous) and levels.get(previous.size, 0)):
            gap = "\n\n"
        else:
            gap = "\n\n" if previous.y - line.y > _WIDER * usual > 0 else "\n"
        text += f"{gap}{'#' * level} {line.text}" if level else gap + _plain(line.text)
        previous = line
    return text


def _body_size(pages: Sequence[Sequence[Line]]) -> float:
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def damaged(error: Exception) -> InputError:
    said = " ".join(_IDS.sub("…", str(error)).split())[:160]
    detail = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return InputError(f"is damaged, or no pdf that can be read ({detail})")


def _lines(reader: PdfReader, number: int) -> list[Line]:
    parts: list[tuple[str, float, float]] = []

    def collect(
        text: str, cm: Sequence[float], tm: Sequence[float], _font: object, size: float
    ) -> None:
        if text:
            scale = math.hypot(tm[2], tm[3]) * math.hypot(cm[2], cm[3])
            height = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
            parts.append((text, round(abs(size) * scale, 1), height))

    reader.pages[number].extract_text(visitor_text=collect)
    return list(_assemble_lines(parts))


def _assemble_lines(parts: Sequence[tuple[str, float, float]]) -> Iterator[Line]:
    """Lines of the pieces that the page is drawn with; a line's size is that of most letters."""
    text, y = "", math.nan
    sizes: Counter[float] = Counter()
    for piece, size, height in parts:
        for number, run in enumerate(piece.split("\n")):
            if number and text.strip():
                yield Line(" ".join(text.split()), sizes.most_common(1)[0][0], y)
            if number:
                text, y = "", math.nan
                sizes.clear()
            text += run
            if run.strip():
                sizes[size] += len(run)
                y = height if math.isnan(y) else y
    if text.strip():
        yield Line(" ".join(text.split()), sizes.most_common(1)[0][0], y)


def _plain(line: str) -> str:
    """A line that happens to begin like a heading is not one."""
    return f"\\{line}" if line.startswith("#") else line


def _is_heading(line: Line) -> bool:
    return len(line.text) <= _MAX_HEADING and any(map(str.isalpha, line.text))


def _join_headings(lines: Sequence[Line], levels: Mapping[float, int]) -> Iterator[Line]:
    """Makes one of the lines of a heading that takes several."""
    held: Line | None = None
    for line in lines:
        if held is not None:
            near = 0 < held.y - line.y < 1.8 * line.size
            if line.size == held.size and near and len(held.text) + len(line.text) < _MAX_HEADING:
                held = replace(held, text=f"{held.text} {line.text}", y=line.y)
                continue
            yield held
            held = None
        if line.size in levels and _is_heading(line):
            held = line
        else:
            yield line
    if held is not None:
        yield held


def _usual_gap(lines: Sequence[Line]) -> float:
    gaps = [
        one.y - other.y
        for one, other in pairwise(lines)
        if one.size == other.size and 0 < one.y - other.y < 4 * one.size
    ]
    return statistics.median_low(gaps) if gaps else 0.0


def _whole_sentences(texts: list[str]) -> Iterator[str]:
    """The pages, each after its place line, with sentences moved to the page they begin on."""
    tail = ""
    for number, text in enumerate(texts, start=1):
        text = text[len(tail) :].lstrip() if tail else text
        is_last = number == len(texts)
        tail = "" if is_last or not text.strip() else _continuation(text, texts[number])
        if tail:
            text = f"{text.rstrip()} {' '.join(tail.split())}"
        if text.strip():
            yield f"{place_line(f'Page {number}')}\n\n{text}"


def _continuation(text: str, following: str) -> str:
    """The beginning of the page `following` that ends the last sentence of `text`."""
    last = text.rstrip()[-1:]
    first = following.lstrip()[:1]
    if not (last.isalpha() or last in ",;-") or not first.islower():
        return ""
    paragraph = following.partition("\n\n")[0]
    end = _SENTENCE_END.search(paragraph)
    return paragraph[: end.end()] if end else paragraph


def _join_words(text: str) -> str:
    """`text` without the hyphens at the ends of lines that only divide a word.

    A compound keeps its hyphen where the text has it within a line elsewhere.
    """
    text = text.replace("\u00ad\n", "").replace("\u00ad", "")
    known = set(re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", text)) if "-\n" in text else set[str]()

    def join(match: re.Match[str]) -> str:
        compound = f"{match[1]}-{match[2]}"
        return f"{compound}\n" if compound in known else f"{match[1]}{match[2]}\n"

    return _HYPHEN.sub(join, text)
