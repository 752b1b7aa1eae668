"""Wrong input gets one clear message that names it and says what to do; the rest goes on."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import struct
import zipfile
from pathlib import Path
from typing import cast

import pytest
from pypdf import PdfWriter

from graphrag.testing import TestServer
from tests.e2e.conftest import Shell
from tests.vendors import OLLAMA_TAGS, vendor

DOCUMENTS = Path(__file__).parents[2] / "examples" / "documents"
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
GOOD = "# Ada Lovelace\n\nAda Lovelace wrote notes on the Analytical Engine of Charles Babbage.\n"


@pytest.fixture(scope="module")
def ada(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an index."""
    root = tmp_path_factory.mktemp("ada")
    (root / "ada.md").write_text(GOOD, encoding="utf-8")
    done = Shell(root).run("index", "ada.md")
    assert done.code == 0, done.err
    return root


@pytest.fixture
def indexed(shell: Shell, ada: Path) -> Shell:
    shutil.copytree(ada, shell.root, dirs_exist_ok=True)
    return shell


def test_missing_path(shell: Shell) -> None:
    done = shell.run("index", "nowhere")
    assert done.code == 2
    assert "nowhere" in done.err
    assert "Hint:" in done.err
    assert not (shell.root / ".graphrag" / "graph.db").exists()


def test_empty_folder(shell: Shell) -> None:
    (shell.root / "docs").mkdir()
    done = shell.run("index", "docs")
    assert done.code in (1, 2)
    assert "docs" in done.err


def test_bad_files_are_listed_and_the_rest_goes_on(shell: Shell) -> None:
    docs = shell.root / "docs"
    docs.mkdir()
    (docs / "good.md").write_text(GOOD, encoding="utf-8")
    (docs / "empty.txt").write_text("")
    (docs / "binary.txt").write_bytes(bytes(range(256)) * 20)
    (docs / "latin.txt").write_bytes(
        "Der Fluß Saône fließt träge an Mâcon vorbei.".encode("cp1252")
    )
    (docs / "table.csv").write_text("a,b\n1,2,3\n4,5\n")
    (docs / "rows.jsonl").write_text('{"id": "1", "text": "Zurich lies on a lake."}\n{"id": \n')
    done = shell.run("index", "docs", "--json")
    assert done.code == 3
    result = done.json()
    failures = cast(list[dict[str, str]], result["failed"])
    named = " ".join(item["source"] for item in failures)
    for name in ("empty.txt", "binary.txt", "table.csv", "rows.jsonl"):
        assert name in named, failures
    assert "latin.txt" not in named
    assert result["documents"] == 4
    again = shell.run("index", "docs", "--json")
    assert again.code == 3
    assert again.json()["failed"] == result["failed"]


