from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphrag.core.errors import InputError
from graphrag.core.settings import InputSettings
from graphrag.indexing.documents.files import Loaded, load
from graphrag.indexing.documents.readers import read
from graphrag.indexing.documents.sandbox import Worker
from tests.unit.indexing.documents.office_files import DOCX, PPTX, XLSX, changed, inserted

SLOW_PAGE = b"<h1>" * 100_000 + b"x"  # each heading is flattened with all those inside it


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker(InputSettings()) as running:
        yield running


def reason(worker: Worker, data: bytes, kind: str) -> str:
    assert kind in ("html", "json", "jsonl", "csv", "xlsx")
    with pytest.raises(InputError) as caught:
        worker.read(data, kind=kind)
    return f"{caught.value}. {caught.value.hint}"


def test_the_other_process_reads_what_this_one_would(worker: Worker) -> None:
    row = b'{"text": "a\\ud800b %s", "day": 1.5, "deep": {"x": [null]}}' % (b"x" * 10_000)
    rows = b"[" + row + (b"," + row) * 250 + b"]"
    page = "<title>T</title><p>Größe “x” \U0001f6a2</p>".encode()
    assert worker._process is None
    for data, kind in ((page, "html"), (DOCX.read_bytes(), "docx"), (rows, "json")):
        assert kind in ("html", "docx", "json")
        assert worker.read(data, kind=kind) == read(data, kind=kind, settings=InputSettings())
        assert worker._process is not None


def test_plain_text_starts_no_process(worker: Worker) -> None:
    worker.read(b"Text." * 1_000_000, kind="text")
    worker.read(b"# Text", kind="markdown")
    worker.read(b'{"text": "x"}', kind="jsonl")
    assert worker._process is None


def test_large_files_of_rows_are_read_apart(worker: Worker) -> None:
    text = b"a, b " * 200
    for kind, head, row in (
        ("jsonl", b"", b'{"text": "%s"}\n' % text),
        ("csv", b"text\n", b'"%s"\n' % text),
    ):
        assert kind in ("jsonl", "csv")
        small, large = head + row, head + row * 2_000
        assert worker.read(small, kind=kind) == read(small, kind=kind, settings=InputSettings())
        assert worker._process is None
        assert worker.read(large, kind=kind) == read(large, kind=kind, settings=InputSettings())
        assert worker._process is not None
        worker._end()


def test_rows_that_take_too_long_end_their_process() -> None:
    with Worker(InputSettings(max_seconds=0.05)) as worker:
        for kind, data in (("csv", b"text,\n" + b"x,\n" * 900_000), ("jsonl", b"{}\n" * 900_000)):
            assert "input.max_seconds" in reason(worker, data, kind)
            assert worker._process is None


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_rows_that_take_too_much_memory_end_their_process() -> None:
    with Worker(InputSettings(max_memory_mb=1)) as worker:
        for kind, data in (("csv", b"text\n" + b"\n" * 2_000_000), ("jsonl", b"0\n" * 1_100_000)):
            assert "input.max_memory_mb" in reason(worker, data, kind)
            assert worker._process is None


def test_one_process_reads_all_and_ends_with_the_context() -> None:
    with Worker(InputSettings()) as worker:
        worker.read(b"<p>one</p>", kind="html")
        process = worker._process
        assert process is not None
        assert "no text" in reason(worker, b"<p></p>", "html")
        worker.read(b"<p>two</p>", kind="html")
        assert worker._process is process
    assert process.poll() is not None


