"""Ask any OpenAI-compatible server for completions and vectors."""

from __future__ import annotations

import base64
import json
import math
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from graphrag.core.errors import BadReplyError, ContextTooLongError
from graphrag.core.settings import ChatSettings, EmbeddingSettings
from graphrag.models import http_errors as faults
from graphrag.models.http_client import Policy, Post, Server
from graphrag.models.http_errors import RejectedRequestError, TimedOutError
from graphrag.models.limits.load import Load
from graphrag.models.limits.reply import THOUGHTS
from graphrag.models.replies.completion import Completion
from graphrag.models.replies.schema import Schema, is_strict, schema_as_text
from graphrag.models.spending import OUTPUT_TOKENS, RateLimiter, upper_estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from graphrag.prompts import Message

Body = dict[str, object]
Format = Literal["json_schema", "json_object", "plain"]

CHAT_PATH = "/chat/completions"
EMBEDDINGS_PATH = "/embeddings"
BOUNDS = ("max_completion_tokens", "max_tokens")
MOST_CHARACTERS = 2_000_000  # of a streamed reply; one without end must not go on for ever
LOCAL_CALLS = 4  # in flight on this machine, where the settings do not say
CUT = 0.75  # of a text that is too long
ESTIMATED_OF_A_TOKEN = 4 / 3  # `upper_estimate` takes three bytes a token; four are usual
SHORTEST_CUT = 8
# What to ask for where a server does not take the format before.
NEXT_FORMAT: Mapping[Format, Format] = {"json_schema": "json_object", "json_object": "plain"}


