"""What all tests share: the labelled corpora, no network but loopback, no keys."""

from __future__ import annotations

import os
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import hypothesis
import pytest

from tests.watch import watching

if TYPE_CHECKING:
    from tests.integration.neo4j_server import Servers

# How long an example takes says more about the machine than about the code.
SOAK = os.environ.get("GRAPHRAG_SOAK") == "1"
hypothesis.settings.register_profile("ours", deadline=None, max_examples=500 if SOAK else 50)
hypothesis.settings.load_profile("ours")

VERSIONS = ("5.26.30", "2026.05.0")  # of Neo4j: the long-term support line and the newest
REQUIRE_ALL = os.environ.get("GRAPHRAG_REQUIRE_ALL") == "1"
SERVERS = pytest.StashKey[Path]()
SHARED = "neo4j servers"  # what workers are told


class Worker(Protocol):
    """A worker of pytest-xdist."""

    config: pytest.Config
    workerinput: dict[str, str]


def missing(what: str) -> None:
    """Skip with the reason, or fail where everything is required."""
    if REQUIRE_ALL:
        pytest.fail(f"{what}, and GRAPHRAG_REQUIRE_ALL=1 requires it")
    pytest.skip(what)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to `make soak` what takes long, and on the newest Neo4j all that is not marked."""
    if SOAK:
        return
    left = [item for item in items if _is_long(item)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]


def _is_long(item: pytest.Item) -> bool:
    given: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    versions = [value for value in given.values() if isinstance(value, str)]
    on_newest = VERSIONS[-1] in versions and item.get_closest_marker("newest") is None
    return on_newest or item.get_closest_marker("soak") is not None


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of labelled corpora."""
    folder = os.environ.get("GRAPHRAG_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        missing("GRAPHRAG_TEST_DATA names no folder")
    return Path(str(folder))


def pytest_configure(config: pytest.Config) -> None:
    """Of the workers of a run, and of a run without: where its Neo4j servers are."""
    workerinput = cast("dict[str, str] | None", getattr(config, "workerinput", None))
    if workerinput is not None:
        config.stash[SERVERS] = Path(workerinput[SHARED])
        return
    running = ExitStack()
    made = tempfile.TemporaryDirectory(prefix="graphrag-neo4j-", ignore_cleanup_errors=True)
    config.stash[SERVERS] = folder = Path(running.enter_context(made))
    running.enter_context(watching(*(folder / version for version in VERSIONS)))
    config.add_cleanup(running.close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Worker) -> None:
    """Called for each worker by pytest-xdist."""
    node.workerinput[SHARED] = str(node.config.stash[SERVERS])


@pytest.fixture(scope="session")
def neo4j_servers(pytestconfig: pytest.Config) -> Servers:
    """Real Neo4j servers, started when a test first asks for one and shared by all."""
    from tests.integration.neo4j_server import Servers

    return Servers(pytestconfig.stash[SERVERS])


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith(("OPENAI_", "GRAPHRAG__", "NEO4J_")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to another machine is a test's mistake."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: tuple[str, int] | str) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to connect to {address!r}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
