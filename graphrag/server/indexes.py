"""Keep the indexes that a server serves: named at its start, each opened once, closed when idle."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from graphrag.core.errors import UsageError
from graphrag.engine.asynchronous import AsyncGraphRAG
from graphrag.engine.contents import Contents, contents_of
from graphrag.server.replies import ProblemError, etag_headers, is_known, json_reply
from graphrag.stores import sqlite_path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SWEEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the index `name` is; `folders` are those that may be indexed over HTTP."""

    name: str
    root: Path
    namespace: str | None = None
    folders: tuple[Path, ...] = ()


@dataclass(slots=True)
class _Open:
    engine: AsyncGraphRAG
    file: tuple[int, int] | None  # device and number of the store's file
    users: int = 0
    used_at: float = field(default_factory=time.monotonic)
    is_old: bool = False


def parse_places(
    named: Sequence[str], *, root: Path, folders: Sequence[str] = ()
) -> tuple[Place, ...]:
    """`NAME=ROOT[#NAMESPACE]` each, or `root` under its folder's name; `[NAME=]FOLDER` each.

    Raises UsageError on a name that is none or comes twice, and where there is no folder.
    """
    places: dict[str, Place] = {}
    for text in named:
        name, equals, rest = text.partition("=")
        if not equals:
            raise UsageError(f"{text!r} names no index", hint="Write NAME=ROOT or NAME=ROOT#SPACE.")
        where, _, namespace = rest.partition("#")
        if name in places:
            raise UsageError(f"two indexes are called {name!r}", hint="Give each its own name.")
        places[name] = Place(_checked(name), _folder(where), namespace or None)
    if not places:
        folder = _folder(str(root))
        cleaned = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.name).strip("-._") or "index"
        places[cleaned[:64]] = Place(cleaned[:64], folder)
    for text in folders:
        name, equals, rest = text.partition("=")
        only = equals and name in places
        folder = _folder(rest if only else text)
        for key in [name] if only else list(places):
            place = places[key]
            places[key] = Place(key, place.root, place.namespace, (*place.folders, folder))
    return tuple(places.values())


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"an index cannot be called {name!r}",
            hint="Use letters, digits and _ . - (64 at most).",
        )
    return name


def _folder(text: str) -> Path:
    path = Path(text).expanduser().resolve()
    if not path.is_dir():
        raise UsageError(f"there is no folder {text!r}", hint="Check the spelling of the path.")
    return path


class Indexes:
    """The allow-list of indexes. Whatever is not on it does not exist for any request."""

    def __init__(self, places: Sequence[Place], *, idle_seconds: float) -> None:
        self.places = {place.name: place for place in places}
        self._idle_seconds = idle_seconds
        self._open: dict[str, _Open] = {}
        self._sweeper: asyncio.Task[None] | None = None

    def place(self, name: str) -> Place:
        """Raises a 404 problem on a name that is not on the list."""
        if name not in self.places:
            known = ", ".join(self.places)
            raise ProblemError(404, f"no index {name!r}", hint=f"There are: {known}.")
        return self.places[name]

    @property
    def open_names(self) -> list[str]:
        return sorted(self._open)

    @asynccontextmanager
    async def use(self, name: str) -> AsyncGenerator[AsyncGraphRAG]:
        """The engine of the index, which stays open while it is used."""
        place = self.place(name)
        opened = self._open.get(name)
        if opened is not None and opened.file != _file(opened.engine):
            del self._open[name]  # removed or made anew: who uses it still reads what was
            opened.is_old = True
            if not opened.users:
                await opened.engine.close()
            opened = None
        if opened is None:
            engine = AsyncGraphRAG.open(place.root, namespace=place.namespace)
            opened = self._open[name] = _Open(engine, _file(engine))
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())
        opened.users += 1
        try:
            yield opened.engine
        finally:
            opened.users -= 1
            opened.used_at = time.monotonic()
            if opened.is_old and not opened.users:
                await opened.engine.close()

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait([self._sweeper])
        while self._open:
            await self._open.popitem()[1].engine.close()

    async def close_idle(self) -> None:
        """Close what nobody has asked for lately."""
        for name, opened in list(self._open.items()):
            idle = time.monotonic() - opened.used_at
            if not opened.users and idle >= self._idle_seconds:
                del self._open[name]
                await opened.engine.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, self._idle_seconds))
            await self.close_idle()


def _file(engine: AsyncGraphRAG) -> tuple[int, int] | None:
    """Of an embedded store; None where there is no such file."""
    url = engine.settings.store
    if url is not None and re.match(r"(neo4j|bolt)|local$", url):
        return None
    try:
        found = sqlite_path(url, engine.root).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


async def page_of(
    indexes: Indexes, request: Request, read: Callable[[Contents], Awaitable[object]]
) -> Response:
    """What `read` gives of the index that the path names, or that the client has it already."""
    async with indexes.use(request.path_params["index"]) as engine:
        contents = await contents_of(engine)
        version = await contents.version()
        if is_known(request, version):
            return Response(status_code=304, headers=etag_headers(version))
        return json_reply(await read(contents), headers=etag_headers(version))
