from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import cast

import pytest

from graphrag.core.errors import UsageError
from graphrag.core.settings import InputSettings
from graphrag.core.tables import DOCUMENTS, stable_id
from graphrag.indexing.documents.files import (
    Document,
    Loaded,
    Scalar,
    content_hash,
    document_id,
    documents_frame,
    file_of_row,
    load,
    source_of,
)
from graphrag.text import tokens


def write(root: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def read(root: Path, *names: str, settings: InputSettings | None = None) -> Loaded:
    paths = [root / name for name in names] or [root]
    return load(paths, root=root, settings=settings or InputSettings())


def sources(loaded: Loaded) -> list[str]:
    return [document.source for document in loaded.documents]


def reasons(loaded: Loaded) -> dict[str, str]:
    return {failure.source: failure.reason for failure in loaded.failures}


def test_a_folder_is_read_in_order_without_what_is_not_corpus(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "b.txt": "B",
            "a/z.md": "# Zed\n\ntext",
            "a/prompts/p.md": "kept: not directly under the root",
            "prompts/extract.md": "ours",
            ".graphrag/x.txt": "ours",
            "graphrag.yaml": "namespace: x",
            "a/.hidden/y.txt": "no",
            "a/.env.txt": "no",
            "picture.png": b"\x89PNG",
            "Makefile": "all:",
        },
    )
    loaded = read(tmp_path)
    assert sources(loaded) == ["a/prompts/p.md", "a/z.md", "b.txt"]
    assert [document.title for document in loaded.documents] == ["p", "Zed", "b"]
    assert loaded.failures == []
    skipped = " ".join(loaded.warnings)
    assert len(loaded.warnings) == 2
    assert "kind '.png' not known: picture.png" in skipped
    assert "Makefile" in skipped
    assert "yaml" not in skipped


def test_many_skipped_files_are_one_warning(tmp_path: Path) -> None:
    write(tmp_path, {f"{number:02}.bin": b"x" for number in range(25)} | {"a.txt": "A"})
    (warning,) = read(tmp_path).warnings
    assert "09.bin and 15 more" in warning


def test_include_and_exclude(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "A", "b.log": "B", "c.log": "C", "old/a.log": "no"})
    loaded = read(tmp_path, settings=InputSettings(include=("*.log",), exclude=("c.*", "old")))
    assert sources(loaded) == ["b.log"]
    assert loaded.warnings == []


def test_a_file_given_by_name_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    write(tmp_path, {"notes.weird": "text", ".hidden.txt": "hidden"})
    assert sources(read(tmp_path, "notes.weird", ".hidden.txt")) == ["notes.weird", ".hidden.txt"]


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, {"docs/a.txt": "A", "docs/b.txt": "A"})
    loaded = read(tmp_path, "docs", "docs/../docs/a.txt")
    assert sources(loaded) == ["docs/a.txt", "docs/b.txt"]  # equal texts are both kept
    assert loaded.failures == []


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "A"})
    with pytest.raises(UsageError, match=r"not found: .*nowhere") as caught:
        read(tmp_path, "a.txt", "nowhere", "nul\0name")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("files", [{}, {"a.png": b"\x89PNG"}, {".hidden.txt": "no"}])
def test_a_folder_without_anything_to_read_is_named(
    tmp_path: Path, files: dict[str, str | bytes]
) -> None:
    (tmp_path / "docs").mkdir()
    write(tmp_path / "docs", files)
    with pytest.raises(UsageError, match=r"nothing to read in '.*docs'") as caught:
        read(tmp_path, "docs")
    assert ".md" in caught.value.hint


def test_links_out_of_the_folder_are_listed_and_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"secret.txt": "secret", "docs/a.txt": "A", "docs/in/b.txt": "B"})
    docs = tmp_path / "docs"
    (docs / "out.txt").symlink_to(tmp_path / "secret.txt")
    (docs / "up").symlink_to(tmp_path)
    (docs / "lost.txt").symlink_to(docs / "gone.txt")
    (docs / "circle").symlink_to(docs / "circle")
    (docs / "same.txt").symlink_to(docs / "a.txt")
    (docs / "again").symlink_to(docs / "in")
    loaded = read(tmp_path, "docs")
    assert sources(loaded) == ["docs/a.txt", "docs/in/b.txt", "docs/same.txt"]
    assert set(reasons(loaded)) == {"docs/out.txt", "docs/up", "docs/lost.txt", "docs/circle"}
    assert "secret" not in [document.text for document in loaded.documents]


