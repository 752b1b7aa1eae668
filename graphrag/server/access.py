"""Let in only who may come: token, Host and Origin, sizes and times, before any handler runs."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import os
import re
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphrag.core.errors import UsageError
from graphrag.core.settings import WORK_FOLDER
from graphrag.core.work_folder import make_private
from graphrag.server.replies import ProblemError, problem_of, too_many

TOKEN_FILE = "server-token"  # noqa: S105 - a file name
OPEN_PATHS = frozenset(("/", "/health"))  # nothing of an index is told there
OPEN_FOLDER = "/web/"  # nor here: files of the package
_TOKEN = re.compile(r"[A-Za-z0-9_~.-]{16,512}")
_LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "::1"))
SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take. Sizes are in bytes, times in seconds."""

    body: int = 1_000_000
    upload: int = 110_000_000
    head_seconds: float = 20.0
    body_seconds: float = 30.0
    upload_seconds: float = 600.0
    seconds: float = 300.0
    queries: int = 16
    waiting_queries: int = 512
    jobs: int = 64
    idle_seconds: float = 300.0


def read_token(root: Path, file: Path | None = None) -> str:
    """The token in `file`, else of the folder `root`, made there when first asked for.

    Raises UsageError where the file cannot be read or written, or holds no token.
    """
    path = file or root / WORK_FOLDER / TOKEN_FILE
    try:
        if file is None and not path.exists():
            _make_token(path)
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the token file {str(path)!r} cannot be read or made: {error}",
            hint="Name another by --token-file.",
        ) from error
    if not _TOKEN.fullmatch(token):
        raise UsageError(
            f"{str(path)!r} holds no token",
            hint="A token has 16 characters or more: letters, digits, and _ ~ . -",
        )
    return token


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _make_token(path: Path) -> None:
    """Whole and private from the first moment; of two servers that start, one makes it."""
    make_private(path.parent)
    fresh = path.with_name(f".{TOKEN_FILE}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


class Guard:
    """The outermost part of the server: what it refuses reaches no handler."""

    def __init__(
        self, app: ASGIApp, *, token: str | None, hosts: frozenset[str], limits: Limits
    ) -> None:
        self._app = app
        self._token = token.encode() if token else None
        self._hosts = hosts | _LOOPBACK_NAMES
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # websockets are not spoken here
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = {name.lower() for name, _ in message["headers"]}
                extra = [pair for pair in SAFE_HEADERS if pair[0] not in given]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        try:
            headers = _headers(scope)
            self._check(str(scope["path"]), headers)
            body = _Body(receive, self._limits, scope, headers)
            # With an app in the scope the router raises what it would else write by itself.
            await self._app({**scope, "app": self._app}, body.receive, sending)
        except Exception as error:
            problem = problem_of(error)
            if started:  # half a reply cannot become a problem: the connection ends
                raise ConnectionAbortedError(str(problem)) from error
            await problem.response(str(scope["path"]))(scope, receive, sending)

    def _check(self, path: str, headers: Mapping[str, str]) -> None:
        host = headers.get("host", "")
        if not self._is_known(host):
            raise ProblemError(
                421,
                f"this server is not called {host!r}",
                hint="Ask it by its address, or start it with --allow-host NAME.",
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise ProblemError(
                403,
                f"pages of {origin!r} may not ask this server",
                hint="Ask from a program.",
            )
        if path not in OPEN_PATHS and not path.startswith(OPEN_FOLDER):
            self._check_token(headers.get("authorization", ""))

    def _check_token(self, given: str) -> None:
        if self._token is None:
            return
        scheme, _, token = given.partition(" ")
        is_right = hmac.compare_digest(token.strip().encode("utf-8", "replace"), self._token)
        if scheme.lower() != "bearer" or not is_right:
            what = "a wrong token was given" if given else "no token was given"
            raise ProblemError(
                401,
                what,
                hint="Send the header `Authorization: Bearer TOKEN` (curl: --header). The "
                "token stands after # in the address that the server printed, and in "
                f"{WORK_FOLDER}/{TOKEN_FILE} under its first root or in its --token-file.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _is_known(self, host: str) -> bool:
        """Names are listed; an address cannot be made to mean another machine (DNS rebinding)."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class Gate:
    """Lets so many through at once; some more wait their turn, the rest are sent away."""

    def __init__(self, what: str, *, at_once: int, waiting: int) -> None:
        self._what = what
        self._free = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._inside = 0

    @asynccontextmanager
    async def entered(self) -> AsyncGenerator[None]:
        """Raises problem 429 where too many wait."""
        if self._inside >= self._most:
            raise too_many(self._what, seconds=2)
        self._inside += 1
        try:
            async with self._free:
                yield
        finally:
            self._inside -= 1


class _Body:
    """Hands on a request's body while it keeps within its size and time."""

    def __init__(
        self, receive: Receive, limits: Limits, scope: Scope, headers: Mapping[str, str]
    ) -> None:
        is_upload = headers.get("content-type", "").lower().startswith("multipart/")
        self._receive = receive
        self._most = limits.upload if is_upload else limits.body
        self._until = time.monotonic() + (
            limits.upload_seconds if is_upload else limits.body_seconds
        )
        self._size = 0
        self._is_whole = scope["method"] in ("GET", "HEAD") and "content-length" not in headers
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self._most:
            raise self._too_large()

    async def receive(self) -> Message:
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._until - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise ProblemError(
                408,
                "the request did not come in time",
                hint="Send it whole.",
                headers={"Connection": "close"},
            ) from None
        self._size += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._size > self._most:
            raise self._too_large()
        return message

    def _too_large(self) -> ProblemError:
        return ProblemError(
            413,
            f"the request has more than {self._most / 1e6:g} MB",
            hint="Send less, or upload fewer files at once.",
            headers={"Connection": "close"},
        )


def _headers(scope: Scope) -> dict[str, str]:
    """By name; of a header that comes twice, both, which fits nothing."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found
