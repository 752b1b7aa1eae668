"""The same index from a cluster as from one process, whatever is lost on the way."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import polars as pl
import pytest

from graphrag import GraphRAG
from graphrag.core.answers import Usage
from graphrag.core.concurrency import Silent
from graphrag.core.errors import CostLimitError, ModelAuthError, SettingsError, UsageError
from graphrag.core.settings_file import load_settings
from graphrag.indexing.extraction.extract import UniqueText, gather_evidence, make_extractor
from graphrag.indexing.run import Run
from graphrag.indexing.runners import ray as cluster
from graphrag.indexing.runners.ray_desk import Desk
from graphrag.models.servers import open_models
from graphrag.stores import open_store
from graphrag.testing import ChatRequest, FakeChat, Fault, Rule, TestServer
from tests.conftest import VERSIONS
from tests.integration.neo4j_server import Servers, empty
from tests.integration.ray_cluster import RayCluster, cluster_in

DOCUMENTS = 12
CONCURRENCY = 4
PREFIX = "ray-"
OPTIONS: dict[str, object] = {
    "chunks.max_tokens": 40,
    "chunks.overlap": 0,
    "chunks.context": True,
    "communities.update": "exact",
    "chat.model": "m",
    "chat.concurrency": CONCURRENCY,
    "chat.max_retries": 0,
    "embedding.model": "e",
    "embedding.dimensions": 64,
}


class Watch:
    """Calls `act` once, in another thread, when the server has seen so many extraction calls."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._at = -1
        self._act: Callable[[], object] = list
        self.acted = threading.Event()

    def arm(self, at: int, act: Callable[[], object]) -> None:
        self.times.clear()
        self.acted.clear()
        self._at, self._act = at, act

    def sees(self, request: ChatRequest) -> bool:
        """A rule's condition that is never met, and counts."""
        if {"entities", "relationships"} <= request.fields:
            self.times.append(time.monotonic())
            if len(self.times) == self._at:
                threading.Thread(target=self._run).start()
        return False

    def _run(self) -> None:
        self._act()
        self.acted.set()


@pytest.fixture(scope="module")
def ray_cluster() -> Generator[RayCluster]:
    # Not under pytest's folder: the path of a socket must be short.
    folder = tempfile.mkdtemp(prefix="graphrag-ray-", dir="/tmp")
    with cluster_in(Path(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="module")
def server(watch: Watch) -> Iterator[TestServer]:
    rules = [Rule("watched", watch.sees, lambda _: "")]
    with TestServer(rules=rules, latency={"extract": 0.05}) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with documents of two text units each."""
    root = tmp_path_factory.mktemp("root")
    (root / "docs").mkdir()
    for number in range(DOCUMENTS):
        (root / "docs" / f"{number:02}.md").write_text(
            f"# Chapter {number}\n\nCyrus Field {number} founded the Atlantic Telegraph Company. "
            f"Charles Bright {number % 3} was its engineer.\n\nWilliam Thomson built the mirror "
            f"galvanometer in Valentia {number % 4}. Isambard Brunel {number} built the ship.\n"
        )
    (root / "docs" / "broken.docx").write_bytes(b"no archive")
    return root


@pytest.fixture(scope="module")
def expected(folder: Path, server: TestServer) -> dict[str, bytes]:
    """What the local engine makes of the documents."""
    return index(folder, server, "local")


@pytest.fixture(params=["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "graph.db")
        return
    servers: Servers = request.getfixturevalue("neo4j_servers")
    root = servers.root(VERSIONS[0])
    from graphrag.stores.neo4j_server.server import status

    url = str(status(root).url)
    password = (status(root).password_file or Path()).read_text().strip()
    yield url.replace("://", f"://neo4j:{password}@")
    empty(root, PREFIX)


def index(
    folder: Path,
    server: TestServer,
    engine: str,
    store: str | None = None,
    *,
    lost_calls: int = 0,
) -> dict[str, bytes]:
    """Index `folder` anew; the files of the csv export, by name."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        with GraphRAG.open(
            folder,
            store=store or str(Path(scratch) / "graph.db"),
            namespace=f"{PREFIX}{Path(scratch).name}",
            options=OPTIONS | {"chat.base_url": server.url},
        ) as rag:
            (folder / ".graphrag" / "cache.db").unlink(missing_ok=True)
            result = rag.index([folder / "docs"], engine="ray" if engine == "ray" else "local")
            assert [failure.source for failure in result.failed] == ["docs/broken.docx"]
            made = sum(kind["calls"] for kind in server.stats()["chat"].values())
            assert 0 <= made - result.usage.chat_calls <= lost_calls
            files = rag.export(Path(scratch) / "csv", format="csv")
        server.reset()
        return {file.name: file.read_bytes() for file in files}


