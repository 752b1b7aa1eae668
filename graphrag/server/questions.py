"""Answer questions over HTTP: whole, streamed, or only what would be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from graphrag.core.answers import Answer
from graphrag.engine.asynchronous import AsyncGraphRAG
from graphrag.engine.contents import Passages
from graphrag.engine.options import QueryArguments, QueryMethod
from graphrag.server.access import Gate
from graphrag.server.indexes import Indexes
from graphrag.server.openapi import Endpoint, Strict, read_body
from graphrag.server.replies import (
    EventStream,
    ProblemError,
    event,
    json_reply,
    problem_of,
    while_connected,
)

MAX_K = 1000

Text = Annotated[str, Field(max_length=20_000)]


class QueryRequest(Strict):
    """The options of `GraphRAG.query`; what is left out comes from the index's settings."""

    question: Text
    method: QueryMethod | None = None
    level: Annotated[int, Field(ge=0, le=100)] | None = None
    k: Annotated[int, Field(ge=1, le=MAX_K)] | None = None
    filters: Annotated[
        tuple[Annotated[str, Field(max_length=1000)], ...], Field(max_length=20)
    ] = ()
    history: Annotated[tuple[tuple[Text, Text], ...], Field(max_length=100)] = ()

    @property
    def options(self) -> QueryArguments:
        return QueryArguments(
            method=self.method,
            level=self.level,
            k=self.k,
            filters=self.filters,
            history=self.history,
        )


class RetrieveRequest(QueryRequest):
    """`quotes`: answer the question, too, and give with each passage what was cited of it."""

    quotes: bool = False


class Questions:
    """Handlers of questions; all doors of a server ask through one of these."""

    def __init__(self, indexes: Indexes, gate: Gate, *, seconds: float) -> None:
        self._indexes = indexes
        self._gate = gate
        self._seconds = seconds

    @property
    def endpoints(self) -> list[Endpoint]:
        index, failures = "/api/indexes/{index}", (502, 504)
        return [
            Endpoint(
                "POST", f"{index}/query", self.query, "Answer a question, with citations.",
                reply=Answer, body=QueryRequest, problems=failures,
            ),
            Endpoint(
                "POST", f"{index}/query/stream", self.stream,
                "The same as events: `text` pieces, then `answer`, or `problem`.",
                body=QueryRequest, media_type="text/event-stream", problems=failures,
            ),
            Endpoint(
                "POST", f"{index}/retrieve", self.retrieve, "What would be read to answer.",
                reply=Passages, body=RetrieveRequest, problems=failures,
            ),
        ]  # fmt: skip

    async def query(self, request: Request) -> Response:
        asked = await read_body(request, QueryRequest)
        index = request.path_params["index"]
        return await self._reply(request, self.ask(index, asked.question, asked.options))

    async def retrieve(self, request: Request) -> Response:
        asked = await read_body(request, RetrieveRequest)
        index = request.path_params["index"]
        work = self.find(index, asked.question, asked.options, quotes=asked.quotes)
        return await self._reply(request, work)

    async def stream(self, request: Request) -> Response:
        asked = await read_body(request, QueryRequest)
        index = request.path_params["index"]
        self._indexes.place(index)  # a 404 is one from the first byte
        return EventStream(self._events(index, asked))

    async def ask(self, index: str, question: str, options: QueryArguments) -> Answer:
        """The answer, when it is this question's turn. Raises problems 404, 429 and 504."""
        async with self._turn(index) as engine:
            return await engine.query(question, **options)

    async def find(
        self, index: str, question: str, options: QueryArguments, *, quotes: bool = False
    ) -> Passages:
        async with self._turn(index) as engine:
            return await engine.passages(question, quotes=quotes, **options)

    async def pieces(
        self, index: str, question: str, options: QueryArguments
    ) -> AsyncGenerator[str | Answer]:
        """The answer's text as it is written, then the answer. Raises as `ask`."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()

        async def answering() -> Answer:
            try:
                async with self._turn(index) as engine:
                    return await engine.query(question, on_text=queue.put_nowait, **options)
            finally:
                queue.put_nowait(None)

        task = asyncio.create_task(answering())
        try:
            while (piece := await queue.get()) is not None:
                yield piece
            yield await task
        finally:
            task.cancel()
            await asyncio.wait([task])

    @asynccontextmanager
    async def _turn(self, index: str) -> AsyncGenerator[AsyncGraphRAG]:
        self._indexes.place(index)
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._gate.entered(),
                self._indexes.use(index) as engine,
            ):
                yield engine
        except TimeoutError:
            raise ProblemError(
                504,
                f"there was no answer within {self._seconds:g} seconds",
                hint="Ask for less, such as a smaller k, or use a quicker method.",
            ) from None

    async def _reply(self, request: Request, work: Coroutine[object, object, object]) -> Response:
        found = await while_connected(request.receive, work)
        return json_reply(found) if found is not None else Response(status_code=408)

    async def _events(self, index: str, asked: QueryRequest) -> AsyncGenerator[bytes]:
        try:
            async with aclosing(self.pieces(index, asked.question, asked.options)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, str):
                        yield event("text", {"text": piece})
                    else:
                        yield event("answer", piece)
        except Exception as error:  # noqa: BLE001 - the stream has begun: the problem is an event
            yield event("problem", problem_of(error).as_dict())
