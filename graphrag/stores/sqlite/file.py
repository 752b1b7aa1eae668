"""Open one namespace of a SQLite file, and turn SQLite's errors into ours.

The integer of a namespace ends the names of its tables, so that rows of two namespaces cannot
meet, and the name that the user chose never stands in SQL.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graphrag.core import columns
from graphrag.core.columns import COLUMNS, KEYS, SEARCH_TABLES, Kind
from graphrag.core.errors import IncompatibleIndexError, NoIndexError, StoreError, UsageError
from graphrag.stores.sqlite.packing import LINES, unpacked

BUSY_SECONDS = 30.0
APPLICATION_ID = 0x47524147
_HEADER = b"SQLite format 3\x00"
LAYOUT_VERSION = 4  # of the tables around those of `COLUMNS`

_TYPES: Mapping[Kind, str] = {"integer": "INTEGER", "real": "REAL", "boolean": "INTEGER"}
_INDEXES = {
    "text_units": ("document_id",),
    "relationships": ("source_id", "target_id"),
    "mentions": ("entity_id",),
    "communities": ("level",),
}
_SHORT_ROWS = ("mentions", "windows")  # their key takes more than the rest of the row
_SHARED = (
    "CREATE TABLE IF NOT EXISTS namespaces"
    " (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, schema_version TEXT NOT NULL,"
    # Counts the commits, so that readers know when what they keep in memory is old.
    " generation INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS leases (namespace INTEGER PRIMARY KEY, token TEXT NOT NULL,"
    " host TEXT NOT NULL, pid INTEGER NOT NULL, expires REAL NOT NULL)",
)
_BESIDE = (
    LINES,
    "CREATE TABLE IF NOT EXISTS meta_N (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS replies_N (key TEXT PRIMARY KEY, reply TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS vectors_N (key TEXT PRIMARY KEY, vector BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS embedded_N (table_name TEXT, id TEXT, key TEXT NOT NULL,"
    " PRIMARY KEY (table_name, id)) WITHOUT ROWID",
    # The lists of `communities`, the other way round.
    "CREATE TABLE IF NOT EXISTS members_N (entity_id TEXT, community_id TEXT,"
    " PRIMARY KEY (entity_id, community_id)) WITHOUT ROWID",
    # `number` is the row of the full-text table.
    "CREATE TABLE IF NOT EXISTS searched_N (number INTEGER PRIMARY KEY, table_name TEXT NOT NULL,"
    " id TEXT NOT NULL, language TEXT NOT NULL, row_hash INTEGER NOT NULL,"
    " UNIQUE (table_name, id))",
    "CREATE INDEX IF NOT EXISTS searched_language_N ON searched_N (table_name, language)",
)
# The terms are analysed and folded before they come here: white space alone divides them. They
# are not kept beside the index.
_FULL_TEXT = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS fts_{table}_N USING fts5(title, body, content='',"
    " tokenize=\"unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'\")"
)
# What the second layout added to the first. Rows are packed as they are written again.
_SECOND_COLUMNS = {"documents": ("text",), "text_units": ("start", "end", "page")}
_ADD_COLUMN = 'ALTER TABLE {table}_N ADD COLUMN "{column}" {type}'
_FOURTH_LAYOUT = (
    "ALTER TABLE entities_N ADD COLUMN attributes TEXT DEFAULT '[]'",
    "ALTER TABLE evidence_N ADD COLUMN asked TEXT",
)
_OLD_TERMS = (
    "ALTER TABLE fts_{table}_N RENAME TO fts_old_{table}_N",
    _FULL_TEXT,
    "INSERT INTO fts_{table}_N (rowid, title, body)"
    " SELECT rowid, title, body FROM fts_old_{table}_N",
    "DROP TABLE fts_old_{table}_N",
)
_NAMESPACES = "SELECT id FROM namespaces ORDER BY id"
_COUNT_OBJECTS = "SELECT count(*) FROM sqlite_master"
_FIND_NAMESPACE = "SELECT id, schema_version FROM namespaces WHERE name = ?"
_ADD_NAMESPACE = "INSERT OR IGNORE INTO namespaces (name, schema_version) VALUES (?, ?)"
_LIST_NAMESPACES = "SELECT name FROM namespaces ORDER BY name LIMIT 10"

_RESTORE = (
    "Restore a copy of the file, or delete it and run `graphrag index` again; model calls that "
    "are not in the response cache are then paid again."
)


@dataclass(frozen=True, slots=True)
class Opened:
    """`number` is the integer of the namespace."""

    connection: sqlite3.Connection
    number: int


def open_file(path: Path, *, namespace: str, create: bool) -> Opened:
    """Open `namespace` of the file at `path`; with `create` make what is missing."""
    _find_file(path, namespace, create=create)
    with translated(path):
        connection = _connect(path)
        try:
            _prepare(connection, path, create=create)
            number = _namespace(connection, path, namespace=namespace, create=create)
        except BaseException:
            connection.close()
            raise
    return Opened(connection, number)


def namespace_statements(number: int) -> list[str]:
    """The statements that make every table of the namespace."""
    statements = [*_BESIDE]
    for table, kinds in COLUMNS.items():
        defined = [f'"{name}" {_TYPES.get(kind, "TEXT")}' for name, kind in kinds.items()]
        key = ", ".join(KEYS[table])
        statements.append(
            f"CREATE TABLE IF NOT EXISTS {table}_N"
            f" ({', '.join(defined)}, row_hash INTEGER, PRIMARY KEY ({key}))"
            f"{' WITHOUT ROWID' if table in _SHORT_ROWS else ''}"
        )
        statements.extend(create for _, create in indexes(table))
    statements.extend(fill(_FULL_TEXT, table=name) for name in SEARCH_TABLES)
    return [in_namespace(statement, number) for statement in statements]


def indexes(table: str) -> list[tuple[str, str]]:
    """The statements that drop and make each index of `table` beside its key."""
    return [
        (
            f"DROP INDEX IF EXISTS {table}_{name}_N",
            f"CREATE INDEX IF NOT EXISTS {table}_{name}_N ON {table}_N ({name})",
        )
        for name in indexed(table)
    ]


def indexed(table: str) -> tuple[str, ...]:
    """The columns that have an index of their own."""
    return _INDEXES.get(table, ())


def in_namespace(statement: str, number: int) -> str:
    """`statement` with the tables that it calls `name_N` in the namespace of that number."""
    return statement.replace("_N", f"_{number}")


def fill(statement: str, **parts: str) -> str:
    """`statement` with our own names and clauses in place of `{name}`; values are always bound."""
    for name, part in parts.items():
        statement = statement.replace(f"{{{name}}}", part)
    return statement


@contextmanager
def transaction(
    connection: sqlite3.Connection, *, begin: Literal["IMMEDIATE", "DEFERRED"] = "IMMEDIATE"
) -> Generator[None]:
    """All statements inside are written, or none. A deferred one reads one state of the file."""
    connection.execute(f"BEGIN {begin}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has already rolled it back
            connection.execute("ROLLBACK")
        raise


@contextmanager
def translated(path: Path) -> Generator[None]:
    """Turn SQLite's errors into StoreError, naming the file and what to do."""
    try:
        yield
    except sqlite3.ProgrammingError:  # ours, not the file's: the store was closed
        raise
    except sqlite3.Error as error:
        raise _translate(path, error) from error


