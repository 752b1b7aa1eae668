"""A disk that is full or has spoilt a file: told with what to do, and finished work is kept."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graphrag import Document, GraphRAG
from graphrag.core.errors import StoreError
from graphrag.testing import TestServer

DOCUMENTS = [
    Document(
        source=f"{number}.md",
        text=f"Cyrus Field wrote letter {number} to Charles Bright. " * 20,
        title=f"Letter {number}",
    )
    for number in range(12)
]


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with TestServer() as running:
        yield running


def open_index(folder: Path, server: TestServer) -> GraphRAG:
    urls = {"chat.base_url": server.url, "embedding.base_url": server.url}
    return GraphRAG.open(folder, options={**urls, "communities.update": "exact"})


def exported(rag: GraphRAG, folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in rag.export(folder, format="csv")}


@contextmanager
def files_of_at_most(size: int) -> Generator[None]:
    """A write beyond `size` fails, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(
    server: TestServer, tmp_path: Path
) -> None:
    with open_index(tmp_path / "whole", server) as rag:
        assert not rag.index(documents=DOCUMENTS).failed
        whole = exported(rag, tmp_path / "out-whole")
    with open_index(tmp_path / "full", server) as rag:
        rag.index(documents=DOCUMENTS[:1])
        before = exported(rag, tmp_path / "out")
        log = tmp_path / "full" / ".graphrag" / "graph.db-wal"
        server.reset()
        with (
            files_of_at_most(log.stat().st_size + 60_000),
            pytest.raises(StoreError) as caught,
        ):
            rag.index(documents=DOCUMENTS)
        assert "graph.db" in str(caught.value)
        assert "disk" in f"{caught.value} {caught.value.hint}"
        # What was paid for is kept, and the graph is the old one.
        after = exported(rag, tmp_path / "out")
        assert len(after.pop("evidence")) > len(before.pop("evidence"))
        assert after == before
    paid = server.stats()["chat"]["extract"]["calls"]
    server.reset()
    with open_index(tmp_path / "full", server) as rag:
        assert not rag.index(documents=DOCUMENTS).failed
        assert exported(rag, tmp_path / "out") == whole
    again = server.stats().get("chat", {}).get("extract", {"calls": 0})["calls"]
    assert 0 < paid <= len(DOCUMENTS) - again


def test_an_export_to_a_full_disk_keeps_the_old_files(server: TestServer, tmp_path: Path) -> None:
    with open_index(tmp_path / "root", server) as rag:
        rag.index(documents=DOCUMENTS[:2])
        before = exported(rag, tmp_path / "out")
        rag.index(documents=DOCUMENTS)
        with files_of_at_most(1000), pytest.raises(StoreError, match="cannot be written") as caught:
            exported(rag, tmp_path / "out")
        assert "space" in caught.value.hint
        names = {path.name for path in (tmp_path / "out").iterdir()}
        assert names == {f"{table}.csv" for table in before}


def spoil_the_header(content: bytearray) -> bytes:
    return b"\xff" * 16 + bytes(content[16:])


def spoil_the_middle(content: bytearray) -> bytes:
    third = len(content) // 3 // 4096 * 4096
    return bytes(content[:third]) + b"\xff" * third + bytes(content[2 * third :])


def cut(content: bytearray) -> bytes:
    return bytes(content[: len(content) // 2 // 4096 * 4096])


def cut_within_a_page(content: bytearray) -> bytes:
    return bytes(content[:6000])


SPOILERS = (spoil_the_header, spoil_the_middle, cut, cut_within_a_page)
OPERATIONS: dict[str, Callable[[GraphRAG, Path], object]] = {
    "query": lambda rag, _: rag.query("Who wrote letter 3?", method="basic"),
    "index": lambda rag, _: rag.index(documents=[Document(source="new", text="A new letter.")]),
    "export": lambda rag, folder: rag.export(folder, format="parquet"),
    "delete": lambda rag, _: rag.delete(["3.md"]),
}


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_damaged_index_is_told_with_how_to_restore_it(
    spoil: Callable[[bytearray], bytes], server: TestServer, tmp_path: Path
) -> None:
    with open_index(tmp_path, server) as rag:
        rag.index(documents=DOCUMENTS)
    path = tmp_path / ".graphrag" / "graph.db"
    damaged = spoil(bytearray(path.read_bytes()))
    told = 0
    for name, operation in OPERATIONS.items():
        path.write_bytes(damaged)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        try:
            with open_index(tmp_path, server) as rag:
                operation(rag, tmp_path / f"out-{name}")
        except StoreError as error:  # one that reads sound pages only may succeed
            told += 1
            shown = f"{error} {error.hint}"
            if not ("graph.db" in shown and "Restore a copy" in shown):
                raise
    assert told >= 2


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_damaged_cache_is_put_aside_and_the_run_goes_on(
    spoil: Callable[[bytearray], bytes],
    server: TestServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with open_index(tmp_path, server) as rag:
        rag.index(documents=DOCUMENTS[:6])
        rag.query("Who wrote letter 3?", method="basic")
    path = tmp_path / ".graphrag" / "cache.db"
    path.write_bytes(spoil(bytearray(path.read_bytes())))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    with caplog.at_level(logging.WARNING), open_index(tmp_path, server) as rag:
        assert not rag.index(documents=DOCUMENTS).failed
        assert rag.query("Who wrote letter 3?", method="basic").answered
    assert "cache.db" in caplog.text
    assert "damaged" in caplog.text
    assert path.with_name("cache.db.corrupt").exists()
    caplog.clear()
    with open_index(tmp_path, server) as rag:  # the new one is sound
        rag.query("Who wrote letter 4?", method="basic")
        assert rag.query("Who wrote letter 4?", method="basic").usage.chat_calls == 0
    assert not caplog.text
