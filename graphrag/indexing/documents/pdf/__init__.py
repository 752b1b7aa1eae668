"""Read a pdf page by page: headings by the size of their letters, paragraphs by gaps.

A page begins with a line that names it. A sentence that runs over the end of a page stays whole
on the page where it begins.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from graphrag.core.errors import InputError
from graphrag.indexing.documents.pdf.layout import Line, fixed_fonts, page_lines
from graphrag.indexing.documents.pdf.pdfium import read_pages
from graphrag.indexing.documents.result import Item, Reading
from graphrag.text.page_marks import place_line

_LARGER = 1.15  # than the body text: a heading
_MAX_HEADING = 120  # characters
_MAX_LEVEL = 5
_WIDER = 1.25  # than the usual distance of two lines: a new paragraph
_MAX_BLANK = 3  # lines left empty within code
_HYPHEN = re.compile(r"([^\W\d_]{2,})[-\u2010]\n([a-zà-öø-ÿ][^\W\d_]*)(\S*)[ ]?")
_CODE = re.compile(r"(^```$.*?^```$)", re.MULTILINE | re.DOTALL)
_SENTENCE_END = re.compile(r"[.!?…。！？:][\"'”’»)\]]*(?=\s|$)")
_NO_TITLE = re.compile(r"untitled|microsoft (?:word|powerpoint|excel) - .*|.*\.\w{2,4}", re.I)
_END = b"%%EOF"
_TAIL = 2048  # bytes in which it must stand


def read_pdf(data: bytes) -> Reading:
    """The text of a pdf with a text layer. Raises InputError with the reason."""
    pages = read_pages(data)
    fixed = fixed_fonts(pages.words)
    lines = [page_lines(words, fixed) for words in pages.words]
    levels = heading_levels(lines)
    lines[:1] = [_with_one_title(page, levels) for page in lines[:1]]
    texts = [page_text(page, levels) for page in lines]
    if pages.damaged and not any(texts):
        raise InputError(f"is damaged: {_named(pages.damaged)} cannot be read")
    reading = assemble(texts, pages.about, damaged=pages.damaged)
    if pages.damaged:
        reading.problems.append(("", f"is damaged: {_named(pages.damaged)} cannot be read"))
    elif _END not in data[-_TAIL:]:
        reading.problems.append(("", "has no end: it was cut off, and what follows is not indexed"))
    return reading


def assemble(
    texts: Sequence[str], about: Mapping[str, str], *, damaged: Collection[int] = ()
) -> Reading:
    """The document that the texts of the pages make, in which a place line opens each.

    A warning names those without text that are not `damaged`.
    """
    if not any(text.strip() for text in texts):
        raise InputError(
            "has no text layer; it may be a scan", hint="Run it through text recognition (OCR)."
        )
    whole = _join_words("\n\n".join(_whole_sentences(list(texts))))
    metadata: dict[str, object] = {"pages": len(texts)}
    if about.get("author"):
        metadata["author"] = about["author"]
    title = "" if _NO_TITLE.fullmatch(about.get("title", "")) else about.get("title", "")
    blank = [number for number, text in enumerate(texts, start=1) if not text.strip()]
    empty = [number for number in blank if number not in damaged]
    note = f"{_named(empty)} without text; a scan needs text recognition (OCR)"
    return Reading([Item(whole, title, metadata)], warnings=[note] if empty else [])


def _named(pages: Sequence[int]) -> str:
    """Numbers of pages, as "pages 2, 5-7"."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    named = (f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    return f"page{'s' if len(pages) > 1 else ''} {', '.join(named)}"


def heading_levels(pages: Sequence[Sequence[Line]]) -> dict[float, int]:
    """The level of heading of each size that is larger than the body's, the largest first."""
    body = _body_size(pages)
    larger = {
        line.size for lines in pages for line in lines if line.size >= body * _LARGER and body > 0
    }
    ranked = sorted(larger, reverse=True)
    return {size: min(rank, _MAX_LEVEL) for rank, size in enumerate(ranked, start=1)}


def _with_one_title(lines: Sequence[Line], levels: Mapping[float, int]) -> list[Line]:
    """A title page without text: author, release and date are large there, but head nothing."""
    largest = max((line.size for line in lines), default=0.0)
    if not all(_level(line, levels) for line in lines):
        return [*lines]
    return [line if line.size == largest else replace(line, size=0.0) for line in lines]


def page_text(lines: Sequence[Line], levels: Mapping[float, int]) -> str:
    """The lines of a page as Markdown, code as it stands."""
    usual = _usual_gap(lines)
    text = ""
    previous: Line | None = None
    for line, code in _join_code(list(_join_headings(lines, levels)), levels):
        level = 0 if code else _level(line, levels)
        if previous is None:
            gap = ""
        elif code or level or previous.pitch or _level(previous, levels):
            gap = "\n\n"
        elif previous.column != line.column:
            gap = "\n" if _goes_on(previous.text, line.text) else "\n\n"
        else:
            gap = "\n\n" if previous.y - line.y > _WIDER * usual > 0 else "\n"
        plain = f"{'#' * level} {line.text}" if level else _plain(line.text)
        text += gap + (code or plain)
        previous = line
    return text


def _level(line: Line, levels: Mapping[float, int]) -> int:
    return levels.get(line.size, 0) if _is_heading(line) else 0


def _join_code(lines: Sequence[Line], levels: Mapping[float, int]) -> Iterator[tuple[Line, str]]:
    """Each line, and for those of code together the last of them with the whole, fenced."""
    held: list[Line] = []
    for line in lines:
        is_code = bool(line.pitch) and not _level(line, levels)
        if held and (not is_code or line.column != held[-1].column):
            yield held[-1], _fenced(held)
            held = []
        if is_code:
            held.append(line)
        else:
            yield replace(line, pitch=0.0), ""
    if held:
        yield held[-1], _fenced(held)


def _fenced(lines: Sequence[Line]) -> str:
    left = min(line.x for line in lines)
    gaps = [one.y - other.y for one, other in pairwise(lines) if one.y > other.y]
    usual = min(gaps, default=0.0)
    written = [" " * round((lines[0].x - left) / lines[0].pitch) + lines[0].text]
    for one, other in pairwise(lines):
        blank = round((one.y - other.y) / usual) - 1 if usual > 0 else 0
        written.extend([""] * max(0, min(blank, _MAX_BLANK)))
        written.append(" " * round((other.x - left) / other.pitch) + other.text)
    return "\n".join(["```", *written, "```"])


def _goes_on(before: str, after: str) -> bool:
    """Whether a sentence of a column goes on in the next."""
    last = before.rstrip()[-1:]
    return (last.isalpha() or last in (",", ";")) and after.lstrip()[:1].islower()


def _body_size(pages: Sequence[Sequence[Line]]) -> float:
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


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
    parts = [
        part if number % 2 else part.replace("\u00ad\n", "").replace("\u00ad", "")
        for number, part in enumerate(_CODE.split(text))
    ]
    prose = "\n".join(parts[::2])
    known = set(re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", prose)) if "-\n" in prose else set[str]()

    def join(match: re.Match[str]) -> str:
        compound = f"{match[1]}-{match[2]}"
        word = compound if compound in known else f"{match[1]}{match[2]}"
        return f"{word}{match[3]}\n"

    parts[::2] = [_HYPHEN.sub(join, part) for part in parts[::2]]
    return "".join(parts)
