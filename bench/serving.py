"""Ask our server and LightRAG's for passages alone, with many clients at once, in one run.

Same texts, same model server, questions that no cache has seen.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from bench.measure import attempt, environment
from bench.peers import install
from bench.peers.__main__ import DIALECTS, SERVER, large
from bench.peers.systems import SYSTEMS
from bench.report import data, heading, table
from graphrag.testing import TestServer

STARTING = 120.0  # seconds
QUESTIONS = (
    "What did Sherlock Holmes find out about the Red-Headed League?",
    "Who is Irene Adler?",
    "How did the snake come into the room?",
    "Why did Jabez Wilson copy the encyclopaedia?",
    "Where was the blue carbuncle found?",
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that runs: its process, where to ask, and what it wants to be asked."""

    name: str
    pid: int
    address: str
    headers: Mapping[str, str]
    body: Mapping[str, object]
    field: str  # of the body, that holds the question


@dataclass(slots=True)
class Counted:
    milliseconds: list[float] = field(default_factory=list[float])
    size: int = 0
    errors: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="for each row")
    parser.add_argument("--clients", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--quick", action="store_true", help="five seconds, few clients")
    parser.add_argument("--write-docs", action="store_true", help="nothing is written here")
    options = parser.parse_args()
    seconds = 5.0 if options.quick else float(options.seconds)
    many: list[int] = [5] if options.quick else options.clients
    heading("serving")
    data("gutenberg")
    rows: list[list[str | float | int]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        TestServer.spawn(*SERVER) as model,
        TestServer.spawn(*SERVER, *DIALECTS) as their_model,  # the same, and LightRAG's own replies
    ):
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        large(corpus)
        with (
            _ours(Path(folder, "ours"), corpus, model.url) as ours,
            _lightrag(Path(folder, "theirs"), corpus, their_model.url) as theirs,
        ):
            rows += [_measured(peer, n, seconds) for n in many for peer in (ours, theirs)]
    columns = ("server", "clients", "requests", "errors", "a second", "p50 ms", "p99 ms")
    table("Passages alone", (*columns, "KB a reply", "CPU ms a request", "MB"), rows)


def _measured(peer: Peer, clients: int, seconds: float) -> list[str | float | int]:
    cpu = _cpu(peer.pid)
    started = time.perf_counter()
    counted = asyncio.run(_ask(peer, clients, seconds))
    took = time.perf_counter() - started
    ordered = sorted(counted.milliseconds) or [0.0]
    n = max(1, len(counted.milliseconds))
    return [
        peer.name,
        clients,
        len(counted.milliseconds),
        counted.errors,
        n / took,
        ordered[len(ordered) // 2],
        ordered[int(len(ordered) * 0.99)],
        counted.size / n / 1e3,
        1000 * (_cpu(peer.pid) - cpu) / n,
        _memory(peer.pid),
    ]


async def _ask(peer: Peer, clients: int, seconds: float) -> Counted:
    counted = Counted()
    until = time.monotonic() + seconds
    async with (
        httpx2.AsyncClient(
            headers=dict(peer.headers), timeout=300.0, limits=httpx2.Limits(max_connections=None)
        ) as http,
        asyncio.TaskGroup() as group,
    ):
        for number in range(clients):
            group.create_task(_client(peer, http, number, until, counted))
    return counted


async def _client(
    peer: Peer, http: httpx2.AsyncClient, number: int, until: float, counted: Counted
) -> None:
    turn = 0
    while time.monotonic() < until:
        question = f"{QUESTIONS[(number + turn) % len(QUESTIONS)]} ({number}-{turn}-{until:.0f})"
        turn += 1
        started = time.perf_counter()
        reply = await http.post(peer.address, json={**peer.body, peer.field: question})
        counted.milliseconds.append(1000 * (time.perf_counter() - started))
        counted.size += len(reply.content)
        counted.errors += reply.status_code != 200


@contextlib.contextmanager
def _ours(root: Path, corpus: Path, model: str) -> Generator[Peer]:
    variables = environment(model)
    command = [sys.executable, "-m", "graphrag"]
    attempt(
        [*command, "index", str(corpus), "--root", str(root), "--method", "standard"], variables
    )
    with _running([*command, "serve", "--root", str(root), "--port", "0"], variables, None) as one:
        assert one.stdout is not None
        address, _, token = one.stdout.readline().decode().strip().partition("#")
        yield Peer(
            "graphrag",
            one.pid,
            f"{address.rstrip('/')}/api/indexes/{root.name}/retrieve",
            {"Authorization": f"Bearer {token}"},
            {"method": "local", "k": 20},
            "question",
        )


@contextlib.contextmanager
def _lightrag(root: Path, corpus: Path, model: str) -> Generator[Peer]:
    (system,) = (one for one in SYSTEMS if one.key == "lightrag")
    name, *others = system.requirements
    wanted = (name.replace("==", "[api]=="), *others)
    interpreter = install.python("lightrag-server", wanted)
    variables = {**environment(model), "TIKTOKEN_CACHE_DIR": str(install.token_ranks())}
    root.mkdir()
    index = system.command("index", root, corpus)
    attempt([str(interpreter), *index], variables, folder=str(root))
    port = _free_port()
    variables |= {
        "LLM_BINDING": "openai", "LLM_BINDING_HOST": model, "LLM_BINDING_API_KEY": "bench",
        "LLM_MODEL": "gpt-4o-mini", "EMBEDDING_BINDING": "openai", "EMBEDDING_DIM": "1536",
        "EMBEDDING_BINDING_HOST": model, "EMBEDDING_BINDING_API_KEY": "bench",
        "EMBEDDING_MODEL": "text-embedding-3-small", "RERANK_BINDING": "null",
    }  # fmt: skip
    started = [str(interpreter.parent / "lightrag-server"), "--host", "127.0.0.1"]
    started += ["--port", str(port), "--working-dir", str(root), "--log-level", "ERROR"]
    with _running(started, variables, root) as one:
        address = f"http://127.0.0.1:{port}"
        _wait(f"{address}/health", one)
        body = {"mode": "local", "only_need_context": True, "chunk_top_k": 20}
        yield Peer("LightRAG 1.5.7", one.pid, f"{address}/query", {}, body, "query")


@contextlib.contextmanager
def _running(
    command: list[str], variables: Mapping[str, str], folder: Path | None
) -> Generator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, env=dict(variables), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STARTING
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx2.HTTPError):
            if httpx2.get(url).status_code == 200:
                return
        time.sleep(0.5)
    sys.exit(f"{url} does not answer")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _cpu(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (held,) = (line.split()[1] for line in lines if line.startswith("VmRSS"))
    return int(held) / 1e3


if __name__ == "__main__":
    main()
