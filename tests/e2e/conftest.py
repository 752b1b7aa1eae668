"""The command as a user runs it: a process of its own, in an empty folder, with no keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from tests.integration.neo4j_server import Servers

WITH_STORE = frozenset(("index", "query", "status", "export", "import", "delete"))


@dataclass(frozen=True, slots=True)
class Finished:
    code: int
    out: str
    err: str

    def json(self) -> dict[str, object]:
        return cast(dict[str, object], json.loads(self.out))


@dataclass(frozen=True, slots=True)
class Server:
    """A running Neo4j; the namespaces that begin with `prefix` are the test's, and empty."""

    root: Path
    url: str
    password: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs `graphrag` in `root`: on SQLite, or with a namespace of `server` for each --root."""

    root: Path
    server: Server | None = None

    def command(self, *arguments: str | Path) -> list[str]:
        words = [str(argument) for argument in arguments]
        if self.server is not None and words[0] in WITH_STORE:
            words += ["--store", self.server.url, "--namespace", self.namespace(words)]
        return [sys.executable, "-m", "graphrag", *words]

    def namespace(self, words: list[str]) -> str:
        assert self.server is not None
        root = words[words.index("--root") + 1] if "--root" in words else "main"
        return self.server.prefix + root

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OPENAI_", "GRAPHRAG__", "NEO4J_"))
        }
        if self.server is not None:
            kept["NEO4J_PASSWORD"] = self.server.password
        return kept | dict(extra or {})

    def run(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None, timeout: float = 300
    ) -> Finished:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(env),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if self.server is not None:
            assert self.server.password not in done.stdout + done.stderr
        return Finished(done.returncode, done.stdout, done.stderr)


BOTH_STORES = pytest.mark.parametrize(
    "shell", ["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)], indirect=True
)
# Where what the store must do for it is tried on Neo4j by other tests.
BOTH_IN_SOAK = pytest.mark.parametrize(
    "shell",
    ["sqlite", pytest.param("neo4j", marks=[pytest.mark.neo4j, pytest.mark.soak])],
    indirect=True,
)


@pytest.fixture
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    """SQLite, unless the test is marked BOTH_STORES."""
    with shell_on(getattr(request, "param", "sqlite"), tmp_path, request) as made:
        yield made


@contextmanager
def shell_on(
    store: str, folder: Path, request: pytest.FixtureRequest, *, name: str = "e2e"
) -> Generator[Shell]:
    """A shell in `folder`; on Neo4j the tests of a worker share the namespaces of `name`.

    They are emptied after use, not dropped: making their indexes has the server plan all anew.
    """
    if store == "sqlite":
        yield Shell(folder)
        return
    from graphrag.stores.neo4j_server.server import local_credentials, status
    from tests.conftest import VERSIONS
    from tests.integration.neo4j_server import empty

    servers = cast("Servers", request.getfixturevalue("neo4j_servers"))
    root = servers.root(VERSIONS[0])
    url = str(status(root).url)
    credentials = local_credentials(root, url)
    assert credentials is not None
    prefix = f"{name}-{os.environ.get('PYTEST_XDIST_WORKER', '')}-"  # others use the same server
    yield Shell(folder, Server(root, url, credentials[1], prefix))
    empty(root, prefix)


@pytest.fixture(scope="session")
def examples() -> Path:
    return Path(__file__).parents[2] / "examples"
