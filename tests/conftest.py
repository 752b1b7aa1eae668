"""What all tests share: the labelled corpora, no network but loopback, no keys."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.neo4j_server import Servers

REQUIRE_ALL = os.environ.get("GRAPHRAG_REQUIRE_ALL") == "1"


def missing(what: str) -> None:
    """Skip with the reason, or fail where everything is required."""
    if REQUIRE_ALL:
        pytest.fail(f"{what}, and GRAPHRAG_REQUIRE_ALL=1 requires it")
    pytest.skip(what)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of labelled corpora."""
    folder = os.environ.get("GRAPHRAG_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        missing("GRAPHRAG_TEST_DATA names no folder")
    return Path(str(folder))


@pytest.fixture(scope="session")
def neo4j_servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    """Real Neo4j servers, started when a test first asks for one and shared by all."""
    from tests.integration.neo4j_server import servers_in

    with servers_in(tmp_path_factory.mktemp("neo4j")) as servers:
        yield servers


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
