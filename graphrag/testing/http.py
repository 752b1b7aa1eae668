"""Serve HTTP/1.1 on a connection: hand each request to one handler."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

MAX_BODY = 256 * 2**20
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    gone: Callable[[], Awaitable[object]]  # returns when the client hangs up


@dataclass(frozen=True, slots=True)
class Response:
    """`cut`: send only this share of the body, then close the connection; 0 sends nothing."""

    body: bytes | AsyncGenerator[bytes, None]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content_type: str = "application/json"
    cut: float | None = None


def json_response(
    data: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(json.dumps(data).encode(), status, headers or {})


class HttpServer:
    """Keep-alive connections on loopback, all on one event loop."""

    def __init__(self, handle: Callable[[Request], Awaitable[Response]]) -> None:
        self._handle = handle
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, host: str, port: int, *, ready: Callable[[int], None]) -> None:
        """Serve until cancelled; `ready` gets the port."""
        server = await asyncio.start_server(self._connected, host, port, backlog=1024)
        ready(int(server.sockets[0].getsockname()[1]))
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                response = await self._handle(request)
                await _write(writer, response)
                if response.cut is not None:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client hung up, or does not speak HTTP
        finally:
            writer.transport.abort() if writer.is_closing() else writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    method, target, *_ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    length = int(headers.get("content-length") or 0)
    body = await reader.readexactly(min(length, MAX_BODY)) if length else b""
    return Request(method, target.partition("?")[0], headers, body, lambda: reader.read(1))


async def _write(writer: asyncio.StreamWriter, response: Response) -> None:
    if response.cut == 0:
        return
    reason = REASONS.get(response.status, "Status")
    head = [f"HTTP/1.1 {response.status} {reason}", f"Content-Type: {response.content_type}"]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    if isinstance(response.body, bytes):
        head.append(f"Content-Length: {len(response.body)}")
        end = None if response.cut is None else int(len(response.body) * response.cut)
        writer.write("\r\n".join([*head, "", ""]).encode("latin-1") + response.body[:end])
        await writer.drain()
        return
    head.append("Transfer-Encoding: chunked")
    writer.write("\r\n".join([*head, "", ""]).encode("latin-1"))
    async for piece in response.body:
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await writer.drain()
    if response.cut is None:
        writer.write(b"0\r\n\r\n")
        await writer.drain()
