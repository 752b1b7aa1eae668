"""Commands on standard input, one JSON object a line; each run by a fork that may kill itself.

A fork that is to die at its n-th event sends itself SIGKILL there. Events are the statements that
it sends to a database: before each of SQLite's, and before and after each of Neo4j's. A model
call lies between two of them, for the cache is asked before it and the reply is kept after it.
What commands import is loaded once, here: that is most of the time of a short run. Forks print
nothing; the answer is {"code", "events"}, code null for one that was killed.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import LiteralString, cast

import neo4j

LOADED = (
    "graphrag.cli.main",
    "graphrag.engine.doctor",
    "graphrag.engine.sync",
    "graphrag.indexing.build",
    "graphrag.indexing.graph.embeddings",
    "graphrag.indexing.resolution.verdicts",
    "graphrag.indexing.reports.write",
    "graphrag.indexing.graph.summaries",
    "graphrag.models.openai_models",
    "graphrag.stores.arrays.building",
    "graphrag.stores.neo4j.store",
    "graphrag.stores.sqlite.store",
    "graphrag.cli.progress",
    "graspologic_native",
    "h11",
    "httpx2",
    "igraph",
    "numpy.ma",
    "openai",
    "rapidfuzz",
    "Stemmer",
)


@dataclass(slots=True)
class Events:
    count: int = 0
    last: int | None = None

    def happen(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


EVENTS = Events()


class Connection(sqlite3.Connection):
    def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
        EVENTS.happen()
        return super().execute(sql, cast(Sequence[str], parameters))

    def executemany(self, sql: str, parameters: Iterable[object], /) -> sqlite3.Cursor:
        EVENTS.happen()
        return super().executemany(sql, cast(Iterable[Sequence[str]], parameters))


def main() -> None:
    for name in LOADED:
        importlib.import_module(name)
    from graphrag.text import tokens

    tokens.count("load the table of tokens")
    watch()
    for line in sys.stdin:
        asked = json.loads(line)
        sys.stdout.write(json.dumps(run(asked["arguments"], asked["dies_at"])) + "\n")
        sys.stdout.flush()


def watch() -> None:
    """Have every statement of both drivers counted."""
    connect = cast(Callable[..., sqlite3.Connection], sqlite3.connect)

    def connected(database: str, **options: object) -> sqlite3.Connection:
        return connect(database, **{**options, "factory": Connection})

    sqlite3.connect = connected
    send = neo4j.AsyncManagedTransaction.run

    async def sent(
        self: neo4j.AsyncManagedTransaction,
        query: LiteralString,
        parameters: dict[str, object] | None = None,
    ) -> neo4j.AsyncResult:
        EVENTS.happen()
        result = await send(self, query, parameters)
        EVENTS.happen()
        return result

    neo4j.AsyncManagedTransaction.run = sent  # pyright: ignore[reportAttributeAccessIssue]


def run(arguments: list[str], dies_at: int | None) -> dict[str, int | None]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        EVENTS.last = dies_at
        _as_command(arguments, writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        counted = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return {"code": None, "events": dies_at}
    return {"code": os.WEXITSTATUS(status), "events": int(counted)}


def _as_command(arguments: list[str], writing: int) -> None:
    from graphrag.cli.main import main as graphrag

    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):  # errors go to the test's own stderr
        os.dup2(nothing, number)
    code: object = 1
    try:
        graphrag(arguments)
    except SystemExit as end:
        code = end.code
    finally:
        os.write(writing, str(EVENTS.count).encode())
        os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
