"""What `status` says is left to do: failed and pending text units, files that changed since."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from graphrag import Document, GraphRAG
from graphrag.cli.main import main
from graphrag.testing import Fault, TestServer

ADA = "Ada Lovelace wrote the first program for the Analytical Engine of Charles Babbage."
OLD = time.time() - 10_000_000  # long before any run


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with TestServer() as running:
        yield running


def write(path: Path, text: str = ADA) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def open_index(root: Path, namespace: str = "main") -> GraphRAG:
    return GraphRAG.open(root, namespace=namespace, chat=None, embed=None)


def stale(rag: GraphRAG) -> list[tuple[str, str]]:
    return [(one["source"], one["change"]) for one in rag.status()["stale"]]


def test_files_that_changed_or_vanished_are_stale(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    outside = write(tmp_path / "outside" / "o.md")
    root = tmp_path / "root"
    for name in ("a.md", "b.md", "c.md", "d#1.md"):
        write(docs / name, f"{ADA} {name}")
    rows = write(docs / "rows.csv", 'text,id\n"Anne Isabella",1\n"Byron",2\n')
    root.mkdir()
    shutil.move(docs, root / "docs")
    docs = root / "docs"
    rows = docs / rows.name
    given = Document(source="given.md", text=ADA)
    with open_index(root) as rag:
        rag.index([docs, outside], documents=[given, Document(source="db:1", text=ADA)])
        assert stale(rag) == []
        os.utime(docs / "a.md")  # touched, not changed
        write(docs / "b.md", "Another text about Charles Babbage.")
        (docs / "c.md").rename(docs / "new.md")
        rows.write_text('text,id\n"Anne Isabella",1\n', encoding="utf-8")
        write(outside, "Changed.")
        expected = [
            ("docs/b.md", "changed"),
            ("docs/c.md", "gone"),
            ("docs/rows.csv", "changed"),
            (outside.as_uri(), "changed"),
        ]
        assert stale(rag) == expected
        rag.index([docs, outside], prune=True)
        assert stale(rag) == []
        # What cannot be read any more keeps what was read of it before, and is stale.
        (docs / "a.md").write_bytes(b"\x00\x01\x02" * 100)
        assert stale(rag) == [("docs/a.md", "changed")]


def test_a_run_on_other_files_hides_no_change(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one.md"), write(tmp_path / "other.md", "Charles Babbage.")
    with open_index(tmp_path) as rag:
        rag.index([one])
        write(one, "Changed, and then the other file is indexed.")
        rag.index([other])
        assert stale(rag) == [("one.md", "changed")]
        rag.index([one])
        assert stale(rag) == []
        rag.delete(["one.md"])
        assert stale(rag) == []


def test_a_file_replaced_by_an_older_one_is_stale(tmp_path: Path) -> None:
    docs = write(tmp_path / "docs" / "a.md").parent
    older = write(tmp_path / "older.md", "An older version.")
    os.utime(older, (OLD, OLD))
    with open_index(tmp_path) as rag:
        rag.index([docs])
        older.replace(docs / "a.md")
        assert stale(rag) == [("docs/a.md", "changed")]


def test_failed_units_are_named_with_the_reason_and_whether_a_later_run_tries_them(
    server: TestServer, tmp_path: Path
) -> None:
    documents = [
        Document(source="notes:1", text=ADA),
        Document(source="notes:2", text="Isambard Brunel built the Great Eastern."),
        Document(source="notes:3", text="Cyrus Field laid the Atlantic cable."),
    ]
    server.set_faults(
        Fault("status", status=503, kind="extract", match="Brunel"),
        Fault("refusal", kind="extract", match="Cyrus"),
    )
    options: dict[str, object] = {
        "chat.base_url": server.url,
        "chat.model": "m",
        "chat.max_retries": 0,
    }
    with GraphRAG.open(tmp_path, embed=None, options=options) as rag:
        rag.index(documents=documents)
        status = rag.status()
        server.set_faults()
        later = GraphRAG.open(tmp_path, embed=None, options=options)
        with later:
            later.index()
            assert [one["source"] for one in later.status()["failed_units"]] == ["notes:3"]
    assert [(one["source"], one["transient"]) for one in status["failed_units"]] == [
        ("notes:2", True),
        ("notes:3", False),
    ]
    assert "503" in status["failed_units"][0]["reason"]
    assert "refused" in status["failed_units"][1]["reason"]
    assert status["pending"] == 0
    assert status["text_units"] == {"failed": 2, "ok": 1}
    assert not status["complete"]


def test_units_that_were_not_reached_are_pending(server: TestServer, tmp_path: Path) -> None:
    first, *others = [
        Document(source=f"notes:{number}", text=f"Ship {number} met Isambard Brunel.")
        for number in range(4)
    ]
    options: dict[str, object] = {
        "chat.base_url": server.url,
        "chat.model": "m",
        "chat.max_retries": 0,
        "chat.concurrency": 1,
    }
    with GraphRAG.open(tmp_path, embed=None, options=options) as rag:
        rag.index(documents=[first])
        server.set_faults(Fault("status", status=503, kind="extract"))
        rag.index(documents=others)
        server.set_faults()
        status = rag.status()
        assert (status["pending"], len(status["failed_units"])) == (2, 1)
        rag.index()
        status = rag.status()
        assert (status["pending"], status["failed_units"], status["complete"]) == (0, [], True)


def test_joins_and_dropped_loops_are_counted(tmp_path: Path) -> None:
    text = "Charles Babbage met Babbage, Charles in London. Ada Lovelace wrote to Charles Babbage."
    rules: dict[str, object] = {"resolution.always_join": [["Ada Lovelace", "Charles Babbage"]]}
    with GraphRAG.open(tmp_path, chat=None, embed=None, options=rules) as rag:
        rag.index(documents=[Document(source="x:1", text=text)])
        status = rag.status()
    assert status["joined_names"] > 0
    assert status["dropped_self_loops"] > 0


def test_corrections_that_the_index_was_made_without_are_counted(tmp_path: Path) -> None:
    def told(rag: GraphRAG) -> tuple[str, str, int, int, int]:
        done = CliRunner().invoke(main, ["status", "--root", str(tmp_path), "--namespace", "main"])
        lines = [one for one in done.output.splitlines() if one.startswith("corrections")]
        found = rag.status()["corrections"]
        counts = found["items"], found["pending"], found["removed"]
        return "\n".join(lines), found["problem"], *counts

    with open_index(tmp_path) as rag:
        rag.index(documents=[Document(source="x:1", text=ADA)])
        assert told(rag) == ("", "", 0, 0, 0)
        rag.correct(rename="Ada Lovelace", to="Ada King")
        assert told(rag)[2:] == (1, 1, 0)
        rag.index()
        assert told(rag) == ("corrections: 1, all applied", "", 1, 0, 0)
        rag.remove_correction(1)
        rag.correct(hide="Charles Babbage")
        rag.correct(retype="Ada Lovelace", to="writer")
        said = "corrections: 2 (2 not applied yet, 1 removed, not undone yet: run `graphrag index`)"
        assert told(rag) == (said, "", 2, 2, 1)
        rag.index()
        assert told(rag)[2:] == (2, 0, 0)
        write(tmp_path / "corrections.yaml", "- {hide: 3}\n")
        line, problem, *_ = told(rag)
        assert "item 1" in problem
        assert line == f"corrections: {problem}"