class OpenAIChat:
    """Chat Completions. What a server does not take is found out once and left out from then."""

    def __init__(
        self,
        server: Server,
        settings: ChatSettings,
        *,
        limiter: RateLimiter | None = None,
    ) -> None:
        self.server = server
        self.name = settings.model or ""
        limits = limiter or RateLimiter(
            requests=settings.requests_per_minute, tokens=settings.tokens_per_minute
        )
        chosen = "concurrency" in settings.model_fields_set or not server.is_local
        most = settings.concurrency if chosen else min(settings.concurrency, LOCAL_CALLS)
        self.load = Load(most, timeout_s=settings.timeout_s)
        self._policy = Policy(self.name, settings.max_retries, limits, self.load)
        self._temperature = self._asked_temperature = settings.temperature
        self._max_tokens = settings.max_output_tokens
        # What the bound on a reply is called, as long as the server has not refused it.
        self._bounds = [*BOUNDS] if server.is_openai else [*reversed(BOUNDS)]
        self._system = True
        self.thinks = False  # in tokens of a reply, which then needs room for it
        self._stream_usage = True
        self._schemas: dict[int, tuple[Schema, Body]] = {}
        self._format: Format = "json_schema"
        self._format_works = False

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """What the server turned out not to take."""
        lacks = {
            "temperature": self._asked_temperature != self._temperature,
            "stream_options": not self._stream_usage,
            "json_schema": self._format != "json_schema",
            "json_object": self._format == "plain",
            "the role system": not self._system,
        }
        refused = [name for name in BOUNDS if name not in self._bounds]
        return (*(name for name, lacking in lacks.items() if lacking), *refused)

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        most_tokens: int | None = None,
    ) -> Completion:
        """One reply; `finish` says how it ended. Raises ModelError and its kinds.

        `most_tokens` bounds it where the settings do not. Thoughts have room of their own: a
        reply that they leave none for is asked for again with it.
        """
        format_ = self._format if schema else "plain"
        while True:
            had_room = self.thinks
            body = self._body(messages, schema, format_, most_tokens)
            try:
                reply = await self.server.call(
                    Post(CHAT_PATH, body),
                    _ChatReply.read,
                    self._policy,
                    tokens=self._estimate(messages),
                )
            except RejectedRequestError as error:
                format_ = self._adapt(error, body, format_)
                continue
            if schema and not self._format_works:
                self._format, self._format_works = format_, True
            done = _completion(reply, messages, most_tokens=_bound_in(body))
            if done.finish == "length" and self._lacked_room(
                thought=reply.thought, had_room=had_room
            ):
                continue
            return done

    def stream(self, messages: Sequence[Message], *, most_tokens: int | None = None) -> ReplyStream:
        """The reply in pieces. Raises ModelError when it breaks off before its end."""
        return ReplyStream(self._stream(messages, most_tokens))

    async def _stream(
        self, messages: Sequence[Message], most_tokens: int | None
    ) -> AsyncGenerator[str | Completion, None]:
        texts: list[str] = []
        refusal: list[str] = []
        finish, usage, length, thought, had_room = None, None, 0, False, self.thinks
        async with aclosing(self._pieces(messages, most_tokens)) as pieces:
            async for piece in pieces:
                usage = piece.usage or usage
                for choice in piece.choices[:1]:
                    finish = choice.finish_reason or finish
                    thought = thought or choice.delta.thought
                    if choice.delta.refusal:
                        refusal.append(choice.delta.refusal)
                    if choice.delta.content:
                        texts.append(choice.delta.content)
                        length += len(choice.delta.content)
                        if length > MOST_CHARACTERS:
                            raise BadReplyError(
                                f"{self.server.url} sent more than {MOST_CHARACTERS:,} characters",
                                hint="Set chat.max_output_tokens, or use another model.",
                            )
                        yield choice.delta.content
        if finish is None:
            early = EOFError("the stream ended before the reply did")
            raise faults.lost(early, url=self.server.url)
        message = _ChatMessage(content="".join(texts), refusal="".join(refusal))
        choice = _Choice(message=message, finish_reason=finish)
        reply = _ChatReply(choices=[choice], usage=usage)
        thought = thought or reply.thought
        if (
            finish == "length"
            and self._lacked_room(thought=thought, had_room=had_room)
            and not texts
        ):
            async with aclosing(self._stream(messages, most_tokens)) as again:
                async for piece in again:
                    yield piece
            return
        yield _completion(reply, messages, most_tokens=self._max_tokens or most_tokens)

    async def _pieces(
        self, messages: Sequence[Message], most_tokens: int | None
    ) -> AsyncGenerator[_Piece, None]:
        while True:
            body: Body = {**self._body(messages, None, "plain", most_tokens), "stream": True}
            if self._stream_usage:
                body["stream_options"] = {"include_usage": True}
            tokens = self._estimate(messages)
            events = self.server.events(CHAT_PATH, body, self._policy, tokens=tokens)
            try:
                async with aclosing(events):
                    last = time.monotonic()
                    async for event in events:
                        piece = _Piece.model_validate(event)
                        if piece.usage or any(not one.is_idle for one in piece.choices):
                            last = time.monotonic()
                        elif time.monotonic() - last > self._policy.timeout_s:
                            raise faults.timed_out(
                                self._policy.timeout_s, url=self.server.url, model=self.name
                            )
                        yield piece
                return
            except RejectedRequestError as error:
                self._adapt(error, body, "plain")
            except ValidationError as error:
                raise faults.not_a_reply(error, url=self.server.url) from error

    def _body(
        self,
        messages: Sequence[Message],
        schema: Schema | None,
        format_: Format,
        most_tokens: int | None,
    ) -> Body:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        body: Body = {"model": self.name, "messages": turns}
        if self._temperature is not None:
            body["temperature"] = self._temperature
        most = self._max_tokens
        if most is None and most_tokens is not None:
            most = most_tokens + (THOUGHTS if self.thinks else 0)
        if most is not None and self._bounds:
            body[self._bounds[0]] = most
        if schema and format_ == "json_schema":
            body["response_format"] = self._json_schema(schema)
        elif schema:
            if format_ == "json_object":
                body["response_format"] = {"type": format_}
            if not turns or turns[0]["role"] != "system":
                turns.insert(0, {"role": "system", "content": ""})
            turns[0]["content"] = f"{turns[0]['content']}\n\n{schema_as_text(schema)}".strip()
        if not self._system and len(turns) > 1 and turns[0]["role"] == "system":
            instructions = turns.pop(0)["content"]
            turns[0] = {**turns[0], "content": f"{instructions}\n\n{turns[0]['content']}"}
        return body

    def _json_schema(self, schema: Schema) -> Body:
        # By identity, holding the schema: the same few come with every call.
        known = self._schemas.get(id(schema))
        if known:
            return known[1]
        definition: Body = {
            "name": re.sub(r"[^\w-]", "_", str(schema.get("title", "reply")))[:64],
            "schema": schema,
            "strict": is_strict(schema),
        }
        wanted: Body = {"type": "json_schema", "json_schema": definition}
        self._schemas[id(schema)] = schema, wanted
        return wanted

    def _adapt(self, error: RejectedRequestError, body: Body, format_: Format) -> Format:
        """Leave out what the server named. Raises `error` when there is nothing to leave out."""
        if self._system and error.refuses_system:
            self._system = False
        elif "temperature" in body and error.mentions("temperature"):
            self._temperature = None
        elif _bound_in(body) and error.mentions("max_completion_tokens", "max_tokens"):
            self._bounds = [name for name in self._bounds if name not in body]
        elif "stream_options" in body and error.mentions("stream_options", "include_usage"):
            self._stream_usage = False
        elif "response_format" in body and (
            error.mentions("response_format", "json_schema", "json_object", "schema", "grammar")
            or not self._format_works
        ):
            return NEXT_FORMAT[format_]
        else:
            raise error
        return format_

    def _lacked_room(self, *, thought: bool, had_room: bool) -> bool:
        """Whether a reply with thoughts had no room for them, and can have it."""
        self.thinks = self.thinks or thought
        return thought and not had_room and self._max_tokens is None

    def _estimate(self, messages: Sequence[Message]) -> int:
        prompt = sum(upper_estimate(message.content) for message in messages)
        return prompt + (self._max_tokens or OUTPUT_TOKENS)