def test_a_document_that_takes_too_long_is_listed_and_the_next_is_read() -> None:
    with Worker(InputSettings(max_seconds=0.5)) as worker:
        assert "input.max_seconds" in reason(worker, SLOW_PAGE, "html")
        assert worker._process is None
        with Worker(InputSettings()) as patient:
            (item,) = patient.read(b"<p>next</p>", kind="html").items
        assert item.text == "next"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_a_document_that_takes_too_much_memory_is_listed_and_the_next_is_read(
    tmp_path: Path,
) -> None:
    cell = b"".join(  # one in each row, over 702 columns: 28 million places
        b'<row r="%d"><c r="%c%c%d"><v>1</v></c></row>'
        % (row, 65 + row // 26 % 26, 65 + row % 26, row)
        for row in range(100, 40_000)
    )
    end = b"</sheetData>"
    part = "xl/worksheets/sheet1.xml"
    sheet = changed(XLSX, {part: lambda data: data.replace(end, cell + end)})
    with Worker(InputSettings(max_memory_mb=60)) as worker:
        (item,) = worker.read(b"<p>before</p>", kind="html").items
        assert "input.max_memory_mb" in reason(worker, sheet, "xlsx")
        assert "input.max_memory_mb" in reason(worker, b"[" + b"[]," * 2_000_000 + b"[]]", "json")
        (item,) = worker.read(b"<p>next</p>", kind="html").items
    assert item.text == "next"
    (tmp_path / "a.xlsx").write_bytes(sheet)
    loaded = load([tmp_path], root=tmp_path, settings=InputSettings(max_memory_mb=60))
    assert loaded.contents["a.xlsx"].failures == tuple(loaded.failures)  # not to be read again


def test_what_stands_in_the_current_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worker: Worker
) -> None:
    for name in ("bs4", "mammoth", "pypdfium2", "html"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    (item,) = worker.read(b"<p>text</p>", kind="html").items
    assert item.text == "text"
    assert not (tmp_path / "ran").exists()
    environment = Path(f"/proc/{worker._process.pid}/environ") if worker._process else None
    if environment is not None and environment.exists():
        assert b"OPENAI" not in environment.read_bytes()


def test_nothing_is_fetched(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        (tmp_path / "page.html").write_text(
            f'<base href="{url}"><link rel="stylesheet" href="{url}"><img src="{url}">'
            f'<iframe src="{url}"></iframe><meta http-equiv="refresh" content="0;url={url}">'
            f'<object data="{url}"></object><p>Text.</p>'
        )
        relation = (
            '<Relationship Id="rId99" TargetMode="External" Type="http://schemas.openxmlformats.'
            f'org/officeDocument/2006/relationships/image" Target="{url}"/>'
        )
        picture = (
            '<w:p><w:r><w:drawing><wp:inline xmlns:wp="http://schemas.openxmlformats.org/'
            'drawingml/2006/wordprocessingDrawing"><a:graphic xmlns:a="http://schemas.'
            'openxmlformats.org/drawingml/2006/main"><a:graphicData><pic:pic xmlns:pic="http://'
            'schemas.openxmlformats.org/drawingml/2006/picture"><pic:blipFill><a:blip xmlns:r='
            '"http://schemas.openxmlformats.org/officeDocument/2006/relationships" r:link="rId99"'
            "/></pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
            "</w:p>"
        )
        (tmp_path / "linked.docx").write_bytes(
            changed(
                DOCX,
                {
                    "word/_rels/document.xml.rels": lambda data: data.replace(
                        b"</Relationships>", relation.encode() + b"</Relationships>"
                    ),
                    "word/document.xml": inserted(b"<w:body>", picture.encode()),
                },
            )
        )
        loaded = load([tmp_path], root=tmp_path, settings=InputSettings())
        assert [document.source for document in loaded.documents] == ["linked.docx", "page.html"]
        with pytest.raises(BlockingIOError):
            server.accept()


def load_all(folder: Path, **settings: float) -> Loaded:
    return load([folder], root=folder, settings=InputSettings.model_validate(settings))


def test_bad_files_of_every_format_are_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    files = {
        "good.docx": DOCX.read_bytes(),
        "good.pptx": PPTX.read_bytes(),
        "good.xlsx": XLSX.read_bytes(),
        "half.docx": DOCX.read_bytes()[:9000],
        "wrong.pptx": XLSX.read_bytes(),
        "noise.xlsx": b"\x01\x02" * 500,
        "text.pdf": b"this is text",
        "z.md": b"Read too.",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    loaded = load_all(tmp_path)
    read_ones = {document.source for document in loaded.documents}
    assert read_ones == {"good.docx", "good.pptx", "good.xlsx", "z.md"}
    reasons = {failure.source: failure.reason for failure in loaded.failures}
    assert reasons.keys() == files.keys() - read_ones
    assert "is damaged" in reasons["half.docx"]
    assert "is not a pptx but a xlsx" in reasons["wrong.pptx"]
    assert "is not a xlsx" in reasons["noise.xlsx"]
    assert "is not a pdf" in reasons["text.pdf"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    loaded = load([tmp_path / "pipe.txt"], root=tmp_path, settings=InputSettings())
    (failure,) = loaded.failures
    assert (failure.source, failure.reason) == ("pipe.txt", "is not a file")


@pytest.mark.parametrize(
    "line",
    ["# " + "a " * 300_000 + "#x", "#" * 500_000, "# " + "_" * 300_000 + "a", "- " * 300_000],
    ids=["heading", "marks", "emphasis", "list"],
)
def test_a_line_without_end_is_read(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.md").write_text(f"{line}\n\nText.")
    (document,) = load_all(tmp_path).documents
    assert document.text.endswith("Text.")
