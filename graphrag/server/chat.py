"""Speak OpenAI's chat protocol, so that any of its clients can talk to the documents."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Literal, get_args
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from graphrag.core.answers import Answer, Citation, Usage
from graphrag.engine.options import QueryArguments, QueryMethod
from graphrag.server.indexes import Indexes
from graphrag.server.openapi import Endpoint, read_body
from graphrag.server.questions import Questions
from graphrag.server.replies import (
    EventStream,
    ProblemError,
    json_reply,
    problem_of,
    to_dict,
    to_json,
    while_connected,
)

METHODS: tuple[QueryMethod, ...] = get_args(QueryMethod)
_BY_NAME: dict[str, QueryMethod] = {one: one for one in METHODS}
_MARK = re.compile(r"\[(\d+)\]")
_SOURCES = 10  # that the short list names
_PLACES = 4  # of one source that it names
_SOURCES_LIST = re.compile(r"\n\nSources:\n(?:\[\d+\] [^\n]*\n?)+(?:and \d+ more\s*)?\Z")


class _Open(BaseModel):
    """Clients send what their makers think of: names that are not known change nothing."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ContentPart(_Open):
    type: Annotated[str, Field(max_length=50)]
    text: Annotated[str, Field(max_length=200_000)] | None = None


class ChatMessage(_Open):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: (
        Annotated[str, Field(max_length=200_000)]
        | Annotated[tuple[ContentPart, ...], Field(max_length=100)]
        | None
    ) = None

    @property
    def text(self) -> str:
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "\n".join(part.text or "" for part in self.content if part.type == "text")


class StreamOptions(_Open):
    include_usage: bool = False