def _bound_in(body: Body) -> int | None:
    return next((cast(int, body[name]) for name in BOUNDS if name in body), None)


class ReplyStream:
    """The pieces of one reply; `completion` is there when it is complete."""

    def __init__(self, source: AsyncGenerator[str | Completion, None]) -> None:
        self._source = source
        self.completion: Completion | None = None

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        piece = await anext(self._source)
        if isinstance(piece, Completion):
            self.completion = piece
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        await self._source.aclose()


def streamed(source: AsyncIterator[str], messages: Sequence[Message], text: str) -> Completion:
    """What a stream cost: as the server counted, or estimated where it broke off."""
    if isinstance(source, ReplyStream) and source.completion:
        return source.completion
    prompt = sum(upper_estimate(message.content) for message in messages)
    return Completion(text, prompt, upper_estimate(text))


@dataclass(frozen=True, slots=True)
class CountedVectors:
    """`tokens` of the prompt, as the server counted; `n_cut` texts were too long."""

    vectors: NDArray[np.float32]
    tokens: int
    n_cut: int = 0


class OpenAIEmbedder:
    """The embeddings endpoint."""

    def __init__(
        self,
        server: Server,
        settings: EmbeddingSettings,
        *,
        limiter: RateLimiter | None = None,
    ) -> None:
        self.server = server
        self._model = settings.model or ""
        self._dimensions = settings.dimensions
        limits = limiter or RateLimiter(
            requests=settings.requests_per_minute, tokens=settings.tokens_per_minute
        )
        self.load = Load(settings.concurrency, timeout_s=settings.timeout_s)
        self._policy = Policy(self._model, settings.max_retries, limits, self.load)
        self._base64 = True
        self._largest_batch = settings.batch_size
        # As `upper_estimate` counts: the shortest text that was refused, and what it is cut to.
        self._refused_size = math.inf
        self._cut_size = 0.0

    @property
    def name(self) -> str:
        """The model, with the dimensions where they are asked for: they make other vectors."""
        return f"{self._model}@{self._dimensions}" if self._dimensions else self._model

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """What the server turned out not to take."""
        return () if self._base64 else ("encoding_format base64",)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors, shape (len(texts), dimensions)."""
        return (await self.embed_counted(texts)).vectors

    async def embed_counted(self, texts: Sequence[str]) -> CountedVectors:
        """The vectors, and what they took.

        A text that is too long for the model is cut to what it takes. A batch that the server
        finds too large, or that takes it too long, is halved. Both are remembered.
        """
        sent = [self._fitted(text) for text in texts]
        if len(sent) <= self._largest_batch:
            try:
                return await self._request(sent)
            except (RejectedRequestError, TimedOutError):
                if len(sent) == 1:
                    raise
                self._largest_batch = (len(sent) + 1) // 2
            except ContextTooLongError as error:
                if len(sent) == 1:
                    return await self._embed_cut(sent[0], error)
        # The short ones first: the smallest that is refused tells of all that are longer.
        order = sorted(range(len(sent)), key=lambda place: upper_estimate(sent[place]))
        middle = len(order) // 2
        parts = [await self.embed_counted([texts[place] for place in order[:middle]])]
        parts += [await self.embed_counted([texts[place] for place in order[middle:]])]
        return _put_together(parts, order)

    async def _embed_cut(self, text: str, error: ContextTooLongError) -> CountedVectors:
        """The vector of the beginning of `text`, which was refused. Raises `error`."""
        size = upper_estimate(text)
        self._refused_size = min(self._refused_size, size)
        wanted = min(size * CUT, (error.limit or size) * ESTIMATED_OF_A_TOKEN)
        while wanted > SHORTEST_CUT:
            cut = _cut(text, wanted)
            try:
                done = await self._request([cut])
            except ContextTooLongError:
                wanted *= CUT
                continue
            self._cut_size = max(self._cut_size, wanted)
            return replace(done, n_cut=1)
        raise error

    def _fitted(self, text: str) -> str:
        """`text`, cut where one of its size was refused."""
        too_long = self._cut_size and upper_estimate(text) >= self._refused_size
        return _cut(text, self._cut_size) if too_long else text

    async def _request(self, texts: Sequence[str]) -> CountedVectors:
        estimate = sum(map(upper_estimate, texts))
        while True:
            # Servers refuse an empty text; a blank one stands for it.
            body: Body = {"model": self._model, "input": [text or " " for text in texts]}
            if self._dimensions:
                body["dimensions"] = self._dimensions
            if self._base64:
                body["encoding_format"] = "base64"
            try:
                reply = await self.server.call(
                    Post(EMBEDDINGS_PATH, body),
                    _EmbeddingReply.read,
                    self._policy,
                    tokens=estimate,
                    divisible=len(texts) > 1,
                )
            except RejectedRequestError as error:
                if not self._base64 or not error.mentions("encoding_format", "base64"):
                    raise
                self._base64 = False
                continue
            return CountedVectors(_vectors(reply, len(texts)), reply.total_tokens or estimate)


def _cut(text: str, size: float) -> str:
    """The beginning of `text`, of about `size` as `upper_estimate` counts."""
    share = size / upper_estimate(text)
    return text[: max(1, int(len(text) * share))] if share < 1 else text


def _put_together(parts: Sequence[CountedVectors], order: Sequence[int]) -> CountedVectors:
    import numpy as np

    rows = np.concatenate([part.vectors for part in parts])
    vectors = np.empty_like(rows)
    vectors[[*order]] = rows
    return CountedVectors(
        vectors, sum(part.tokens for part in parts), sum(part.n_cut for part in parts)
    )


def _joined(content: object) -> object:
    """The text of a message that comes in parts; thoughts and pictures are other kinds of part."""
    if not isinstance(content, list):
        return content
    texts: list[str] = []
    for part in cast(list[object], content):
        fields = cast(dict[str, object], part) if isinstance(part, dict) else {"text": part}
        if fields.get("type", "text") in ("text", "output_text"):
            text = fields.get("text")
            texts.append(text if isinstance(text, str) else "")
    return "".join(texts)


Text = Annotated[str | None, BeforeValidator(_joined)]
Count = Annotated[int, BeforeValidator(lambda count: count or 0)]


class _Reply(BaseModel):
    """A reply that may be an error, although the status says otherwise."""

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Raises ErrorBodyError, or ValueError where the body is no such reply."""
        if b'"error"' in body and (error := faults.error_in(json.loads(body))) is not None:
            raise error
        return cls.model_validate_json(body)


