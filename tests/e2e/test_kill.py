"""Killed at random points and run again: the same graph, and nothing kept is paid again."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from graphrag.engine.sync import GraphRAG
from graphrag.stores.neo4j.rows import Values
from graphrag.testing import TestServer
from tests.e2e.conftest import BOTH_STORES, Server, Shell
from tests.e2e.test_main_job import model
from tests.hostile import SOAK

KINDS = {"context", "extract", "join", "summarise", "report", "embed"}
KILLS = 200 if SOAK else 10
HERE = Path(__file__).parents[2]


Calls = Mapping[str, int]  # by kind; for embeddings the texts


@dataclass(frozen=True, slots=True)
class Ended:
    """`code` is None where it was killed."""

    code: int | None
    events: int


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs commands that may kill themselves on the way; see `dying`."""

    process: subprocess.Popen[str]

    def run(self, arguments: list[str], *, dies_at: int | None = None) -> Ended:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"arguments": arguments, "dies_at": dies_at}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return Ended(**json.loads(self.process.stdout.readline()))


@contextmanager
def commands(folder: Path, env: Mapping[str, str]) -> Generator[Commands]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.dying"],
        cwd=folder,
        env={**env, "PYTHONPATH": str(HERE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Commands(process)  # it ends with its standard input


@BOTH_STORES
def test_killed_at_random_points(shell: Shell, examples: Path) -> None:
    """Kills follow each other on one index; when a run comes to its end another is begun."""
    chosen = random.Random(20)
    n_kills = KILLS if SOAK or shell.server is None else KILLS // 2  # Neo4j commits more slowly
    corpus = shell.root / "corpus"
    corpus.mkdir()
    for path in sorted((examples / "documents").glob("*.md"))[:2]:
        shutil.copy(path, corpus)
    with TestServer() as server:
        env = model(server) | {
            "GRAPHRAG__CHUNKS__MAX_TOKENS": "100",
            "GRAPHRAG__CHUNKS__OVERLAP": "0",
            "GRAPHRAG__EXTRACTION__SUMMARY_TOKENS": "20",
            "GRAPHRAG__CHUNKS__CONTEXT": "true",
        }
        with commands(shell.root, shell.environment(env)) as run:
            undisturbed = run.run(index(shell, "whole"))
            assert undisturbed.code == 0
            whole, all_calls = exported(shell, "whole"), calls(server)
            assert set(all_calls) == KINDS
            verdicts = kept(shell, "whole").get("verdict")
            kills = completed = 0
            before: Calls = {}
            while kills < n_kills or before:
                server.reset()
                dies_at = chosen.randint(1, undisturbed.events) if kills < n_kills else None
                ended = run.run(index(shell, "killed"), dies_at=dies_at)
                again = calls(server)
                for kind, total in all_calls.items():
                    assert again.get(kind, 0) <= total - before.get(kind, 0), (kind, dies_at)
                if ended.code is None:
                    kills += 1
                    before = kept(shell, "killed")
                    assert all_calls["join"] == 1
                    before = {**before, "join": int(before.get("verdict") == verdicts)}
                    continue
                assert ended.code == 0
                assert exported(shell, "killed") == whole
                forget(shell, "killed")
                completed += 1
                before = {}
    assert completed > 1


def forget(shell: Shell, name: str) -> None:
    """Leave nothing of the index but, on Neo4j, the search indexes, which take long to make."""
    from tests.integration.neo4j_server import empty

    shutil.rmtree(shell.root / name)
    if shell.server is not None:
        empty(shell.server.root, shell.server.prefix + name)


def index(shell: Shell, name: str) -> list[str]:
    return shell.command("index", "corpus", "--root", name)[3:]


def calls(server: TestServer) -> Calls:
    counted = server.stats()
    chat = {kind: counts["calls"] for kind, counts in counted.get("chat", {}).items()}
    texts = counted.get("embeddings", {}).get("embed", {}).get("inputs", 0)
    return {**chat, "embed": texts}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupt_ends_a_run_and_the_next_goes_on(
    shell: Shell, examples: Path, number: signal.Signals
) -> None:
    arguments = ["index", str(examples / "documents"), "--root", str(shell.root), "--json"]
    # A shell that starts it in the background makes it ignore SIGINT.
    begin = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from graphrag.__main__ import run; run()"
    )
    with TestServer(latency=1.0) as server:
        env = shell.environment(model(server) | {"GRAPHRAG__CHAT__CONCURRENCY": "1"})
        with subprocess.Popen(
            [sys.executable, "-c", begin, *arguments],
            cwd=shell.root,
            env={**env, "PYTHONPATH": str(HERE)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while not calls(server).get("extract"):
                time.sleep(0.01)
            process.send_signal(number)
            out, err = process.communicate()
        assert process.returncode == 1
        assert out == ""
        assert err.endswith(
            "Error: interrupted\nHint: What was done is kept; run the same command again.\n"
        )
        assert "Traceback" not in err
        # Of a call for each of many text units, one after the other, it waited for none.
        assert calls(server)["extract"] <= 2
    with TestServer() as server:
        assert shell.run(*arguments, env=model(server)).code == 0


def exported(shell: Shell, name: str) -> dict[str, bytes]:
    folder = shell.root / name
    rag = GraphRAG.open(folder)
    if shell.server is not None:
        os.environ["NEO4J_PASSWORD"] = shell.server.password
        namespace = shell.server.prefix + name
        rag = GraphRAG.open(folder, store=shell.server.url, namespace=namespace)
    with rag:
        files = rag.export(shell.root / f"export-{name}", format="csv")
    return {path.stem: path.read_bytes() for path in files}


def kept(shell: Shell, name: str) -> Calls:
    """What the store and the cache hold of a run that may not have ended, as calls of each kind."""
    folder = shell.root / name / ".graphrag"
    if shell.server is not None:
        evidence, replies = on_server(shell.server, name)
    else:
        evidence, replies = (
            rows(folder / "graph.db", "evidence"),
            rows(folder / "graph.db", "replies"),
        )
    kinds = Counter(kind_of(str(text)) for _, text in replies)
    return {**kinds, "extract": len(evidence), "embed": len(rows(folder / "cache.db", "vectors"))}


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    """The first two columns of the table whose name begins so; none where it is not there yet."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB ?", (f"{table}*",)
        ).fetchall()
        return [row[:2] for (name,) in names for row in connection.execute(f"SELECT * FROM {name}")]


def on_server(server: Server, name: str) -> tuple[Values, Values]:
    """Evidence and replies of a namespace, whatever state its run left it in."""
    from tests.integration.neo4j_server import ask

    start = f"{server.prefix}{name}:"
    return (
        ask(
            server.root,
            "MATCH (e:__Evidence__) WHERE e.key STARTS WITH $start RETURN e.key, e.status",
            start=start,
        ),
        ask(
            server.root,
            "MATCH (r:__Reply__) WHERE r.key STARTS WITH $start RETURN r.key, r.text",
            start=start,
        ),
    )


def kind_of(reply: str) -> str:
    """Which step made a reply that the store keeps."""
    if reply.startswith("[["):
        return "alike"  # names compared by their vectors
    if not reply.startswith("{"):
        return "context" if reply.startswith("From the document that begins") else "summarise"
    return "verdict" if reply.startswith('{"same"') else "report"
