"""Work on slices of a step in a process of the cluster.

A process keeps its models and its store open between the slices of a run. It writes evidence and
replies to the store itself, as they arrive; where the store is a file, through the desk.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from graphrag.core.answers import Usage
from graphrag.core.concurrency import Silent
from graphrag.core.errors import GraphRAGError
from graphrag.core.portal import Portal
from graphrag.core.settings import ChatSettings, EmbeddingSettings, Settings
from graphrag.indexing.runners import EvidenceStore, Tools, Work
from graphrag.models.http_client import Server
from graphrag.models.local.embedder import LocalEmbedder
from graphrag.models.models import Models
from graphrag.models.openai_models import OpenAIChat, OpenAIEmbedder
from graphrag.models.protocol import ChatModel, Embedder
from graphrag.models.servers import open_server
from graphrag.models.spending import Call, Ledger, RateLimiter, counted_together
from graphrag.stores import GraphStore, open_store

if TYPE_CHECKING:
    import polars as pl
    import ray

_COLUMN = "slice"


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker must know of a run. It holds keys and passwords, and stays in the cluster."""

    id: str
    settings: Settings
    desk: ray.ActorHandle
    through_desk: bool  # the store is a file that only the desk opens
    chat: ChatModel | None = None  # objects that the caller gave instead of settings
    embedder: Embedder | None = None


def pack(start: int, content: object) -> dict[str, bytes]:
    """One row of a dataset: a slice of items, or its result, and its place among all items."""
    return {_COLUMN: pickle.dumps((start, content))}


def unpack(batch: Mapping[str, Sequence[object]]) -> list[tuple[int, object]]:
    """The slices or results in a batch of such rows."""
    return [
        cast(tuple[int, object], pickle.loads(cast(bytes, row)))  # noqa: S301 - from this run
        for row in batch[_COLUMN]
    ]


def work_on(
    batch: Mapping[str, Sequence[object]], *, job: Job, work: Work[object, object]
) -> dict[str, list[bytes]]:
    """The stage of a dataset: the result of each slice, or the error that ended it."""
    worker = _worker(job)
    results = [
        pack(start, worker.run(cast(Sequence[object], items), work))
        for start, items in unpack(batch)
    ]
    return {_COLUMN: [result[_COLUMN] for result in results]}