class ChatRequest(_Open):
    """`model`: an index, or index:method."""

    model: Annotated[str, Field(max_length=200)]
    messages: Annotated[tuple[ChatMessage, ...], Field(min_length=1, max_length=1000)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None


@dataclass(frozen=True, slots=True)
class ModelReply:
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


@dataclass(frozen=True, slots=True)
class ModelList:
    object: Literal["list"]
    data: tuple[ModelReply, ...]


@dataclass(frozen=True, slots=True)
class UrlCitation:
    """OpenAI's shape, with what it has no name for: document, page, quote, verified."""

    start_index: int
    end_index: int
    title: str
    url: str
    document: str
    page: str
    quote: str
    verified: bool
    text_unit_id: str


@dataclass(frozen=True, slots=True)
class Annotation:
    type: Literal["url_citation"]
    url_citation: UrlCitation


@dataclass(frozen=True, slots=True)
class ReplyMessage:
    role: Literal["assistant"]
    content: str
    annotations: tuple[Annotation, ...]
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    index: int
    message: ReplyMessage
    finish_reason: Literal["stop"]
    logprobs: None = None


@dataclass(frozen=True, slots=True)
class ChatUsage:
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class ChatReply:
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: ChatUsage


class Chat:
    """Handlers of `/v1`."""

    def __init__(self, indexes: Indexes, questions: Questions) -> None:
        self._indexes = indexes
        self._questions = questions
        self._started = int(time.time())

    @property
    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("GET", "/v1/models", self.models, "Indexes as models.", reply=ModelList),
            Endpoint("GET", "/v1/models/{id}", self.model, "One of them.", reply=ModelReply),
            Endpoint(
                "POST", "/v1/chat/completions", self.complete, "Answer a conversation.",
                reply=ChatReply, body=ChatRequest, problems=(404, 502, 504),
            ),
        ]  # fmt: skip

    async def models(self, _: Request) -> Response:
        names = [
            name
            for index in self._indexes.places
            for name in (index, *(f"{index}:{method}" for method in METHODS))
        ]
        return json_reply(ModelList("list", tuple(map(self._model, names))))

    async def model(self, request: Request) -> Response:
        name = request.path_params["id"]
        self._split(name)  # a 404 where there is none
        return json_reply(self._model(name))

    def _model(self, name: str) -> ModelReply:
        return ModelReply(name, "model", self._started, "graphrag")

    async def complete(self, request: Request) -> Response:
        asked = await read_body(request, ChatRequest)
        index, method = self._split(asked.model)
        question, history = conversation(asked.messages)
        options = QueryArguments(method=method, history=history)
        if asked.stream:
            return EventStream(self._chunks(asked, index, question, options))
        answer = await while_connected(
            request.receive, self._questions.ask(index, question, options)
        )
        if answer is None:
            return Response(status_code=408)
        text = answer.answer + sources(answer)
        message = ReplyMessage("assistant", text, cited_places(answer, index))
        return json_reply(
            ChatReply(
                f"chatcmpl-{uuid4().hex}",
                "chat.completion",
                int(time.time()),
                asked.model,
                (Choice(0, message, "stop"),),
                _usage(answer.usage),
            )
        )

    def _split(self, model: str) -> tuple[str, QueryMethod | None]:
        index, colon, name = model.partition(":")
        method = _BY_NAME.get(name)
        if index not in self._indexes.places or (colon and method is None):
            raise ProblemError(404, f"no model {model!r}", hint="GET /v1/models lists them.")
        return index, method

    async def _chunks(
        self, asked: ChatRequest, index: str, question: str, options: QueryArguments
    ) -> AsyncGenerator[bytes]:
        head = {
            "id": f"chatcmpl-{uuid4().hex}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": asked.model,
        }

        def chunk(delta: dict[str, object], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
            return _data({**head, "choices": [choice]})

        yield chunk({"role": "assistant", "content": ""})
        try:
            async with aclosing(self._questions.pieces(index, question, options)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, str):
                        yield chunk({"content": piece})
                        continue
                    if listed := sources(piece):
                        yield chunk({"content": listed})
                    cited = [to_dict(one) for one in cited_places(piece, index)]
                    yield chunk({"annotations": cited}, "stop")
                    if asked.stream_options and asked.stream_options.include_usage:
                        yield _data({**head, "choices": [], "usage": to_dict(_usage(piece.usage))})
        except Exception as error:  # noqa: BLE001 - the stream has begun: the error is an event
            yield _data(problem_of(error).as_openai())
        yield b"data: [DONE]\n\n"


def conversation(messages: Sequence[ChatMessage]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The last question, and the turns before it. Raises problem 400 where none was asked."""
    turns: list[tuple[str, str]] = []
    open_question: str | None = None
    for message in messages:
        text = message.text.strip()
        if message.role == "user" and text:
            if open_question is not None:
                turns.append((open_question, ""))
            open_question = text
        elif message.role == "assistant" and open_question is not None:
            turns.append((open_question, _SOURCES_LIST.sub("", text)))
            open_question = None
    if open_question is None:
        raise ProblemError(
            400, "the last message is no question", hint="End with a message of the user."
        )
    return open_question, tuple(turns)


def sources(answer: Answer) -> str:
    """A short list of what was cited, for clients that show nothing but text."""
    by_number: dict[int, list[Citation]] = {}
    for citation in sorted(answer.citations, key=lambda one: one.number):
        by_number.setdefault(citation.number, []).append(citation)
    shown = [f"[{number}] {_where(cited)}" for number, cited in by_number.items()][:_SOURCES]
    if len(by_number) > _SOURCES:
        shown.append(f"and {len(by_number) - _SOURCES} more")
    return "\n\nSources:\n" + "\n".join(shown) if shown else ""


def cited_places(answer: Answer, index: str) -> tuple[Annotation, ...]:
    """Each citation at the place of its number in the text."""
    places: dict[int, tuple[int, int]] = {}
    for mark in _MARK.finditer(answer.answer):
        places.setdefault(int(mark[1]), mark.span())
    end = len(answer.answer)
    return tuple(
        Annotation(
            "url_citation",
            UrlCitation(
                *places.get(citation.number, (end, end)),
                citation.title,
                f"graphrag://{index}/passage/{citation.text_unit_id}",
                citation.document,
                citation.page,
                citation.quote,
                citation.verified,
                citation.text_unit_id,
            ),
        )
        for citation in answer.citations
    )


def _where(cited: Sequence[Citation]) -> str:
    """One source: title, the pages or headings that are cited of it, and the document."""
    first = cited[0]
    title, document = (" ".join(text.split()) for text in (first.title, first.document))
    places = list(dict.fromkeys(" ".join(one.locator.split()) for one in cited if one.locator))
    if len(places) > _PLACES:
        places[_PLACES:] = ["…"]
    name = ", ".join(filter(None, (title or document, "; ".join(places))))
    return f"{name} ({document})" if title and document != title else name


def _usage(usage: Usage) -> ChatUsage:
    prompt, written = usage.prompt_tokens, usage.completion_tokens
    return ChatUsage(prompt, written, prompt + written)


def _data(value: object) -> bytes:
    return b"data: %s\n\n" % to_json(value)
