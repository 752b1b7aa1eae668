"""Read what an index holds: documents, entities and the graph around them, communities, reports."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias, cast

from graphrag.core.answers import Citation, Passage
from graphrag.core.errors import NoIndexError, NotFoundError, UsageError
from graphrag.query.context.rows import FindingItem, RelationshipRow
from graphrag.stores import Filter, GraphStore

Scalar: TypeAlias = str | int | float | bool | None

MAX_NODES = 500
MAX_EDGES = 2000
_FOUND = 1000  # entities that a search looks at, at most
_MENTIONS = 50  # of one entity that are shown
_NEIGHBOURS = 50
_HUB_EDGES = 400  # of one step of a walk
_STEPS = 4  # between two entities
_PAGE = re.compile(r"^ {0,3}######[ \t]+(Page \d+|Slide \d+|Sheet: \S[^\n]{0,60})", re.MULTILINE)


class OpensStore(Protocol):
    """The part of AsyncGraphRAG that is used here."""

    async def _open_store(self, *, create: bool) -> GraphStore: ...


class DocumentColumns(NamedTuple):
    id: str
    source: str
    title: str | None
    content_hash: str
    language: str | None
    metadata: str | None
    n_tokens: int | None
    status: str | None
    error: str | None


class UnitColumns(NamedTuple):
    id: str
    document_id: str
    ordinal: int
    headings: list[str] | None
    text: str
    n_tokens: int
    evidence_key: str | None


class EvidenceColumns(NamedTuple):
    key: str
    status: str | None
    error: str | None


class EntityColumns(NamedTuple):
    id: str
    name: str
    type: str | None
    aliases: list[str] | None
    description: str | None
    n_mentions: int
    degree: int


class AttributeColumns(NamedTuple):
    id: str
    attributes: str | None


class MentionColumns(NamedTuple):
    text_unit_id: str
    entity_id: str
    description: str | None


class CommunityColumns(NamedTuple):
    id: str
    level: int
    parent_id: str | None
    size: int
    entity_ids: list[str]


class ReportColumns(NamedTuple):
    community_id: str
    title: str | None
    summary: str | None
    findings: list[FindingItem] | None
    rating: float | None
    rating_explanation: str | None
    method: str | None


class SourceMetadata(NamedTuple):
    id: str
    source: str
    metadata: str | None


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    id: str
    source: str
    title: str
    content_hash: str
    language: str
    n_tokens: int
    status: str
    error: str
    metadata: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class TextUnit:
    """`error`: why nothing could be extracted from it."""

    id: str
    ordinal: int
    headings: tuple[str, ...]
    text: str
    n_tokens: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class DocumentDetail:
    document: DocumentSummary
    text_units: tuple[TextUnit, ...]


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """`total`: how many there are on all pages."""

    total: int
    documents: tuple[DocumentSummary, ...]


@dataclass(frozen=True, slots=True)
class EntitySummary:
    id: str
    name: str
    type: str
    description: str
    n_mentions: int
    degree: int


@dataclass(frozen=True, slots=True)
class EntityPage:
    total: int
    entities: tuple[EntitySummary, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """An entity in a picture; `x` and `y` (-1 to 1) come from its id, so they never move."""

    id: str
    name: str
    type: str
    degree: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Edge:
    id: str
    source: str
    target: str
    type: str
    description: str
    weight: float


@dataclass(frozen=True, slots=True)
class Graph:
    """`left_out`: how many entities had no room, of those that were looked at."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    left_out: int = 0

    def _repr_html_(self) -> str:
        """Show the picture in a notebook."""
        from graphrag.engine.graph_picture import picture

        return picture(self)


@dataclass(frozen=True, slots=True)
class Mention:
    text_unit_id: str
    document: str
    title: str
    description: str
    text: str


@dataclass(frozen=True, slots=True)
class CommunitySummary:
    id: str
    level: int
    parent_id: str | None
    size: int
    title: str


