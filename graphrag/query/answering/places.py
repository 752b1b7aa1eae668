"""Find where in their documents the quotes of an answer stand.

A quote is looked for in what its text unit covers of the document's text: letter for letter, else
by its letters and digits alone (a reply changes white space, quote marks and emphasis), else by
the nearest passage. Heading path and page are those in force where it begins.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from graphrag.core.answers import Citation
from graphrag.stores import GraphStore
from graphrag.text.blocks import Block, blocks
from graphrag.text.page_marks import find_place, is_place
from graphrag.text.scripts import SPACELESS_CHARS

MIN_SCORE = 90.0  # of the nearest passage, as where a quote is checked
_MIN_LETTERS = 10  # of a quote that is not letter for letter there
_ELLIPSIS = re.compile(r"[\[(]?(?:\.(?:\s?\.){2,}|…)[\])]?")
_JOINED = re.compile(rf"(?:(?![{SPACELESS_CHARS}])\w){{2}}")  # two letters of one word
_LINE = re.compile(r"[^\n]*\n?")

Span = tuple[int, int]


class _CitedUnit(NamedTuple):
    id: str
    document_id: str
    start: int | None
    end: int | None
    headings: list[str] | None
    page: str | None
    text: str


class _DocumentText(NamedTuple):
    id: str
    text: str | None


@dataclass(frozen=True, slots=True)
class _Outline:
    """A document's text with its headings and place lines."""

    text: str
    marks: tuple[Block, ...]

    @classmethod
    def of(cls, text: str) -> _Outline:
        found = blocks(text) if "#" in text or "\n==" in text or "\n--" in text else []
        return cls(text, tuple(block for block in found if block.kind in ("heading", "place")))

    def where(self, at: int) -> tuple[str, str]:
        """Heading path and page in force at a character."""
        path: list[Block] = []
        page = ""
        for mark in self.marks:
            if mark.start > at:
                break
            if mark.kind == "place":
                page = mark.title
                continue
            while path and path[-1].level >= mark.level:
                path.pop()
            path.append(mark)
        return join_path([mark.title for mark in path]), page


def join_path(headings: Sequence[str]) -> str:
    """A heading path as one line, the outermost first."""
    return " > ".join(headings)


async def locate(citations: Sequence[Citation], store: GraphStore) -> tuple[Citation, ...]:
    """`citations` with heading, page and place in the document's text, where these are known.

    In an index made before documents kept their text, heading and page are those of the unit.
    """
    if not citations:
        return ()
    wanted = sorted({citation.text_unit_id for citation in citations})
    rows = await store.rows("text_units", _CitedUnit, where=("id", wanted))
    units = {unit.id: unit for unit in rows}
    owners = sorted({unit.document_id for unit in rows if unit.start is not None})
    texts = await store.rows("documents", _DocumentText, where=("id", owners)) if owners else []
    outlines = {key: _Outline.of(text) for key, text in texts if text is not None}
    return tuple(
        _located(citation, unit, outlines.get(unit.document_id))
        if (unit := units.get(citation.text_unit_id))
        else citation
        for citation in citations
    )


def _located(citation: Citation, unit: _CitedUnit, outline: _Outline | None) -> Citation:
    quote = citation.quote
    heading = join_path(unit.headings or ())
    if outline is None or unit.start is None or unit.end is None:
        return replace(citation, heading=heading, page=find_place(quote, unit.text))
    covered = unit.start, unit.end
    found = find(quote, outline.text, covered) if quote else None
    if found is None:
        return replace(citation, heading=heading, page=unit.page or "")
    start, end = found
    heading, page = outline.where(start)
    exact = outline.text[start:end] == quote
    return replace(citation, heading=heading, page=page, start=start, end=end, exact=exact)


def find(quote: str, text: str, covered: Span) -> Span | None:
    """The characters of `text` that say `quote`, inside those a unit covers.

    A unit may repeat the head of a table that stands before what it covers: a quote of it is found
    there, and one of head and row where the row is.
    """
    start, end = covered
    at = text.find(quote, start, end)
    if at < 0:
        at = text.rfind(quote, 0, start)
    if at >= 0:
        return at, at + len(quote)
    said = _Letters.of(text, covered)
    lines = [match[0] for match in _LINE.finditer(quote) if match[0].strip()]
    for first in range(len(lines)):
        rest = "".join(lines[first:])
        if span := _in_order(_ELLIPSIS.split(rest), said):
            return _with_marks(rest, text, span, covered)
        if span := _nearest(rest, said):
            return _with_marks(rest, text, _whole_words(text, span, covered), covered)
    return None


@dataclass(frozen=True, slots=True)
class _Letters:
    """Letters and digits of a text, folded, each with the character that it comes from."""

    folded: str
    places: tuple[int, ...]

    @classmethod
    def of(cls, text: str, span: Span) -> _Letters:
        folded: list[str] = []
        places: list[int] = []
        at = span[0]
        for line in _LINE.findall(text[slice(*span)]):
            if not is_place(line):
                for offset, character in enumerate(line):
                    if letters := _fold(character):
                        folded.append(letters)
                        places.extend([at + offset] * len(letters))
            at += len(line)
        return cls("".join(folded), tuple(places))

    def span(self, first: int, last: int) -> Span:
        """The characters of the letters from `first` up to `last`."""
        return self.places[first], self.places[last - 1] + 1


def _in_order(parts: Sequence[str], said: _Letters) -> Span | None:
    """From the first part to the last, all of which stand there in order."""
    wanted = [folded for part in parts if (folded := _folded(part))]
    if sum(map(len, wanted)) < min(_MIN_LETTERS, len(said.folded)):
        return None
    first = last = -1
    for part in wanted:
        at = said.folded.find(part, max(last, 0))
        if at < 0:
            return None
        first, last = at if first < 0 else first, at + len(part)
    return said.span(first, last) if wanted else None


def _nearest(quote: str, said: _Letters) -> Span | None:
    wanted = _folded(quote)
    if not _MIN_LETTERS <= len(wanted) <= len(said.folded):
        return None
    from rapidfuzz import fuzz

    best = fuzz.partial_ratio_alignment(wanted, said.folded, score_cutoff=MIN_SCORE)
    if best is None or best.dest_start == best.dest_end:
        return None
    return said.span(best.dest_start, best.dest_end)


def _whole_words(text: str, span: Span, covered: Span) -> Span:
    """`span` with the rest of the words that it begins and ends in."""
    start, end = span
    while start > covered[0] and _JOINED.match(text, start - 1):
        start -= 1
    while end < covered[1] and _JOINED.match(text, end - 1):
        end += 1
    return start, end


def _with_marks(quote: str, text: str, span: Span, covered: Span) -> Span:
    """`span` with the marks around it that the quote has too: its quote marks, its full stop."""
    start, end = span
    stripped = quote.strip()
    for mark in reversed(list(_outer(stripped))):
        if start <= covered[0] or text[start - 1] != mark:
            break
        start -= 1
    for mark in reversed(list(_outer(stripped[::-1]))):
        if end >= covered[1] or text[end] != mark:
            break
        end += 1
    return start, end


def _outer(text: str) -> Iterator[str]:
    """The marks before the first letter or digit."""
    for character in text:
        if _fold(character):
            return
        yield character


def _folded(text: str) -> str:
    return "".join(map(_fold, text))


@lru_cache(maxsize=4096)
def _fold(character: str) -> str:
    """The letters and digits of a character without case and accents; nothing for any other."""
    parts = unicodedata.normalize("NFKD", character).casefold()
    return "".join(part for part in parts if part.isalnum())
