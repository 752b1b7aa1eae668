"""Answer for the graph: entities, neighbourhoods, communities, reports, and their corrections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from graphrag import __version__
from graphrag.core.errors import NoIndexError, UsageError
from graphrag.engine.contents import (
    MAX_NODES,
    CommunityPage,
    EntityDetail,
    EntityPage,
    Graph,
    Report,
    ReportPage,
    contents_of,
)
from graphrag.engine.map import GraphMap, read_map
from graphrag.engine.proof import PassageDetail, RelationshipDetail, read_passage, read_relationship
from graphrag.indexing.schema import SchemaCheck, SchemaDiff
from graphrag.indexing.status import Overview
from graphrag.server.documents import Limit, Offset, Short
from graphrag.server.indexes import Indexes, page_of
from graphrag.server.openapi import Endpoint, Strict, read_body, read_query
from graphrag.server.replies import etag_headers, is_known, json_reply, read_only, to_json

_ENTITY = "An entity, by its id, its exact name or an alias; case does not matter in names."


class EntityQuery(Strict):
    search: Short = ""
    type: Short | None = None
    offset: Offset = 0
    limit: Limit = 50


class GraphQuery(Strict):
    around: Annotated[Short | None, Field(description=_ENTITY)] = None
    to: Annotated[
        Short | None, Field(description=f"Show a shortest way from `around` to it. {_ENTITY}")
    ] = None
    community: Annotated[Short | None, Field(description="The id of a community.")] = None
    depth: Annotated[int, Field(ge=1, le=3)] = 1
    limit: Annotated[int, Field(ge=1, le=MAX_NODES)] = 100


class CommunityQuery(Strict):
    level: Annotated[int, Field(ge=0, le=100)] | None = None
    offset: Offset = 0
    limit: Limit = 50


class ReportQuery(Strict):
    search: Short = ""
    level: Annotated[int, Field(ge=0, le=100)] | None = None
    offset: Offset = 0
    limit: Limit = 20


class CorrectionBody(Strict):
    """One of the five kinds; see `GraphRAG.correct`."""

    merge: Annotated[
        tuple[Short, ...], Field(description="Names of one entity; the first is its.")
    ] = ()
    split: Short | None = None
    rename: Short | None = None
    retype: Short | None = None
    hide: Short | None = None
    to: Short | None = None
    documents: tuple[Short, ...] = ()
    context: tuple[Short, ...] = ()


@dataclass(frozen=True, slots=True)
class CorrectionList:
    """What stands in `corrections.yaml`, numbered from 1; the next run of `index` applies it."""

    corrections: tuple[Mapping[str, object], ...]


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """`state`: "empty" before anything was indexed."""

    name: str
    state: Literal["ready", "empty"]
    documents: int
    text_units: int
    entities: int
    relationships: int
    communities: int
    reports: int


@dataclass(frozen=True, slots=True)
class IndexList:
    indexes: tuple[IndexSummary, ...]
    version: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class JoinedName:
    """A name that belongs to an entity; `via`: the name between the two, where there is one."""

    name: str
    reason: str
    via: str
    score: float
    decided_by: str
    note: str


@dataclass(frozen=True, slots=True)
class JoinedNames:
    joined: tuple[JoinedName, ...]


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The schema in the form of its file, and how the graph fits it; null without one."""

    schema: Mapping[str, object] | None
    check: SchemaCheck | None