def test_the_same_index_as_the_local_engine(
    ray_cluster: RayCluster,
    expected: dict[str, bytes],
    folder: Path,
    server: TestServer,
    store: str,
) -> None:
    assert index(folder, server, "ray", store) == expected


@pytest.mark.parametrize(
    "store",
    ["sqlite", pytest.param("neo4j", marks=[pytest.mark.neo4j, pytest.mark.soak])],
    indirect=True,
)
def test_a_killed_worker_loses_nothing(
    ray_cluster: RayCluster,
    expected: dict[str, bytes],
    folder: Path,
    server: TestServer,
    store: str,
    watch: Watch,
) -> None:
    killed: list[bool] = []
    # At work are what is in flight and what is just being written.
    most = 2 * CONCURRENCY
    watch.arm(at=most + 2, act=lambda: killed.append(ray_cluster.kill_worker()))
    assert index(folder, server, "ray", store, lost_calls=most) == expected
    assert watch.acted.is_set()
    assert killed == [True]
    # Evidence was kept as it came.
    assert 2 * DOCUMENTS <= len(watch.times) <= 2 * DOCUMENTS + most


def test_a_lost_node_loses_nothing(
    ray_cluster: RayCluster,
    expected: dict[str, bytes],
    folder: Path,
    server: TestServer,
    watch: Watch,
) -> None:
    with ray_cluster.that_loses_a_node() as lose:
        watch.arm(at=CONCURRENCY + 2, act=lose)
        # Its worker notices that the node is gone, at the latest at the end of its slice.
        assert index(folder, server, "ray", lost_calls=DOCUMENTS) == expected
        assert watch.acted.wait(timeout=60)
    assert 2 * DOCUMENTS <= len(watch.times) <= 3 * DOCUMENTS


def test_the_limit_on_calls_is_shared(
    ray_cluster: RayCluster, server: TestServer, watch: Watch, tmp_path: Path
) -> None:
    limit, window_s, calls = 16, 4.0, 48
    watch.arm(at=-1, act=list)
    settings = load_settings(
        tmp_path,
        environ={},
        options=OPTIONS | {"chat.base_url": server.url, "chat.requests_per_minute": limit},
    )

    async def main() -> int:
        store = await open_store(None, root=tmp_path, namespace="default")
        models = open_models(settings, root=tmp_path)
        extractor = make_extractor(settings, models=models, method="standard", root=tmp_path)
        units = [
            UniqueText(
                f"unit{n}", f"key{n}", f"hash{n}", f"Cyrus Field met Ann Lee {n}.", "", (), "en"
            )
            for n in range(calls)
        ]
        try:
            async with cluster.connected(
                None, settings=settings, store=store, root=tmp_path, window_s=window_s
            ) as runner:
                run = Run(models, store, settings, Silent(), tmp_path, runner)
                keys = pl.Series([unit.key for unit in units])
                return (await gather_evidence(run, keys, units, extractor)).height
        finally:
            await models.close()
            await store.close()

    assert asyncio.run(main()) == calls
    server.reset()
    times = sorted(watch.times)
    assert len(times) == calls
    # Every call after the first `limit` comes a window after the one `limit` before it.
    shortest = [after - before for before, after in zip(times, times[limit:], strict=False)]
    mean = sum(shortest) / len(shortest)
    assert mean >= 0.95 * window_s


