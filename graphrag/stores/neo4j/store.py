"""Keep the graph in a Neo4j database as nodes and relationships, searched by its indexes.

A commit that fits is one transaction; a larger one is many, each idempotent, with the meta node
last: cut off anywhere, it is completed by the next.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import (
    AsyncGenerator,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

import polars as pl

from graphrag.core import tables
from graphrag.core.concurrency import together
from graphrag.core.errors import UsageError
from graphrag.core.logs import get_log
from graphrag.core.settings import Neo4jSettings
from graphrag.stores.contract.frames import schema_of
from graphrag.stores.contract.lease import LEASE_S, Lease, LeaseKeeper
from graphrag.stores.contract.protocol import (
    Filter,
    Hit,
    Membership,
    SearchTable,
    Snapshot,
    VectorTable,
)
from graphrag.stores.contract.records import Record, fields_of, named
from graphrag.stores.neo4j import cypher
from graphrag.stores.neo4j.address import find_target
from graphrag.stores.neo4j.commit import (
    WRITTEN,
    NodeState,
    Stored,
    UnitMeans,
    moved_vectors,
    plan,
    searched,
    vector_size,
)
from graphrag.stores.neo4j.connection import Connection, Transaction, run, write_rows
from graphrag.stores.neo4j.cypher import key_prefix, namespace_label
from graphrag.stores.neo4j.renaming import rename
from graphrag.stores.neo4j.rows import (
    Meta,
    Values,
    embedded_windows,
    frame,
    records,
    result_columns,
    utf8,
)
from graphrag.stores.neo4j.schema import (
    drop_indexes,
    make_indexes,
    meta_key,
    prepare,
    read_meta,
    schema_version,
)
from graphrag.stores.neo4j.search import Searches
from graphrag.stores.neo4j.steps import Row, Step, evidence_step, replies_step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = get_log(__name__)

_PAGE = 5000  # rows in one record, or keys in one parameter
_VECTOR_PAGE = 1000


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """How a commit is divided, in rows, and whether its vector index knows the documents."""

    atomic: int = 20_000
    """A commit up to this size is one transaction."""
    together: int = 5000
    """Up to this, the steps of a larger one share a transaction."""
    batch: int = 2000
    """Rows of one statement."""
    filters_inside: bool = True
    """Make a vector index that can be asked for one document, where the server can."""


class Neo4jStore:
    """A `GraphStore` in one namespace of a Neo4j database. Open it with `Neo4jStore.open`."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        options: CommitOptions | None = None,
        *,
        typed_from: int = 2,
    ) -> None:
        self._connection = connection
        self._typed_from = typed_from
        self._options = options or CommitOptions()
        self._namespace = namespace
        self._prefix = key_prefix(namespace)
        self._label = namespace_label(namespace)
        self._searches = Searches(connection, namespace)
        self._leases = LeaseKeeper(
            self.url,
            namespace,
            take=self._take_lease,
            renew=lambda: connection.write(self._prove_lease),
            release=self._end_lease,
        )

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        root: Path,
        namespace: str,
        create: bool = True,
        settings: Neo4jSettings | None = None,
        options: CommitOptions | None = None,
    ) -> Neo4jStore:
        """Connect to `url` ("local": the server started under `root`).

        With `create` the schema and the namespace are made. Raises NoIndexError when the
        namespace is missing, IncompatibleIndexError when another version wrote it, StoreError
        when the server does not answer, refuses the password or is older than 5.26.
        """
        if utf8(namespace) != namespace or "\0" in namespace:
            raise UsageError(f"{namespace!r} is not a namespace", hint="Name it in UTF-8.")
        settings = settings or Neo4jSettings()
        connection = Connection(find_target(url, root, settings))
        store = cls(connection, namespace, options, typed_from=settings.typed_from)
        try:
            meta = await prepare(connection, namespace, create=create)
            if meta is not None and meta.schema_version != schema_version():
                await store._rename(meta)
        except BaseException:
            await connection.close()
            raise
        return store

    async def _rename(self, meta: Meta) -> None:
        """Give an index that an earlier version made the names of properties of this one."""
        log.info("%s: properties of %r get other names, once", self.url, self._namespace)
        async with self._leases.hold():
            await drop_indexes(self._connection, self._namespace)
            await rename(self._connection, self._range())
            await self._make_indexes(meta.dimensions)
            await self._write(cypher.MARK_RENAMED, schema_version=schema_version())

    @property
    def url(self) -> str:
        return self._connection.url

    @property
    def namespace(self) -> str:
        return self._namespace

    async def close(self) -> None:
        await self._connection.close()

    async def meta(self) -> dict[str, str]:
        found = await read_meta(self._connection, self._namespace)
        if found is None:
            return {}
        # A commit that was cut off left rows of two states: no hash speaks for them, nor what
        # their text was divided by.
        entries = found.entries
        if found.state == "committing":
            if not self._leases.held:
                log.warning(
                    "%s, namespace %r: an index run is writing, or was cut off; until one is"
                    " finished, answers may mix the old index with the new",
                    self.url,
                    self._namespace,
                )
            return {
                name: value
                for name, value in entries.items()
                if not name.endswith(("hash", "fingerprint", "chunks"))
            }
        if found.written != WRITTEN:  # rows are to be written in another form, whatever they hold
            return {name: value for name, value in entries.items() if name != "fingerprint"}
        return entries

    async def counts(self) -> dict[str, int]:
        async def count(tx: Transaction) -> dict[str, int]:
            counts: dict[str, int] = {}
            for table in tables.TABLES:
                rows = await run(tx, cypher.count_rows(table), **self._range())
                counts[table] = cast(int, rows[0][0])
            return counts

        return await self._connection.read(count)

    @asynccontextmanager
    async def writing(self, *, lease_s: float = LEASE_S) -> AsyncGenerator[None]:
        async with self._leases.hold(lease_s=lease_s):
            meta = await read_meta(self._connection, self._namespace)
            if meta is not None and not _is_empty(meta):
                # Somebody may have dropped one, or moved to a server that can do more.
                await self._make_indexes(meta.dimensions or None)
            yield

    async def read(
        self,
        table: str,
        *,
        where: tuple[str, Sequence[str] | Sequence[int]] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        schema = schema_of(table, columns)
        asked = result_columns(table, schema)
        return frame(table, schema, await self._where(table, asked, where))

    async def rows(
        self,
        table: str,
        record: type[Record],
        *,
        where: tuple[str, Sequence[str] | Sequence[int]] | None = None,
    ) -> list[Record]:
        if table == "evidence":
            found = await self.read(table, where=where, columns=fields_of(table, record))
            return named(record, found.iter_rows())
        schema = schema_of(table, fields_of(table, record))
        asked = result_columns(table, schema)
        rows = await self._where(table, asked, where)
        return records(table, record, rows, key=[asked.index(name) for name in tables.KEYS[table]])

    async def relationships_of(
        self, entity_ids: Sequence[str], record: type[Record], *, most: int
    ) -> list[Record]:
        statement = cypher.read_relationships_of([*fields_of("relationships", record)])
        keys = [self._prefix + key for key in dict.fromkeys(entity_ids)]
        (_, rows), *_ = await self._query(statement, given={"keys": keys}, most=most)
        return named(record, cast(Values, rows))

    async def documents_of(
        self, text_unit_ids: Sequence[str], record: type[Record]
    ) -> list[Record]:
        """Each once: several text units may have led to it."""
        asked = result_columns("documents", schema_of("documents", fields_of("documents", record)))
        statement = cypher.read_documents_of(asked)
        rows = await self._rows_of(statement, dict.fromkeys(text_unit_ids))
        return records("documents", record, rows, key=[asked.index("id")])

    async def memberships_of(self, entity_ids: Sequence[str]) -> list[Membership]:
        rows = await self._rows_of(cypher.read_memberships_of(), dict.fromkeys(entity_ids))
        found = cast("list[tuple[str, str, int, str | None]]", rows)
        return [Membership(*row) for row in sorted(found, key=lambda row: row[:2])]

    async def put_evidence(self, rows: pl.DataFrame) -> None:
        step = evidence_step(rows, self._namespace)
        await self._connection.write(lambda tx: _run_steps(tx, [step], self._options.batch))

    async def replies(self, keys: Sequence[str] | None) -> dict[str, str]:
        if keys is None:
            rows = await self._rows(cypher.read_all_replies())
        else:
            rows = await self._rows_of(cypher.read_replies(), keys)
        return {str(key): str(text) for key, text in rows}

    async def put_replies(self, replies: Mapping[str, str]) -> None:
        step = replies_step(replies, self._namespace)
        await self._connection.write(lambda tx: _run_steps(tx, [step], self._options.batch))

    async def known_vectors(self, keys: Sequence[str]) -> set[str]:
        async with together() as tasks:
            found = [
                tasks.create_task(self._rows_of(cypher.read_vector_keys(table), keys))
                for table in tables.VECTOR_TABLES
            ]
        rows = chain.from_iterable(task.result() for task in found)
        return {str(key).removeprefix(self._prefix) for key in rows}

    async def embedded(self, table: VectorTable) -> pl.DataFrame:
        if await self._is_by_window(table):
            return tables.EMBEDDED.to_frame()
        found = {
            str(key): str(vector_key).removeprefix(self._prefix)
            for key, vector_key in await self._rows(cypher.read_embedded(table))
        }
        return pl.DataFrame([*found.items()], schema=tables.EMBEDDED, orient="row").sort("id")

    async def vectors(
        self, table: VectorTable, ids: Sequence[str] | None = None
    ) -> tuple[list[str], NDArray[np.float32]]:
        import numpy as np

        statement = cypher.read_vectors(table, by_id=ids is not None)
        if await self._is_by_window(table):
            return [], np.empty((0, 0), dtype=np.float32)
        if ids is None:
            rows = await self._rows(statement, page=_VECTOR_PAGE)
        else:
            rows = await self._rows_of(statement, dict.fromkeys(ids))
        if not rows:
            return [], np.empty((0, 0), dtype=np.float32)
        rows.sort(key=lambda row: cast(str, row[0]))
        return [str(key) for key, _ in rows], np.array(
            [vector for _, vector in rows], dtype=np.float32
        )

    async def _is_by_window(self, table: VectorTable) -> bool:
        """Whether the vectors of `table` are but means, which are for other programs."""
        meta = await read_meta(self._connection, self._namespace)
        return table == "text_units" and meta is not None and embedded_windows(meta.searched) > 0

    async def commit(self, snapshot: Snapshot) -> None:
        meta = await read_meta(self._connection, self._namespace)
        size = vector_size(snapshot, dimensions=meta.dimensions if meta else None)
        reading = self._read_stored(fresh=_is_empty(meta), replies=snapshot.reply_keys is not None)
        steps = await self._steps(snapshot, size, reading)
        last = self._meta_step(snapshot, size)
        if sum(step.count for step in steps) <= self._options.atomic:
            await self._commit_steps([*steps, last])
        else:
            await self._write(cypher.MARK_COMMITTING)
            await self._commit_parts(steps)
            await self._commit_steps([last])
        log.info("committed to %s: %s", self.url, snapshot.sizes)

    async def _steps(
        self, snapshot: Snapshot, size: int | None, reading: Coroutine[object, object, Stored]
    ) -> list[Step]:
        """What there is to write. The server makes its indexes while that is found out."""
        means = UnitMeans.of(snapshot)
        if means.windows:
            units: dict[VectorTable, pl.DataFrame] = {"text_units": means.units}
            snapshot = replace(snapshot, embedded={**snapshot.embedded, **units})
        async with together() as tasks:
            stored_rows = tasks.create_task(reading)
            tasks.create_task(self._make_indexes(size))
            stored = await stored_rows
            moved = await self._stored_vectors(moved_vectors(snapshot, stored, means))
            vectors = {**snapshot.vectors, **moved}
            means.add(vectors)
            steps = await asyncio.to_thread(
                plan,
                snapshot,
                stored,
                vectors,
                namespace=self._namespace,
                typed_from=self._typed_from,
            )
        return [step for step in steps if step.count]

    async def search_text(
        self, table: SearchTable, query: str, *, k: int, filters: Sequence[Filter] = ()
    ) -> list[Hit]:
        return await self._searches.text(table, query, k=k, filters=filters)

    async def document_frequencies(self, terms: Sequence[str]) -> tuple[int, dict[str, int]]:
        return await self._searches.frequencies(terms)

    async def search_vectors(
        self,
        table: SearchTable,
        vector: NDArray[np.float32],
        *,
        k: int,
        filters: Sequence[Filter] = (),
    ) -> list[Hit]:
        return await self._searches.vectors(table, vector, k=k, filters=filters)

    async def matching_documents(self, filters: Sequence[Filter]) -> list[str]:
        return await self._searches.documents(filters)

    async def delete_all(self) -> None:
        await self._write(cypher.MARK_COMMITTING)
        for label in cypher.DATA_LABELS:
            statement = cypher.DELETE_SOME.replace("LABEL", label)
            while (await self._write(statement))[0][0]:
                pass
        await drop_indexes(self._connection, self._namespace)

    def _meta_step(self, snapshot: Snapshot, size: int | None) -> Step:
        props: Row = {
            "namespace": self._namespace,
            "label": self._label,
            "schema_version": schema_version(),
            "state": "ready",
            "entries": json.dumps(dict(sorted(snapshot.meta.items())), ensure_ascii=False),
            "searched": json.dumps(searched(snapshot)),
            "dimensions": size,
            "stamp": uuid.uuid4().hex,
            "written": WRITTEN,
        }
        return Step.of(cypher.WRITE_META, [{"key": meta_key(self._namespace), "props": props}])

    async def _read_stored(self, *, fresh: bool, replies: bool) -> Stored:
        """What the namespace holds; where it is `fresh`, that is evidence and replies at most."""
        stored = Stored()
        for table in cypher.STATE_TABLES:
            if fresh:
                stored.nodes[table], stored.edges[table] = {}, {}
                continue
            rows = await self._rows(cypher.read_state(table))
            if table in ("relationships", "mentions"):
                edges = cast("list[tuple[str, str, str, str, str | None]]", rows)
                stored.edges[table] = {
                    (edge, first, second, kind): digest
                    for edge, first, second, kind, digest in edges
                }
                continue
            nodes = cast("list[tuple[str, str | None, str | None, str | None, list[str]]]", rows)
            stored.nodes[table] = {
                key: NodeState(
                    digest,
                    text,
                    None if vector is None else vector.removeprefix(self._prefix),
                    tuple(metadata),
                )
                for key, digest, text, vector, metadata in nodes
            }
        stored.evidence.update(map(str, await self._rows(cypher.read_ids("__Evidence__"))))
        if replies:
            stored.replies.update(map(str, await self._rows(cypher.read_ids("__Reply__"))))
        return stored

    async def _stored_vectors(self, keys: set[str]) -> dict[str, NDArray[np.float32]]:
        import numpy as np

        found: dict[str, NDArray[np.float32]] = {}
        for table in tables.VECTOR_TABLES if keys else ():
            rows = await self._rows_of(cypher.read_vectors_by_key(table), sorted(keys))
            for key, vector in cast("list[tuple[str, list[float]]]", rows):
                found[key.removeprefix(self._prefix)] = np.array(vector, dtype=np.float32)
        return found

    async def _make_indexes(self, size: int | None) -> None:
        inside = self._options.filters_inside
        await make_indexes(self._connection, self._namespace, size, filters_inside=inside)

    async def _commit_parts(self, steps: Sequence[Step]) -> None:
        """Run `steps` in as many transactions as they take, small ones together."""
        group: list[Step] = []
        for part in chain.from_iterable(step.parts(self._options.batch) for step in steps):
            if group and sum(one.count for one in [*group, part]) > self._options.together:
                await self._commit_steps(group)
                group = []
            group.append(part)
        if group:
            await self._commit_steps(group)

    async def _commit_steps(self, steps: list[Step]) -> None:
        """Run `steps` in one transaction that also proves and renews the lease."""

        async def run(tx: Transaction) -> None:
            await self._prove_lease(tx)
            await _run_steps(tx, steps, self._options.batch)

        await self._connection.write(run)

    async def _take_lease(self, lease: Lease) -> None:
        async def take(tx: Transaction) -> None:
            keys = self._own()
            held = (await run(tx, cypher.READ_LEASE, **keys))[0]
            if held[0] is not None:
                self._leases.check_free(_lease(held))
            await run(tx, cypher.WRITE_LEASE, **keys, **asdict(lease))

        await self._connection.write(take)

    async def _end_lease(self, lease: Lease) -> None:
        await self._write(cypher.DELETE_LEASE, token=lease.token)

    async def _prove_lease(self, tx: Transaction) -> None:
        """Renew the lease. Raises LockedError when another writer took over meanwhile."""
        lease = self._leases.renewed()
        if lease is None:
            return
        parameters = {**self._own(), "token": lease.token, "expires": lease.expires}
        if (await run(tx, cypher.RENEW_LEASE, **parameters))[0][0] == 0:
            rows = await run(tx, cypher.LEASE_HOLDER, **self._own())
            raise self._leases.taken_over(_lease(rows[0]) if rows else None)

    async def _where(
        self,
        table: str,
        columns: list[str],
        where: tuple[str, Sequence[str] | Sequence[int]] | None,
    ) -> Values:
        if where is None:
            return await self._rows(cypher.read_all(table, columns))
        schema_of(table, [where[0]])
        statement, keyed = cypher.read_where(table, columns, where[0])
        values = list[object](dict.fromkeys(where[1]))
        if keyed:
            return await self._rows_of(statement, values)
        return await self._rows(statement, given={"values": values})

    async def _rows(
        self, statement: LiteralString, *, page: int = _PAGE, **parameters: object
    ) -> Values:
        """All rows of a statement that reads by pages."""
        rows: Values = []
        values = {**parameters, **self._range(), "page": page}
        while values["after"] is not None:
            (values["after"], part), *_ = await self._connection.query(statement, **values)
            rows.extend(cast(Values, part))
        return rows

    async def _rows_of(self, statement: LiteralString, ids: Iterable[object]) -> Values:
        """All rows of a statement that reads by keys."""
        keys = [f"{self._prefix}{key}" for key in ids]
        rows: Values = []
        for start in range(0, len(keys), _PAGE):
            some = {"keys": keys[start : start + _PAGE]}
            (_, part), *_ = await self._query(statement, given=some)
            rows.extend(cast(Values, part))
        return rows

    async def _query(self, statement: LiteralString, **parameters: object) -> Values:
        values = {**self._own(), **parameters}
        return await self._connection.query(statement, **values)

    async def _write(self, statement: LiteralString, **parameters: object) -> Values:
        values = {**self._own(), **parameters}
        return await self._connection.execute(statement, **values)

    def _range(self) -> dict[str, object]:
        """Parameters that bound the keys of the namespace: ";" follows ":", which ends a prefix."""
        return {"after": self._prefix, "end": f"{self._prefix[:-1]};"}

    def _own(self) -> dict[str, object]:
        """Parameters that name the namespace: the start of its keys and its lease's or meta's."""
        return {"prefix": self._prefix, "key": meta_key(self._namespace), "label": self._label}


def _lease(row: list[object]) -> Lease:
    return Lease(*cast("tuple[str, str, int, float]", tuple(row)))


def _is_empty(meta: Meta | None) -> bool:
    """Whether no commit began yet; evidence and replies may be there."""
    return meta is not None and meta.state == "empty"


async def _run_steps(tx: Transaction, steps: Sequence[Step], size: int) -> None:
    """The next rows are made while the server writes those before."""
    batches: Iterator[tuple[LiteralString, list[Row]]] = (
        (step.statement, rows) for step in steps for rows in step.batches(size)
    )
    batch = next(batches, None)
    while batch is not None:
        async with together() as tasks:
            following = tasks.create_task(asyncio.to_thread(next, batches, None))
            await write_rows(tx, *batch)
        batch = following.result()