def bad_files() -> dict[str, tuple[bytes, str]]:
    """By name: the content, and a part of the reason that must be given."""
    good = {path.suffix: path.read_bytes() for path in DOCUMENTS.iterdir()}
    good[".json"] = b'[{"text": "The Corvus left Oslo."}, {"text": "The Elin stayed."}]'
    files: dict[str, tuple[bytes, str]] = {}
    for suffix, data in good.items():
        is_office = suffix in (".docx", ".pptx", ".xlsx")
        files[f"empty{suffix}"] = (b"", "is empty")
        files[f"blank{suffix}"] = (b" \n\t\n", "is empty")
        files[f"zeros{suffix}"] = (bytes(9000), "binary" if decodes(suffix) else "is not a")
        other = good[".docx" if suffix == ".pdf" else ".pdf"]
        files[f"wrong{suffix}"] = (other, "is a PDF" if decodes(suffix) else "is not a")
        files[f"huge{suffix}"] = (data + b" " * 3_000_000, "input.max_file_mb")
        if is_office or suffix in (".pdf", ".json"):
            reason = "is not valid JSON" if suffix == ".json" else "is damaged"
            files[f"cut{suffix}"] = (data[: len(data) // 2], reason)
        if is_office:
            locked = OLD_OFFICE + "EncryptedPackage".encode("utf-16-le")
            files[f"locked{suffix}"] = (locked, "is encrypted")
            files[f"bomb{suffix}"] = (bomb(data), "unpacked")
            files[f"lying{suffix}"] = (bomb(data, stated=1000), "is damaged")
    out = io.BytesIO()
    writer = PdfWriter(clone_from=io.BytesIO(good[".pdf"]))
    writer.encrypt("secret", "owner", algorithm="AES-256")
    writer.write(out)
    return files | {"locked.pdf": (out.getvalue(), "is encrypted")}


def decodes(suffix: str) -> bool:
    return suffix not in (".docx", ".pptx", ".xlsx", ".pdf")


def bomb(data: bytes, *, stated: int | None = None) -> bytes:
    """An office file whose main part unpacks to 250 MB; `stated`: the size that it gives itself."""
    out, size = io.BytesIO(), 0
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for name in old.namelist():
            is_main = name in ("word/document.xml", "ppt/presentation.xml", "xl/workbook.xml")
            new.writestr(name, old.read(name) + b" " * (250_000_000 * is_main))
            if is_main:
                size = new.getinfo(name).file_size
    packed = out.getvalue()
    return packed.replace(struct.pack("<I", size), struct.pack("<I", stated)) if stated else packed


def test_every_kind_at_its_worst_is_named_with_its_reason(shell: Shell) -> None:
    docs = shell.root / "docs"
    docs.mkdir()
    files = bad_files()
    for name, (data, _) in files.items():
        (docs / name).write_bytes(data)
    (docs / "good.md").write_text(GOOD, encoding="utf-8")
    env = {"GRAPHRAG__INPUT__MAX_FILE_MB": "3"}
    done = shell.run("index", "docs", "--json", env=env)
    assert done.code == 3
    failed = {
        one["source"]: one["reason"] for one in cast(list[dict[str, str]], done.json()["failed"])
    }
    for name, (_, reason) in files.items():
        assert reason in failed.get(f"docs/{name}", "nothing"), (name, failed)
    assert len(failed) == len(files)
    assert done.json()["documents"] == 1
    again = shell.run("index", "docs", "--json", env=env)
    assert (again.code, again.json()["failed"]) == (3, done.json()["failed"])


def test_a_file_that_was_cut_off_names_its_damaged_rows_alone(shell: Shell) -> None:
    for suffix in ("csv", "jsonl"):
        (data,) = [path.read_bytes() for path in DOCUMENTS.iterdir() if path.suffix == f".{suffix}"]
        (shell.root / f"cut.{suffix}").write_bytes(data[: len(data) // 2])
    done = shell.run("index", "cut.csv", "cut.jsonl", "--json")
    assert done.code == 3
    failed = [one["source"] for one in cast(list[dict[str, str]], done.json()["failed"])]
    assert [name.partition("#")[0] for name in failed] == ["cut.csv", "cut.jsonl"]
    assert cast(int, done.json()["documents"]) > 5


def test_duplicate_documents_and_one_sentence(shell: Shell) -> None:
    (shell.root / "a.txt").write_text("The Rhine flows through Basel.")
    (shell.root / "b.txt").write_text("The Rhine flows through Basel.")
    done = shell.run("index", "a.txt", "b.txt", "--json")
    assert done.code == 0, done.err
    assert done.json()["documents"] == 2
    answer = shell.run("query", "Which river flows through Basel?", "--json").json()
    assert answer["answered"] is True
    assert "Rhine" in str(answer["answer"])


@pytest.mark.parametrize("question", ["", "   ", "\n"])
def test_empty_question(indexed: Shell, question: str) -> None:
    done = indexed.run("query", question)
    assert done.code == 2
    assert "question" in done.err.lower()


def test_question_that_the_corpus_cannot_answer(indexed: Shell) -> None:
    done = indexed.run("query", "What is the boiling point of tungsten hexafluoride?", "--json")
    assert done.code == 0
    assert done.json()["answered"] is False


def test_query_and_status_before_any_index(shell: Shell) -> None:
    for arguments in (("query", "Who?"), ("status",), ("export", "out"), ("index",)):
        done = shell.run(*arguments)
        assert done.code == 1, done.err
        assert "graphrag index" in done.err
        # The error and what to do, once; that the run failed is no news then.
        assert [line.partition(":")[0] for line in done.err.splitlines()] == ["Error", "Hint"]
    assert not (shell.root / ".graphrag" / "graph.db").exists()


def test_another_schema_version(indexed: Shell) -> None:
    path = indexed.root / ".graphrag" / "graph.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE namespaces SET schema_version = '999'")
    connection.close()
    done = indexed.run("query", "Who wrote notes?")
    assert done.code == 1
    assert "999" in done.err
    assert "Hint:" in done.err


def test_corrupt_store(indexed: Shell) -> None:
    path = indexed.root / ".graphrag" / "graph.db"
    for name in ("graph.db-wal", "graph.db-shm"):
        (path.parent / name).unlink(missing_ok=True)
    path.write_bytes(b"not a database at all" * 500)
    done = indexed.run("query", "Who wrote notes?")
    assert done.code == 1
    assert "graph.db" in done.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chat:\n  modle: x\n", "chat.modle"),
        ("chat:\n  api_key: ${NO_SUCH_VARIABLE}\n", "NO_SUCH_VARIABLE"),
        ("query:\n  basic:\n    k: none\n", "query.basic.k"),
        ("limits: 5\n", "limits: this is a section"),
        ("- a\n- b\n", "graphrag.yaml"),
        ("a: [", "graphrag.yaml"),
    ],
)
def test_settings_file(shell: Shell, text: str, expected: str) -> None:
    (shell.root / "graphrag.yaml").write_text(text)
    (shell.root / "ada.md").write_text(GOOD, encoding="utf-8")
    done = shell.run("index", "ada.md")
    assert done.code == 2
    assert expected in done.err


def test_unreachable_server_fails_before_work(shell: Shell) -> None:
    (shell.root / "ada.md").write_text(GOOD, encoding="utf-8")
    done = shell.run(
        "index",
        "ada.md",
        env={"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
        timeout=60,
    )
    assert done.code == 1
    assert "127.0.0.1:9" in done.err
    assert "Hint:" in done.err


def test_overlap_not_below_size(shell: Shell) -> None:
    (shell.root / "ada.md").write_text(GOOD, encoding="utf-8")
    env = {"GRAPHRAG__CHUNKS__MAX_TOKENS": "50", "GRAPHRAG__CHUNKS__OVERLAP": "60"}
    done = shell.run("index", "ada.md", env=env)
    assert done.code == 2
    assert "overlap" in done.err


@pytest.mark.parametrize("filter_text", ["year", "=3", ""])
def test_filter_syntax(indexed: Shell, filter_text: str) -> None:
    done = indexed.run("query", "Who wrote notes?", "--filter", filter_text)
    assert done.code == 2
    assert "filter" in done.err


def test_unknown_method_and_level(indexed: Shell) -> None:
    done = indexed.run("query", "Who wrote notes?", "--method", "psychic")
    assert done.code == 2
    assert "psychic" in done.err
    done = indexed.run("query", "What is it about?", "--method", "global", "--level", "77")
    assert done.code in (1, 2)
    assert "77" in done.err or "report" in done.err
    done = indexed.run("query", "Who wrote notes?", "--method", "basic", "--level", "77")
    assert done.code == 0
    assert "does not look at levels" in done.out + done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--context", "--cypher"), "--context"), (("--dynamic", "--method", "local"), "--dynamic")],
)
def test_options_that_do_not_go_together(
    indexed: Shell, options: tuple[str, ...], said: str
) -> None:
    done = indexed.run("query", "Who wrote notes?", *options)
    assert done.code == 2
    assert said in done.err


def test_the_evidence_as_cypher_in_json(indexed: Shell) -> None:
    done = indexed.run("query", "Who wrote notes?", "--json", "--cypher")
    assert "MATCH (chunk:__Chunk__)" in str(done.json()["cypher"])


def test_a_pipe_in_a_folder_is_listed(shell: Shell) -> None:
    (shell.root / "docs").mkdir()
    (shell.root / "docs" / "ada.md").write_text(GOOD, encoding="utf-8")
    os.mkfifo(shell.root / "docs" / "pipe.txt")
    done = shell.run("index", "docs", "-v")
    assert done.code == 3
    assert "pipe.txt: is not a file" in done.out + done.err
    assert done.err.count("cannot be read, in whole or in part") == 1


def test_a_run_without_a_model_names_the_servers_of_this_machine(shell: Shell) -> None:
    (shell.root / "ada.md").write_text(GOOD, encoding="utf-8")
    with vendor({"/api/tags": OLLAMA_TAGS}) as port:
        env = {"OLLAMA_HOST": f"127.0.0.1:{port}"}
        indexed = shell.run("index", "ada.md", env=env)
        chosen = shell.run("index", "ada.md", "--method", "fast", env=env)
        made = shell.run("init", env=env)
    hint = "Ollama runs here with qwen3:8b: export OPENAI_BASE_URL="
    assert hint in indexed.err
    assert hint in made.out
    assert hint not in chosen.err
    assert [done.code for done in (indexed, chosen, made)] == [0, 0, 0]


def test_init_says_what_is_known_of_the_models(shell: Shell) -> None:
    with TestServer(context_tokens=8192, dialect="vllm") as server:
        env = {"OPENAI_BASE_URL": server.url, "GRAPHRAG__CHAT__MODEL": "test-chat"}
        made = shell.run("init", env=env)
    assert made.code == 0, made.err
    assert "window 8192 tokens (as the server says)" in made.out


def test_init_writes_a_file_that_loads_and_is_not_overwritten(shell: Shell) -> None:
    assert shell.run("init").code == 0
    assert shell.run("init").code == 2
    assert shell.run("init", "--force").code == 0
    (shell.root / "ada.md").write_text(GOOD, encoding="utf-8")
    assert shell.run("index", "ada.md").code == 0
    assert json.loads(shell.run("status", "--json").out)["counts"]["documents"] == 1


def test_folder_without_permission_to_write(indexed: Shell, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    done = indexed.run("export", blocker)
    assert done.code == 2
    assert str(blocker) in done.err
