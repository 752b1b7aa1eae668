"""Split documents into text units: structure first, packed to a token limit, stable under edits.

A document becomes atoms: its blocks, or the sentences (rows, lines) of a block that does not fit.
Atoms are packed in order. Where a unit ends depends on what is written there and not on what
came before, so an edit changes the units around it and leaves the rest as they were:

- A section that fits is kept whole; small ones share a unit; a large one begins a unit.
- Elsewhere a unit ends at the strongest boundary in reach (heading, block, sentence), and among
  equals at a *landmark*: an atom whose own hash says so, as in content-defined chunking.

A unit that begins within a page, slide or sheet repeats the line that names it.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import polars as pl

from graphrag.core.errors import SettingsError
from graphrag.core.settings import ChunkSettings
from graphrag.core.tables import TEXT_UNITS, stable_id
from graphrag.indexing.documents.files import Document, document_id
from graphrag.indexing.runners import Tools
from graphrag.text import sentences, tokens
from graphrag.text.blocks import Block, blocks
from graphrag.text.page_marks import place_line

# Chosen by packing a megabyte of prose before and after an edit: 10% more units than packing
# each to the brim, and one edit changes 1.3 of them on average where that one changes 2.0.
_LANDMARK_SHARE = 1 / 16  # of all atoms
_LANDMARK_FILL = 0.4  # of the limit; from here on a unit may end at a landmark
_FULL = 0.8  # of the limit; from here on it may end anywhere
_TINY = 8  # the limit divided by this: too little for a unit of its own

_BLOCK_RANK, _INNER_RANK = 7, 8  # of boundaries; those at headings are the level, 1 to 6
_TABLE_HEAD = re.compile(r"\s*\|[^\n]*\n[ \t]*\|[ \t]*:?-[-:| \t]*\n")
_OVERLAP_CHARS = 8  # characters of a token of the overlap, to look no further back


@dataclass(frozen=True, slots=True)
class _Atom:
    """`text[start:end]`, never divided. `rank` is the strength of the boundary before it."""

    start: int
    end: int
    tokens: int
    rank: int
    level: int  # of the section it is in, 0 before the first heading
    path: tuple[str, ...]
    section: int  # character where its section begins
    head: str | None = None  # of the table or code it continues: what to repeat before it
    hash: int = 0
    place: str = ""  # the page, slide or sheet it stands on
    names_place: bool = False  # and nothing else

    @property
    def is_heading(self) -> bool:
        return self.rank < _BLOCK_RANK


@dataclass(frozen=True, slots=True)
class _Cut:
    """A unit: `text` is what it repeats and the document's text from `start` to `end`."""

    start: int
    end: int
    headings: tuple[str, ...]
    page: str
    text: str
    n_tokens: int


def fingerprint(settings: ChunkSettings) -> str:
    """Of all that decides where a text is cut."""
    return stable_id(settings.model_dump_json())


def split_documents(documents: Sequence[Document], *, settings: ChunkSettings) -> pl.DataFrame:
    """The text units of `documents`, document by document and in reading order.

    No unit has more than `max_tokens`; all but white space is in some unit. Raises SettingsError
    when the overlap leaves no room.
    """
    if settings.overlap >= settings.max_tokens:
        raise SettingsError(
            f"chunks.overlap is {settings.overlap!r}, chunks.max_tokens {settings.max_tokens!r}",
            hint="Set chunks.overlap below chunks.max_tokens.",
        )
    rows: list[dict[str, object]] = []
    for document in documents:
        owner = document_id(document.source)
        seen: dict[str, int] = {}
        for ordinal, cut in enumerate(_split(document.text, settings)):
            occurrence = seen[cut.text] = seen.get(cut.text, -1) + 1
            rows.append(
                {
                    "id": stable_id("text_unit", owner, cut.text, str(occurrence)),
                    "document_id": owner,
                    "ordinal": ordinal,
                    "start": cut.start,
                    "end": cut.end,
                    "headings": list(cut.headings),
                    "page": cut.page or None,
                    "context": None,
                    "text": cut.text,
                    "n_tokens": cut.n_tokens,
                    "evidence_key": "",
                }
            )
    return pl.DataFrame(rows, schema=TEXT_UNITS)


async def split_here(documents: Sequence[Document], tools: Tools) -> pl.DataFrame:
    """The text units of `documents`, split where this runs."""
    return await asyncio.to_thread(split_documents, documents, settings=tools.settings.chunks)