def test_bad_files_are_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "empty.txt": "",
            "blank.md": " \n\n",
            "binary.txt": b"\x7fELF\x02\x01\x00\x00" + bytes(range(256)),
            "noise.txt": bytes(range(1, 32)) * 20 + b"\x81\x8d\x8f",
            "big.txt": "x" * 3000,
            "good.txt": "Good.",
            "table.csv": "name,year\n",
            "rows.json": "[1, 2",
        },
    )
    loaded = read(tmp_path, settings=InputSettings(max_file_mb=0.002))
    assert sources(loaded) == ["good.txt"]
    found = reasons(loaded)
    assert found["empty.txt"] == found["blank.md"] == "is empty"
    assert "binary" in found["binary.txt"]
    assert "binary" in found["noise.txt"] or "not text" in found["noise.txt"]
    assert "input.max_file_mb" in found["big.txt"]
    assert "not valid JSON" in found["rows.json"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_a_file_that_the_system_does_not_let_read_is_listed(tmp_path: Path) -> None:
    (failure,) = read(tmp_path, "/proc/self/mem").failures
    assert failure.source == "file:///proc/self/mem"
    assert failure.reason.startswith("cannot be read: ")


def test_rows_are_named_by_their_id_or_their_content(tmp_path: Path) -> None:
    rows = [
        {"id": "r1", "title": "One", "text": "First.", "year": 2024, "tags": ["b", "a"]},
        {"text": "Second."},
        {"text": "Second."},
        {"id": 7, "text": "# Heading\n\nThird.", "ok": True, "none": None},
    ]
    write(tmp_path, {"d/rows.jsonl": "\n".join(map(json.dumps, rows))})
    loaded = read(tmp_path)
    digits = content_hash(loaded.documents[1])[:12]
    assert sources(loaded) == [
        "d/rows.jsonl#r1",
        f"d/rows.jsonl#{digits}",
        f"d/rows.jsonl#{digits}-2",
        "d/rows.jsonl#7",
    ]
    assert [document.title for document in loaded.documents] == ["One", "rows", "rows", "Heading"]
    assert loaded.documents[0].metadata == {
        "id": "r1", "title": "One", "year": 2024, "tags": '["b", "a"]',
    }  # fmt: skip
    assert loaded.documents[3].metadata == {"id": 7, "ok": True, "none": None}


def test_bad_rows_are_listed_with_their_line_and_the_others_go_on(tmp_path: Path) -> None:
    lines = ['{"id": 1, "text": "a"}', "{broken", "", '{"id": "1", "text": "b"}', "[1]",
             '{"title": "x"}', '{"text": " "}', '{"text": "last"}']  # fmt: skip
    write(tmp_path, {"r.jsonl": "\n".join(lines)})
    loaded = read(tmp_path)
    assert [document.text for document in loaded.documents] == ["a", "last"]
    found = reasons(loaded)
    assert set(found) == {f"r.jsonl#line {number}" for number in (2, 4, 5, 6, 7)}
    assert "not valid JSON" in found["r.jsonl#line 2"]
    assert "repeats the id '1' of line 1" in found["r.jsonl#line 4"]
    assert "a list, not an object" in found["r.jsonl#line 5"]
    assert "no 'text' (found: 'title')" in found["r.jsonl#line 6"]


def test_one_json_object_is_one_document(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "one.json": '{"text": "A", "title": "T", "n": 1}',
            "named.json": '{"text": "A", "id": "x"}',
            "many.json": '{"documents": [{"text": "B", "id": "b"}, 3]}',
        },
    )
    loaded = read(tmp_path)
    assert sources(loaded) == ["many.json#b", "named.json#x", "one.json"]
    assert set(reasons(loaded)) == {"many.json#item 2"}


def test_the_columns_are_settings(tmp_path: Path) -> None:
    write(tmp_path, {"r.csv": "body,name,key\nHello,N,k1\n"})
    columns = InputSettings(text_column="body", title_column="name", id_column="key")
    (document,) = read(tmp_path, settings=columns).documents
    metadata = {"name": "N", "key": "k1"}
    assert document == Document(source="r.csv#k1", text="Hello", title="N", metadata=metadata)


def test_the_column_of_text_may_differ_by_file(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "body,x\nA,1\n", "b.csv": "said,x\nB,1\n", "c.csv": "text,x\nC,1\n"})
    columns = InputSettings(text_column={"a.*": "body", "b*": "said"})
    texts = [document.text for document in read(tmp_path, settings=columns).documents]
    assert texts == ["A", "B", "C"]