def test_the_command_lists_failures(
    ray_cluster: RayCluster, server: TestServer, folder: Path, tmp_path: Path
) -> None:
    server.set_faults(Fault("refusal", kind="extract", match="Isambard Brunel 7 "))
    settings = {
        f"GRAPHRAG__{key.upper().replace('.', '__')}": str(value) for key, value in OPTIONS.items()
    }
    command = [sys.executable, "-m", "graphrag", "index", str(folder / "docs"), "--json"]
    done = subprocess.run(
        [*command, "--root", str(tmp_path), "--engine", "ray", "--address", ray_cluster.address],
        env={"PATH": "/usr/bin:/bin", "GRAPHRAG__CHAT__BASE_URL": server.url, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    server.set_faults()
    server.reset()
    assert done.returncode == 3, done.stderr
    failed = json.loads(done.stdout)["failed"]
    assert [Path(item["source"]).name for item in failed] == ["07.md", "broken.docx"]
    assert "refused" in failed[0]["reason"]
    assert "WARN" not in done.stderr


def test_errors_of_workers_are_ours(ray_cluster: RayCluster, folder: Path, tmp_path: Path) -> None:
    with (
        TestServer(api_key="right", faults=[Fault("status", kind="models", status=404)]) as locked,
        GraphRAG.open(tmp_path, options=OPTIONS | {"chat.base_url": locked.url}) as rag,
        pytest.raises(ModelAuthError) as raised,
    ):
        rag.index([folder / "docs"], engine="ray")
    assert raised.value.hint


def test_a_model_object_that_cannot_travel(
    ray_cluster: RayCluster, folder: Path, tmp_path: Path
) -> None:
    with (
        GraphRAG.open(tmp_path, chat=FakeChat(lambda _, __: "{}"), embed=None) as rag,
        pytest.raises(SettingsError, match="FakeChat"),
    ):
        rag.index([folder / "docs"], engine="ray")


def test_without_the_extra(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        GraphRAG.open(tmp_path, chat=None, embed=None) as rag,
        pytest.raises(UsageError) as raised,
    ):
        rag.index([folder / "docs"], engine="ray")
    assert 'pip install "graphrag-neo4j[ray]"' in raised.value.hint


def test_an_address_is_for_a_cluster(folder: Path, tmp_path: Path) -> None:
    with (
        GraphRAG.open(tmp_path, chat=None, embed=None) as rag,
        pytest.raises(UsageError, match="without a cluster engine"),
    ):
        rag.index([folder / "docs"], address="10.0.0.1:6379")


def test_the_desk_keeps_the_limit_on_cost(tmp_path: Path) -> None:
    async def main() -> None:
        settings = load_settings(tmp_path, environ={}, options={"limits.max_cost_usd": 1.0})
        desk = Desk(settings, root=tmp_path)
        await desk.begin(0.5)
        assert isinstance(await desk.hold(0.6, 60.0), CostLimitError)
        first = await desk.hold(0.4, 60.0)
        assert isinstance(first, int)
        waiting = asyncio.create_task(desk.hold(0.3, 60.0))
        await asyncio.sleep(0)
        assert not waiting.done()
        await desk.spend("extract", Usage(chat_calls=1, cost_usd=0.1))
        await desk.release(first)
        assert isinstance(await waiting, int)
        assert await desk.drain() == {"extract": Usage(chat_calls=1, cost_usd=0.1)}
        assert await desk.drain() == {}

    asyncio.run(main())


def test_a_hold_of_a_lost_worker_ends(tmp_path: Path) -> None:
    async def main() -> None:
        settings = load_settings(tmp_path, environ={}, options={"limits.max_cost_usd": 1.0})
        desk = Desk(settings, root=tmp_path)
        assert isinstance(await desk.hold(0.9, 0.01), int)
        assert isinstance(await asyncio.wait_for(desk.hold(0.9, 60.0), timeout=10), int)

    asyncio.run(main())


def test_the_desk_hands_out_as_many_calls_as_the_limit(tmp_path: Path) -> None:
    async def main() -> None:
        settings = load_settings(tmp_path, environ={}, options={"chat.requests_per_minute": 3})
        desk = Desk(settings, root=tmp_path)
        waits = [(await desk.permit("chat", 1))[1] for _ in range(7)]
        assert waits[:3] == [0.0, 0.0, 0.0]
        assert all(59 < wait <= 60 for wait in waits[3:6])
        assert 119 < waits[6] <= 120

    asyncio.run(main())
