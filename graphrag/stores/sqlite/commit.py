"""Write the rows of a snapshot that differ from what a SQLite file holds, and delete the rest.

A row carries a hash of its content, so a commit reads keys and hashes, not content. Nothing here
opens or ends a transaction: the caller holds one around all of it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import compress
from typing import TYPE_CHECKING

import polars as pl

from graphrag.core.errors import IncompatibleIndexError
from graphrag.core.logs import get_log
from graphrag.core.tables import KEYS, SEARCH_TABLES, TABLES, VECTOR_TABLES
from graphrag.stores.contract import search_texts
from graphrag.stores.contract.frames import Row, check_table, flat, from_rows
from graphrag.stores.contract.protocol import SearchTable, Snapshot, VectorTable
from graphrag.stores.sqlite.file import fill, in_namespace, indexed, indexes
from graphrag.stores.sqlite.packing import DIVIDED, Packer, delete_unused, listed_columns
from graphrag.text import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = get_log(__name__)

SEARCHABLE = pl.Schema(
    {"id": pl.String, "title": pl.String, "body": pl.String, "language": pl.String}
)
_SLICE = 2000  # rows that are plain Python objects at one time
_ANALYSIS = 2  # raise it when `text.terms` changes: all text is then analysed again

_PUT = "INSERT OR REPLACE INTO {table}_N ({columns}) VALUES ({marks})"
# Leaves the indexes alone: a quarter of the time of a replacement.
_UPDATE = (
    "INSERT INTO {table}_N ({columns}) VALUES ({marks})"
    " ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE {same}"
)
_HASHES = "SELECT {columns} FROM {table}_N"
_DELETE = "DELETE FROM {table}_N WHERE {condition}"
_SEARCHED = "SELECT id, row_hash, number FROM searched_N WHERE table_name = ?"
_LAST_SEARCHED = "SELECT coalesce(max(number), 0) FROM searched_N"
_ADD_SEARCHED = (
    "INSERT INTO searched_N (number, table_name, id, language, row_hash) VALUES (?, ?, ?, ?, ?)"
)
_DELETE_SEARCHED = "DELETE FROM searched_N WHERE number = ?"
_ADD_TERMS = "INSERT INTO fts_{table}_N (rowid, title, body) VALUES (?, ?, ?)"
# The index forgets a row only by the terms that it was given, which are kept nowhere.
_DELETE_TERMS = (
    "INSERT INTO fts_{table}_N (fts_{table}_N, rowid, title, body) VALUES ('delete', ?, ?, ?)"
)
_DELETE_ALL_TERMS = "INSERT INTO fts_{table}_N (fts_{table}_N) VALUES ('delete-all')"
_DELETE_ALL_SEARCHED = "DELETE FROM searched_N WHERE table_name = ?"
_READ_SOME = "SELECT {columns} FROM {table}_N WHERE {key} IN (SELECT value FROM json_each(?))"
_LANGUAGE = "SELECT language FROM searched_N WHERE table_name = ? LIMIT 1"
_DELETE_MEMBERS = "DELETE FROM members_N"
_PUT_MEMBERS = (
    "INSERT INTO members_N (entity_id, community_id)"
    " SELECT DISTINCT e.value, c.id FROM communities_N AS c, json_each(c.entity_ids) AS e"
    " ORDER BY e.value, c.id"
)
_EMBEDDED = "SELECT id, key FROM embedded_N WHERE table_name = ?"
_PUT_EMBEDDED = "INSERT OR REPLACE INTO embedded_N (table_name, id, key) VALUES (?, ?, ?)"
_DELETE_EMBEDDED = "DELETE FROM embedded_N WHERE table_name = ? AND id = ?"
_PUT_VECTOR = "INSERT OR REPLACE INTO vectors_N (key, vector) VALUES (?, ?)"
_DELETE_VECTORS = "DELETE FROM vectors_N WHERE key NOT IN (SELECT key FROM embedded_N)"
_MISSING_VECTORS = "SELECT count(*) FROM embedded_N WHERE key NOT IN (SELECT key FROM vectors_N)"
_COUNT_VECTORS = "SELECT count(*) FROM vectors_N"
_VECTOR_SIZES = "SELECT DISTINCT length(vector) / 4 FROM vectors_N ORDER BY 1"
_DELETE_META = "DELETE FROM meta_N"
_PUT_META = "INSERT INTO meta_N (key, value) VALUES (?, ?)"


def write(
    connection: sqlite3.Connection,
    number: int,
    snapshot: Snapshot,
    *,
    many_vectors: int = 200_000,
) -> None:
    """Make `snapshot` the content of the namespace of that number.

    More vectors than `many_vectors` are warned of. Raises ValueError on frames that are not of our
    schemas, IncompatibleIndexError when the vectors differ in size.
    """
    writer = _Writer(connection, number)
    for table in SEARCH_TABLES:  # first, for it looks at the rows that are to go
        writer.search(table, snapshot.searchable.get(table, SEARCHABLE.to_frame()))
    for table in VECTOR_TABLES:
        writer.embed(table, snapshot.embedded.get(table))
    for table in TABLES:
        if table != "evidence":
            written = connection.total_changes
            writer.replace(table, snapshot.tables[table])
            if table == "communities" and connection.total_changes > written:
                writer.members()
    writer.forget_lines()
    writer.vectors(snapshot.vectors, many=many_vectors)
    writer.keep("evidence", snapshot.evidence_keys)
    if snapshot.reply_keys is not None:
        writer.keep("replies", snapshot.reply_keys)
    writer.meta(snapshot.meta)


def put_rows(
    connection: sqlite3.Connection, number: int, *, table: str, frame: pl.DataFrame
) -> None:
    """Insert or replace the rows of `frame`."""
    check_table(table, frame)
    rows = [(*row, digest) for row, digest in _hashed(frame)]
    packed = Packer(connection, number).pack(table, rows)
    connection.executemany(put_statement(table, number), packed)


def put_statement(table: str, number: int) -> str:
    return in_namespace(fill(_PUT, table=table, **_columns(table)), number)


def update_statement(table: str, number: int) -> str:
    """Puts a row in, or over one with the same key and the same values in all indexes."""
    fixed = {*KEYS[table], *indexed(table)}
    changes = [f'"{name}" = excluded."{name}"' for name in TABLES[table] if name not in fixed]
    same = [f'"{name}" IS excluded."{name}"' for name in indexed(table)] or ["TRUE"]
    parts = {
        "key": ", ".join(KEYS[table]),
        "changes": ", ".join((*changes, "row_hash = excluded.row_hash")),
        "same": " AND ".join(same),
    }
    return in_namespace(fill(_UPDATE, table=table, **_columns(table), **parts), number)


def _columns(table: str) -> dict[str, str]:
    columns = [f'"{name}"' for name in TABLES[table]] + ["row_hash"]
    return {"columns": ", ".join(columns), "marks": ", ".join("?" * len(columns))}


class _Writer:
    def __init__(self, connection: sqlite3.Connection, number: int) -> None:
        self._connection = connection
        self._number = number
        self._packer = Packer(connection, number)
        self._replaced = False  # rows of descriptions that may leave lines that nothing has

    def replace(self, table: str, frame: pl.DataFrame) -> None:
        check_table(table, frame)
        names = KEYS[table]
        select = fill(_HASHES, table=table, columns=", ".join((*names, "row_hash")))
        old = {row[:-1]: row[-1] for row in self._run(select)}
        # An index made of all rows at once is sorted once. Row by row its pages are touched in no
        # order, and more of them than the cache holds are written again and again.
        later = [] if old else indexes(table)
        had, before = bool(old), self._connection.total_changes
        for drop, _ in later:
            self._run(drop)
        for rows in _changed(frame, names, old):
            self._put(table, rows)
        for _, create in later:
            self._run(create)
        condition = " AND ".join(f"{name} = ?" for name in names)
        self._many(fill(_DELETE, table=table, condition=condition), old)
        if had and table in DIVIDED and self._connection.total_changes > before:
            self._replaced = True

    def _put(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert these rows, or write them over those with the same keys."""
        rows = self._packer.pack(table, rows)
        before = self._connection.total_changes
        self._connection.executemany(update_statement(table, self._number), rows)
        if self._connection.total_changes - before < len(rows):  # one moved within an index
            self._connection.executemany(put_statement(table, self._number), rows)

    def forget_lines(self) -> None:
        """Drop the lines of descriptions that no row has any more."""
        if self._replaced:
            self._run(delete_unused())

    def members(self) -> None:
        self._run(_DELETE_MEMBERS)
        self._run(_PUT_MEMBERS)

    def search(self, table: SearchTable, frame: pl.DataFrame) -> None:
        """Analyse the text that changed, and index its terms."""
        if frame.schema != SEARCHABLE or frame.n_unique("id") != frame.height:
            raise ValueError(f"searchable {table} has {frame.schema}, or repeats an id")
        old = self._forget(table, frame)
        number: int = self._run(_LAST_SEARCHED).fetchone()[0]
        for part in frame.iter_slices(_SLICE):
            rows: list[tuple[int, str, str, str, int]] = []
            words: list[tuple[int, str, str]] = []
            for row, digest in _hashed(part, seed=_ANALYSIS):
                key, title, body, language = (str(value or "") for value in row)
                if key in old:
                    continue
                number += 1
                rows.append((number, table, key, language, digest))
                words.append((number, _terms(title, language), _terms(body, language)))
            self._many(_ADD_SEARCHED, rows)
            self._many(fill(_ADD_TERMS, table=table), words)

    def _forget(self, table: SearchTable, frame: pl.DataFrame) -> set[str]:
        """Take what changed or is gone out of the index; the ids that stay in it.

        The terms to take out are those of the rows as they are stored. Where these do not make
        the text that was indexed, or most of it changed, the whole index is emptied.
        """
        old = {key: (digest, row) for key, digest, row in self._run(_SEARCHED, table)}
        new = {str(row[0]): digest for row, digest in _hashed(frame, seed=_ANALYSIS)} if old else {}
        gone = {key: found for key, found in old.items() if new.get(key) != found[0]}
        terms_of = self._indexed_terms(table, gone) if 2 * len(gone) <= len(old) else None
        if terms_of is None:
            self._run(fill(_DELETE_ALL_TERMS, table=table))
            self._run(_DELETE_ALL_SEARCHED, table)
            return set()
        self._many(fill(_DELETE_TERMS, table=table), terms_of)
        self._many(_DELETE_SEARCHED, [(row,) for _, row in gone.values()])
        return old.keys() - gone.keys()

    def _indexed_terms(
        self, table: SearchTable, wanted: Mapping[str, tuple[int, int]]
    ) -> list[tuple[int, str, str]] | None:
        """Number and terms of rows by their id, hash and number; None where some are not known."""
        if not wanted:
            return []
        found: list[tuple[int, str, str]] = []
        for row, digest in _hashed(self._searchable(table, sorted(wanted)), seed=_ANALYSIS):
            key, title, body, language = (str(value or "") for value in row)
            if wanted[key][0] == digest:
                found.append((wanted[key][1], _terms(title, language), _terms(body, language)))
        return found if len(found) == len(wanted) else None

    def _searchable(self, table: SearchTable, ids: Sequence[str]) -> pl.DataFrame:
        """What full-text search covers of stored rows."""
        rows = self._stored(table, ids)
        language = self._run(_LANGUAGE, table).fetchone()
        match table:
            case "text_units":
                owners = sorted(set(rows["document_id"].drop_nulls()))
                return search_texts.unit_texts(rows, self._stored("documents", owners))
            case "entities":
                return search_texts.entity_texts(rows, language[0])
            case "reports":
                return search_texts.report_texts(rows, language[0])

    def _stored(self, table: str, ids: Sequence[str]) -> pl.DataFrame:
        columns = listed_columns(table, tuple(TABLES[table]))
        statement = fill(_READ_SOME, columns=columns, table=table, key=KEYS[table][0])
        given = json.dumps(ids, ensure_ascii=False)
        return from_rows(self._run(statement, given).fetchall(), TABLES[table])

    def embed(self, table: VectorTable, frame: pl.DataFrame | None) -> None:
        old: dict[str, str] = dict(self._run(_EMBEDDED, table))
        new: dict[str, str] = {} if frame is None else dict(frame.select("id", "key").iter_rows())
        self._many(
            _PUT_EMBEDDED, [(table, key, new[key]) for key in new if old.get(key) != new[key]]
        )
        self._many(_DELETE_EMBEDDED, [(table, key) for key in old if key not in new])

    def vectors(self, vectors: Mapping[str, NDArray[np.float32]], *, many: int) -> None:
        """Store new vectors and drop those that no row has, after `embed`."""
        self._connection.executemany(
            in_namespace(_PUT_VECTOR, self._number),
            ((key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()),
        )
        self._run(_DELETE_VECTORS)
        missing = self._run(_MISSING_VECTORS).fetchone()[0]
        if missing:
            raise ValueError(f"{missing} rows have the key of a vector that is not there")
        (count,) = self._run(_COUNT_VECTORS).fetchone()
        if count > many:
            log.warning(
                "%d vectors of windows, entities and reports: a search compares all of them;"
                " above %d use Neo4j",
                count,
                many,
            )
        sizes = [size for (size,) in self._run(_VECTOR_SIZES)]
        if len(sizes) > 1:
            raise IncompatibleIndexError(
                f"vectors of {' and '.join(map(str, sizes))} numbers cannot be in one index",
                hint="Embed everything with one model: index again with the embedding model set.",
            )

    def keep(self, table: str, keys: Collection[str]) -> None:
        """Delete the rows whose key is not among `keys`."""
        stored = self._run(fill(_HASHES, table=table, columns="key"))
        gone = [key for key in stored.fetchall() if key[0] not in keys]
        self._many(fill(_DELETE, table=table, condition="key = ?"), gone)

    def meta(self, meta: Mapping[str, str]) -> None:
        self._run(_DELETE_META)
        self._many(_PUT_META, sorted(meta.items()))

    def _run(self, statement: str, *values: str | int) -> sqlite3.Cursor:
        return self._connection.execute(in_namespace(statement, self._number), values)

    def _many(self, statement: str, rows: Collection[tuple[str | int, ...]]) -> None:
        if rows:
            self._connection.executemany(in_namespace(statement, self._number), rows)


def _terms(text: str, language: str) -> str:
    return " ".join(terms(text, language))


def _changed(
    frame: pl.DataFrame, names: Sequence[str], old: dict[Row, int]
) -> Iterator[list[tuple[object, ...]]]:
    """The rows whose hash is not the one in `old`, with it; all keys are taken out of there."""
    for part in map(flat, frame.iter_slices(_SLICE)):
        keys = zip(*(part[name].to_list() for name in names), strict=True)
        digests = _digests(part)
        is_changed = [
            old.pop(key, None) != digest for key, digest in zip(keys, digests, strict=True)
        ]
        rows = part.filter(pl.Series(is_changed, dtype=pl.Boolean)).iter_rows()
        changed = zip(rows, compress(digests, is_changed), strict=True)
        yield [(*row, digest) for row, digest in changed]


def _hashed(frame: pl.DataFrame, *, seed: int = 0) -> Iterator[tuple[Row, int]]:
    """The rows of `frame`, flat, each with its hash."""
    for part in map(flat, frame.iter_slices(_SLICE)):
        yield from zip(part.iter_rows(), _digests(part, seed=seed), strict=True)


def _digests(rows: pl.DataFrame, *, seed: int = 0) -> list[int]:
    """A hash of the content of each flat row, in 64 bits as SQLite's integers.

    Another version of polars has others: its first commit writes every row again.
    """
    return rows.hash_rows(seed).reinterpret(signed=True).to_list()