class GraphPages:
    """Handlers of everything that is read of an index, but documents and answers."""

    def __init__(self, indexes: Indexes, *, is_read_only: bool) -> None:
        self._indexes = indexes
        self._is_read_only = is_read_only
        self._maps: dict[str, tuple[str, bytes]] = {}  # by index: of which version, as JSON

    @property
    def endpoints(self) -> list[Endpoint]:
        index = "/api/indexes/{index}"
        return [
            Endpoint("GET", "/api/indexes", self.list_indexes, "List indexes.", reply=IndexList),
            Endpoint("GET", f"{index}/status", self.status, "What an index holds.", reply=Overview),
            Endpoint(
                "GET", f"{index}/entities", self.entities, "List entities, or search for them.",
                reply=EntityPage, query=EntityQuery,
            ),
            Endpoint(
                "GET", f"{index}/entities/{{id}}", self.entity,
                "An entity with neighbours, mentions and communities.", reply=EntityDetail,
            ),
            Endpoint(
                "GET", f"{index}/entities/{{id}}/joins", self.joins,
                "Which names became this entity, and why.", reply=JoinedNames,
            ),
            Endpoint(
                "GET", f"{index}/graph", self.graph, "A part of the graph, to be drawn.",
                reply=Graph, query=GraphQuery,
            ),
            Endpoint(
                "GET", f"{index}/map", self.map,
                "The whole graph, laid out: at most 5,000 entities.", reply=GraphMap,
            ),
            Endpoint(
                "GET", f"{index}/text_units/{{id}}", self.passage,
                "A text unit with its entities and relationships.", reply=PassageDetail,
            ),
            Endpoint(
                "GET", f"{index}/relationships/{{id}}", self.relationship,
                "A relationship with the sentences that say it.", reply=RelationshipDetail,
            ),
            Endpoint(
                "GET", f"{index}/communities", self.communities, "List communities.",
                reply=CommunityPage, query=CommunityQuery,
            ),
            Endpoint(
                "GET", f"{index}/reports", self.reports, "List reports, or search in them.",
                reply=ReportPage, query=ReportQuery,
            ),
            Endpoint(
                "GET", f"{index}/reports/{{id}}", self.report, "The report of a community.",
                reply=Report,
            ),
            Endpoint(
                "GET", f"{index}/schema", self.schema, "The schema, and how the graph fits it.",
                reply=SchemaState, problems=(409,),
            ),
            Endpoint(
                "GET", f"{index}/schema/diff", self.schema_diff,
                "What the next index would change for the schema, and what it costs.",
                reply=SchemaDiff, problems=(409,),
            ),
            Endpoint(
                "GET", f"{index}/corrections", self.corrections, "List corrections of the graph.",
                reply=CorrectionList,
            ),
            Endpoint(
                "POST", f"{index}/corrections", self.correct,
                "Write a correction; the next index applies it.",
                reply=CorrectionList, body=CorrectionBody, status=201, problems=(403, 409),
            ),
            Endpoint(
                "DELETE", f"{index}/corrections/{{number}}", self.remove_correction,
                "Remove a correction; the next index undoes it.",
                reply=CorrectionList, problems=(400, 403, 409),
            ),
        ]  # fmt: skip

    async def list_indexes(self, _: Request) -> Response:
        found = [await self._summary(name) for name in self._indexes.places]
        return json_reply(IndexList(tuple(found), __version__, self._is_read_only))

    async def status(self, request: Request) -> Response:
        async with self._indexes.use(request.path_params["index"]) as engine:
            return json_reply(await engine.status())

    async def entities(self, request: Request) -> Response:
        asked = read_query(request, EntityQuery)
        return await page_of(
            self._indexes,
            request,
            lambda contents: contents.entities(
                search=asked.search, kind=asked.type, offset=asked.offset, limit=asked.limit
            ),
        )

    async def entity(self, request: Request) -> Response:
        return await page_of(
            self._indexes, request, lambda contents: contents.entity(request.path_params["id"])
        )

    async def joins(self, request: Request) -> Response:
        async with self._indexes.use(request.path_params["index"]) as engine:
            entity_id = (
                await (await contents_of(engine)).entity(request.path_params["id"])
            ).entity.id
            entities = (await engine.entity_joins())["entities"]
        found = (one["joined"] for one in entities if one["id"] == entity_id)
        return json_reply(
            JoinedNames(tuple(JoinedName(**name) for name in next(found, None) or ()))
        )

    async def graph(self, request: Request) -> Response:
        asked = read_query(request, GraphQuery)
        return await page_of(
            self._indexes,
            request,
            lambda contents: contents.graph(
                around=asked.around,
                to=asked.to,
                community=asked.community,
                depth=asked.depth,
                limit=asked.limit,
            ),
        )

    async def map(self, request: Request) -> Response:
        """A map takes seconds to lay out: the last one of an index is kept."""
        name = str(request.path_params["index"])
        async with self._indexes.use(name) as engine:
            contents = await contents_of(engine)
            version = await contents.version()
            if is_known(request, version):
                return Response(status_code=304, headers=etag_headers(version))
            if self._maps.get(name, ("", b""))[0] != version:
                self._maps[name] = version, to_json(await read_map(contents))
        return Response(
            self._maps[name][1], headers=etag_headers(version), media_type="application/json"
        )

    async def passage(self, request: Request) -> Response:
        return await page_of(
            self._indexes,
            request,
            lambda contents: read_passage(contents, request.path_params["id"]),
        )

    async def relationship(self, request: Request) -> Response:
        return await page_of(
            self._indexes,
            request,
            lambda contents: read_relationship(contents, request.path_params["id"]),
        )

    async def communities(self, request: Request) -> Response:
        asked = read_query(request, CommunityQuery)
        return await page_of(
            self._indexes,
            request,
            lambda contents: contents.communities(
                level=asked.level, offset=asked.offset, limit=asked.limit
            ),
        )

    async def reports(self, request: Request) -> Response:
        asked = read_query(request, ReportQuery)
        return await page_of(
            self._indexes,
            request,
            lambda contents: contents.reports(
                search=asked.search, level=asked.level, offset=asked.offset, limit=asked.limit
            ),
        )

    async def report(self, request: Request) -> Response:
        return await page_of(
            self._indexes, request, lambda contents: contents.report(request.path_params["id"])
        )

    async def schema(self, request: Request) -> Response:
        async with self._indexes.use(request.path_params["index"]) as engine:
            declared = await engine.schema()
            if declared is None:
                return json_reply(SchemaState(None, None))
            return json_reply(SchemaState(declared.to_dict(), await engine.schema_check()))

    async def schema_diff(self, request: Request) -> Response:
        async with self._indexes.use(request.path_params["index"]) as engine:
            return json_reply(await engine.schema_diff())

    async def corrections(self, request: Request) -> Response:
        async with self._indexes.use(request.path_params["index"]) as engine:
            return json_reply(CorrectionList(tuple(await engine.corrections())))

    async def correct(self, request: Request) -> Response:
        self._check_writable(request)
        given = await read_body(request, CorrectionBody)
        async with self._indexes.use(request.path_params["index"]) as engine:
            await engine.correct(**given.model_dump())
            return json_reply(CorrectionList(tuple(await engine.corrections())), status=201)

    async def remove_correction(self, request: Request) -> Response:
        self._check_writable(request)
        number = request.path_params["number"]
        if not number.isdecimal():
            raise UsageError(f"{number!r:.200} is no number", hint="Corrections count from 1.")
        async with self._indexes.use(request.path_params["index"]) as engine:
            await engine.remove_correction(int(number[:9]))
            return json_reply(CorrectionList(tuple(await engine.corrections())))

    def _check_writable(self, request: Request) -> None:
        self._indexes.place(request.path_params["index"])
        if self._is_read_only:
            raise read_only()

    async def _summary(self, name: str) -> IndexSummary:
        try:
            async with self._indexes.use(name) as engine:
                counts = await (await contents_of(engine)).counts()
        except NoIndexError:
            return IndexSummary(name, "empty", 0, 0, 0, 0, 0, 0)
        return IndexSummary(
            name,
            "ready",
            counts["documents"],
            counts["text_units"],
            counts["entities"],
            counts["relationships"],
            counts["communities"],
            counts["reports"],
        )