def test_source_of(tmp_path: Path) -> None:
    root = tmp_path / "kb"
    root.mkdir()
    assert source_of(root, root=root) == "."
    assert source_of(root / "a" / ".." / "b.txt", root=root) == "b.txt"
    assert source_of(tmp_path / "ü x.txt", root=root) == (tmp_path / "ü x.txt").as_uri()
    link = tmp_path / "link"
    link.symlink_to(root)
    assert source_of(link / "b.txt", root=root) == "b.txt"
    assert source_of(root / "b.txt", root=link) == "b.txt"


def test_relative_paths_are_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"docs/a.txt": "A"})
    monkeypatch.chdir(tmp_path / "docs")
    loaded = load([Path("a.txt")], root=Path(".."), settings=InputSettings())
    assert sources(loaded) == ["docs/a.txt"]


def test_a_document_holds_only_what_a_store_can_hold() -> None:
    metadata = {
        "n": 2**70, "x": float("nan"), "day": date(2024, 5, 1), "deep": {"b": 1, "a": [None]},
        "text": "a\0b", "mixed": {1: "a", "b": 2},
    }  # fmt: skip
    document = Document("s\ud800", "a\0b\ud83d", "t\0", cast(Mapping[str, Scalar], metadata))
    assert (document.source, document.text, document.title) == ("s\ufffd", "ab\ufffd", "t")
    assert document.metadata == {
        "n": str(2**70), "x": "nan", "day": "2024-05-01", "deep": '{"a": [null], "b": 1}',
        "text": "ab", "mixed": "{1: 'a', 'b': 2}",
    }  # fmt: skip
    assert documents_frame([document]).height == 1


def test_a_document_needs_a_source() -> None:
    with pytest.raises(UsageError, match="no source"):
        Document(source=" ", text="text")


def test_documents_frame() -> None:
    documents = [
        Document(
            "b", "It was the best of times, it was the worst of times.", "T", {"z": 1, "a": "x"}
        ),
        Document("a", "Kurz"),
    ]
    frame = documents_frame(documents)
    assert frame.schema == DOCUMENTS
    assert frame.row(0, named=True) == {
        "id": stable_id("document", "b"),
        "source": "b",
        "title": "T",
        "text": documents[0].text,
        "content_hash": stable_id("T", documents[0].text, '{"a": "x", "z": 1}'),
        "language": "en",
        "metadata": '{"a": "x", "z": 1}',
        "n_tokens": tokens.count(documents[0].text),
        "status": "ok",
        "error": None,
    }
    assert frame["source"].to_list() == ["b", "a"]
    assert frame["id"].to_list() == [document_id("b"), document_id("a")]
    assert documents_frame([]).schema == DOCUMENTS


def test_the_content_hash_sees_every_field_but_the_source() -> None:
    base = Document("s", "text", "title", {"a": 1})
    assert content_hash(base) == content_hash(Document("other", "text", "title", {"a": 1}))
    changed = [
        Document("s", "text!", "title", {"a": 1}),
        Document("s", "text", "title!", {"a": 1}),
        Document("s", "text", "title", {"a": 2}),
        Document("s", "text", "title", {"b": 1}),
    ]
    assert len({content_hash(document) for document in [base, *changed]}) == 5


def test_loading_does_not_depend_on_clocks(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "A"})
    before = read(tmp_path)
    os.utime(tmp_path / "a.txt", (1, 1))
    assert read(tmp_path) == before
    assert before.documents[0].metadata == {}


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("docs/rows.csv#1", "docs/rows.csv"),
        ("docs/C# notes/rows.JSONL#a#b", "docs/C# notes/rows.JSONL"),
        ("file:///tmp/rows.json#x.csv#2", "file:///tmp/rows.json"),
        ("docs/C# intro.md", None),
        ("org/repo#12", None),
        ("docs/rows.csv", None),
        ("#", None),
        ("", None),
    ],
)
def test_the_file_of_a_row(source: str, file: str | None) -> None:
    assert file_of_row(source) == file


def test_words_have_no_signs_that_nobody_sees(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "# Har\u00adbour\n\nThe light\u200bhouse."})
    (document,) = read(tmp_path).documents
    assert (document.title, document.text) == ("Harbour", "# Harbour\n\nThe lighthouse.")
    assert Document(source="a", text="x", metadata={"by": "El\u00adin"}).metadata == {"by": "Elin"}