class _Details(BaseModel):
    reasoning_tokens: Count = 0


class _Usage(BaseModel):
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    completion_tokens_details: _Details | None = None


class _ChatMessage(BaseModel):
    content: Text = None
    refusal: str | None = None
    # Thoughts, as DeepSeek, vLLM and llama.cpp send them, and Ollama and OpenRouter.
    reasoning_content: object = None
    reasoning: object = None

    @property
    def thought(self) -> bool:
        in_text = (self.content or "").lstrip().startswith("<think")
        return bool(self.reasoning_content or self.reasoning) or in_text


class _Delta(_ChatMessage, extra="allow"):
    role: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it brings nothing: no text, nor thoughts or what else servers send beside it."""
        more = (self.reasoning_content, self.reasoning, *(self.model_extra or {}).values())
        return not (self.content or self.refusal or any(more))


class _Choice(BaseModel):
    message: _ChatMessage = _ChatMessage()
    delta: _Delta = _Delta()
    finish_reason: str | None = None

    @property
    def is_idle(self) -> bool:
        return self.finish_reason is None and self.delta.is_empty


class _ChatReply(_Reply):
    model: str | None = None
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None

    @property
    def total_tokens(self) -> int:
        return self.usage.prompt_tokens + self.usage.completion_tokens if self.usage else 0

    @property
    def thought(self) -> bool:
        details = self.usage.completion_tokens_details if self.usage else None
        return self.choices[0].message.thought or bool(details and details.reasoning_tokens)


class _Piece(BaseModel):
    choices: list[_Choice] = []
    usage: _Usage | None = None


class _Embedding(BaseModel):
    index: Count = 0
    embedding: str | list[float]


class _EmbeddingReply(_Reply):
    data: list[_Embedding] = Field(min_length=1)
    usage: _Usage | None = None

    @property
    def total_tokens(self) -> int:
        return self.usage.prompt_tokens if self.usage else 0


def _completion(
    reply: _ChatReply, messages: Sequence[Message], *, most_tokens: int | None
) -> Completion:
    choice = reply.choices[0]
    text = choice.message.content or ""
    finish = choice.finish_reason or "stop"
    if choice.message.refusal:
        text, finish = choice.message.refusal, "refusal"
    usage = reply.usage
    if usage is None or not usage.prompt_tokens:
        prompt = sum(upper_estimate(message.content) for message in messages)
        usage = _Usage(prompt_tokens=prompt, completion_tokens=upper_estimate(text))
    return Completion(
        text,
        usage.prompt_tokens,
        usage.completion_tokens,
        finish,
        most_tokens,
        model=reply.model or "",
    )


def _vectors(reply: _EmbeddingReply, count: int) -> NDArray[np.float32]:
    import numpy as np

    rows = [
        np.frombuffer(base64.b64decode(item.embedding), dtype="<f4")
        if isinstance(item.embedding, str)
        else np.asarray(item.embedding, dtype=np.float32)
        for item in sorted(reply.data, key=lambda item: item.index)
    ]
    if len(rows) != count or len({row.shape for row in rows}) != 1:
        raise BadReplyError(
            f"the embedding server sent {len(rows)} vectors of sizes "
            f"{sorted({row.size for row in rows})} for {count} texts",
            hint="Use a server that follows the OpenAI embeddings API.",
        )
    matrix = np.stack(rows)
    if not np.isfinite(matrix).all():
        raise BadReplyError(
            "the embedding server sent numbers that are not finite",
            hint="Check the embedding model.",
        )
    return matrix
