"""`index --batch`: the graph of single calls at half the price, whatever happens on the way."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest

from graphrag import GraphRAG
from graphrag.core.answers import Usage
from graphrag.testing import Fault, TestServer
from tests.e2e.conftest import Shell
from tests.e2e.test_kill import exported
from tests.e2e.test_main_job import calls, model


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with TestServer() as running:
        yield running


@pytest.fixture
def env(
    server: TestServer, shell: Shell, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Also of this process. Every kind of call is made for the two documents of `corpus`."""
    corpus = shell.root / "corpus"
    corpus.mkdir()
    for path in sorted((examples / "documents").glob("*.md"))[:2]:
        shutil.copy(path, corpus)
    settings = model(server) | {
        "GRAPHRAG__CHUNKS__MAX_TOKENS": "100",
        "GRAPHRAG__CHUNKS__OVERLAP": "0",
        "GRAPHRAG__EXTRACTION__SUMMARY_TOKENS": "20",
        "GRAPHRAG__CHUNKS__CONTEXT": "true",
        "GRAPHRAG__BATCH__POLL_S": "0.05",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


def index(shell: Shell, root: str, *, batch: bool = False) -> Usage:
    """In this process; what it cost."""
    with GraphRAG.open(shell.root / root) as rag:
        result = rag.index([shell.root / "corpus"], batch=batch)
    assert result.failed == ()
    return result.usage


def batches(server: TestServer, kind: str = "batch") -> int:
    return calls(server, "batches").get(kind, 0)


def test_killed_expired_and_failed(shell: Shell, server: TestServer, env: dict[str, str]) -> None:
    live = index(shell, "live")
    assert live.cost_usd is not None
    by_call = calls(server)
    assert set(by_call) == {"context", "extract", "join", "summarise", "report"}

    # The batch of the context lines is on its way when the run is killed.
    server.set_faults(Fault("hang", kind="poll", match="/batches/"))
    server.reset()
    killed_while_waiting(shell, server, env)
    assert batches(server) == 1
    assert calls(server)["context"] == by_call["context"]

    # What follows meets a batch that expires, and a line that fails.
    marks = Fault("expired", kind="batch", match='"extract"', times=1)
    server.set_faults(marks, Fault("status", status=500, kind="report", rate=0.2, times=1))
    resumed = shell.run("index", "corpus", "--root", "kb", "--batch", "--json", env=env)
    assert resumed.code == 0, resumed.err
    assert "expired" in resumed.err
    stats = server.stats()["chat"]
    failed = stats["report"]["faults"]
    assert failed > 0
    assert calls(server) == {**by_call, "report": by_call["report"] + failed}
    assert exported(shell, "kb") == exported(shell, "live")
    usage = cast(dict[str, float], resumed.json()["usage"])
    assert usage["prompt_tokens"] == live.prompt_tokens
    assert usage["completion_tokens"] == live.completion_tokens
    assert usage["cost_usd"] == pytest.approx(live.cost_usd / 2)
    assert [*(shell.root / "kb" / ".graphrag" / "batches").iterdir()] == []
    assert batches(server, "discard") >= 2 * batches(server)

    # Whatever was paid one way is not paid the other way again.
    server.set_faults()
    server.reset()
    index(shell, "kb")
    index(shell, "live", batch=True)
    assert calls(server) == calls(server, "embeddings") == {}


def killed_while_waiting(shell: Shell, server: TestServer, env: Mapping[str, str]) -> None:
    with subprocess.Popen(
        shell.command("index", "corpus", "--root", "kb", "--batch"),
        cwd=shell.root,
        env=shell.environment(env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        deadline = time.monotonic() + 60
        while not noted(shell.root / "kb" / ".graphrag" / "batches") or not batches(server):
            assert running.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
        running.send_signal(signal.SIGKILL)


def noted(folder: Path) -> bool:
    """Whether it is written down which batch is waited for."""
    return any(json.loads(note.read_text())["batch"] for note in folder.glob("*.json"))
