"""Read what an answer stands on: a document's text, a passage, the sentences of a relationship."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from graphrag.core.errors import NotFoundError
from graphrag.engine.contents import (
    Contents,
    DocumentSummary,
    Edge,
    EntitySummary,
    TextUnit,
)
from graphrag.query.answering.places import find
from graphrag.query.context.rows import SupportedRow

MAX_CHARACTERS = 200_000  # of one reply
_OUTLINED = 2_000_000  # characters; of a longer text only the part around is divided
_LONG_BLOCK = 50_000  # characters; of a longer one only the lines around are given
_RELATIONSHIPS = 400  # of the entities of one passage that are looked at
_UNITS = 5  # of a relationship that are searched for sentences
_SENTENCES = 8


class _Text(NamedTuple):
    id: str
    text: str | None


class _Covered(NamedTuple):
    id: str
    document_id: str
    start: int | None
    end: int | None
    text: str


class _Mention(NamedTuple):
    text_unit_id: str
    entity_id: str


@dataclass(frozen=True, slots=True)
class TextBlock:
    """`text` are the characters `start` to `end` of the document's text."""

    kind: Literal["heading", "paragraph", "list", "table", "code", "place"]
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class DocumentText:
    """Whole blocks in order; `characters`: how many the document's text has."""

    document: DocumentSummary
    characters: int
    blocks: tuple[TextBlock, ...]


@dataclass(frozen=True, slots=True)
class PassageDetail:
    """A text unit, the characters of its document that it covers, and what was read in it."""

    document: DocumentSummary
    text_unit: TextUnit
    start: int | None
    end: int | None
    entities: tuple[EntitySummary, ...]
    relationships: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class SaidIn:
    """A sentence and where it stands; `start` and `end`: characters of the document's text."""

    text_unit_id: str
    document: str
    title: str
    sentence: str
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class RelationshipDetail:
    """`sentences`: those that name both ends, else those that name one."""

    relationship: Edge
    source: EntitySummary
    target: EntitySummary
    sentences: tuple[SaidIn, ...]


async def read_text(contents: Contents, document_id: str, *, start: int, end: int) -> DocumentText:
    """The blocks that hold any of the characters `start` to `end`. Raises NotFoundError."""
    document = (await contents.document(document_id)).document
    rows = await contents.store.rows("documents", _Text, where=("id", [document_id]))
    text = rows[0].text if rows else None
    if text is None:
        raise NotFoundError(
            f"the text of {document.source!r} was not kept",
            hint="The index is of an older version, or the document was not read: index it again.",
        )
    end = min(end, start + MAX_CHARACTERS, len(text))
    found = await asyncio.to_thread(lambda: tuple(_blocks(text, start, end)))
    return DocumentText(document, len(text), found)


async def read_passage(contents: Contents, text_unit_id: str) -> PassageDetail:
    """A text unit with its entities, and the relationships that it says. Raises NotFoundError."""
    document, unit = await contents.document_of_unit(text_unit_id)
    rows = await contents.store.rows("text_units", _Covered, where=("id", [text_unit_id]))
    mentions = await contents.store.rows(
        "mentions", _Mention, where=("text_unit_id", [text_unit_id])
    )
    entities = await contents.summaries(sorted({one.entity_id for one in mentions}))
    said = (
        await contents.store.relationships_of(sorted(entities), SupportedRow, most=_RELATIONSHIPS)
        if entities
        else []
    )
    return PassageDetail(
        document,
        unit,
        rows[0].start,
        rows[0].end,
        tuple(sorted(entities.values(), key=lambda one: (-one.degree, one.id))),
        tuple(
            _edge(row)
            for row in said
            if text_unit_id in (row.text_unit_ids or ())
            and row.source_id in entities
            and row.target_id in entities
        ),
    )


async def read_relationship(contents: Contents, relationship_id: str) -> RelationshipDetail:
    """A relationship with its ends and the sentences that say it. Raises NotFoundError."""
    rows = await contents.store.rows("relationships", SupportedRow, where=("id", [relationship_id]))
    if not rows:
        raise NotFoundError(f"no relationship {relationship_id!r}", hint="Ask for an entity's.")
    row = rows[0]
    ends = {one: await contents.entity(one) for one in (row.source_id, row.target_id)}
    names = [(ends[one].entity.name, *ends[one].aliases) for one in ends]
    units = await contents.store.rows(
        "text_units", _Covered, where=("id", (row.text_unit_ids or [])[:_UNITS])
    )
    said = [
        SaidIn(
            unit.id,
            document.source,
            document.title,
            sentence,
            *await _place(contents, unit, sentence),
        )
        for unit in sorted(units)
        for document in ((await contents.document_of_unit(unit.id))[0],)
        for sentence in _naming(unit.text, names)
    ]
    return RelationshipDetail(
        _edge(row),
        ends[row.source_id].entity,
        ends[row.target_id].entity,
        tuple(said[:_SENTENCES]),
    )


def _blocks(text: str, start: int, end: int) -> Iterator[TextBlock]:
    from graphrag.text.blocks import blocks

    first, last = 0, len(text)
    if last > _OUTLINED:
        first = text.rfind("\n\n", 0, start) + 1
        last = (text.find("\n\n", end) + 1) or last
        first, last = max(first, start - _LONG_BLOCK), min(last, end + _LONG_BLOCK)
    for block in blocks(text[first:last]):
        here, there = block.start + first, block.end + first
        if there <= start or here >= end:
            continue
        if there - here > _LONG_BLOCK:
            here = max(here, text.rfind("\n", 0, start + 1) + 1)
            there = min(there, (text.find("\n", end) + 1) or there)
        yield TextBlock(block.kind, here, there, text[here:there])


def _naming(text: str, names: Sequence[Sequence[str]]) -> list[str]:
    from graphrag.text import sentences

    found: dict[int, list[str]] = {}
    for start, end in sentences(text):
        sentence = text[start:end].strip()
        folded = sentence.casefold()
        both = sum(any(name.casefold() in folded for name in ours) for ours in names)
        found.setdefault(both, []).append(sentence)
    return found.get(len(names)) or found.get(1, [])[:2]


async def _place(
    contents: Contents, unit: _Covered, sentence: str
) -> tuple[int, int] | tuple[None, None]:
    rows = await contents.store.rows("documents", _Text, where=("id", [unit.document_id]))
    text = rows[0].text if rows else None
    if text is None or unit.start is None or unit.end is None:
        return None, None
    return find(sentence, text, (unit.start, unit.end)) or (None, None)


def _edge(row: SupportedRow) -> Edge:
    return Edge(
        row.id, row.source_id, row.target_id, row.type or "", row.description or "", row.weight
    )