def _split(text: str, settings: ChunkSettings) -> Iterator[_Cut]:
    most = settings.max_tokens
    atoms = _atoms(text, most - settings.overlap)
    reserved = _tokens_of_places(atoms, most - settings.overlap)
    if reserved:
        most -= reserved
        atoms = _atoms(text, most - settings.overlap)
    bounds = _pack(atoms, most, most - settings.overlap)
    previous = 0
    for first, end in pairwise(bounds):
        unit = atoms[first:end]
        while unit and unit[-1].names_place:  # what it names is in the next unit
            unit = unit[:-1]
        if not unit or not text[unit[0].start : unit[-1].end].strip():
            continue
        start, stop = unit[0].start, unit[-1].end
        head, begin = _repeated(text, atoms, first, previous=previous, overlap=settings.overlap)
        previous = start
        headings = _common_path(unit)
        place, page = _place_before(atoms, first, begin)
        for repeats, since in ((place + head, begin), (place, start)):
            span = _bare(text, since, stop)
            whole = repeats + text[slice(*span)]
            n_tokens = tokens.count(whole)
            if n_tokens <= most + reserved:
                yield _Cut(*span, headings, page, whole, n_tokens)
                break
        else:  # atoms can have more tokens together than one by one
            for piece in tokens.split(text[start:stop], max_tokens=most):
                span = _bare(text, start, start + len(piece))
                start += len(piece)
                if bare := text[slice(*span)]:
                    yield _Cut(*span, headings, page, place + bare, tokens.count(place + bare))


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """`text[start:end]` without the white space at its ends."""
    inside = text[start:end]
    return start + len(inside) - len(inside.lstrip()), start + len(inside.rstrip())


def _tokens_of_places(atoms: Sequence[_Atom], limit: int) -> int:
    """The tokens of the longest line that names a place; 0 where no unit would have room for it."""
    places = {atom.place for atom in atoms if atom.place}
    reserved = max((tokens.count(_repeated_place(place)) + 1 for place in places), default=0)
    return reserved if 2 * reserved < limit else 0


def _repeated_place(place: str) -> str:
    return f"{place_line(place)}\n\n"


def _place_before(atoms: Sequence[_Atom], first: int, begin: int) -> tuple[str, str]:
    """The line that a unit lacks which begins at `begin`, in atom `first` or before it.

    And the page, slide or sheet on which it begins.
    """
    if atoms[first].names_place and atoms[first].start == begin:
        return "", atoms[first].place
    while first > 0 and atoms[first].start > begin:
        first -= 1
    place = atoms[first].place
    return (_repeated_place(place) if place and not atoms[first].names_place else ""), place


def _atoms(text: str, limit: int) -> list[_Atom]:
    found: list[_Atom] = []
    headings: list[tuple[int, str]] = []  # levels and titles of the path
    section = 0
    place = ""
    for block in blocks(text):
        rank = _BLOCK_RANK
        if block.kind == "place":
            place = block.title
        if block.kind == "heading":
            rank, section = block.level, block.start
            while headings and headings[-1][0] >= block.level:
                headings.pop()
            headings.append((block.level, block.title))
        path = tuple(title for _, title in headings)
        level = headings[-1][0] if headings else 0
        spans = [(block.start, block.end)]
        sizes = [tokens.count(text[block.start : block.end])]
        if sizes[0] > limit:
            spans = list(_divide(text, block, limit))
            sizes = [tokens.count(text[start:end]) for start, end in spans]
        head = _head(text, block)
        for position, ((start, end), size) in enumerate(zip(spans, sizes, strict=True)):
            found.append(
                _Atom(
                    start, end, size, _INNER_RANK if position else rank, level, path, section,
                    head=head, hash=zlib.crc32(text[start:end].encode()),
                    place=place, names_place=block.kind == "place",
                )
            )  # fmt: skip
    return found


def _divide(text: str, block: Block, limit: int) -> Iterator[tuple[int, int]]:
    """Spans of the lines of code and else of the sentences, those too long cut at tokens."""
    inside = text[block.start : block.end]
    if block.kind == "code":
        starts = [0, *(match.end() for match in re.finditer(r"\n(?=[^\n])", inside))]
    else:
        starts = [start for start, _ in sentences(inside)]
        starts[:1] = [0]
    for start, end in pairwise([*starts, len(inside)]):
        if tokens.count(inside[start:end]) <= limit:
            yield block.start + start, block.start + end
            continue
        at = block.start + start
        for piece in tokens.split(inside[start:end], max_tokens=limit):
            yield at, at + len(piece)
            at += len(piece)


def _head(text: str, block: Block) -> str | None:
    """What each later part of a divided block repeats; None where it repeats sentences."""
    if block.kind == "table":
        match = _TABLE_HEAD.match(text, block.start, block.end)
        return match.group().strip() + "\n" if match else ""
    return "" if block.kind == "code" else None


def _pack(atoms: Sequence[_Atom], most: int, limit: int) -> list[int]:
    """The atom that begins each unit, and at last the number of atoms.

    `limit` is for units that begin inside a section and will repeat what was before, `most` for
    the others.
    """
    before = [0, *accumulate(atom.tokens for atom in atoms)]
    sections = _section_tokens(atoms, before)
    rest = _rest_of_section(atoms, before, sections)
    bounds = [0]
    while (first := bounds[-1]) < len(atoms):
        room = most if first == 0 or atoms[first].is_heading else limit
        if first == 0 and before[-1] <= most:
            bounds.append(len(atoms))  # a short document is one unit
        else:
            bounds.append(
                _unit_end(atoms, first, before=before, sections=sections, rest=rest, room=room)
            )
    return bounds if atoms else []


