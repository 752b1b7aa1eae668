"""Answer as an OpenAI-compatible server does, and count calls and tokens."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Literal, cast

from graphrag.testing.batches import Batches
from graphrag.testing.calls import Body, Call, Counters, error_response
from graphrag.testing.fakes import hashed_words
from graphrag.testing.faults import Fault, FaultPlan
from graphrag.testing.http import Request, Response, json_response
from graphrag.testing.limits import Limits
from graphrag.testing.odd import odd
from graphrag.testing.replies import ChatRequest, Rule, rank, rule_for

UNLIMITED = 1_000_000
THOUGHTS = 8000
PIECE = 24  # characters of one streamed piece


class Endpoints:
    """The routes of one server."""

    def __init__(
        self,
        *,
        latency: Mapping[str, float],
        dimensions: int,
        api_key: str | None,
        faults: Sequence[Fault],
        rules: Sequence[Rule],
        tokens: Literal["bytes", "tiktoken"],
        limits: Limits,
        slots: int | None,
    ) -> None:
        self._latency = latency
        self._dimensions = dimensions
        self._api_key = api_key
        self._faults = tuple(faults)
        self._plan = FaultPlan(faults)
        self._rules = rules
        self._exact = tokens == "tiktoken"
        self._limits = limits
        self._slots = asyncio.Semaphore(slots or UNLIMITED)
        self._counters: dict[str, dict[str, Counters]] = {}
        self._batches = Batches(self._route, lambda call: self._answer(call, _nobody))

    async def handle(self, request: Request) -> Response:
        """The answer to one request."""
        if request.path.startswith("/_"):
            return self._control(request)
        if self._api_key and request.headers.get("authorization") != f"Bearer {self._api_key}":
            return error_response(401, "Incorrect API key provided.", code="invalid_api_key")
        path = request.path.removeprefix("/v1")
        try:
            if path.startswith(("/files", "/batches")):
                call = self._batches.route(path, request)
            else:
                call = self._route(path, cast(Body, json.loads(request.body or b"{}")))
        except json.JSONDecodeError:
            return error_response(400, "The body is not JSON.")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            return error_response(400, f"The request cannot be read: {error!r}")
        if call is None:
            return error_response(404, f"No route {request.path}.")
        return await self._answer(call, request.gone)

    def _route(self, path: str, body: Body) -> Call | None:
        match path:
            case "/models":
                return Call("models", "models", body, "", "", self._models)
            case "/chat/completions":
                return self._chat(body)
            case "/embeddings":
                return self._embed(body)
            case "/rerank":
                return self._rerank(body)
            case _:
                return None

    async def _answer(self, call: Call, gone: Callable[[], Awaitable[object]]) -> Response:
        kinds = self._counters.setdefault(call.group, {})
        counters = kinds.setdefault(call.kind, Counters())
        counters.calls += 1
        counters.in_flight += 1
        counters.max_in_flight = max(counters.max_in_flight, counters.in_flight)
        try:
            delay = self._latency.get(call.kind, self._latency.get(call.group, 0.0))
            if delay:
                async with self._slots:
                    await asyncio.sleep(delay)
            fault = self._plan.pick(call.kind, call.key, call.prompt, call.body)
            if fault is not None:
                counters.faults += 1
                if fault.fault == "hang":
                    await gone()
                if (failure := _failure(fault)) is not None:
                    return failure
            elif call.key in counters.answered:
                counters.repeated += 1
            else:
                counters.answered.add(call.key)
            return call.reply(fault, counters)
        finally:
            counters.in_flight -= 1

    def _control(self, request: Request) -> Response:
        match request.path:
            case "/_stats":
                stats = {
                    group: {kind: kinds[kind].as_json() for kind in sorted(kinds)}
                    for group, kinds in sorted(self._counters.items())
                }
                return json_response(stats)
            case "/_reset":
                self._counters.clear()
            case "/_faults":
                try:
                    data = cast(list[Body], json.loads(request.body))
                    self._faults = tuple(map(Fault.from_json, data))
                except (ValueError, TypeError) as error:
                    return error_response(400, str(error))
            case _:
                return error_response(404, f"No route {request.path}.")
        self._plan = FaultPlan(self._faults)
        return json_response({})

    def _models(self, _: Fault | None, __: Counters) -> Response:
        names = ("test-chat", "test-embedding", "gpt-4.1-mini", "text-embedding-3-small")
        window = self._limits.listed_window
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "test", **window}
            for name in names
        ]
        return json_response({"object": "list", "data": data})

    def _chat(self, body: Body) -> Call:
        given = cast(Sequence[Mapping[str, object]], body["messages"])
        messages = [
            {"role": str(item["role"]), "content": _plain(item.get("content"))} for item in given
        ]
        format_ = cast(Mapping[str, Mapping[str, Body]], body.get("response_format") or {})
        asked = ChatRequest(messages, format_.get("json_schema", {}).get("schema"))
        rule = rule_for(asked, self._rules)
        prompt = "\n".join(message["content"] for message in messages)

        def reply(fault: Fault | None, counters: Counters) -> Response:
            return self._complete(body, prompt, rule.reply(asked), (fault, counters))

        return Call("chat", rule.kind, body, prompt, asked.key, reply)

    def _complete(
        self, body: Body, prompt: str, text: str, context: tuple[Fault | None, Counters]
    ) -> Response:
        fault, counters = context
        given = body.get("max_completion_tokens") or body.get("max_tokens") or 0
        bound = int(cast(int, given))
        if refusal := self._limits.refuse_prompt(self._count(prompt) + bound):
            counters.faults += 1
            return refusal
        name = fault.fault if fault else ""
        message, finish = _spoiled(text, name, bound=bound or UNLIMITED)
        usage = self._usage(prompt, message["content"] or "")
        counters.prompt_tokens += usage["prompt_tokens"]
        counters.completion_tokens += usage["completion_tokens"]
        shown = None if name == "no_usage" else usage
        if body.get("stream"):
            options = cast(Body, body.get("stream_options") or {})
            shown = shown if options.get("include_usage") else None
            half = name == "half_stream"
            pieces = _events(message, finish, usage=shown, half=half)
            kind = "text/event-stream"
            return Response(pieces, content_type=kind, cut=1.0 if half else None)
        sent: dict[str, object] = {**message}
        if name == "parts":
            sent["content"] = [{"type": "text", "text": message["content"]}]
        choice = {"index": 0, "message": sent, "finish_reason": finish}
        head = {"id": "chatcmpl-test", "object": "chat.completion", "created": 0}
        data = {**head, "model": body.get("model"), "choices": [choice]}
        encoded = json.dumps({**data, "usage": shown} if shown else data).encode()
        if name == "truncated_body":
            encoded = encoded[: len(encoded) // 2]
        return Response(encoded, cut=0.5 if name == "half_stream" else None)

    def _embed(self, body: Body) -> Call:
        given = cast(str | list[str], body["input"])
        texts = [given] if isinstance(given, str) else given

        def reply(_: Fault | None, counters: Counters) -> Response:
            if refusal := self._limits.refuse_texts(max(map(self._count, texts))):
                counters.faults += 1
                return refusal
            size = int(cast(int, body.get("dimensions") or self._dimensions))
            rows = [hashed_words(text, size) for text in texts]
            as_text = body.get("encoding_format") == "base64"
            data = [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": base64.b64encode(row).decode() if as_text else row.tolist(),
                }
                for index, row in enumerate(rows)
            ]
            tokens = sum(map(self._count, texts))
            counters.inputs += len(texts)
            counters.prompt_tokens += tokens
            usage = {"prompt_tokens": tokens, "total_tokens": tokens}
            return json_response(
                {"object": "list", "data": data, "model": body.get("model"), "usage": usage}
            )

        prompt = "\n".join(texts)
        return Call("embeddings", "embed", body, prompt, _digest(prompt), reply)

    def _rerank(self, body: Body) -> Call:
        query = str(body.get("query"))
        given = cast(list[str | Mapping[str, str]], body["documents"])
        documents = [item if isinstance(item, str) else item["text"] for item in given]

        def reply(_: Fault | None, counters: Counters) -> Response:
            counters.inputs += len(documents)
            counters.prompt_tokens += sum(map(self._count, [query, *documents]))
            results = [
                {"index": index, "relevance_score": score}
                for index, score in rank(query, documents)
            ]
            top = int(cast(int, body.get("top_n") or len(results)))
            return json_response({"id": "rerank-test", "results": results[:top]})

        prompt = "\n".join([query, *documents])
        return Call("rerank", "rerank", body, prompt, _digest(prompt), reply)

    def _usage(self, prompt: str, text: str) -> dict[str, int]:
        sent, got = self._count(prompt), self._count(text)
        return {"prompt_tokens": sent, "completion_tokens": got, "total_tokens": sent + got}

    def _count(self, text: str) -> int:
        if not self._exact:
            return len(text.encode()) // 4 + 1
        from graphrag.text import tokens

        return tokens.count(text)


def _plain(content: object) -> str:
    """The text of a message, which may come in parts."""
    if isinstance(content, list):
        parts = cast(list[Mapping[str, object]], content)
        return "".join(str(part.get("text", "")) for part in parts)
    return str(content or "")


async def _nobody() -> None:
    """The client of a line in a batch: it never waits."""


def _failure(fault: Fault) -> Response | None:
    """The response of a fault that does not even let the model reply."""
    match fault.fault:
        case "status":
            message = f"The server says {fault.status}."
            return error_response(fault.status, message, retry_after=fault.retry_after)
        case "hang" | "drop":
            return Response(b"", cut=0)
        case "context_too_long":
            message = "This model's maximum context length is 8192 tokens."
            return error_response(400, message, code="context_length_exceeded", param="messages")
        case "quota":
            message = "You exceeded your current quota."
            return error_response(429, message, code="insufficient_quota")
        case "no_schema":
            return error_response(400, "response_format json_schema is not supported here.")
        case "no_json":
            return error_response(400, "response_format is not supported here.")
        case "no_system":
            return error_response(500, "Jinja Exception: System role not supported")
        case "no_base64":
            return error_response(400, "encoding_format base64 is not supported here.")
        case "no_temperature" | "no_max_tokens" | "no_max_completion_tokens" | "no_stream_options":
            name = fault.fault.removeprefix("no_")
            return error_response(400, f"Unsupported parameter: {name!r}.", param=name)
        case _:
            return None


def _spoiled(text: str, fault: str, *, bound: int) -> tuple[dict[str, str | None], str]:
    """The message and its finish_reason; `bound` is in tokens of four letters."""
    refusal, finish, more = None, "stop", dict[str, str | None]()
    match fault:
        case "endless":
            text, finish = "and " * bound, "length"
        case "deep_thoughts":
            more["reasoning_content"] = "Hm. " * min(bound, THOUGHTS)
            if bound <= THOUGHTS:
                text, finish = "", "length"
        case "truncated_json":
            text = text[: len(text) // 2]
        case "wrong_json":
            text = '{"unexpected": true}'
        case "odd_item" | "odd_values":
            text = odd(text, fault)
        case "thoughts":
            text = f"<think>Is it {{1}}, or [2]?</think>\n{text}"
        case "fenced":
            text = f"```\n{text}\n```"
        case "refusal":
            text, refusal = "", "I cannot help with that."
        case "content_filter":
            text, finish = "", "content_filter"
        case "length":
            text, finish = text[: len(text) // 2], "length"
        case "empty":
            text = ""
        case _:
            pass
    return {"role": "assistant", "content": text, "refusal": refusal, **more}, finish


async def _events(
    message: Mapping[str, str | None], finish: str, *, usage: Mapping[str, int] | None, half: bool
) -> AsyncGenerator[bytes, None]:
    if thoughts := message.get("reasoning_content"):
        delta = {"reasoning_content": thoughts}
        yield _event([{"index": 0, "delta": delta, "finish_reason": None}])
    text = message["content"] or ""
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    for piece in pieces[: len(pieces) // 2] if half else pieces:
        yield _event([{"index": 0, "delta": {"content": piece}, "finish_reason": None}])
    if half:
        return
    if message["refusal"]:
        delta = {"refusal": message["refusal"]}
        yield _event([{"index": 0, "delta": delta, "finish_reason": None}])
    yield _event([{"index": 0, "delta": {}, "finish_reason": finish}])
    if usage:
        yield _event([], usage=usage)
    yield b"data: [DONE]\n\n"


def _event(choices: list[dict[str, object]], *, usage: Mapping[str, int] | None = None) -> bytes:
    head = {"id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 0, "model": ""}
    return f"data: {json.dumps({**head, 'choices': choices, 'usage': usage})}\n\n".encode()


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
