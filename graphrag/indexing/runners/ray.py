"""Work on the rows of a step in the processes of a Ray cluster.

Each row-wise step is a stage of Ray Data: slices of rows go out, `worker.work_on` does with them
what the local engine does, and the results come back as they are ready. Workers write evidence
and replies to the store themselves. Ray hands the slice of a lost worker to another, which asks
the store first what is done. Everything else of a run stays with the driver.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import threading
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from graphrag.core.answers import Usage
from graphrag.core.errors import GraphRAGError, SettingsError, UsageError
from graphrag.core.settings import Neo4jSettings, Settings
from graphrag.indexing.runners import Tools, Work
from graphrag.indexing.runners.ray_desk import Desk
from graphrag.indexing.runners.ray_worker import Job, pack, unpack, work_on
from graphrag.models.protocol import ChatModel, Embedder
from graphrag.stores import GraphStore

if TYPE_CHECKING:
    import ray

Item = TypeVar("Item")
Result = TypeVar("Result")

EXTRA = 'pip install "graphrag-neo4j[ray]"'


@asynccontextmanager
async def connected(
    address: str | None,
    *,
    settings: Settings,
    store: GraphStore,
    root: Path,
    chat: ChatModel | None = None,
    embedder: Embedder | None = None,
    window_s: float = 60.0,
) -> AsyncGenerator[RayRunner, None]:
    """A runner on the Ray cluster at `address`; None: the one this process is in, else a new one.

    `chat` and `embedder` are objects that workers get a copy of. Limits of calls and tokens a
    minute hold in any `window_s`, for all workers together. Raises UsageError without Ray or when
    no cluster answers, SettingsError when those objects cannot be sent.
    """
    _check_sendable(chat, embedder)
    started = await asyncio.to_thread(_start, address)
    try:
        desk = await asyncio.to_thread(_open_desk, settings, root, window_s)
        job = Job(
            id=uuid.uuid4().hex,
            settings=_settings_for_workers(settings, store, root),
            desk=desk,
            through_desk=store.url.startswith("sqlite:"),
            chat=chat,
            embedder=embedder,
        )
        try:
            yield RayRunner(job)
        finally:
            await asyncio.to_thread(_close_desk, desk)
    finally:
        if started:
            import ray

            await asyncio.to_thread(ray.shutdown)


class RayRunner:
    """A `Runner` on a cluster."""

    is_remote = True

    def __init__(self, job: Job) -> None:
        self._job = job
        self._remote_usd = 0.0  # what workers spent, as far as it was told

    async def slices(
        self,
        step: str,
        items: Sequence[Item],
        work: Work[Item, Result],
        *,
        tools: Tools,
        size: int,
    ) -> AsyncGenerator[tuple[int, Awaitable[Result]], None]:
        if not items:
            return
        import ray

        own = (tools.models.usage.cost_usd or 0.0) - self._remote_usd
        await self._job.desk.begin.remote(own)
        # Small inputs are shared out, too; the last slices should not wait for one worker.
        n_workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        size = max(1, min(size, -(-len(items) // n_workers)))
        rows = [pack(start, items[start : start + size]) for start in range(0, len(items), size)]
        stage = partial(work_on, job=self._job, work=cast(Work[object, object], work))
        results = _Results(lambda: ray.data.from_items(rows, override_num_blocks=len(rows)), stage)
        try:
            async for start, result in results.arriving():
                if isinstance(result, GraphRAGError):
                    raise result
                tools.progress.advance(step, min(size, len(items) - start))
                yield start, asyncio.sleep(0, cast(Result, result))
        finally:
            await results.stop()
            await self._gather_usage(tools)

    async def _gather_usage(self, tools: Tools) -> None:
        spent = cast(dict[str, Usage], await self._job.desk.drain.remote())
        for kind, usage in sorted(spent.items()):
            tools.models.count(kind, usage)
            self._remote_usd += usage.cost_usd or 0.0


class _Results:
    """The results of one stage, fetched by a thread: Ray Data's iterators block."""

    def __init__(self, make: Callable[[], ray.data.Dataset], stage: Callable[..., object]) -> None:
        self._make = make
        self._stage = stage
        self._stopping = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[tuple[int, object] | Exception | None] = asyncio.Queue()
        self._fetching = asyncio.create_task(asyncio.to_thread(self._fetch))

    async def arriving(self) -> AsyncGenerator[tuple[int, object], None]:
        while (found := await self._arrived.get()) is not None:
            if isinstance(found, Exception):
                raise GraphRAGError(
                    f"the Ray cluster failed: {_last_line(found)}",
                    hint="Every node needs the same graphrag-neo4j[ray] and reaches store and "
                    "models. What was committed is kept: run the same command again.",
                ) from found
            yield found

    async def stop(self) -> None:
        """End the stage; slices at work are finished or dropped."""
        self._stopping.set()
        await self._fetching

    def _fetch(self) -> None:
        from ray.exceptions import RayError

        try:
            stage = self._make().map_batches(self._stage, batch_size=None)
            for batch in stage.iter_batches(batch_size=None, prefetch_batches=0):
                if self._stopping.is_set():
                    return
                for result in unpack(batch):
                    self._put(result)
            self._put(None)
        except RayError as error:
            self._put(error)

    def _put(self, found: tuple[int, object] | Exception | None) -> None:
        self._loop.call_soon_threadsafe(self._arrived.put_nowait, found)


def _start(address: str | None) -> bool:
    """Connect to Ray; whether that was done here."""
    # Nothing is reported to Ray's makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError(
            "--engine ray needs Ray, which is not installed", hint=f"Run: {EXTRA}"
        ) from error
    started = not ray.is_initialized()
    if started:
        local = {} if address else {"include_dashboard": False}
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **local)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"no Ray cluster answers at {address!r}: {_last_line(error)}",
                hint="Start one (ray start --head), or leave --address out.",
            ) from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return started


def _open_desk(settings: Settings, root: Path, window_s: float) -> ray.ActorHandle:
    """Beside the driver: there is the file of an embedded store, and nobody survives the driver."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    kind = ray.remote(num_cpus=0, max_concurrency=10_000)(Desk)
    return kind.options(scheduling_strategy=here).remote(
        settings, root=root.absolute(), window_s=window_s
    )


def _close_desk(desk: ray.ActorHandle) -> None:
    import ray

    ray.get(desk.close.remote())
    ray.kill(desk)


def _settings_for_workers(settings: Settings, store: GraphStore, root: Path) -> Settings:
    """With the store's address and credentials as this machine knows them."""
    if store.url.startswith("sqlite:"):
        return settings
    from pydantic import SecretStr

    from graphrag.stores.neo4j.address import find_target

    target = find_target(settings.store or "", root, settings.neo4j)
    user, password = target.auth or (None, None)
    known = Neo4jSettings(
        username=user,
        password=SecretStr(password) if password else None,
        database=target.database,
    )
    return settings.model_copy(update={"store": target.url, "neo4j": known})


def _check_sendable(chat: ChatModel | None, embedder: Embedder | None) -> None:
    for name, model in (("chat", chat), ("embed", embedder)):
        try:
            pickle.dumps(model)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"{name}={type(model).__name__} cannot be sent to the workers: {error}",
                hint="Name the model in the settings, or give an object that can be pickled.",
            ) from error


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
