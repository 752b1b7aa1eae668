"""Find the blocks of a text: headings, paragraphs, lists, tables and code, as spans of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from graphrag.text.page_marks import read_place

Kind: TypeAlias = Literal["heading", "paragraph", "list", "table", "code", "place"]

_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_CLOSING = re.compile(r"(?<=[ \t])#+$")  # of "## Title ##"
_UNDERLINE = re.compile(r" {0,3}(=+|-{3,})[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,9}[.)])[ \t]+\S")
_ROW = re.compile(r" {0,3}\|")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_MARKS = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)")
_BEGINNING = 10_000  # characters; a heading further on names no document
_MAX_HEADING = 1000  # characters; a longer line is no heading, whatever it begins with
_MAX_UNDERLINED = 120  # characters; a longer line over "---" is a paragraph before a rule


@dataclass(frozen=True, slots=True)
class Block:
    """`text[start:end]`, white space behind it included.

    `level` (1-6) and `title`: of headings; a place has a `title` too.
    """

    kind: Kind
    start: int
    end: int
    level: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int  # after the line break
    text: str


def blocks(text: str) -> list[Block]:
    """The blocks of `text` in order: together they are the whole text."""
    lines = list(_lines(text))
    found: list[Block] = []
    at = 0
    while at < len(lines):
        last, block = _read_block(lines, at)
        following = last + 1
        while following < len(lines) and not lines[following].text:
            following += 1
        end = lines[following].start if following < len(lines) else len(text)
        # White space before the first block is its own.
        start = block.start if found else 0
        found.append(Block(block.kind, start, end, block.level, block.title))
        at = following
    return found


def first_heading(text: str) -> str:
    """The title of the first heading in the beginning of `text`, or nothing."""
    beginning = blocks(text[:_BEGINNING])
    return next((block.title for block in beginning if block.kind == "heading"), "")


def _lines(text: str) -> Iterator[_Line]:
    """Lines from the first that is not blank. Blank ones have an empty `text`."""
    start = 0
    began = False
    for raw in text.split("\n"):
        end = min(start + len(raw) + 1, len(text))
        line = raw.rstrip()
        began = began or bool(line)
        if began:
            yield _Line(start, end, line)
        start = end


def _read_block(lines: list[_Line], at: int) -> tuple[int, Block]:
    """The block that begins with line `at`, and its last line."""
    line = lines[at].text
    if place := read_place(line):
        return at, _block("place", lines, at, at, title=place)
    if match := _heading(line):
        level, title = len(match.group(1)), _plain(_CLOSING.sub("", match.group(2)).rstrip())
        return at, _block("heading", lines, at, at, level=level, title=title)
    if match := _FENCE.match(line):
        last = _fence_end(lines, at, match.group(1))
        return last, _block("code", lines, at, last)
    if _ROW.match(line):
        last = at
        while last + 1 < len(lines) and _ROW.match(lines[last + 1].text):
            last += 1
        return last, _block("table", lines, at, last)
    if _ITEM.match(line):
        last = _list_end(lines, at)
        return last, _block("list", lines, at, last)
    if at + 1 < len(lines) and len(line) <= _MAX_UNDERLINED:
        underline = _UNDERLINE.match(lines[at + 1].text)
        if underline:
            level = 1 if underline.group(1)[0] == "=" else 2
            block = _block("heading", lines, at, at + 1, level=level, title=_plain(line))
            return at + 1, block
    last = at
    while last + 1 < len(lines) and not _begins_other(lines[last + 1].text):
        last += 1
    return last, _block("paragraph", lines, at, last)


def _block(
    kind: Kind, lines: list[_Line], first: int, last: int, *, level: int = 0, title: str = ""
) -> Block:
    return Block(kind, lines[first].start, lines[last].end, level, title)


def _begins_other(line: str) -> bool:
    """Whether `line` cannot go on with a paragraph."""
    return not line or bool(_heading(line) or _FENCE.match(line) or _ROW.match(line))


def _heading(line: str) -> re.Match[str] | None:
    return _ATX.match(line) if len(line) <= _MAX_HEADING else None


def _fence_end(lines: list[_Line], at: int, fence: str) -> int:
    for position in range(at + 1, len(lines)):
        line = lines[position].text.strip()
        if line.startswith(fence) and not line.strip(fence[0]):
            return position
    return len(lines) - 1


def _list_end(lines: list[_Line], at: int) -> int:
    """The last line of the list: items, their indented lines, and blank lines between them."""
    last = at
    for position in range(at + 1, len(lines)):
        line = lines[position].text
        if not line:
            continue
        gap = position - last > 1
        goes_on = _ITEM.match(line) or line[0] in " \t" if gap else not _begins_other(line)
        if not goes_on:
            break
        last = position
    return last


def _plain(title: str) -> str:
    """A heading without its inline marks."""
    bare = _MARKS.sub("", _LINK.sub(r"\1", title))
    return " ".join(bare.split()) or title.strip()
