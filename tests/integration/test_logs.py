"""What the engine writes down of its runs: records that name their run, spans, and no secret."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from graphrag import Document, GraphRAG
from graphrag.cli.log_output import writing
from graphrag.core.errors import ModelError
from graphrag.testing import Fault, TestServer

Records = list[dict[str, object]]
ADA = Document(source="x:1", text="Ada Lovelace wrote notes on the Analytical Engine.")
BRUNEL = Document(source="x:2", text="Isambard Brunel built the Great Eastern.")
QUESTION = "Who built the Great Eastern?"


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with TestServer() as running:
        yield running


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Generator[Records]:
    """Filled at the end of the block with all that went to stderr as JSON."""
    stream = io.StringIO()
    records: Records = []
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        with writing(as_json=True, verbose=True):
            yield records
    records += [json.loads(line) for line in stream.getvalue().splitlines()]


def options(server: TestServer, **more: object) -> dict[str, object]:
    return {
        "chat.base_url": server.url,
        "chat.model": "m",
        "embedding.base_url": server.url,
        "embedding.model": "e",
        "chat.max_retries": 1,
        **more,
    }


def messages(records: Records, start: str) -> list[str]:
    return [str(one["message"]) for one in records if str(one["message"]).startswith(start)]


def test_records_name_run_method_step_and_unit(
    server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        GraphRAG.open(tmp_path, options=options(server)) as rag,
        recorded(monkeypatch) as records,
    ):
        server.set_faults(Fault("status", status=503, kind="extract", match="Brunel"))
        rag.index(documents=[ADA, BRUNEL])
        server.set_faults()
        (failed,) = rag.status()["failed_units"]
        for _ in range(2):
            rag.query(QUESTION, method="basic")
    runs = list(dict.fromkeys(str(one["run"]) for one in records))
    assert len(runs) == 3
    index, _, again = ([one for one in records if one["run"] == run] for run in runs)
    assert index[0]["message"] == "index begins"
    assert messages(index, "index ends") == [index[-1]["message"]]
    assert dict(index[-1])["values"] == index[-1]["values"]
    values = index[-1]["values"]
    assert isinstance(values, dict)
    assert (values["documents"], values["text_units"], values["failed"]) == (2, 2, 1)
    assert all(one["method"] == "standard" for one in index[6:])
    begun = [one["step"] for one in index if str(one["message"]).startswith(f"{one['step']} begin")]
    ended = [one["step"] for one in index if str(one["message"]).startswith(f"{one['step']} ends")]
    assert sorted(map(str, begun)) == sorted(map(str, ended))
    assert {"read", "compare", "split", "extract", "merge", "communities", "write"} <= set(begun)
    about = [one for one in index if one["unit"] == failed["id"]]
    assert [one["level"] for one in about] == ["INFO", "WARNING", "WARNING"]
    assert [one["step"] for one in about] == ["extract"] * 3
    assert "answered 503" in str(about[0]["error"])
    assert "try 2 follows" in str(about[0]["message"])
    assert str(about[2]["message"]).startswith(f"text unit {failed['id']} failed")
    assert len(messages(index, "committed to sqlite://")) == 1
    (cached,) = [one for one in again if str(one["message"]).startswith("answer ends")]
    assert isinstance(cached["values"], dict)
    assert cached["values"]["cached"] == 1
    assert "calls" not in cached["values"]


def test_runs_in_two_threads_are_told_apart(
    server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.set_faults(Fault("status", status=503, kind="extract", match="Brunel"))

    def index(name: str) -> tuple[str, ...]:
        with GraphRAG.open(tmp_path / name, options=options(server)) as rag:
            documents = [Document(f"{name}:{n}", f"{BRUNEL.text} {name} {n}") for n in range(6)]
            rag.index(documents=[ADA, *documents])
            return tuple(sorted(one["id"] for one in rag.status()["failed_units"]))

    with recorded(monkeypatch) as records, ThreadPoolExecutor(2) as threads:
        expected = set(threads.map(index, ("one", "two")))
    server.set_faults()
    units: dict[object, set[str]] = {}
    for one in records:
        if one["unit"] and one["level"] == "WARNING":
            units.setdefault(one["run"], set()).add(str(one["unit"]))
    assert {tuple(sorted(found)) for found in units.values()} == expected
    assert len(expected) == 2


class _Echo(BaseHTTPRequestHandler):
    """Answers every call with what it was sent, in a way that differs from call to call."""

    count = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        said = f"{self.headers['Authorization']} {body}"
        _Echo.count += 1
        reply: object = {"error": {"message": said}}
        status = (422, 503, 200, 400, 200, 404)[_Echo.count % 6]
        if status == 200:
            finish = "content_filter" if _Echo.count % 12 < 6 else "stop"
            choice = {"message": {"content": said, "refusal": None}, "finish_reason": finish}
            reply = {"choices": [choice]}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_no_record_holds_a_key_a_password_or_the_words_of_a_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ("planted-key", "planted-password", "plantedword", "plantedquestion")
    documents = [
        Document(f"x:{n}", f"Ada Plantedword{n} met Plantedword{n + 1}. " * 20) for n in range(12)
    ]
    echo = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    thread = Thread(target=echo.serve_forever)
    thread.start()
    url = f"http://me:planted-password@127.0.0.1:{echo.server_port}/v1"
    settings: dict[str, object] = {
        "chat.base_url": url,
        "chat.model": "m",
        "chat.api_key": "sk-planted-key",
        "chat.max_retries": 1,
    }
    try:
        with recorded(monkeypatch) as records:
            with GraphRAG.open(tmp_path, embed=None, chat=None) as rag:
                rag.index(documents=documents)
            with GraphRAG.open(tmp_path, embed=None, options=settings) as rag:
                with pytest.raises(ModelError, match="every extraction call failed"):
                    rag.index(documents=documents)
                for method in ("basic", "global", "lazy"):
                    with pytest.raises(ModelError):
                        rag.query("Who is Plantedquestion Plantedword3?", method=method)
    finally:
        echo.shutdown()
        thread.join()
        echo.server_close()
    written = "\n".join(map(json.dumps, records))
    assert len(messages(records, "call of 'm' failed")) > 12
    assert {"422", "503", "400", "404"} <= set(written.replace(" ", ",").split(","))
    assert "RefusedError" in written
    assert "BadReplyError" in written
    assert [secret for secret in secrets if secret in written.lower()] == []


def test_importing_sets_up_nothing_and_no_run_loads_opentelemetry(tmp_path: Path) -> None:
    program = f"""
