"""Put the doors of the server together, and run it until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, cast

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from graphrag.core.errors import UsageError
from graphrag.server import openapi, web
from graphrag.server.access import Gate, Guard, Limits, is_loopback, read_token
from graphrag.server.chat import Chat
from graphrag.server.documents import Documents
from graphrag.server.graph import GraphPages
from graphrag.server.indexes import Indexes, Place
from graphrag.server.jobs import Jobs
from graphrag.server.openapi import Endpoint
from graphrag.server.questions import Questions
from graphrag.server.replies import ProblemError, json_reply, to_json

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

_BACKLOG = 2048
_GRACE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Options:
    """How a server is started."""

    places: tuple[Place, ...]
    host: str = "127.0.0.1"
    port: int = 8321
    hosts: tuple[str, ...] = ()  # names that it is called by, beside its address
    token_file: Path | None = None
    has_token: bool = True
    is_read_only: bool = False
    mcp_write: bool = False
    limits: Limits = field(default_factory=Limits)


class Serving:
    """The parts of a server that live as long as it does."""

    def __init__(self, options: Options) -> None:
        limits = options.limits
        self.options = options
        self.indexes = Indexes(options.places, idle_seconds=limits.idle_seconds)
        self.jobs = Jobs(self.indexes, most=limits.jobs)
        gate = Gate("questions", at_once=limits.queries, waiting=limits.waiting_queries)
        self.questions = Questions(self.indexes, gate, seconds=limits.seconds)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        if not self.options.is_read_only:
            self.jobs.start()
        try:
            yield
        finally:
            await self.jobs.close()
            await self.indexes.close()

    @property
    def endpoints(self) -> list[Endpoint]:
        is_read_only = self.options.is_read_only
        return [
            *GraphPages(self.indexes, is_read_only=is_read_only).endpoints,
            *Documents(self.indexes, self.jobs, is_read_only=is_read_only).endpoints,
            *self.questions.endpoints,
            *Chat(self.indexes, self.questions).endpoints,
        ]


def make_app(options: Options, *, token: str | None) -> ASGIApp:
    """The ASGI application of one server."""
    serving = Serving(options)
    endpoints = serving.endpoints
    described: list[bytes] = []

    async def describe(_: Request) -> Response:
        if not described:
            described.append(to_json(openapi.document(endpoints)))
        return Response(described[0], media_type="application/json")

    async def health(_: Request) -> Response:
        return json_reply({"status": "ok"})

    mcp = _LazyMcp(serving)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None]:
        async with serving.running():
            try:
                yield
            finally:
                await mcp.close()

    router = Router(
        [
            *(endpoint.route for endpoint in endpoints),
            Route("/", web.serve),
            Route("/web/{name}", web.serve),
            Route("/openapi.json", describe),
            Route("/health", health),
            Route("/mcp", mcp),
        ],
        redirect_slashes=False,
        default=_not_found,
        lifespan=lifespan,
    )
    return Guard(router, token=token, hosts=frozenset(options.hosts), limits=options.limits)


def serve(options: Options, *, ready: Callable[[str], None]) -> None:
    """Serve until a signal comes; `ready` gets the address, with the token after `#`.

    Raises UsageError where it may not or cannot listen there.
    """
    server, listening = make_server(options, ready=ready)
    asyncio.run(server.serve([listening]))


def make_server(
    options: Options, *, ready: Callable[[str], None]
) -> tuple[uvicorn.Server, socket.socket]:
    """A server that is not started yet, and where it listens. Raises as `serve`."""
    if not options.has_token and not is_loopback(options.host):
        raise UsageError(
            f"a server without a token does not listen on {options.host!r}",
            hint="Leave out --no-token, or --host.",
        )
    token = read_token(options.places[0].root, options.token_file) if options.has_token else None
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        listening = socket.create_server(
            (options.host, options.port), family=family, backlog=_BACKLOG
        )
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"cannot listen on {options.host}:{options.port}: {error}",
            hint="Choose another --port; 0 takes a free one.",
        ) from error
    _allow_many_files()
    port = int(listening.getsockname()[1])
    host = f"[{options.host}]" if ":" in options.host else options.host
    config = uvicorn.Config(
        make_app(options, token=token),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        loop="asyncio",
        http=type("Connection", (_Connection,), {"head_seconds": options.limits.head_seconds}),
        lifespan="on",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    address = f"http://{host}:{port}/" + (f"#{token}" if token else "")
    return _Server(config, lambda: ready(address)), listening


def serve_stdio(options: Options) -> None:
    """Speak the Model Context Protocol over stdin and stdout until stdin closes."""

    async def run() -> None:
        serving = Serving(options)
        async with serving.running():
            await _make_mcp(serving).run_stdio_async()

    asyncio.run(run())


async def _not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise ProblemError(
        404, "there is nothing of that name", hint="See /openapi.json for what there is."
    )


def _make_mcp(serving: Serving) -> MCPServer[None]:
    from graphrag.server.mcp_server import make_server

    options = serving.options
    may_write = options.mcp_write and not options.is_read_only
    return make_server(serving.indexes, serving.questions, serving.jobs, may_write=may_write)


def _allow_many_files() -> None:
    """A thousand clients are a thousand open files."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Server(uvicorn.Server):
    """Says when it is there, and ends quietly by a signal: to be stopped is how a server ends."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.should_exit = True


class _Connection(H11Protocol):
    """Gives up on a client that begins a request and does not say what it wants in time."""

    head_seconds: float  # of a subclass: uvicorn makes these objects itself
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._waiting is not None:
            self._waiting.cancel()

    @property
    def _is_between_requests(self) -> bool:
        # uvicorn declares the cycle as always there, and sets it to None before the first.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

    def _wait(self) -> None:
        if self._is_between_requests and self._waiting is None:
            self._waiting = self.loop.call_later(self.head_seconds, self._give_up)
        elif not self._is_between_requests and self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if self._is_between_requests:
            self.transport.close()


class _LazyMcp:
    """The Model Context Protocol, whose library takes a second to load, from the first request."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._app: ASGIApp | None = None
        self._opening = asyncio.Lock()
        self._running: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._opening:
            if self._app is None:
                self._app = await self._open()
        await self._app(scope, receive, send)

    async def close(self) -> None:
        self._stop.set()
        if self._running is not None:
            await asyncio.wait([self._running])

    async def _open(self) -> ASGIApp:
        server = await asyncio.to_thread(_make_mcp, self._serving)
        from mcp.server.transport_security import TransportSecuritySettings

        app = server.streamable_http_app(
            streamable_http_path="/mcp",
            json_response=True,
            stateless_http=True,
            # The guard has looked at Host, Origin and size already.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
            max_request_body_size=self._serving.options.limits.body,
        )
        started = asyncio.Event()

        async def run() -> None:
            async with server.session_manager.run():
                started.set()
                await self._stop.wait()

        self._running = asyncio.create_task(run())
        await started.wait()
        return app
