"""Write the replies that all endpoints share: JSON with an ETag, events, RFC 9457 problems."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import asdict, is_dataclass
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from graphrag.core.errors import (
    CostLimitError,
    GraphRAGError,
    IncompatibleIndexError,
    InputError,
    LockedError,
    ModelError,
    NoIndexError,
    NotFoundError,
    SettingsError,
    StoreError,
    UsageError,
)
from graphrag.core.logs import get_log, reason

MEDIA_TYPE = "application/problem+json"
TITLES: Mapping[int, str] = {
    400: "Wrong request",
    401: "A token is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Wrong method",
    408: "Too slow",
    409: "Not possible now",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Wrong kind of content",
    421: "Wrong host",
    429: "Too many requests",
    500: "A defect",
    502: "The model failed",
    503: "The store failed",
    504: "Took too long",
}
# The first class that fits.
_STATUSES: tuple[tuple[type[GraphRAGError], int], ...] = (
    (NotFoundError, 404),
    (NoIndexError, 404),
    (IncompatibleIndexError, 409),
    (LockedError, 409),
    (CostLimitError, 409),
    (SettingsError, 409),
    (UsageError, 400),
    (InputError, 400),
    (ModelError, 502),
    (StoreError, 503),
)

_BEAT_SECONDS = 15.0  # between signs of life in a stream

Result = TypeVar("Result")

log = get_log(__name__)


class ProblemError(Exception):
    """What a request ends in when it cannot be answered."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.hint = hint
        self.headers = dict(headers or {})

    def as_dict(self) -> dict[str, object]:
        return {
            "type": "about:blank",
            "title": TITLES[self.status],
            "status": self.status,
            "detail": str(self),
            "hint": self.hint,
        }

    @property
    def sentences(self) -> str:
        """What is wrong and what to do, for clients that show one text."""
        what = str(self)
        return f"{what}{'' if what.endswith(('.', '!', '?')) else '.'} {self.hint}".rstrip()

    def as_openai(self) -> dict[str, object]:
        """With what OpenAI's clients look for."""
        message = self.sentences
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": message, "type": kind, "param": None, "code": str(self.status)}
        return {**self.as_dict(), "error": error}

    def response(self, path: str) -> Response:
        """The reply to a request for `path`."""
        body = self.as_openai() if path.startswith("/v1/") else self.as_dict()
        return Response(to_json(body), self.status, headers=self.headers, media_type=MEDIA_TYPE)


def too_many(what: str, *, seconds: int) -> ProblemError:
    return ProblemError(
        429,
        f"too many {what} at once",
        hint=f"Try again in {seconds} seconds.",
        headers={"Retry-After": str(seconds)},
    )


def read_only() -> ProblemError:
    return ProblemError(403, "this server only reads", hint="Start it without --read-only.")


def problem_of(error: Exception) -> ProblemError:
    """`error` as a problem; one that is not ours is a defect, of which only the log has more."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, ClientDisconnect):
        return ProblemError(408, "the client left before its request was whole")
    if isinstance(error, HTTPException):  # of the router
        status = error.status_code if error.status_code in TITLES else 400
        hint = "See /openapi.json for what there is."
        return ProblemError(status, error.detail, hint=hint, headers=error.headers)
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return ProblemError(status, str(error), hint=error.hint)
    if isinstance(error, GraphRAGError):
        return ProblemError(500, str(error), hint=error.hint)
    log.error("a request failed by a defect: %s", reason(error), exc_info=error)
    return ProblemError(500, "this request failed by a defect", hint="The server's log says where.")


def to_dict(value: object) -> object:
    """A dataclass as an object of its fields; else the value itself."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def to_json(value: object) -> bytes:
    """UTF-8, in which no number is NaN."""
    value = to_dict(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def json_reply(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """What is not to be kept by anyone on the way."""
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return Response(to_json(value), status, headers=headers, media_type="application/json")


def etag_headers(version: str) -> dict[str, str]:
    return {"ETag": f'"{version}"', "Cache-Control": "private, no-cache"}


def is_known(request: Request, version: str) -> bool:
    """Whether the client says that it has what is of this `version`."""
    tags = request.headers.get("if-none-match", "").split(",")
    return any(tag.strip().removeprefix("W/") in (f'"{version}"', "*") for tag in tags)


def event(name: str, data: object) -> bytes:
    """One server-sent event; JSON has no line ends that could begin another."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), to_json(data))


class EventStream(Response):
    """Sends events as they come; ends the work when the client is gone."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await while_connected(receive, self._send(send))

    async def _send(self, send: Send) -> None:
        async with aclosing(self._events) as events:
            coming = asyncio.ensure_future(anext(events, None))
            try:
                while True:
                    done, _ = await asyncio.wait([coming], timeout=_BEAT_SECONDS)
                    piece = coming.result() if done else b": waiting\n\n"
                    if piece is None:
                        break
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    if done:
                        coming = asyncio.ensure_future(anext(events, None))
            finally:
                coming.cancel()
                await asyncio.wait([coming])
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def while_connected(
    receive: Receive, work: Coroutine[object, object, Result]
) -> Result | None:
    """What `work` gives; None where the client left, at which `work` is cancelled."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait({working, leaving})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
