"""Name the columns that queries read of each table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple, TypedDict, cast


class DocumentRow(NamedTuple):
    id: str
    source: str
    title: str | None
    language: str | None


class DocumentKeys(NamedTuple):
    """What filters can name."""

    source: str | None
    title: str | None
    language: str | None
    metadata: str | None


def metadata_keys(documents: Iterable[DocumentKeys]) -> set[str]:
    """The keys that the metadata of at least one document has."""
    texts = {row.metadata for row in documents if row.metadata}
    return {key for text in texts for key in cast("dict[str, object]", json.loads(text))}


class UnitRow(NamedTuple):
    id: str
    document_id: str
    ordinal: int
    text: str
    n_tokens: int
    headings: list[str] | None


class UnitPlace(NamedTuple):
    id: str
    document_id: str


class EntityRow(NamedTuple):
    id: str
    name: str
    type: str | None
    aliases: list[str] | None
    description: str | None
    n_mentions: int


class EntityName(NamedTuple):
    id: str
    name: str
    n_mentions: int


class MentionRow(NamedTuple):
    text_unit_id: str
    entity_id: str
    owner: float | None


class RelationshipRow(NamedTuple):
    id: str
    source_id: str
    target_id: str
    type: str | None
    description: str | None
    weight: float


class SupportedRow(NamedTuple):
    """A `RelationshipRow` and the text units that say it."""

    id: str
    source_id: str
    target_id: str
    type: str | None
    description: str | None
    weight: float
    text_unit_ids: list[str] | None


class FindingItem(TypedDict):
    summary: str | None
    explanation: str | None
    text_unit_ids: list[str] | None


class ReportRow(NamedTuple):
    community_id: str
    title: str | None
    summary: str | None
    rating: float | None
    findings: list[FindingItem] | None


class ReportTitle(NamedTuple):
    community_id: str
    title: str | None
    summary: str | None


class ReportMethod(NamedTuple):
    community_id: str
    method: str | None


class ReportRating(NamedTuple):
    community_id: str
    rating: float | None