class _Worker:
    """What one process has open for one run."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._portal = Portal()
        self._desk = _Desk(job.desk)
        self._tools: Tools | None = None
        self._opened: GraphStore | None = None

    def run(self, items: Sequence[object], work: Work[object, object]) -> object:
        return self._portal.call(self._run(items, work))

    def close(self) -> None:
        self._portal.close(self._close)

    async def _run(self, items: Sequence[object], work: Work[object, object]) -> object:
        try:
            if self._tools is None:
                self._tools = Tools(
                    self._models(),
                    await self._store(),
                    self.job.settings,
                    Silent(),
                    may_repeat=True,
                )
            return await work(items, self._tools)
        except GraphRAGError as error:
            return error
        finally:
            await self._desk.flush()

    def _models(self) -> Models:
        settings = self.job.settings
        servers: dict[tuple[str | None, str], Server] = {}
        chat, embedder = self.job.chat, self.job.embedder
        if chat is None and settings.has_chat:
            server = open_server(settings, "chat", servers)
            chat = OpenAIChat(server, settings.chat, limiter=self._limiter(settings.chat))
        part = settings.embedding
        if embedder is None and part.is_local:
            embedder = LocalEmbedder(part.model or "")
        elif embedder is None and settings.has_embedding:
            server = open_server(settings, "embedding", servers)
            embedder = OpenAIEmbedder(server, part, limiter=self._limiter(part))
        longest = settings.chat.timeout_s * (settings.chat.max_retries + 1)
        with counted_together(_SharedLedger(self._desk, longest)):
            return Models(chat=chat, embedder=embedder, settings=settings)

    def _limiter(self, part: ChatSettings | EmbeddingSettings) -> RateLimiter | None:
        if part.requests_per_minute is None and part.tokens_per_minute is None:
            return None  # nothing to share
        section = "chat" if isinstance(part, ChatSettings) else "embedding"
        return _SharedLimiter(self._desk, section)

    async def _store(self) -> EvidenceStore:
        if self.job.through_desk:
            return _StoreOfDesk(self._desk)
        settings = self.job.settings
        self._opened = await open_store(
            settings.store,
            root=Path(),
            namespace=settings.namespace,
            create=False,
            neo4j=settings.neo4j,
        )
        return self._opened

    async def _close(self) -> None:
        if self._tools is not None:
            await self._tools.models.close()
        if self._opened is not None:
            await self._opened.close()


_running: list[_Worker] = []  # at most one: the run that this process worked for last


def _worker(job: Job) -> _Worker:
    if not _running or _running[0].job.id != job.id:
        while _running:
            _running.pop().close()
        logging.getLogger("neo4j").setLevel(logging.ERROR)
        _running.append(_Worker(job))
    return _running[0]


class _Desk:
    """The desk as a worker asks it."""

    def __init__(self, handle: ray.ActorHandle) -> None:
        self._handle = handle
        self._told: list[ray.ObjectRef] = []

    async def ask(self, method: str, *arguments: object) -> object:
        return await getattr(self._handle, method).remote(*arguments)

    def tell(self, method: str, *arguments: object) -> None:
        """As `ask`, without waiting."""
        self._told.append(getattr(self._handle, method).remote(*arguments))

    async def flush(self) -> None:
        """Wait until everything that was told has arrived."""
        told, self._told = self._told, []
        for each in told:
            await each


class _Granted(Call):
    """A call with its number at the desk."""

    __slots__ = ("number",)

    def __init__(self, start: float, tokens: int, number: int) -> None:
        super().__init__(start, tokens, counted=True)
        self.number = number


class _SharedLimiter(RateLimiter):
    """The limit that all workers share."""

    def __init__(self, desk: _Desk, section: str) -> None:
        super().__init__(requests=None, tokens=None)
        self._desk = desk
        self._section = section

    def pause(self, seconds: float) -> None:
        self._desk.tell("pause", self._section, seconds)

    async def wait(self, tokens: int) -> Call:
        reply = await self._desk.ask("permit", self._section, tokens)
        number, delay = cast(tuple[int, float], reply)
        if delay > 0:
            await asyncio.sleep(delay)
        return _Granted(asyncio.get_running_loop().time(), tokens, number)

    def settle(self, call: Call, tokens: int) -> None:
        if isinstance(call, _Granted):
            self._desk.tell("settle", self._section, call.number, tokens)


class _SharedLedger(Ledger):
    """What all workers spend, and the limit on it."""

    def __init__(self, desk: _Desk, longest_call_s: float) -> None:
        super().__init__()
        self._desk = desk
        self._longest_call_s = longest_call_s

    def add(self, kind: str, usage: Usage) -> None:
        self._desk.tell("spend", kind, usage)

    @asynccontextmanager
    async def hold(self, amount: float | None) -> AsyncGenerator[None, None]:
        if amount is None:
            yield
            return
        number = await self._desk.ask("hold", amount, self._longest_call_s)
        if isinstance(number, GraphRAGError):
            raise number
        try:
            yield
        finally:
            self._desk.tell("release", number)


class _StoreOfDesk:
    """An `EvidenceStore` that the desk opens."""

    def __init__(self, desk: _Desk) -> None:
        self._desk = desk

    async def read(
        self,
        table: str,
        *,
        where: tuple[str, Sequence[str] | Sequence[int]] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        return cast("pl.DataFrame", await self._desk.ask("read", table, where, columns))

    async def put_evidence(self, rows: pl.DataFrame) -> None:
        await self._desk.ask("put_evidence", rows)

    async def replies(self, keys: Sequence[str] | None) -> dict[str, str]:
        return cast(dict[str, str], await self._desk.ask("replies", keys))

    async def put_replies(self, replies: Mapping[str, str]) -> None:
        await self._desk.ask("put_replies", replies)