import logging, sys
import graphrag, graphrag.engine.sync, graphrag.models.models
import graphrag.stores.sqlite.store, graphrag.core.tracing
names = [name for name in logging.root.manager.loggerDict if name.startswith("graphrag")]
loggers = [logging.getLogger(name) for name in ("", *names)]
silent = logging.NullHandler
assert all(type(held) is silent for one in loggers for held in one.handlers)
assert not any(one.filters for one in loggers)
assert all(one.level == 0 for one in loggers[1:])
with graphrag.GraphRAG.open({str(tmp_path)!r}, chat=None, embed=None) as rag:
    rag.index(documents=[graphrag.Document("x:1", "Ada Lovelace met Charles Babbage.")])
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    found = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(found))
    trace.set_tracer_provider(provider)
    yield found
    provider.shutdown()


def test_spans_of_runs_steps_and_model_calls(
    server: TestServer, tmp_path: Path, exporter: InMemorySpanExporter
) -> None:
    exporter.clear()
    server.set_faults(Fault("refusal", kind="extract", match="Brunel"))
    with (
        GraphRAG.open(tmp_path, options=options(server)) as rag,
        trace.get_tracer("app").start_as_current_span("request"),
    ):
        rag.index(documents=[ADA, BRUNEL])
        rag.query(QUESTION, method="local")
    server.set_faults()
    spans = exporter.get_finished_spans()
    by_id = {span.context.span_id: span for span in spans if span.context}

    def above(span: ReadableSpan) -> list[str]:
        names = [span.name]
        while span.parent is not None:
            span = by_id[span.parent.span_id]
            names.append(span.name)
        return names

    paths = {tuple(above(span)) for span in spans}
    assert ("chat m", "extract", "graphrag index", "request") in paths
    assert ("chat m", "answer", "graphrag query", "request") in paths
    assert ("embeddings e", "embed text_units", "graphrag index", "request") in paths
    assert ("write", "graphrag index", "request") in paths
    (run,) = [span for span in spans if span.name == "graphrag index"]
    assert dict(run.attributes or {})["graphrag.documents"] == 2
    assert dict(run.attributes or {})["graphrag.method"] == "standard"
    calls = [dict(span.attributes or {}) for span in spans if span.name == "chat m"]
    good = [call for call in calls if "error.type" not in call]
    assert all(call["gen_ai.operation.name"] == "chat" for call in calls)
    assert all(call["gen_ai.request.model"] == "m" for call in calls)
    assert all(int(str(call["gen_ai.usage.input_tokens"])) > 0 for call in calls)
    assert all(int(str(call["gen_ai.usage.output_tokens"])) > 0 for call in good)
    assert {str(call["graphrag.kind"]) for call in calls} >= {"extract", "answer"}
    (refused,) = [span for span in spans if "error.type" in (span.attributes or {})]
    assert dict(refused.attributes or {})["error.type"] == "RefusedError"
    assert not refused.status.is_ok
    told = " ".join(f"{span.attributes} {span.status.description}" for span in spans)
    assert "Ada" not in told
    assert "Great Eastern" not in told


def test_the_span_of_a_run_that_fails_says_so(
    server: TestServer, tmp_path: Path, exporter: InMemorySpanExporter
) -> None:
    exporter.clear()
    server.set_faults(Fault("status", status=503, kind="extract"))
    with GraphRAG.open(tmp_path, options=options(server)) as rag, pytest.raises(ModelError):
        rag.index(documents=[ADA])
    server.set_faults()
    failed = {span.name: span.status.is_ok for span in exporter.get_finished_spans()}
    assert not failed["graphrag index"]
    assert not failed["chat m"]
    assert failed["extract"]