@dataclass(frozen=True, slots=True)
class CommunityPage:
    total: int
    communities: tuple[CommunitySummary, ...]


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """What text units state of an attribute; a number in the unit of the schema, if it can be."""

    name: str
    value: str | float | bool
    unit: str | None
    text_unit_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntityDetail:
    entity: EntitySummary
    aliases: tuple[str, ...]
    attributes: tuple[AttributeValue, ...]
    neighbours: tuple[EntitySummary, ...]
    relationships: tuple[Edge, ...]
    mentions: tuple[Mention, ...]
    communities: tuple[CommunitySummary, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    summary: str
    explanation: str
    text_unit_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """`method`: "model", or "extractive" where sentences of the documents make it."""

    community_id: str
    level: int
    size: int
    title: str
    summary: str
    rating: float | None
    rating_explanation: str
    method: str
    findings: tuple[Finding, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class ReportPage:
    total: int
    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage with what is known of its document.

    `page`: the first page, slide or sheet that it names; `quotes`: what a verified citation of
    the answer took from it, where one was asked for.
    """

    id: str
    document: str
    document_id: str
    title: str
    text: str
    score: float
    page: str
    metadata: Mapping[str, Scalar]
    quotes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passages:
    """What would be read to answer a question, or was, best first."""

    question: str
    method: str
    reason: str
    passages: tuple[FoundPassage, ...]
    warnings: tuple[str, ...] = ()


class Contents:
    """Reads one index. Every method raises NoIndexError where nothing was indexed."""

    def __init__(self, store: GraphStore) -> None:
        self.store = store

    async def version(self) -> str:
        """Changes when anything that is read here changes."""
        meta = await self.store.meta()
        if not meta:
            raise NoIndexError(
                f"nothing is indexed in namespace {self.store.namespace!r}",
                hint="Index documents first.",
            )
        parts = [meta.get(name, "") for name in ("content_hash", "graph_hash", "last_run")]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    async def counts(self) -> dict[str, int]:
        """Rows by table."""
        await self.version()
        return await self.store.counts()

    async def documents(
        self,
        *,
        search: str = "",
        status: str | None = None,
        filters: Sequence[Filter] = (),
        offset: int = 0,
        limit: int = 50,
    ) -> DocumentPage:
        """The documents whose source or title holds `search`, by source."""
        where = ("id", await self.store.matching_documents(filters)) if filters else None
        rows = await self.store.rows("documents", DocumentColumns, where=where)
        wanted = search.casefold()
        found = sorted(
            (
                row
                for row in rows
                if (status is None or row.status == status)
                and (wanted in row.source.casefold() or wanted in (row.title or "").casefold())
            ),
            key=lambda row: row.source,
        )
        page = found[offset : offset + limit]
        return DocumentPage(len(found), tuple(map(_document, page)))

    async def document(self, document_id: str) -> DocumentDetail:
        """One document with its text units in order. Raises NotFoundError."""
        rows = await self.store.rows("documents", DocumentColumns, where=("id", [document_id]))
        if not rows:
            raise NotFoundError(f"no document {document_id!r}", hint="List the documents.")
        units = await self.store.rows(
            "text_units", UnitColumns, where=("document_id", [document_id])
        )
        keys = sorted({unit.evidence_key for unit in units if unit.evidence_key})
        evidence = (
            await self.store.rows("evidence", EvidenceColumns, where=("key", keys)) if keys else []
        )
        errors = {row.key: row.error or "failed" for row in evidence if row.status == "failed"}
        return DocumentDetail(
            _document(rows[0]),
            tuple(
                TextUnit(
                    unit.id,
                    unit.ordinal,
                    tuple(unit.headings or ()),
                    unit.text,
                    unit.n_tokens,
                    errors.get(unit.evidence_key or "", ""),
                )
                for unit in sorted(units, key=lambda unit: unit.ordinal)
            ),
        )

    async def document_of_unit(self, text_unit_id: str) -> tuple[DocumentSummary, TextUnit]:
        """A text unit and the document it is in. Raises NotFoundError."""
        rows = await self.store.rows("text_units", UnitColumns, where=("id", [text_unit_id]))
        if not rows:
            raise NotFoundError(f"no text unit {text_unit_id!r}", hint="Search again.")
        detail = await self.document(rows[0].document_id)
        unit = next(unit for unit in detail.text_units if unit.id == text_unit_id)
        return detail.document, unit

    async def found(
        self, passages: Sequence[Passage], citations: Sequence[Citation] = ()
    ) -> tuple[FoundPassage, ...]:
        """`passages` with page, metadata, and what `citations` verified in them."""
        ids = sorted({passage.id for passage in passages})
        rows = await self.store.documents_of(ids, SourceMetadata) if ids else []
        documents = {row.source: row for row in rows}
        quotes: dict[str, list[str]] = {}
        for citation in citations:
            if citation.verified:
                quotes.setdefault(citation.text_unit_id, []).append(citation.quote)
        return tuple(
            _found(one, documents.get(one.document), quotes.get(one.id, ())) for one in passages
        )

    async def entities(
        self, *, search: str = "", kind: str | None = None, offset: int = 0, limit: int = 50
    ) -> EntityPage:
        """Entities that `search` finds, best first; without it all, those mentioned most first."""
        if search.strip():
            hits = await self.store.search_text("entities", search, k=_FOUND)
            rows = await self._entity_rows([hit.id for hit in hits])
            typed = search.strip().casefold()
            found = sorted(  # names that have what was typed, then the others, each best first
                (rows[hit.id] for hit in hits if hit.id in rows),
                key=lambda row: typed not in row.name.casefold(),
            )
        else:
            everything = await self.store.rows("entities", EntityColumns)
            found = sorted(everything, key=lambda row: (-row.n_mentions, row.name, row.id))
        if kind is not None:
            found = [row for row in found if (row.type or "").casefold() == kind.casefold()]
        return EntityPage(len(found), tuple(map(_entity, found[offset : offset + limit])))

    async def find_entity(self, name: str) -> str:
        """The id of the entity with this id, name or alias, else the best hit for it.

        Raises NotFoundError.
        """
        named, hits = await self._named(name)
        if named is None and not hits:
            raise NotFoundError(f"no entity {name!r}", hint="Search for entities by another name.")
        return named or hits[0]

    async def _named(self, name: str) -> tuple[str | None, list[str]]:
        """The entity with this id, name or alias, and the best hits for it."""
        if await self._entity_rows([name]):
            return name, []
        hits = await self.store.search_text("entities", name, k=20)
        rows = await self._entity_rows([hit.id for hit in hits])
        wanted = name.casefold()
        ranked = [rows[hit.id] for hit in hits if hit.id in rows]
        for row in ranked:
            if wanted in (row.name.casefold(), *(alias.casefold() for alias in row.aliases or ())):
                return row.id, []
        return None, [row.id for row in ranked]

    async def _exactly(self, name: str) -> str:
        named, hits = await self._named(name)
        if named is None:
            near = await self._entity_rows(hits[:3])
            names = ", ".join(repr(near[one].name) for one in hits[:3])
            raise NotFoundError(
                f"no entity {name!r}",
                hint=f"Names like it: {names}." if names else "Search for entities.",
            )
        return named

    async def entity(self, entity_id: str) -> EntityDetail:
        """One entity with what surrounds it. Raises NotFoundError."""
        found = await self._entity_rows([entity_id])
        if entity_id not in found:
            raise NotFoundError(f"no entity {entity_id!r}", hint="Search for entities.")
        edges = await self._edges([entity_id], most=_NEIGHBOURS)
        others = {edge.source for edge in edges} | {edge.target for edge in edges}
        neighbours = await self._entity_rows(sorted(others - {entity_id}))
        row = found[entity_id]
        return EntityDetail(
            _entity(row),
            tuple(row.aliases or ()),
            await self._attributes(entity_id),
            tuple(
                _entity(one)
                for one in sorted(neighbours.values(), key=lambda one: (-one.degree, one.id))
            ),
            tuple(edges),
            await self._mentions(entity_id),
            await self._communities_of(entity_id),
        )

    async def _attributes(self, entity_id: str) -> tuple[AttributeValue, ...]:
        from pydantic import TypeAdapter

        rows = await self.store.rows("entities", AttributeColumns, where=("id", [entity_id]))
        values = TypeAdapter(tuple[AttributeValue, ...])
        return values.validate_json(rows[0].attributes or "[]") if rows else ()

    async def graph(
        self,
        *,
        around: str | None = None,
        to: str | None = None,
        community: str | None = None,
        depth: int = 1,
        limit: int = 100,
    ) -> Graph:
        """The graph around an entity, between two (`around`, `to`), or of a community.

        Entities are given by id, exact name or alias, a community by id. Raises UsageError where
        neither is named, NotFoundError.
        """
        start = await self._exactly(around) if around is not None else None
        if community is not None:
            ids = await self._members(community)
        elif start is None:
            raise UsageError(
                "no place in the graph is named", hint="Give around, around and to, or community."
            )
        elif to is not None:
            end = await self._exactly(to)
            ids = await self._between(start, end)
            if not ids:
                names = [one.name for one in (await self._entity_rows([start, end])).values()]
                raise NotFoundError(
                    f"no way between {' and '.join(map(repr, names))} in {_STEPS} steps",
                    hint="Choose nearer ones.",
                )
        else:
            ids = await self._around(start, depth=depth, most=limit * 4)
        shown = ids[:limit]
        rows = await self._entity_rows(shown)
        edges = await self._edges(sorted(rows), most=MAX_EDGES)
        return Graph(
            tuple(_node(rows[one]) for one in shown if one in rows),
            tuple(edge for edge in edges if edge.source in rows and edge.target in rows),
            len(ids) - len(shown),
        )

    async def communities(
        self, *, level: int | None = None, offset: int = 0, limit: int = 50
    ) -> CommunityPage:
        """Communities of one level or of all, coarse and large ones first."""
        where = ("level", [level]) if level is not None else None
        rows = await self.store.rows("communities", CommunityColumns, where=where)
        rows.sort(key=lambda row: (row.level, -row.size, row.id))
        page = rows[offset : offset + limit]
        return CommunityPage(len(rows), await self._titled(page))

    async def reports(
        self, *, search: str = "", level: int | None = None, offset: int = 0, limit: int = 20
    ) -> ReportPage:
        """Reports that `search` finds, best first; without it those of large communities first."""
        where = ("level", [level]) if level is not None else None
        communities = {
            row.id: row
            for row in await self.store.rows("communities", CommunityColumns, where=where)
        }
        if search.strip():
            hits = await self.store.search_text("reports", search, k=_FOUND)
            ids = [hit.id for hit in hits if hit.id in communities]
        else:
            ids = [
                row.id
                for row in sorted(
                    communities.values(), key=lambda row: (row.level, -row.size, row.id)
                )
            ]
        rows = await self._report_rows(ids)
        found = [one for one in ids if one in rows]
        page = found[offset : offset + limit]
        return ReportPage(len(found), tuple(_report(rows[one], communities[one]) for one in page))

    async def report(self, community_id: str) -> Report:
        """The report of one community. Raises NotFoundError."""
        communities = await self.store.rows(
            "communities", CommunityColumns, where=("id", [community_id])
        )
        rows = await self._report_rows([community_id])
        if not communities or not rows:
            raise NotFoundError(f"no report of {community_id!r}", hint="List the reports.")
        return _report(rows[community_id], communities[0])

    async def _entity_rows(self, ids: Sequence[str]) -> dict[str, EntityColumns]:
        if not ids:
            return {}
        rows = await self.store.rows("entities", EntityColumns, where=("id", ids))
        return {row.id: row for row in rows}

    async def summaries(self, entity_ids: Sequence[str]) -> dict[str, EntitySummary]:
        """Those of `entity_ids` that there are, by id."""
        return {key: _entity(row) for key, row in (await self._entity_rows(entity_ids)).items()}

    async def titles(self, community_ids: Sequence[str]) -> dict[str, str]:
        """The titles of the reports that there are, by community."""
        rows = await self._report_rows(community_ids)
        return {key: row.title or "" for key, row in rows.items()}

    async def _report_rows(self, ids: Sequence[str]) -> dict[str, ReportColumns]:
        if not ids:
            return {}
        rows = await self.store.rows("reports", ReportColumns, where=("community_id", ids))
        return {row.community_id: row for row in rows}

    async def _edges(self, entity_ids: Sequence[str], *, most: int) -> list[Edge]:
        if not entity_ids:
            return []
        rows = await self.store.relationships_of(entity_ids, RelationshipRow, most=most)
        return [
            Edge(
                row.id,
                row.source_id,
                row.target_id,
                row.type or "",
                row.description or "",
                row.weight,
            )
            for row in rows
        ]

    async def _around(self, entity_id: str, *, depth: int, most: int) -> list[str]:
        """Entities by distance, those over heavy relationships first."""
        found: dict[str, None] = {entity_id: None}
        outer = [entity_id]
        for _ in range(depth):
            edges = await self._edges(outer, most=_HUB_EDGES)
            edges.sort(key=lambda edge: (-edge.weight, edge.id))
            fresh = dict.fromkeys(
                end for edge in edges for end in (edge.source, edge.target) if end not in found
            )
            outer = list(fresh)
            found |= fresh
            if not outer or len(found) >= most:
                break
        return list(found)

    async def _between(self, start: str, end: str) -> list[str]:
        """The entities of a shortest way from `start` to `end`, in its order; none if too far."""
        came_from: dict[str, str] = {start: start}
        outer = [start]
        for _ in range(_STEPS):
            if end in came_from or not outer:
                break
            fresh: dict[str, str] = {}
            for edge in await self._edges(outer, most=MAX_EDGES):
                for here, there in ((edge.source, edge.target), (edge.target, edge.source)):
                    if here in came_from and there not in came_from:
                        fresh.setdefault(there, here)
            came_from |= fresh
            outer = sorted(fresh)
        if end not in came_from:
            return []
        way = [end]
        while way[-1] != start:
            way.append(came_from[way[-1]])
        return way[::-1]

    async def _members(self, community_id: str) -> list[str]:
        rows = await self.store.rows("communities", CommunityColumns, where=("id", [community_id]))
        if not rows:
            raise NotFoundError(f"no community {community_id!r}", hint="List the communities.")
        members = await self._entity_rows(rows[0].entity_ids)
        return sorted(members, key=lambda one: (-members[one].degree, one))

    async def _mentions(self, entity_id: str) -> tuple[Mention, ...]:
        rows = await self.store.rows("mentions", MentionColumns, where=("entity_id", [entity_id]))
        rows = rows[:_MENTIONS]
        if not rows:
            return ()
        ids = [row.text_unit_id for row in rows]
        units = {
            unit.id: unit
            for unit in await self.store.rows("text_units", UnitColumns, where=("id", ids))
        }
        documents = {
            row.id: row
            for row in await self.store.rows(
                "documents",
                DocumentColumns,
                where=("id", sorted({unit.document_id for unit in units.values()})),
            )
        }
        return tuple(
            Mention(
                row.text_unit_id,
                documents[unit.document_id].source,
                documents[unit.document_id].title or "",
                row.description or "",
                unit.text,
            )
            for row in rows
            if (unit := units.get(row.text_unit_id)) is not None and unit.document_id in documents
        )

    async def _communities_of(self, entity_id: str) -> tuple[CommunitySummary, ...]:
        memberships = await self.store.memberships_of([entity_id])
        ids = sorted({one.community_id for one in memberships})
        if not ids:
            return ()
        rows = await self.store.rows("communities", CommunityColumns, where=("id", ids))
        return await self._titled(sorted(rows, key=lambda row: (row.level, row.id)))

    async def _titled(self, rows: Sequence[CommunityColumns]) -> tuple[CommunitySummary, ...]:
        reports = await self._report_rows([row.id for row in rows])
        return tuple(
            CommunitySummary(
                row.id,
                row.level,
                row.parent_id,
                row.size,
                (reports[row.id].title or "") if row.id in reports else "",
            )
            for row in rows
        )


async def contents_of(engine: OpensStore) -> Contents:
    """What the index of `engine` holds. Raises NoIndexError, StoreError."""
    return Contents(await engine._open_store(create=False))


def _document(row: DocumentColumns) -> DocumentSummary:
    return DocumentSummary(
        row.id,
        row.source,
        row.title or row.source,
        row.content_hash,
        row.language or "und",
        row.n_tokens or 0,
        row.status or "",
        row.error or "",
        _metadata(row.metadata),
    )


def _metadata(text: str | None) -> Mapping[str, Scalar]:
    return cast("dict[str, Scalar]", json.loads(text or "{}"))


def _found(
    passage: Passage, document: SourceMetadata | None, quotes: Sequence[str]
) -> FoundPassage:
    page = _PAGE.search(passage.text)
    return FoundPassage(
        passage.id,
        passage.document,
        document.id if document else "",
        passage.title,
        passage.text,
        passage.score,
        page[1].strip() if page else "",
        _metadata(document.metadata) if document else {},
        tuple(quotes),
    )


def _entity(row: EntityColumns) -> EntitySummary:
    return EntitySummary(
        row.id, row.name, row.type or "", row.description or "", row.n_mentions, row.degree
    )


def _node(row: EntityColumns) -> Node:
    return Node(row.id, row.name, row.type or "", row.degree, *place_of(row.id))


def place_of(entity_id: str) -> tuple[float, float]:
    """On a disc, by the hash of the id: evenly spread, the same in every picture."""
    digest = hashlib.sha256(entity_id.encode()).digest()
    angle = 2 * math.pi * int.from_bytes(digest[:4], "big") / 2**32
    radius = math.sqrt(int.from_bytes(digest[4:8], "big") / 2**32)
    return round(radius * math.cos(angle), 4), round(radius * math.sin(angle), 4)


def _report(row: ReportColumns, community: CommunityColumns) -> Report:
    return Report(
        row.community_id,
        community.level,
        community.size,
        row.title or "",
        row.summary or "",
        row.rating,
        row.rating_explanation or "",
        row.method or "",
        tuple(
            Finding(
                finding["summary"] or "",
                finding["explanation"] or "",
                tuple(finding["text_unit_ids"] or ()),
            )
            for finding in row.findings or ()
        ),
    )
