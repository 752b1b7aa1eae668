"""Keep replies and vectors that were paid for by the hash of their request, in one SQLite file.

It holds replies and vectors under hashes; no prompt, header or key.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from graphrag.core.errors import GraphRAGError
from graphrag.core.logs import get_log
from graphrag.core.work_folder import make_private

if TYPE_CHECKING:
    import sqlite3

Result = TypeVar("Result")
Value = TypeVar("Value")

log = get_log(__name__)

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL);
"""
# The newer half stays; a table without row numbers does not know which half that is.
SHRINK = """
DELETE FROM replies;
DELETE FROM vectors WHERE rowid <= (SELECT (min(rowid) + max(rowid)) / 2 FROM vectors);
VACUUM;
PRAGMA wal_checkpoint(TRUNCATE);
"""
SIZE = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
BUSY_TIMEOUT_S = 2.0


def request_key(*parts: object) -> str:
    """The hash under which the reply to a request is kept."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("ascii"), digest_size=20).hexdigest()


class InFlight(Generic[Value]):
    """Identical requests at the same time share one call: the first makes it, the rest wait."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Future[Value]] = {}

    async def wait(self, key: str) -> Value | None:
        """The result of a call with `key` that is at work, or None where there is none.

        Its failure is raised here too. Where it was cancelled the caller takes its place.
        """
        while (running := self._running.get(key)) is not None:
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not running.cancelled() or (task and task.cancelling()):
                    raise
        return None

    @contextmanager
    def claim(self, key: str | None) -> Generator[Callable[[Value], None], None, None]:
        """Make the call with `key`; the yielded function hands its result to those who wait."""
        future: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        if key is not None:
            self._running[key] = future
        try:
            yield future.set_result
        except GraphRAGError as error:
            future.set_exception(error)
            future.exception()  # nobody may be waiting
            raise
        finally:
            self._running.pop(key or "", None)
            if not future.done():
                future.cancel()


class ResponseCache:
    """Opened at the first use. A file that cannot be used is a warning, never an error."""

    def __init__(self, path: Path, *, max_mb: float) -> None:
        self._path = path
        self._max_bytes = max_mb * 1_000_000
        self._connection: sqlite3.Connection | None = None
        self._off = False

    def reply(self, key: str) -> str | None:
        def read(connection: sqlite3.Connection) -> str | None:
            row = connection.execute("SELECT text FROM replies WHERE key = ?", (key,)).fetchone()
            return str(row[0]) if row else None

        return self._use(read, default=None)

    def put_reply(self, key: str, text: str) -> None:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, text))
            self._bound(connection)

        self._use(write, default=None)

    def forget_replies(self) -> None:
        """They may quote documents that are gone."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM replies")

        if self._path.exists():
            self._use(write, default=None)

    def vectors(self, keys: Sequence[str]) -> dict[str, bytes]:
        """float32 bytes by key, for those that are known."""

        def read(connection: sqlite3.Connection) -> dict[str, bytes]:
            rows = connection.execute(
                "SELECT key, vector FROM vectors WHERE key IN (SELECT value FROM json_each(?))",
                (json.dumps(list(keys)),),
            )
            return {str(key): bytes(vector) for key, vector in rows}

        return self._use(read, default={})

    def put_vectors(self, vectors: Mapping[str, bytes]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("BEGIN")
                connection.executemany(
                    "INSERT OR REPLACE INTO vectors VALUES (?, ?)", list(vectors.items())
                )
            self._bound(connection)

        self._use(write, default=None)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _use(self, work: Callable[[sqlite3.Connection], Result], *, default: Result) -> Result:
        import sqlite3

        for attempt in range(2):
            if self._off:
                break
            try:
                if self._connection is None:
                    self._connection = self._open()
                return work(self._connection)
            except (sqlite3.OperationalError, OSError) as error:
                busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
                self._off = not busy
                log.warning("response cache %s is not used: %s", self._path, error)
                break
            except sqlite3.DatabaseError as error:
                self._off = attempt > 0
                self._move_aside(error)
        return default

    def _bound(self, connection: sqlite3.Connection) -> None:
        (size,) = connection.execute(SIZE).fetchone()
        if size > self._max_bytes:
            connection.executescript(SHRINK)
            log.info("response cache %s was too large and has been halved", self._path)

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        make_private(self._path.parent)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))  # for the owner alone
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.executescript(SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _move_aside(self, error: Exception) -> None:
        self.close()
        aside = self._path.with_name(self._path.name + ".corrupt")
        log.warning("response cache %s is damaged (%s), now %s", self._path, error, aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        if self._path.exists():
            self._path.replace(aside)