def no_index(path: Path, namespace: str, others: list[str] | None = None) -> NoIndexError:
    known = f" It holds: {', '.join(map(repr, others))}." if others else ""
    return NoIndexError(
        f"nothing was indexed at {str(path)!r} in the namespace {namespace!r} yet",
        hint=f"Run `graphrag index FOLDER` first, or check the root, store and namespace.{known}",
    )


def _find_file(path: Path, namespace: str, *, create: bool) -> None:
    """See that there is a file; a new one is its owner's alone, for it holds all of the corpus."""
    try:
        if path.is_dir():
            raise UsageError(
                f"{str(path)!r} is a folder, not an index", hint="Name a file, such as graph.db."
            )
        if path.exists():
            _check_header(path)
            return
        if not create:
            raise no_index(path, namespace)
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(
            f"{str(path)!r} cannot be opened: {error.strerror}",
            hint="Check who may use the folder, or choose another place with --store.",
        ) from error


def _check_header(path: Path) -> None:
    """Refuse what is not SQLite's before SQLite sees it: it writes over very short files."""
    with path.open("rb") as file:
        head = file.read(len(_HEADER))
    if head not in (b"", _HEADER):
        raise StoreError(f"{str(path)!r} is no index, or damaged", hint=_RESTORE)


def _connect(path: Path) -> sqlite3.Connection:
    uri = path.absolute().as_uri()
    connection = _try_connect(f"{uri}?mode=rw")
    if connection is None:
        # In a folder that cannot be written SQLite cannot make the files that readers and
        # writers share. With no such file left behind nobody writes: read it as it is.
        if path.with_name(path.name + "-wal").exists():
            raise StoreError(
                f"{str(path)!r} was not closed, and its folder cannot be written",
                hint="Let a user with write access run `graphrag status` once.",
            )
        connection = _try_connect(f"{uri}?mode=ro&immutable=1")
    if connection is None:
        raise StoreError(
            f"{str(path)!r} cannot be opened", hint="Check who may read the file and its folder."
        )
    return connection


