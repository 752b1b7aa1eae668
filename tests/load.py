"""Ask a server with many clients at once while documents come and go; tell what it took.

`python -m tests.load ROOT SECONDS [CLIENTS]` serves the index under ROOT and prints JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import mmap
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

from tests.served import Served

QUESTIONS = Path(__file__).parents[1] / "examples" / "questions.jsonl"
CLIENTS = 200
WARM_UP = 0.25  # of the time


@dataclass(slots=True)
class Load:
    """Milliseconds of each request, statuses, and bytes of memory once a second."""

    milliseconds: list[float] = field(default_factory=list[float])
    statuses: Counter[int] = field(default_factory=Counter[int])
    memory: list[int] = field(default_factory=list[int])
    jobs: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    clients: int
    requests: int
    errors: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    memory_mb: float  # when it is warm
    growth_mb: float  # from then on
    jobs: dict[str, int]


def figures(load: Load, clients: int) -> Figures:
    ordered = sorted(load.milliseconds)
    warm = load.memory[math.ceil(len(load.memory) * WARM_UP) :]
    third = max(1, len(warm) // 3)
    first, last = max(warm[:third]), max(warm[-third:])
    return Figures(
        clients,
        len(ordered),
        sum(count for status, count in load.statuses.items() if status != 200),
        round(len(ordered) / load.seconds, 1),
        round(ordered[len(ordered) // 2], 1),
        round(ordered[int(len(ordered) * 0.99)], 1),
        round(first / 1e6, 1),
        round((last - first) / 1e6, 1),
        dict(load.jobs),
    )


def run(root: Path, *, seconds: float, clients: int = CLIENTS) -> Figures:
    """Serve `root` in a process of its own and ask it for so long."""
    process = subprocess.Popen(
        [sys.executable, "-m", "graphrag", "serve", "--root", str(root), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with process.stdout as lines:
            address, _, token = lines.readline().strip().partition("#")
        served = Served(address.rstrip("/"), token, root)
        return figures(asyncio.run(_ask(served, process.pid, seconds, clients)), clients)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


async def _ask(served: Served, pid: int, seconds: float, clients: int) -> Load:
    load = Load()
    started = time.monotonic()
    until = started + seconds
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(_client(served, number, until, load))
        group.create_task(_watch(pid, until, load))
        group.create_task(asyncio.to_thread(_edit, served, until, load))
    load.seconds = time.monotonic() - started
    return load


async def _client(served: Served, number: int, until: float, load: Load) -> None:
    """Questions one after another over one connection."""
    index = next(iter(served.get("/api/indexes").items("indexes")))["name"] if number == 0 else ""
    index = index or served.root.name
    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()
    questions = [str(json.loads(line)["question"]) for line in lines]
    host, _, port = served.authority.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for turn in itertools.count(number):
        if time.monotonic() >= until:
            break
        path = f"/api/indexes/{index}/" + ("retrieve" if turn % 2 else "query")
        body = json.dumps({"question": questions[turn % len(questions)]}).encode()
        started = time.perf_counter()
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: {served.authority}\r\n"
            f"Authorization: Bearer {served.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        size = int(head.split("content-length: ")[1].split("\r\n")[0])
        await reader.readexactly(size)
        load.milliseconds.append(1000 * (time.perf_counter() - started))
        load.statuses[int(head.split(" ")[1])] += 1
    writer.close()


async def _watch(pid: int, until: float, load: Load) -> None:
    statm = Path(f"/proc/{pid}/statm")
    while time.monotonic() < until:
        load.memory.append(int(statm.read_text().split()[1]) * mmap.PAGESIZE)
        await asyncio.sleep(min(1.0, max(0.05, until - time.monotonic())))


def _edit(served: Served, until: float, load: Load) -> None:
    """Add a document and delete it again, as long as there is time."""
    index = f"/api/indexes/{served.root.name}"
    for number in itertools.count():
        if time.monotonic() >= until:
            return
        text = f"# Note {number}\n\nCaptain Halpin wrote note {number} in Valentia.\n".encode()
        reply = served.upload(f"{index}/documents", (f"note-{number}.md", text))
        job = cast("dict[str, object]", reply.json["job"])
        load.jobs[str(served.finish(job["id"])["state"])] += 1
        (document,) = served.get(f"{index}/documents?search=note-{number}.md").items("documents")
        reply = served.ask("DELETE", f"{index}/documents/{document['id']}")
        load.jobs[str(served.finish(reply.json["id"])["state"])] += 1


def main() -> None:
    root, seconds, *clients = sys.argv[1:]
    found = run(Path(root), seconds=float(seconds), clients=int(clients[0]) if clients else CLIENTS)
    sys.stdout.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    main()