def _section_tokens(atoms: Sequence[_Atom], before: Sequence[int]) -> list[int]:
    """Tokens of the section that each heading opens, subsections included; 0 for the others."""
    sizes = [0] * len(atoms)
    opened: list[int] = []
    for position, atom in enumerate(atoms):
        if atom.is_heading:
            while opened and atoms[opened[-1]].level >= atom.level:
                begin = opened.pop()
                sizes[begin] = before[position] - before[begin]
            opened.append(position)
    for begin in opened:
        sizes[begin] = before[-1] - before[begin]
    return sizes


def _rest_of_section(
    atoms: Sequence[_Atom], before: Sequence[int], sections: Sequence[int]
) -> list[int]:
    """Tokens from each atom to the end of the section it is in."""
    end = before[-1]
    left: list[int] = []
    for position, atom in enumerate(atoms):
        if atom.is_heading:
            end = before[position] + sections[position]
        left.append(end - before[position])
    return left


def _floor(atom: _Atom) -> int:
    """The level of heading above which a unit that begins with `atom` does not reach."""
    return atom.level if atom.is_heading else atom.level + 1


def _unit_end(
    atoms: Sequence[_Atom],
    first: int,
    *,
    before: Sequence[int],
    sections: Sequence[int],
    rest: Sequence[int],
    room: int,
) -> int:
    """The atom before which the unit that begins with atom `first` ends."""
    tiny = room // _TINY
    floor = _floor(atoms[first])
    position = first
    while position < len(atoms):
        atom = atoms[position]
        fill = before[position] - before[first]
        if position > first and atom.is_heading:
            too_large = fill + sections[position] > room
            if fill >= tiny:
                if atom.level < floor or (too_large and sections[position] > room):
                    return position
                if too_large:
                    break
            floor = min(floor, atom.level)
        if position > first and fill + atom.tokens > room:
            break
        position += 1
    else:
        return position
    return _best_end(atoms, first, position, before=before, rest=rest, room=room)


def _best_end(
    atoms: Sequence[_Atom],
    first: int,
    last: int,
    *,
    before: Sequence[int],
    rest: Sequence[int],
    room: int,
) -> int:
    """The end of a unit that has room up to atom `last`."""
    tiny = room // _TINY
    choices = [
        end
        for end in range(first + 1, last + 1)
        if before[end] - before[first] >= _LANDMARK_FILL * room
        and not atoms[end - 1].is_heading
        and (atoms[end].is_heading or rest[end] >= tiny)
    ]
    if not choices:
        end = last
        while end > first and atoms[end - 1].is_heading:  # a heading stays with its text
            end -= 1
        return end if end > first else last  # nothing but headings
    strongest = min(atoms[end].rank for end in choices)
    choices = [end for end in choices if atoms[end].rank == strongest]
    landmarks = [end for end in choices if atoms[end].hash < _LANDMARK_SHARE * 2**32]
    if landmarks:
        return landmarks[-1]
    full = [end for end in choices if before[end] - before[first] >= _FULL * room]
    return min(full or choices, key=lambda end: (atoms[end].hash, end))


def _common_path(unit: Sequence[_Atom]) -> tuple[str, ...]:
    """The headings that all of the unit is under; a heading without text of its own has no say."""
    paths = [atom.path for atom in unit if not (atom.is_heading or atom.names_place)]
    paths = paths or [unit[-1].path]
    shared: list[str] = []
    for titles in zip(*paths, strict=False):
        if titles.count(titles[0]) < len(titles):
            break
        shared.append(titles[0])
    return tuple(shared)


def _repeated(
    text: str, atoms: Sequence[_Atom], first: int, *, previous: int, overlap: int
) -> tuple[str, int]:
    """What the unit that begins with atom `first` repeats of the one that began at `previous`.

    The head of the table that it continues, and the character where it begins: that of the atom,
    or of whole sentences before it in its section.
    """
    atom = atoms[first]
    if first == 0 or atom.is_heading or not overlap:
        return "", atom.start
    if atom.rank == _INNER_RANK and atom.head is not None:
        return (atom.head if tokens.count(atom.head) <= overlap else ""), atom.start
    if atoms[first - 1].head is not None:
        return "", atom.start
    earliest = max(previous, atom.section)
    back = max(earliest, atom.start - overlap * _OVERLAP_CHARS)
    begin = atom.start
    for start, _ in reversed(sentences(text[back : atom.start])):
        if start == 0 and back > earliest:  # perhaps not a whole one
            break
        if tokens.count(text[back + start : atom.start]) > overlap:
            break
        begin = back + start
    return "", begin
