"""Keep the graph in one SQLite file: tables, full text (FTS5), exact vector search, no server.

Every statement runs in a thread, one at a time, on the store's own connection. A commit is one
transaction of a write-ahead log: killed at any moment, the file holds the old content or the new.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import copy_context
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from graphrag.core.columns import COLUMNS, KEYS, SEARCH_TABLES
from graphrag.core.errors import UsageError
from graphrag.core.logs import get_log
from graphrag.stores.contract.lease import LEASE_S, Lease, LeaseKeeper
from graphrag.stores.contract.protocol import (
    Filter,
    Hit,
    Membership,
    SearchTable,
    Snapshot,
    VectorTable,
)
from graphrag.stores.contract.records import Record, fields_of, from_values
from graphrag.stores.sqlite.file import (
    Opened,
    fill,
    in_namespace,
    namespace_statements,
    open_file,
    transaction,
    translated,
)
from graphrag.stores.sqlite.packing import listed_columns

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from graphrag.stores.contract.frames import Row
    from graphrag.stores.sqlite.search import Matrix

log = get_log(__name__)

Result = TypeVar("Result")

_GIVEN = "IN (SELECT value FROM json_each(:given))"
_HAS_UNIT = (
    "id IN (SELECT document_id FROM text_units_N WHERE id IN (SELECT value FROM json_each(:given)))"
)
# What is long is read of the rows that are sorted and chosen already.
_READ = "SELECT {columns} FROM {table}_N {condition} ORDER BY {key}"
_COUNT = "SELECT count(*) FROM {table}_N"
_RELATIONSHIPS_OF = (
    "WITH given AS (SELECT value FROM json_each(:given))"
    " SELECT {columns} FROM (SELECT rowid AS number, row_number() OVER"
    " (ORDER BY source_id IN given AND target_id IN given DESC, weight DESC, id) AS place"
    " FROM relationships_N WHERE source_id IN given OR target_id IN given"
    " ORDER BY place LIMIT :most) JOIN relationships_N ON relationships_N.rowid = number"
    " ORDER BY place"
)
_MEMBERSHIPS = (
    "SELECT m.entity_id, c.id, c.level, c.parent_id FROM members_N AS m"
    " JOIN communities_N AS c ON c.id = m.community_id"
    " WHERE m.entity_id IN (SELECT value FROM json_each(?)) ORDER BY m.entity_id, c.id"
)
_META = "SELECT key, value FROM meta_N ORDER BY key"
_ALL_REPLIES = "SELECT key, reply FROM replies_N"
_REPLIES = "SELECT key, reply FROM replies_N WHERE key IN (SELECT value FROM json_each(?))"
_PUT_REPLY = "INSERT OR REPLACE INTO replies_N (key, reply) VALUES (?, ?)"
_KNOWN_VECTORS = "SELECT key FROM vectors_N WHERE key IN (SELECT value FROM json_each(?))"
_DROP = "DROP TABLE IF EXISTS {table}_N"
_GENERATION = "SELECT generation FROM namespaces WHERE id = ?"
_NEXT_GENERATION = "UPDATE namespaces SET generation = generation + 1 WHERE id = ?"

_FIND_LEASE = "SELECT token, host, pid, expires FROM leases WHERE namespace = ?"
_TAKE_LEASE = (
    "INSERT OR REPLACE INTO leases (namespace, token, host, pid, expires) VALUES (?, ?, ?, ?, ?)"
)
_RENEW_LEASE = "UPDATE leases SET expires = ? WHERE namespace = ? AND token = ?"
_END_LEASE = "DELETE FROM leases WHERE namespace = ? AND token = ?"


class SQLiteStore:
    """A `GraphStore` in one file. Open it with `SQLiteStore.open`."""

    def __init__(self, path: Path, namespace: str, opened: Opened) -> None:
        self._path = path
        self._namespace = namespace
        self._connection = opened.connection
        self._number = opened.number
        self._lock = asyncio.Lock()
        self._leases = LeaseKeeper(
            self.url,
            namespace,
            take=self._take_lease,
            renew=lambda: self._write(self._prove_lease),
            release=self._end_lease,
        )
        self._generation = -1  # of what is kept in memory
        self._matrices: dict[SearchTable, Matrix] = {}
        self._languages: dict[SearchTable, list[str]] = {}

    @classmethod
    async def open(cls, path: Path, *, namespace: str, create: bool = True) -> SQLiteStore:
        """Open the file at `path`; with `create` make the file and the namespace.

        Raises NoIndexError when they are missing, UsageError when `path` is a folder,
        IncompatibleIndexError when another version wrote them, else StoreError.
        """
        if not _is_utf8(namespace) or "\0" in namespace:
            raise UsageError(f"{namespace!r} is not a namespace", hint="Name it in UTF-8.")
        opened = await asyncio.to_thread(open_file, path, namespace=namespace, create=create)
        return cls(path, namespace, opened)

    @property
    def url(self) -> str:
        return f"sqlite:///{self._path}"

    @property
    def namespace(self) -> str:
        return self._namespace

    async def close(self) -> None:
        await self._run(self._connection.close)

    async def meta(self) -> dict[str, str]:
        return await self._run(lambda: dict(self._execute(_META)))

    async def counts(self) -> dict[str, int]:
        def count() -> dict[str, int]:
            return {
                table: self._execute(fill(_COUNT, table=table)).fetchone()[0] for table in COLUMNS
            }

        return await self._run(count)

    def writing(self, *, lease_s: float = LEASE_S) -> AbstractAsyncContextManager[None]:
        return self._leases.hold(lease_s=lease_s)

    async def read(
        self,
        table: str,
        *,
        where: tuple[str, Sequence[str] | Sequence[int]] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        from graphrag.stores.contract.frames import from_rows, schema_of

        schema = schema_of(table, columns)
        condition, given = _condition(table, where)
        return await self._run(
            lambda: from_rows(self._select(table, tuple(schema), condition, given), schema)
        )

    async def rows(
        self,
        table: str,
        record: type[Record],
        *,
        where: tuple[str, Sequence[str] | Sequence[int]] | None = None,
    ) -> list[Record]:
        condition, given = _condition(table, where)
        return await self._records(table, record, condition, given)

    async def relationships_of(
        self, entity_ids: Sequence[str], record: type[Record], *, most: int
    ) -> list[Record]:
        columns = fields_of("relationships", record)
        listed = listed_columns("relationships", columns)
        statement = in_namespace(fill(_RELATIONSHIPS_OF, columns=listed), self._number)
        values = {"given": _json(entity_ids), "most": most}
        return await self._run(
            lambda: from_values(
                "relationships", record, self._connection.execute(statement, values)
            )
        )

    async def documents_of(
        self, text_unit_ids: Sequence[str], record: type[Record]
    ) -> list[Record]:
        return await self._records("documents", record, _HAS_UNIT, _json(text_unit_ids))

    async def memberships_of(self, entity_ids: Sequence[str]) -> list[Membership]:
        given = _json(entity_ids)
        return await self._run(
            lambda: [Membership(*row) for row in self._execute(_MEMBERSHIPS, given)]
        )

    async def put_evidence(self, rows: pl.DataFrame) -> None:
        from graphrag.stores.sqlite.commit import put_rows

        await self._write(
            lambda: put_rows(self._connection, self._number, table="evidence", frame=rows)
        )

    async def replies(self, keys: Sequence[str] | None) -> dict[str, str]:
        if keys is None:
            return await self._run(lambda: dict(self._execute(_ALL_REPLIES)))
        given = _json(keys)
        return await self._run(lambda: dict(self._execute(_REPLIES, given)))

    async def put_replies(self, replies: Mapping[str, str]) -> None:
        # A model may escape half a character in JSON, which no UTF-8 text can hold.
        pairs = [(key, _utf8(reply)) for key, reply in sorted(replies.items())]
        statement = in_namespace(_PUT_REPLY, self._number)
        await self._write(lambda: self._connection.executemany(statement, pairs))

    async def known_vectors(self, keys: Sequence[str]) -> set[str]:
        given = _json(keys)
        return await self._run(lambda: {key for (key,) in self._execute(_KNOWN_VECTORS, given)})

    async def embedded(self, table: VectorTable) -> pl.DataFrame:
        from graphrag.core.tables import EMBEDDED
        from graphrag.stores.contract.frames import from_rows
        from graphrag.stores.sqlite.search import read_keys

        rows = await self._run(lambda: read_keys(self._connection, self._number, table))
        return from_rows(rows, EMBEDDED)

    async def vectors(
        self, table: VectorTable, ids: Sequence[str] | None = None
    ) -> tuple[list[str], NDArray[np.float32]]:
        from graphrag.stores.sqlite.search import read_vectors

        given = None if ids is None else _json(ids)
        return await self._run(
            lambda: read_vectors(self._connection, self._number, table=table, ids=given)
        )

    async def commit(self, snapshot: Snapshot) -> None:
        from graphrag.stores.sqlite.commit import write

        def replace() -> None:
            self._prove_lease()
            write(self._connection, self._number, snapshot)
            self._connection.execute(_NEXT_GENERATION, (self._number,))
            # A long commit keeps the heartbeat waiting.
            self._prove_lease()

        await self._write(replace)
        log.info("committed to %s: %s", self.url, snapshot.sizes)

    async def search_text(
        self, table: SearchTable, query: str, *, k: int, filters: Sequence[Filter] = ()
    ) -> list[Hit]:
        from graphrag.stores.sqlite import search as sqlite_search

        def search() -> list[Hit]:
            if table not in self._languages:
                self._languages[table] = sqlite_search.languages_of(
                    self._connection, self._number, table
                )
            return sqlite_search.search_text(
                self._connection,
                self._number,
                table=table,
                query=_utf8(query),
                k=k,
                filters=_clean(filters),
                languages=self._languages[table],
            )

        return await self._search(search)

    async def document_frequencies(self, terms: Sequence[str]) -> tuple[int, dict[str, int]]:
        from graphrag.stores.sqlite import search as sqlite_search

        wanted = sorted({_utf8(term) for term in terms})
        return await self._search(
            lambda: sqlite_search.document_frequencies(self._connection, self._number, wanted)
        )

    async def search_vectors(
        self,
        table: SearchTable,
        vector: NDArray[np.float32],
        *,
        k: int,
        filters: Sequence[Filter] = (),
    ) -> list[Hit]:
        from graphrag.stores.sqlite import search as sqlite_search

        def search() -> list[Hit]:
            if table not in self._matrices:
                self._matrices[table] = sqlite_search.read_matrix(
                    self._connection, self._number, table
                )
            return sqlite_search.search_vectors(
                self._connection,
                self._number,
                table=table,
                vector=vector,
                k=k,
                filters=_clean(filters),
                matrix=self._matrices[table],
            )

        return await self._search(search)

    async def matching_documents(self, filters: Sequence[Filter]) -> list[str]:
        from graphrag.stores.sqlite.search import matching_documents

        return await self._run(
            lambda: matching_documents(self._connection, self._number, _clean(filters))
        )

    async def delete_all(self) -> None:
        def delete() -> None:
            self._prove_lease()
            full_text = [f"fts_{table}" for table in SEARCH_TABLES]
            beside = ["meta", "replies", "vectors", "embedded", "members", "searched", "lines"]
            for table in (*COLUMNS, *full_text, *beside):
                self._execute(fill(_DROP, table=table))
            for statement in namespace_statements(self._number):
                self._connection.execute(statement)
            self._connection.execute(_NEXT_GENERATION, (self._number,))

        await self._write(delete)

    async def _run(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, done in a thread while nothing else uses the connection."""

        def translate() -> Result:
            with translated(self._path):
                return work()

        async with self._lock:
            # No task: a loop that ends cancels every task, and the thread would go on without one.
            working = asyncio.get_running_loop().run_in_executor(
                None, copy_context().run, translate
            )
            try:
                return await asyncio.shield(working)
            except asyncio.CancelledError:
                # The thread goes on, however often it is told to end; the next one must not meet it
                # in its transaction, nor find the connection closed under it.
                while not working.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([working])
                raise

    async def _write(self, work: Callable[[], object]) -> None:
        def write() -> None:
            with transaction(self._connection):
                work()

        await self._run(write)

    def _execute(self, statement: str, *values: str | int) -> sqlite3.Cursor:
        return self._connection.execute(in_namespace(statement, self._number), values)

    async def _records(
        self, table: str, record: type[Record], condition: str, given: str | None
    ) -> list[Record]:
        columns = fields_of(table, record)
        return await self._run(
            lambda: from_values(table, record, self._select(table, columns, condition, given))
        )

    def _select(
        self, table: str, columns: Sequence[str], condition: str, given: str | None
    ) -> list[Row]:
        statement = fill(
            _READ,
            columns=listed_columns(table, columns),
            table=table,
            condition=f"WHERE {condition}" if condition else "",
            key=", ".join(KEYS[table]),
        )
        cursor = self._connection.execute(in_namespace(statement, self._number), {"given": given})
        return cursor.fetchall()

    async def _search(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, which sees one state of the file, in memory and on disk."""

        def search() -> Result:
            with transaction(self._connection, begin="DEFERRED"):
                (generation,) = self._connection.execute(_GENERATION, (self._number,)).fetchone()
                if generation != self._generation:
                    self._matrices.clear()
                    self._languages.clear()
                    self._generation = generation
                return work()

        return await self._run(search)

    async def _take_lease(self, lease: Lease) -> None:
        def take() -> None:
            held = self._holder()
            if held is not None:
                self._leases.check_free(held)
            self._connection.execute(_TAKE_LEASE, (self._number, *astuple(lease)))

        await self._write(take)

    async def _end_lease(self, lease: Lease) -> None:
        await self._write(lambda: self._connection.execute(_END_LEASE, (self._number, lease.token)))

    def _prove_lease(self) -> None:
        """Renew the lease. Raises LockedError when another writer took over meanwhile."""
        lease = self._leases.renewed()
        if lease is not None:
            values = (lease.expires, self._number, lease.token)
            if self._connection.execute(_RENEW_LEASE, values).rowcount == 0:
                raise self._leases.taken_over(self._holder())

    def _holder(self) -> Lease | None:
        held = self._connection.execute(_FIND_LEASE, (self._number,)).fetchone()
        return None if held is None else Lease(*held)


def _condition(
    table: str, where: tuple[str, Sequence[str] | Sequence[int]] | None
) -> tuple[str, str | None]:
    """The SQL of `where` and the values that it names `:given`."""
    if where is None:
        return "", None
    if where[0] not in COLUMNS[table]:
        raise ValueError(f"{table} has no column {where[0]!r}")
    return f'"{where[0]}" {_GIVEN}', _json(where[1])


def _json(values: Sequence[str] | Sequence[int]) -> str:
    return _utf8(json.dumps(list(values), ensure_ascii=False))


def _is_utf8(text: str) -> bool:
    return _utf8(text) == text


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _clean(filters: Sequence[Filter]) -> list[Filter]:
    return [
        Filter(_utf8(item.key), item.operator, tuple(map(_utf8, item.values))) for item in filters
    ]
