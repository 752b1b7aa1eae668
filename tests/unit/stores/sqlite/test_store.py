"""What only a SQLite file does: modes, damage, full disks, kills, what a commit writes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
import time
import zlib
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest

from graphrag.core.errors import IncompatibleIndexError, NoIndexError, StoreError, UsageError
from graphrag.core.tables import ENTITIES, EVIDENCE, RELATIONSHIPS, TABLES, empty
from graphrag.stores import Snapshot, open_store
from graphrag.stores.contract.search_texts import entity_texts
from graphrag.stores.sqlite.commit import write
from graphrag.stores.sqlite.file import open_file
from graphrag.stores.sqlite.packing import Packer
from graphrag.stores.sqlite.store import SQLiteStore
from graphrag.text import terms

NOBODY = 65534


def snapshot(*descriptions: str, meta: str = "") -> Snapshot:
    """Entities with these descriptions, a vector each."""
    ids = [f"{number:08}" for number in range(len(descriptions))]
    rows = [
        (key, key, None, list[str](), text, None, None, "[]")
        for key, text in zip(ids, descriptions, strict=True)
    ]
    entities = pl.DataFrame(rows, schema=ENTITIES, orient="row")
    vector = np.ones(4, dtype=np.float32)
    return Snapshot(
        tables={name: empty(name) for name in TABLES if name != "evidence"}
        | {"entities": entities},
        searchable={"entities": entity_texts(entities, "en")},
        embedded={"entities": entities.select("id", pl.col("id").alias("key"))},
        vectors=dict.fromkeys(ids, vector),
        evidence_keys=frozenset(),
        reply_keys=frozenset(),
        meta={"run": meta},
    )


async def commit(path: Path, content: Snapshot, namespace: str = "default") -> None:
    store = await SQLiteStore.open(path, namespace=namespace)
    async with store.writing():
        await store.commit(content)
    await store.close()


async def descriptions(path: Path, namespace: str = "default") -> list[str]:
    store = await SQLiteStore.open(path, namespace=namespace, create=False)
    try:
        return (await store.read("entities"))["description"].to_list()
    finally:
        await store.close()


def open_error(path: Path, *, create: bool = False) -> StoreError | UsageError:
    """The error of opening `path`."""

    async def main() -> None:
        await (await SQLiteStore.open(path, namespace="default", create=create)).close()

    with pytest.raises((StoreError, UsageError)) as caught:
        asyncio.run(main())
    assert caught.value.hint
    return caught.value


def test_a_new_index_is_its_owners_alone(tmp_path: Path) -> None:
    old_mask = os.umask(0)
    try:
        asyncio.run(commit(tmp_path / "kb" / ".graphrag" / "graph.db", snapshot("a")))
    finally:
        os.umask(old_mask)
    folder = tmp_path / "kb" / ".graphrag"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "graph.db").stat().st_mode) == 0o600
    assert [file.name for file in folder.iterdir()] == ["graph.db"]


def test_the_files_beside_an_open_index_are_its_owners_alone(tmp_path: Path) -> None:
    async def main() -> None:
        old_mask = os.umask(0)
        store = await SQLiteStore.open(tmp_path / "graph.db", namespace="default")
        await store.put_replies({"a": "b"})
        os.umask(old_mask)
        files = sorted(tmp_path.iterdir())
        assert [file.name for file in files] == ["graph.db", "graph.db-shm", "graph.db-wal"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        await store.close()

    asyncio.run(main())


def test_the_url_opens_the_same_file(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "odd #1?%20 näme" / "graph.db"
        await commit(path, snapshot("a", meta="1"))
        first = await SQLiteStore.open(path, namespace="default", create=False)
        second = await open_store(first.url, root=Path("/nowhere"), namespace="default")
        assert await second.meta() == {"run": "1"}
        await first.close()
        await second.close()

    asyncio.run(main())


def test_a_folder_is_no_index(tmp_path: Path) -> None:
    error = open_error(tmp_path, create=True)
    assert isinstance(error, UsageError)
    assert str(tmp_path) in str(error)


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    error = open_error(tmp_path / "file" / "graph.db", create=True)
    assert "graph.db" in str(error)
    open_error(tmp_path / ("x" * 300), create=True)


def test_a_missing_file_is_not_made_by_a_query(tmp_path: Path) -> None:
    error = open_error(tmp_path / "graph.db")
    assert isinstance(error, NoIndexError)
    assert "graphrag index" in error.hint
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_index_and_becomes_one(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    path.touch()
    assert isinstance(open_error(path), NoIndexError)
    asyncio.run(commit(path, snapshot("a")))
    assert asyncio.run(descriptions(path)) == ["a"]


def test_a_missing_namespace_names_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    asyncio.run(commit(path, snapshot("a"), namespace="news"))
    assert "'news'" in open_error(path).hint


@pytest.mark.parametrize("content", [b"not a database" * 100, b"\x00" * 4096, b"x"])
def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "graph.db"
    path.write_bytes(content)
    for create in (True, False):
        assert str(path) in str(open_error(path, create=create))
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    content = path.read_bytes()
    assert "another program" in str(open_error(path, create=True))
    assert path.read_bytes() == content


def test_another_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    asyncio.run(commit(path, snapshot("a")))
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 77")
    connection.close()
    error = open_error(path)
    assert isinstance(error, IncompatibleIndexError)
    assert "77" in str(error)


def test_a_damaged_file_says_how_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    asyncio.run(commit(path, snapshot(*["text " * 200] * 200)))
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)

    async def main() -> None:
        store = await SQLiteStore.open(path, namespace="default", create=False)
        try:
            await store.read("entities")
        finally:
            await store.close()

    with pytest.raises(StoreError) as caught:
        asyncio.run(main())
    assert str(path) in str(caught.value)
    assert "delete it" in caught.value.hint


@contextmanager
def as_nobody() -> Generator[None]:
    """File modes bind everyone but root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Generator[Path]:
    """A folder that other users can reach, which those of `tmp_path` are not."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_a_query_needs_no_write_access(open_folder: Path) -> None:
    folder = open_folder / "kb"
    path = folder / "graph.db"
    asyncio.run(commit(path, snapshot("a")))
    path.chmod(0o444)
    folder.chmod(0o555)
    with as_nobody():
        assert asyncio.run(descriptions(path)) == ["a"]
        with pytest.raises(StoreError, match="cannot be written") as caught:
            asyncio.run(commit(path, snapshot("b")))
    assert caught.value.hint
    folder.chmod(0o755)
    assert asyncio.run(descriptions(path)) == ["a"]


def test_an_unreadable_file_is_named(open_folder: Path) -> None:
    path = open_folder / "graph.db"
    asyncio.run(commit(path, snapshot("a")))
    path.chmod(0o000)
    with as_nobody():
        assert str(path) in str(open_error(path))
    path.chmod(0o600)


def test_a_full_disk_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"

    async def main() -> None:
        store = await SQLiteStore.open(path, namespace="default")
        await store.commit(snapshot("old", meta="1"))
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages + 20}")
        with pytest.raises(StoreError, match="full") as caught:
            await store.commit(snapshot(*["new " * 500] * 300))
        assert str(path) in str(caught.value)
        assert (await store.read("entities"))["description"].to_list() == ["old"]
        await store.put_replies({"still": "works"})
        await store.close()

    asyncio.run(main())


def test_a_commit_writes_only_what_differs(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(100)]

    async def main() -> None:
        store = await SQLiteStore.open(tmp_path / "graph.db", namespace="default")
        await store.commit(snapshot(*texts))
        before = store._connection.total_changes
        await store.commit(replace(snapshot(*texts), vectors={}))
        # The one row of meta, gone and back, and the count of commits.
        assert store._connection.total_changes - before == 3
        before = store._connection.total_changes
        texts[7] = "another"
        await store.commit(replace(snapshot(*texts), vectors={}))
        assert store._connection.total_changes - before < 30
        assert [hit.id for hit in await store.search_text("entities", "another", k=5)] == [
            "00000007"
        ]
        await store.close()

    asyncio.run(main())


def test_a_first_commit_leaves_every_index_in_place(tmp_path: Path) -> None:
    def indexes() -> list[str]:
        with sqlite3.connect(tmp_path / "graph.db") as connection:
            rows = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'index'")
            found = sorted(sql for (sql,) in rows if sql)
        connection.close()
        return found

    open_file(tmp_path / "graph.db", namespace="default", create=True).connection.close()
    made = indexes()
    assert len(made) > 4
    for content in (snapshot("a", "b"), snapshot("a", "c"), snapshot()):
        asyncio.run(commit(tmp_path / "graph.db", content))
        assert indexes() == made


def test_too_many_vectors_for_exact_search_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened = open_file(tmp_path / "graph.db", namespace="default", create=True)
    write(opened.connection, opened.number, snapshot("a", "b"))
    assert caplog.text == ""
    write(opened.connection, opened.number, snapshot("a", "b"), many_vectors=1)
    assert "2 vectors" in caplog.text
    opened.connection.close()


def test_a_file_that_several_make_at_once_is_whole(tmp_path: Path) -> None:
    together = threading.Barrier(6)

    def make(path: Path, namespace: str) -> None:
        together.wait()
        open_file(path, namespace=namespace, create=True).connection.close()

    with ThreadPoolExecutor(6) as pool:
        for number in range(10):
            path = tmp_path / f"{number}.db"
            done = [pool.submit(make, path, f"{worker % 2}") for worker in range(6)]
            assert [future.result() for future in done] == [None] * 6
            assert asyncio.run(descriptions(path, "0")) == asyncio.run(descriptions(path, "1"))


def test_an_open_store_sees_what_another_committed(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    question = np.ones(4, dtype=np.float32)

    async def main() -> None:
        await commit(path, snapshot("a", "b"))
        reader = await SQLiteStore.open(path, namespace="default", create=False)
        assert len(await reader.search_vectors("entities", question, k=5)) == 2
        await commit(path, snapshot("a", "b", "wholly new"))
        assert len(await reader.search_vectors("entities", question, k=5)) == 3
        assert [hit.id for hit in await reader.search_text("entities", "new", k=5)] == ["00000002"]
        await reader.close()

    asyncio.run(main())


def test_other_languages_of_a_later_commit_are_read(tmp_path: Path) -> None:
    german = snapshot("Die Häuser am Fluss")
    german = replace(
        german,
        searchable={
            "entities": german.searchable["entities"].with_columns(pl.lit("de").alias("language"))
        },
    )

    async def main() -> None:
        store = await SQLiteStore.open(tmp_path / "graph.db", namespace="default")
        await store.commit(snapshot("x"))
        assert await store.search_text("entities", "Haus", k=5) == []
        await store.commit(german)
        assert len(await store.search_text("entities", "Haus", k=5)) == 1
        await store.close()

    asyncio.run(main())


def test_a_cancelled_commit_leaves_a_usable_store(tmp_path: Path) -> None:
    async def main() -> None:
        store = await SQLiteStore.open(tmp_path / "graph.db", namespace="default")
        await store.commit(snapshot("old", meta="old"))
        task = asyncio.create_task(store.commit(snapshot(*["new"] * 3000, meta="new")))
        while not store._connection.in_transaction and not task.done():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not store._connection.in_transaction
        held = (await store.read("entities")).height, (await store.meta())["run"]
        assert held in [(1, "old"), (3000, "new")]
        await store.commit(snapshot("next"))
        assert (await store.counts())["entities"] == 1
        await store.close()

    asyncio.run(main())


def test_a_heartbeat_keeps_the_lease(tmp_path: Path) -> None:
    async def main() -> None:
        store = await SQLiteStore.open(tmp_path / "graph.db", namespace="default")
        async with store._leases.hold(heartbeat_s=0.0):
            query = "SELECT expires FROM leases"
            first = store._connection.execute(query).fetchone()
            while store._connection.execute(query).fetchone() == first:
                await asyncio.sleep(0)
        assert store._connection.execute(query).fetchone() is None
        await store.close()

    asyncio.run(main())


def test_evidence_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    row = dict.fromkeys(EVIDENCE) | {"key": "k", "status": "ok"}

    async def main() -> None:
        store = await SQLiteStore.open(path, namespace="default")
        await store.put_evidence(pl.DataFrame([row], schema=EVIDENCE))
        # A copy of the files as a kill would leave them, for nothing was closed.
        for file in [*tmp_path.iterdir()]:
            (tmp_path / f"copy-{file.name}").write_bytes(file.read_bytes())
        copy = await SQLiteStore.open(tmp_path / "copy-graph.db", namespace="default", create=False)
        assert (await copy.read("evidence"))["key"].to_list() == ["k"]
        await copy.close()
        await store.close()

    asyncio.run(main())


def test_a_row_with_the_key_of_another_replaces_it_in_every_index(tmp_path: Path) -> None:
    columns = {name: [None] for name in RELATIONSHIPS}
    first = pl.DataFrame(columns | {"id": ["r"], "source_id": ["a"]}, schema=RELATIONSHIPS)
    moved = first.with_columns(pl.lit("b").alias("source_id"), pl.lit(2.0).alias("weight"))
    heavier = moved.with_columns(pl.lit(3.0).alias("weight"))

    async def main() -> None:
        store = await SQLiteStore.open(tmp_path / "graph.db", namespace="default")
        for frame in (first, moved, heavier):
            rows = snapshot("text")
            await store.commit(replace(rows, tables={**rows.tables, "relationships": frame}))
            assert (await store.read("relationships")).equals(frame)
            found = store._connection.execute(
                "SELECT weight FROM relationships_1 INDEXED BY relationships_source_id_1"
                " WHERE source_id = ?",
                (frame["source_id"].item(),),
            )
            assert found.fetchall() == [(frame["weight"].item(),)]
        await store.close()

    asyncio.run(main())


LONG = "The lock of the upper harbour was built of oak and granite by the smith Ann Lee."
OTHER = "Its gates were renewed in the winter of the great flood, and then never again."


def test_a_line_of_many_descriptions_is_written_once_and_goes_with_the_last(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"

    def lines() -> list[str]:
        with sqlite3.connect(path) as connection:
            found = connection.execute("SELECT line FROM lines_1 ORDER BY line").fetchall()
        connection.close()
        return [line for (line,) in found]

    texts = [LONG, f"{OTHER}\n\n{LONG}", "short", "", "\n" * 40, f"{LONG}\0\n{LONG}"]
    asyncio.run(commit(path, snapshot(*texts)))
    assert asyncio.run(descriptions(path)) == texts
    assert lines() == ["", OTHER, LONG, f"{LONG}\0"]
    texts = ["short", OTHER]
    asyncio.run(commit(path, snapshot(*texts)))
    assert asyncio.run(descriptions(path)) == texts
    assert lines() == [OTHER]


def test_lines_of_one_hash_are_two(tmp_path: Path) -> None:
    first, second = "plumless plumless plumless", "buckeroo buckeroo buckeroo"
    opened = open_file(tmp_path / "graph.db", namespace="default", create=True)
    packer = Packer(opened.connection, opened.number)
    number = zlib.crc32(first.encode())
    opened.connection.execute("INSERT INTO lines_1 VALUES (?, ?)", (number, second))
    row = ("id", "name", None, "[]", first, 1, 1, 0)
    assert packer.pack("entities", [row])[0][4] == f"[{number + 1}]".encode()
    opened.connection.close()


@pytest.mark.parametrize("n_changed", [1, 15])  # few are taken out, many empty the index
def test_a_changed_text_is_found_by_its_new_words_alone(tmp_path: Path, n_changed: int) -> None:
    texts = [f"{LONG} Number {number}." for number in range(20)]
    changed = [f"{OTHER} Number {number}." for number in range(n_changed)] + texts[n_changed:]

    async def found(path: Path) -> list[list[tuple[str, float]]]:
        store = await SQLiteStore.open(path, namespace="default", create=False)
        hits = [
            [(hit.id, hit.score) for hit in await store.search_text("entities", words, k=30)]
            for words in ("granite", "flood", "number")
        ]
        await store.close()
        return hits

    asyncio.run(commit(tmp_path / "one.db", snapshot(*texts)))
    asyncio.run(commit(tmp_path / "one.db", snapshot(*changed)))
    asyncio.run(commit(tmp_path / "other.db", snapshot(*changed)))
    updated = asyncio.run(found(tmp_path / "one.db"))
    assert [len(hits) for hits in updated] == [20 - n_changed, n_changed, 20]
    assert updated == asyncio.run(found(tmp_path / "other.db"))


def test_a_text_indexed_otherwise_than_it_is_stored_is_taken_out_whole(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    content = snapshot(*[LONG] * 9)
    strange = content.searchable["entities"].with_columns(body=pl.lit("zeppelin"))
    asyncio.run(commit(path, replace(content, searchable={"entities": strange})))
    asyncio.run(commit(path, snapshot(*[LONG] * 8, OTHER)))

    async def main() -> None:
        store = await SQLiteStore.open(path, namespace="default", create=False)
        for words, count in (("zeppelin", 0), ("granite", 8), ("flood", 1)):
            assert len(await store.search_text("entities", words, k=30)) == count
        await store.close()

    asyncio.run(main())


def make_first_layout(path: Path) -> None:
    """Write a file as the version before wrote it, with one namespace."""
    asyncio.run(commit(path, snapshot(LONG, OTHER)))
    with sqlite3.connect(path) as connection:
        entities = connection.execute("SELECT id, name FROM entities_1 ORDER BY id").fetchall()
        for (key, _), text in zip(entities, (LONG, OTHER), strict=True):
            connection.execute("UPDATE entities_1 SET description = ? WHERE id = ?", (text, key))
        connection.execute("DROP TABLE lines_1")
        connection.execute("DROP TABLE windows_1")
        drop_fourth_layout(connection)
        connection.execute('ALTER TABLE documents_1 DROP COLUMN "text"')
        for name in ("start", "end", "page"):
            connection.execute(f'ALTER TABLE text_units_1 DROP COLUMN "{name}"')
        for table in ("text_units", "entities", "reports"):
            connection.execute(f"DROP TABLE fts_{table}_1")
            connection.execute(
                f"CREATE VIRTUAL TABLE fts_{table}_1 USING fts5(title, body,"
                " tokenize=\"unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'\")"
            )
        rows = connection.execute("SELECT number, id FROM searched_1 ORDER BY number").fetchall()
        for (number, key), text in zip(rows, (LONG, OTHER), strict=True):
            words = " ".join(terms(text, "en"))
            connection.execute(
                "INSERT INTO fts_entities_1 (rowid, title, body) VALUES (?, ?, ?)",
                (number, key, words),
            )
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def test_an_index_of_the_version_before_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    make_first_layout(path)

    async def main() -> None:
        store = await SQLiteStore.open(path, namespace="default", create=False)
        assert (await store.read("entities"))["description"].to_list() == [LONG, OTHER]
        assert (await store.read("documents"))["text"].to_list() == []
        assert [hit.id for hit in await store.search_text("entities", "flood", k=5)] == ["00000001"]
        await store.commit(snapshot(LONG))
        assert [hit.id for hit in await store.search_text("entities", "granite", k=5)] == [
            "00000000"
        ]
        assert await store.search_text("entities", "flood", k=5) == []
        await store.close()

    asyncio.run(main())
    assert asyncio.run(descriptions(path)) == [LONG]


def test_an_index_of_before_windows_gets_their_table(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    asyncio.run(commit(path, snapshot(LONG)))
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE windows_1")
        drop_fourth_layout(connection)
        connection.execute("PRAGMA user_version = 2")
    connection.close()

    async def main() -> None:
        store = await SQLiteStore.open(path, namespace="default", create=False)
        assert (await store.read("windows")).equals(empty("windows"))
        await store.close()

    asyncio.run(main())
    assert asyncio.run(descriptions(path)) == [LONG]


def drop_fourth_layout(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE entities_1 DROP COLUMN attributes")
    connection.execute("ALTER TABLE evidence_1 DROP COLUMN asked")


def test_entities_of_before_attributes_have_none(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    asyncio.run(commit(path, snapshot(LONG)))
    with sqlite3.connect(path) as connection:
        drop_fourth_layout(connection)
        connection.execute("PRAGMA user_version = 3")
    connection.close()

    async def main() -> None:
        store = await SQLiteStore.open(path, namespace="default", create=False)
        assert (await store.read("entities"))["attributes"].to_list() == ["[]"]
        assert (await store.read("evidence")).schema["asked"] == pl.String
        await store.close()

    asyncio.run(main())


def test_several_that_bring_one_index_up_to_date_do_it_once(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    make_first_layout(path)
    together = threading.Barrier(4)

    def open_it(_: int) -> list[str]:
        together.wait()
        return asyncio.run(descriptions(path))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(open_it, range(4))) == [[LONG, OTHER]] * 4


def test_a_connection_is_not_closed_under_a_call_that_was_cancelled_twice(tmp_path: Path) -> None:
    async def main() -> None:
        store = await SQLiteStore.open(tmp_path / "graph.db", namespace="a")
        begun, may_end = threading.Event(), threading.Event()

        def read() -> object:
            begun.set()
            may_end.wait(10)
            return store._connection.execute("SELECT 1").fetchone()

        call = asyncio.create_task(store._run(read))
        await asyncio.to_thread(begun.wait)
        for _ in range(3):
            call.cancel()
            await asyncio.sleep(0)
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
        may_end.set()
        await closing
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(main())


def test_a_connection_is_not_closed_under_a_call_of_a_loop_that_ends(tmp_path: Path) -> None:
    happened: list[str] = []

    async def main() -> None:
        store = await SQLiteStore.open(tmp_path / "graph.db", namespace="a")
        begun = threading.Event()

        def read() -> None:
            begun.set()
            time.sleep(0.2)
            happened.append("read")

        async def closing() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await store.close()
                happened.append("closed")

        background = [asyncio.create_task(store._run(read)), asyncio.create_task(closing())]
        await asyncio.to_thread(begun.wait)
        assert not any(task.done() for task in background)

    asyncio.run(main())
    assert happened == ["read", "closed"]
