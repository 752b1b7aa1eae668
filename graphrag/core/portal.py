"""Run coroutines for code without `await`, on one thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import TypeVar

from graphrag.core.errors import UsageError

Result = TypeVar("Result")

_LOOK_SECONDS = 0.1  # between looks for an interrupt
_GRACE_SECONDS = 5.0  # for what an interrupt cancelled to put its affairs in order


class Portal:
    """A thread with an event loop, started by the first call and joined by `close`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._serving: asyncio.Task[object] | None = None
        self._process = os.getpid()
        self._closed = False

    def call(self, work: Coroutine[object, object, Result]) -> Result:
        """Run `work` to its end on the portal's loop; an interrupt cancels it.

        Raises UsageError when it is closed, or where waiting would never end: on its own thread,
        and in a process that was forked since.
        """
        try:
            loop = self._running_loop()
        except UsageError:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return self._result(future)
        except CancelledError:
            raise UsageError(
                "this GraphRAG was closed during a call", hint="Close it when all calls are done."
            ) from None
        except BaseException:
            future.cancel()
            raise

    def iterate(self, pieces: AsyncGenerator[Result, None]) -> Iterator[Result]:
        async def following() -> tuple[Result] | None:
            try:
                return (await anext(pieces),)
            except StopAsyncIteration:
                return None

        try:
            while (piece := self.call(following())) is not None:
                yield piece[0]
        finally:
            thread = self._thread
            if thread is not None and thread.is_alive():  # else it has ended with it
                self.call(pieces.aclose())

    def close(self, last: Callable[[], Coroutine[object, object, None]]) -> None:
        """Cancel the calls that still run, do what is `last`, and join the thread."""
        with self._lock:
            self._check_outside()
            thread, self._thread, self._closed = self._thread, None, True
        if thread is None or self._loop is None or self._stop is None or not thread.is_alive():
            return
        is_interrupted = False

        async def end() -> None:
            nonlocal is_interrupted
            calls = asyncio.all_tasks() - {asyncio.current_task(), self._serving}
            for call in calls:
                call.cancel()
            if calls:
                is_interrupted = True
                await asyncio.wait(calls, timeout=_GRACE_SECONDS)
            await last()

        try:
            self._result(asyncio.run_coroutine_threadsafe(end(), self._loop), thread)
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            # What computes cannot be cancelled, and need not be waited for after an interrupt.
            thread.join(_GRACE_SECONDS if is_interrupted else None)

    def _result(self, future: Future[Result], thread: threading.Thread | None = None) -> Result:
        """What came of `future`.

        An interrupt does not end a wait where a library took over the system's handler, as polars
        does, so this looks for one. It may also end the portal's thread instead of this one.
        """
        is_closing = self._closed and thread is None  # by another thread: no interrupt
        thread = thread or self._thread
        while not future.done():
            if thread is not None and not thread.is_alive():
                raise KeyboardInterrupt
            with suppress(TimeoutError):
                future.result(_LOOK_SECONDS)
        if future.cancelled() and thread is not None and not is_closing:
            thread.join(_LOOK_SECONDS)  # one that ends cancels what ran on it
            if not thread.is_alive():
                raise KeyboardInterrupt
        return future.result()

    def _check_outside(self) -> None:
        if self._thread is threading.current_thread():
            raise UsageError(
                "this GraphRAG was called from inside one of its own calls",
                hint="Use AsyncGraphRAG there, or another GraphRAG.",
            )

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise UsageError("this GraphRAG is closed", hint="Open another one.")
            self._check_outside()
            if self._thread is not None and self._process != os.getpid():
                raise UsageError(
                    "this GraphRAG was used before the process was forked",
                    hint="Open one in each process.",
                )
            if self._thread is None:
                self._process = os.getpid()
                ready = threading.Event()
                self._thread = threading.Thread(
                    target=lambda: asyncio.run(self._serve(ready)), name="graphrag", daemon=True
                )
                self._thread.start()
                ready.wait()
            assert self._loop is not None
            return self._loop

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._serving = asyncio.current_task()
        ready.set()
        await self._stop.wait()
