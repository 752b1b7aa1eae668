"""Run many awaitables with bounded concurrency, and report progress."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Iterable,
)
from contextlib import asynccontextmanager
from itertools import islice
from typing import Generic, Protocol, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")
Kept = TypeVar("Kept")


class Progress(Protocol):
    """Receives how far each step is. Implementations write to stderr, or nowhere."""

    def start(self, step: str, total: int | None = None) -> None:
        """`step` begins, with `total` items where that is known."""
        ...

    def advance(self, step: str, count: int = 1, *, note: str = "") -> None:
        """`count` items more; `note` names the one that is begun, where an item takes long."""
        ...

    def finish(self, step: str, note: str = "") -> None: ...


class Silent:
    """Progress that nobody watches."""

    def start(self, step: str, total: int | None = None) -> None:
        pass

    def advance(self, step: str, count: int = 1, *, note: str = "") -> None:
        pass

    def finish(self, step: str, note: str = "") -> None:
        pass


async def run_all(
    items: Iterable[Item],
    work: Callable[[Item], Coroutine[object, object, Result]],
    *,
    limit: int,
    keep: Callable[[asyncio.Task[Result]], Kept],
) -> list[Kept]:
    """What `keep` makes of each task when it has ended, in the order of `items`.

    At most `limit` are at work at once; `items` is consumed lazily. Where `keep` raises, the rest
    is cancelled.
    """
    kept: dict[int, Kept] = {}
    pending: dict[asyncio.Task[Result], int] = {}
    source = enumerate(items)
    try:
        while True:
            for position, item in islice(source, limit - len(pending)):
                pending[asyncio.create_task(work(item))] = position
            if not pending:
                return [kept[position] for position in sorted(kept)]
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                kept[pending.pop(task)] = keep(task)
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


def map_ordered(
    items: Iterable[Item], work: Callable[[Item], Coroutine[object, object, Result]], *, limit: int
) -> Coroutine[object, object, list[Result]]:
    """The results of `work`, in the order of `items`, at most `limit` at once."""
    return run_all(items, work, limit=limit, keep=lambda task: task.result())


class BatchingWriter(Generic[Item]):
    """Write items in the background: while one write runs, what is added waits for the next."""

    def __init__(
        self, write: Callable[[list[Item]], Coroutine[object, object, None]], most: int
    ) -> None:
        self._write = write
        self._most = most
        self._waiting: list[Item] = []
        self._unwritten = 0
        self._task: asyncio.Task[None] | None = None

    async def add(self, items: Iterable[Item]) -> None:
        """Hand `items` over; waits while more than `most` are not written yet.

        Raises the error of an earlier write, after which nothing more is written.
        """
        if self._task is not None and self._task.done():
            await self.wait()
        before = len(self._waiting)
        self._waiting.extend(items)
        self._unwritten += len(self._waiting) - before
        if self._task is None and self._waiting:
            self._task = asyncio.create_task(self._write_all())
        if self._unwritten > self._most:
            await self.wait()

    async def wait(self) -> None:
        """Until all is written; raises the error of a write."""
        if (task := self._task) is None:
            return
        try:
            await asyncio.shield(task)  # it ends even where the caller is cancelled meanwhile
        finally:
            if task.done():
                self._task = None

    async def _write_all(self) -> None:
        while self._waiting:
            items, self._waiting = self._waiting, []
            await self._write(items)
            self._unwritten -= len(items)


@asynccontextmanager
async def batching_writer(
    write: Callable[[list[Item]], Coroutine[object, object, None]], *, most: int
) -> AsyncGenerator[BatchingWriter[Item], None]:
    """All is written, or a write has failed, when the block is left, by an error too."""
    writer = BatchingWriter(write, most)
    try:
        yield writer
    finally:
        await writer.wait()


@asynccontextmanager
async def together() -> AsyncGenerator[asyncio.TaskGroup, None]:
    """A task group whose first error is raised as it is, the rest being cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


def _first(error: BaseException) -> BaseException:
    if isinstance(error, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", error)
        return _first(inner.exceptions[0])
    return error
