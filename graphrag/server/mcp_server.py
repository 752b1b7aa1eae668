"""Offer the indexes as tools and resources of the Model Context Protocol, in small replies."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from types import new_class
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import Field

from graphrag import __version__
from graphrag.core.answers import Answer
from graphrag.engine.contents import Contents, EntityDetail, contents_of
from graphrag.engine.options import QueryArguments, QueryMethod
from graphrag.server.documents import allowed_path
from graphrag.server.indexes import Indexes
from graphrag.server.jobs import Jobs
from graphrag.server.questions import Questions
from graphrag.server.replies import problem_of
from graphrag.server.worker import Work
from graphrag.text import tokens

MAX_TOKENS = 2000
_RESULTS = 20
_JOBS = 5  # that `status` shows
_SNIPPET_TOKENS = 60
_ANSWER_SHARE = 0.6  # of a reply, at most; the rest is for its citations
_NOTE_TOKENS = 60  # for saying what was left out

INSTRUCTIONS = """\
Questions about a private collection of documents, answered from a knowledge graph of them.
Use `ask` for an answer with checked citations. Use `search` and `fetch` to read the passages
yourself. Use `explore` for what surrounds a person, place, organisation or thing, and `reports`
for the themes of the whole collection. `status` says which indexes there are and what they hold.
Cite documents by title and page as the replies give them; where a reply says that it is not
answered, the documents do not hold the answer.
"""

Item = Mapping[str, object]
Question = Annotated[
    str, Field(description="A question or search words, in any language.", max_length=8000)
]
IndexName = Annotated[
    str | None, Field(description="Which index; left out: the first. See `status`.", max_length=64)
]
Budget = Annotated[
    int, Field(description="Longest reply, in tokens.", ge=200, le=20_000)
]  # fmt: skip
_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)


def make_server(
    indexes: Indexes, questions: Questions, jobs: Jobs, *, may_write: bool
) -> MCPServer[None]:
    """The server of these indexes; `may_write` adds the tools that change them."""
    tools = Tools(indexes, questions, jobs)
    reading: list[Callable[..., Awaitable[str]]] = [
        tools.search, tools.fetch, tools.ask, tools.explore, tools.reports, tools.status,
    ]  # fmt: skip
    writing: list[Callable[..., Awaitable[str]]] = [tools.index, tools.delete] if may_write else []
    server: MCPServer[None] = MCPServer(
        "graphrag",
        version=__version__,
        instructions=INSTRUCTIONS,
        log_level="ERROR",
        tools=[
            *(_tool(call, _READS) for call in reading),
            *(_tool(call, _WRITES) for call in writing),
        ],
    )
    for kind, read in (
        ("document", tools.document_text),
        ("passage", tools.passage_text),
        ("entity", tools.entity_text),
        ("report", tools.report_text),
    ):
        server.resource(
            f"graphrag://{{index}}/{kind}/{{id}}",
            name=kind,
            description=f"One {kind} of an index, by its id.",
            mime_type="text/plain" if kind in ("document", "passage") else "application/json",
        )(read)
    return server


def _tool(call: Callable[..., Awaitable[str]], annotations: ToolAnnotations) -> Tool:
    """`call` as a tool that refuses arguments it does not know; the library passes them over."""
    description = " ".join((call.__doc__ or "").split())
    tool = Tool.from_function(
        call, description=description, annotations=annotations, structured_output=False
    )
    known = tool.fn_metadata.arg_model
    strict = new_class(known.__name__, (known,), {"extra": "forbid"})
    metadata = tool.fn_metadata.model_copy(update={"arg_model": strict})
    schema = {**tool.parameters, "additionalProperties": False}
    return tool.model_copy(update={"fn_metadata": metadata, "parameters": schema})


class Tools:
    """What a client can call. Docstrings are what its model reads."""

    def __init__(self, indexes: Indexes, questions: Questions, jobs: Jobs) -> None:
        self._indexes = indexes
        self._questions = questions
        self._jobs = jobs

    async def search(self, query: Question) -> str:
        """Find passages of the documents. Returns JSON {"results": [{"id", "title", "url",
        "text"}]}, best first; `text` is only the beginning. Read a whole passage with `fetch` and
        its id. For a ready answer with citations use `ask`."""
        found: list[list[Item]] = []
        with _told():
            for index in self._indexes.places:
                reply = await self._questions.find(index, query, QueryArguments(k=_RESULTS))
                found.append(
                    [
                        {
                            "id": f"{index}:{one.id}",
                            "title": " ".join((one.title, one.page)).strip(),
                            "url": f"graphrag://{index}/passage/{one.id}",
                            "text": tokens.truncate(one.text, _SNIPPET_TOKENS),
                        }
                        for one in reply.passages
                    ]
                )
        return bounded({}, "results", _in_turns(found)[:_RESULTS], MAX_TOKENS, cut="text")

    async def fetch(
        self, id: Annotated[str, Field(description="An id from `search`.", max_length=300)]
    ) -> str:
        """Read one passage whole. Returns JSON {"id", "title", "text", "url", "metadata"};
        `metadata` names the document, its own metadata, and the ids of the passages before and
        after this one, to read on."""
        with _told():
            index, unit_id = self._parsed(id)
            async with self._indexes.use(index) as engine:
                contents = await contents_of(engine)
                document, unit = await contents.document_of_unit(unit_id)
                near = (await contents.document(document.id)).text_units
        place = next(n for n, one in enumerate(near) if one.id == unit_id)
        metadata: dict[str, object] = {
            "document": document.source,
            "headings": list(unit.headings),
            **document.metadata,
        }
        if place > 0:
            metadata["previous"] = f"{index}:{near[place - 1].id}"
        if place + 1 < len(near):
            metadata["next"] = f"{index}:{near[place + 1].id}"
        item: Item = {
            "id": id,
            "title": document.title,
            "text": unit.text,
            "url": f"graphrag://{index}/passage/{unit_id}",
            "metadata": metadata,
        }
        room = MAX_TOKENS - tokens.count(_json({**item, "text": ""})) - _NOTE_TOKENS
        return _json(_cut(item, "text", room))

    async def ask(
        self,
        question: Question,
        index: IndexName = None,
        method: Annotated[
            QueryMethod | None,
            Field(
                description="Left out: chosen by the question. basic: a fact in one passage. "
                "local: about named things. path: several facts to be put together. global: "
                "about the whole collection. drift: both, slow and thorough. table: counts, lists, "
                "comparisons.",
            ),
        ] = None,
        max_tokens: Budget = MAX_TOKENS,
    ) -> str:
        """Answer a question from the documents, with citations that were checked against them.
        Returns JSON {"answer", "answered", "method", "citations": [{"number", "title", "page",
        "document", "quote", "verified", "id"}]}; method table also "total", the rows that there
        are. `answered` false: the documents do not hold the
        answer, so do not make one up. Numbers like [1] in the answer are citations."""
        with _told():
            name = self._name(index)
            answer = await self._questions.ask(name, question, QueryArguments(method=method))
        room = int(max_tokens * _ANSWER_SHARE)
        head: dict[str, object] = {
            "answer": _shortened(answer.answer, room),
            "answered": answer.answered,
            "method": answer.method,
        }
        if answer.table:
            head["total"] = answer.table.total
        return bounded(head, "citations", _citations(answer, name), max_tokens, cut="quote")

    async def explore(
        self,
        entity: Annotated[
            str,
            Field(description="Name of a person, place, organisation, thing.", max_length=1000),
        ],
        index: IndexName = None,
        max_tokens: Budget = MAX_TOKENS,
    ) -> str:
        """Show an entity of the knowledge graph and what surrounds it. Returns JSON {"name",
        "type", "description", "aliases", "around": [{"relationship"} or {"passage", "text"}]}:
        how it is related to others, then passages that mention it, whose ids go into `fetch`."""
        with _told():
            name = self._name(index)
            async with self._indexes.use(name) as engine:
                contents = await contents_of(engine)
                detail = await contents.entity(await contents.find_entity(entity))
        head = {
            "name": detail.entity.name,
            "type": detail.entity.type,
            "description": _shortened(detail.entity.description, max_tokens // 4),
            "aliases": list(detail.aliases[:10]),
        }
        return bounded(head, "around", _around(detail, name), max_tokens, cut="text")

    async def reports(
        self,
        search: Annotated[
            str, Field(description="Words to look for; left out: the main themes.", max_length=1000)
        ] = "",
        index: IndexName = None,
        max_tokens: Budget = MAX_TOKENS,
    ) -> str:
        """Read reports on the themes of the whole collection, one for each community of related
        entities. Returns JSON {"total", "reports": [{"id", "title", "summary", "findings"}]}."""
        with _told():
            name = self._name(index)
            async with self._indexes.use(name) as engine:
                contents = await contents_of(engine)
                page = await contents.reports(search=search, limit=_RESULTS)
        items: list[Item] = [
            {
                "id": report.community_id,
                "title": report.title,
                "summary": report.summary,
                "findings": [finding.summary for finding in report.findings],
            }
            for report in page.reports
        ]
        return bounded({"total": page.total}, "reports", items, max_tokens, cut="summary")

    async def status(self) -> str:
        """Say which indexes there are and what each holds. Returns JSON {"indexes": [{"name",
        "documents", "text_units", "entities", "relationships", "communities", "reports"}]}, and
        "jobs", the latest first, where there were any: {"id", "kind", "index", "state", "failed",
        "error"}."""
        found: list[Item] = []
        for name in self._indexes.places:
            try:
                with _told():
                    async with self._indexes.use(name) as engine:
                        found.append({"name": name, **await (await contents_of(engine)).counts()})
            except ToolError as error:
                found.append({"name": name, "error": str(error)})
        jobs = [job.as_dict() for job in self._jobs.all[:_JOBS]]
        names = ("id", "kind", "index", "state", "failed", "error")
        told: list[Item] = [
            {
                name: _shortened(str(job[name]), 60) if name == "error" else job[name]
                for name in names
            }
            for job in jobs
        ]
        head = {"jobs": told} if told else {}
        return bounded(head, "indexes", found, MAX_TOKENS, cut="error")

    async def index(
        self,
        paths: Annotated[
            tuple[Annotated[str, Field(max_length=4096)], ...],
            Field(
                description="Files and folders that the server's owner allows to index; left out: "
                "go on with what is left undone.",
                max_length=1000,
            ),
        ] = (),
        index: IndexName = None,
    ) -> str:
        """Add or update documents. Returns JSON {"job", "state"} at once; the work goes on, and
        `status` shows what has come of it."""
        with _told():
            place = self._indexes.place(self._name(index))
            allowed = tuple(str(allowed_path(path, place)) for path in paths)
            job = self._jobs.submit(place, Work("index", paths=allowed))
        return _json({"job": job.id, "state": job.state})

    async def delete(
        self,
        document: Annotated[
            str, Field(description="The document as citations name it.", max_length=4096)
        ],
        index: IndexName = None,
    ) -> str:
        """Remove a document, and everything that only it supports, from the index. Its file
        stays where it is. Returns JSON {"job", "state"}."""
        with _told():
            place = self._indexes.place(self._name(index))
            job = self._jobs.submit(place, Work("delete", sources=(document,)))
        return _json({"job": job.id, "state": job.state})

    async def document_text(self, index: str, id: str) -> str:
        async def read(contents: Contents) -> str:
            units = (await contents.document(id)).text_units
            return _shortened("\n\n".join(unit.text for unit in units), MAX_TOKENS)

        return await self._resource(index, read)

    async def passage_text(self, index: str, id: str) -> str:
        async def read(contents: Contents) -> str:
            return _shortened((await contents.document_of_unit(id))[1].text, MAX_TOKENS)

        return await self._resource(index, read)

    async def entity_text(self, index: str, id: str) -> str:
        async def read(contents: Contents) -> str:
            detail = await contents.entity(id)
            head = {"name": detail.entity.name, "type": detail.entity.type}
            return bounded(head, "around", _around(detail, index), MAX_TOKENS, cut="text")

        return await self._resource(index, read)

    async def report_text(self, index: str, id: str) -> str:
        async def read(contents: Contents) -> str:
            report = await contents.report(id)
            items: list[Item] = [
                {"summary": one.summary, "explanation": one.explanation} for one in report.findings
            ]
            head = {"title": report.title, "summary": _shortened(report.summary, MAX_TOKENS // 2)}
            return bounded(head, "findings", items, MAX_TOKENS, cut="explanation")

        return await self._resource(index, read)

    async def _resource(self, index: str, read: Callable[[Contents], Awaitable[str]]) -> str:
        try:
            with _told():
                async with self._indexes.use(index) as engine:
                    return await read(await contents_of(engine))
        except ToolError as error:
            raise ResourceError(str(error)) from error

    def _name(self, index: str | None) -> str:
        return self._indexes.place(index or next(iter(self._indexes.places))).name

    def _parsed(self, id: str) -> tuple[str, str]:
        index, colon, unit_id = id.partition(":")
        if not colon:
            raise ToolError(f"{id!r} is no id of `search`. Search again and take an id from there.")
        return self._name(index), unit_id


def bounded(
    head: Mapping[str, object], name: str, items: Sequence[Item], max_tokens: int, *, cut: str
) -> str:
    """JSON of `head` and as many of `items` as fit, of which a first long one is shortened."""
    room = max_tokens - tokens.count(_json(head)) - _NOTE_TOKENS
    kept: list[Item] = []
    for item in items:
        size = tokens.count(_json(item)) + 1
        if size > room:
            if not kept:
                kept.append(_cut(item, cut, room - tokens.count(_json({**item, cut: ""}))))
            break
        kept.append(item)
        room -= size
    reply: dict[str, object] = {**head, name: kept}
    if left := len(items) - len(kept):
        reply["left_out"] = f"{left} more; ask more narrowly, or with a larger max_tokens"
    return _json(reply)


def _cut(item: Item, key: str, room: int) -> Item:
    text = item.get(key)
    return {**item, key: _shortened(text, room)} if isinstance(text, str) else item


def _shortened(text: str, max_tokens: int) -> str:
    """`text` within so many tokens, also as it is written in JSON; says what is missing."""
    if tokens.count(_json(text)) <= max_tokens:
        return text
    kept = tokens.truncate(text, max(0, max_tokens - 15))
    while kept and tokens.count(_json(kept)) > max_tokens - 15:  # line ends and quotes grow there
        kept = kept[: len(kept) * 9 // 10]
    return f"{kept}… (left out: {len(text) - len(kept)} characters)"


def _citations(answer: Answer, index: str) -> list[Item]:
    return [
        {
            "number": one.number,
            "title": one.title,
            "page": one.page,
            "heading": one.heading,
            "document": one.document,
            "quote": one.quote,
            "verified": one.verified,
            "id": f"{index}:{one.text_unit_id}",
        }
        for one in answer.citations
    ]


def _around(detail: EntityDetail, index: str) -> list[Item]:
    names = {one.id: one.name for one in (detail.entity, *detail.neighbours)}
    related: list[Item] = []
    for edge in detail.relationships:
        ends = f"{names.get(edge.source, '?')} – {edge.type or 'related'} – "
        what = f": {edge.description}" if edge.description else ""
        related.append({"relationship": f"{ends}{names.get(edge.target, '?')}{what}"[:600]})
    mentioned: list[Item] = [
        {
            "passage": f"{index}:{one.text_unit_id}",
            "document": one.title or one.document,
            "text": tokens.truncate(one.text, _SNIPPET_TOKENS),
        }
        for one in detail.mentions
    ]
    return _in_turns([related, mentioned])


def _in_turns(lists: Sequence[Sequence[Item]]) -> list[Item]:
    """One of each, then the next of each."""
    longest = max(map(len, lists), default=0)
    return [some[place] for place in range(longest) for some in lists if place < len(some)]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


@contextmanager
def _told() -> Generator[None]:
    """What fails is told to the model in the words and with the hint of the problem."""
    try:
        yield
    except ToolError:
        raise
    except Exception as error:
        raise ToolError(problem_of(error).sentences) from error