def _try_connect(uri: str) -> sqlite3.Connection | None:
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
        )
        connection.execute(_COUNT_OBJECTS)
    except sqlite3.OperationalError as error:
        if connection is not None:
            connection.close()
        if _code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        return None
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    """Check whose file it is, make our tables in an empty one, set what each session needs."""
    connection.create_function("unpacked", 1, unpacked, deterministic=True)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -16000")  # KiB, at most: commits touch random pages
    # The count first: another process may be making the tables, all of them at once.
    if connection.execute(_COUNT_OBJECTS).fetchone() == (0,):
        if not create:
            return
        _use_write_ahead_log(connection)
        with transaction(connection):
            for statement in _SHARED:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {LAYOUT_VERSION}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    elif connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
        raise StoreError(
            f"{str(path)!r} is a SQLite file of another program",
            hint="Choose another file with --store.",
        )
    if 1 <= _layout(connection) < LAYOUT_VERSION:
        _migrate(connection, path)
    if (version := _layout(connection)) != LAYOUT_VERSION:
        raise _incompatible(path, f"layout {version}", f"layout {LAYOUT_VERSION}")


def _layout(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Make what later layouts added.

    The second: columns, lines, full text without its terms; the third: `windows`; the fourth:
    columns of entities and evidence.
    """
    try:
        with transaction(connection):
            layout = _layout(connection)  # another process may have done it meanwhile
            for (number,) in connection.execute(_NAMESPACES).fetchall():
                second = (LINES, *_second_layout()) if layout == 1 else ()
                for statement in (*second, *(_FOURTH_LAYOUT if layout < 4 else ())):
                    connection.execute(in_namespace(statement, number))
                for statement in namespace_statements(number):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {LAYOUT_VERSION}")
    except sqlite3.OperationalError as error:
        if _code(error) != sqlite3.SQLITE_READONLY:
            raise
        raise IncompatibleIndexError(
            f"{str(path)!r} was written by an earlier version and cannot be brought up to date",
            hint="Let a user with write access run `graphrag status` once.",
        ) from error


def _second_layout() -> Iterator[str]:
    for table, names in _SECOND_COLUMNS.items():
        for name in names:
            kind = _TYPES.get(COLUMNS[table][name], "TEXT")
            yield fill(_ADD_COLUMN, table=table, column=name, type=kind)
    for table in SEARCH_TABLES:
        for statement in _OLD_TERMS:
            yield fill(statement, table=table)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Change the journal; two that do it at once deadlock, and SQLite then refuses one at once."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _namespace(connection: sqlite3.Connection, path: Path, *, namespace: str, create: bool) -> int:
    if connection.execute(_COUNT_OBJECTS).fetchone() == (0,):
        raise no_index(path, namespace)
    found = connection.execute(_FIND_NAMESPACE, (namespace,)).fetchone()
    if found is None:
        if not create:
            names = [name for (name,) in connection.execute(_LIST_NAMESPACES)]
            raise no_index(path, namespace, names)
        with transaction(connection):
            connection.execute(_ADD_NAMESPACE, (namespace, columns.SCHEMA_VERSION))
            found = connection.execute(_FIND_NAMESPACE, (namespace,)).fetchone()
            for statement in namespace_statements(found[0]):
                connection.execute(statement)
    number, version = found
    if version != columns.SCHEMA_VERSION:
        raise _incompatible(path, f"schema {version}", f"schema {columns.SCHEMA_VERSION}")
    return int(number)


def _incompatible(path: Path, found: str, expected: str) -> IncompatibleIndexError:
    return IncompatibleIndexError(
        f"{str(path)!r} has {found}; this version of graphrag reads {expected}",
        hint="Use the version that wrote it, or index again into another file or namespace.",
    )


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 where the error did not come from SQLite itself."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _translate(path: Path, error: sqlite3.Error) -> StoreError:
    where = repr(str(path))
    match _code(error):
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return StoreError(f"{where} is damaged or no index: {error}", hint=_RESTORE)
        case sqlite3.SQLITE_FULL:
            return StoreError(
                f"the disk of {where} is full",
                hint="Free some space and run the command again; finished work is kept.",
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return StoreError(
                f"{where} cannot be written: {error}",
                hint="Check who may write the file and its folder.",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError(
                f"another process kept {where} locked for {BUSY_SECONDS:.0f} s",
                hint="Try again when it is done.",
            )
        case sqlite3.SQLITE_IOERR:
            return StoreError(f"{where}: {error}", hint="Check the disk that holds the file.")
        case _ if "fts5" in str(error):
            return StoreError(
                "this Python's SQLite has no full-text search (FTS5)",
                hint="Use a Python from python.org, conda, uv or a Linux distribution, or Neo4j.",
            )
        case _:
            return StoreError(f"{where}: {error}", hint=_RESTORE)
