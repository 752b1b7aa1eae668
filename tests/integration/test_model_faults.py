"""The model client against a real HTTP server that misbehaves in every way we know."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar, get_args

import numpy as np
import pytest
from pydantic import BaseModel

from graphrag.core.errors import (
    BadReplyError,
    ContextTooLongError,
    CostLimitError,
    ModelAuthError,
    ModelError,
    ModelUnreachableError,
    RefusedError,
)
from graphrag.core.settings_file import load_settings
from graphrag.models.http_client import Server
from graphrag.models.limits.reply import LEAST, MOST
from graphrag.models.models import Models
from graphrag.models.servers import open_models
from graphrag.prompts import Message
from graphrag.testing import ChatRequest, Fault, Rule, TestServer
from graphrag.testing.limits import Dialect

Result = TypeVar("Result")

SYSTEM = Message("system", "Extract.")
TEXT = "Ada Lovelace met Charles Babbage in London. They spoke of the Analytical Engine."
PROMPT = [SYSTEM, Message("user", f"<text>\n{TEXT}\n</text>")]


class Entity(BaseModel):
    name: str
    type: str
    description: str


class Relationship(BaseModel):
    source: str
    target: str
    strength: float


class Extraction(BaseModel):
    entities: list[Entity] = []
    relationships: list[Relationship] = []


@pytest.fixture
def server() -> Iterator[TestServer]:
    with TestServer() as running:
        yield running


def run(
    url: str,
    root: Path,
    work: Callable[[Models], Awaitable[Result]],
    **options: object,
) -> Result:
    dotted = {name.replace("__", "."): value for name, value in options.items()}
    environ = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-test"}
    settings = load_settings(root, options=dotted, environ=environ)

    async def inner() -> Result:
        quick = Server(url, "sk-test", backoff_s=0.002)
        models = open_models(settings, root=root, servers={(url, "sk-test"): quick})
        try:
            return await work(models)
        finally:
            await models.close()

    return asyncio.run(inner())


def extract(models: Models) -> Awaitable[Extraction]:
    return models.json(PROMPT, Extraction, kind="extract")


async def read_stream(models: Models) -> list[str]:
    return [piece async for piece in models.stream(PROMPT, kind="answer")]


def names(found: Extraction) -> set[str]:
    return {entity.name for entity in found.entities}


def calls(server: TestServer, kind: str = "extract", group: str = "chat") -> int:
    return server.stats()[group][kind]["calls"]


def test_a_call_is_answered_counted_and_cached(server: TestServer, tmp_path: Path) -> None:
    async def work(models: Models) -> tuple[Extraction, Extraction]:
        first = await extract(models)
        usage = models.usage
        assert usage.chat_calls == 1
        assert usage.cost_usd
        counted = server.stats()["chat"]["extract"]
        assert counted["prompt_tokens"] == usage.prompt_tokens
        assert counted["completion_tokens"] == usage.completion_tokens
        return first, await extract(models)

    first, second = run(server.url, tmp_path, work)
    assert first == second
    assert {"Ada Lovelace", "Charles Babbage"} <= names(first)
    assert calls(server) == 1


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_transient_statuses_are_tried_again(
    server: TestServer, tmp_path: Path, status: int
) -> None:
    server.set_faults(Fault(status=status, times=2))
    assert names(run(server.url, tmp_path, extract))
    assert calls(server) == 3


@pytest.mark.parametrize("fault", ["drop", "half_stream", "truncated_body"])
def test_broken_connections_and_bodies_are_tried_again(
    server: TestServer, tmp_path: Path, fault: str
) -> None:
    server.set_faults(Fault.from_json({"fault": fault, "times": 2}))
    assert names(run(server.url, tmp_path, extract))
    assert calls(server) == 3


@pytest.mark.parametrize("fault", [Fault(status=503), Fault("drop"), Fault("truncated_body")])
def test_tries_end(server: TestServer, tmp_path: Path, fault: Fault) -> None:
    async def work(models: Models) -> ModelError:
        await models.embed(["reached"], kind="embed")
        server.set_faults(fault)
        with pytest.raises(ModelError) as caught:
            await extract(models)
        return caught.value

    error = run(server.url, tmp_path, work, chat__max_retries=3)
    assert error.transient
    assert error.hint
    assert server.url in str(error)
    assert calls(server) == 4


def test_retry_after_is_kept(server: TestServer, tmp_path: Path) -> None:
    server.set_faults(Fault(status=429, times=1, retry_after=0.3))

    async def work(models: Models) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await extract(models)
        return loop.time() - began

    assert run(server.url, tmp_path, work) >= 0.3


def test_a_long_retry_after_fails_at_once(server: TestServer, tmp_path: Path) -> None:
    server.set_faults(Fault(status=429, retry_after=3600))
    with pytest.raises(ModelError, match="429") as caught:
        run(server.url, tmp_path, extract)
    assert caught.value.transient
    assert "3600 s" in str(caught.value)
    assert calls(server) == 1


def test_a_hanging_server_times_out(server: TestServer, tmp_path: Path) -> None:
    server.set_faults(Fault("hang", times=1))
    assert names(run(server.url, tmp_path, extract, chat__timeout_s=0.2))
    server.set_faults(Fault("hang"))
    root = tmp_path / "other"
    with pytest.raises(ModelError, match=r"within 0\.1 s") as caught:
        run(server.url, root, extract, chat__timeout_s=0.1, chat__max_retries=1)
    assert caught.value.transient


def test_a_wrong_key_fails_before_any_call(tmp_path: Path) -> None:
    with TestServer(api_key="right") as server:
        for work in (Models.preflight, extract, read_stream):
            with pytest.raises(ModelAuthError) as caught:
                run(server.url, tmp_path, work)
            assert "sk-test" not in str(caught.value)
            assert server.url in str(caught.value)
            assert "OPENAI_API_KEY" in caught.value.hint
        assert server.stats() == {}


def test_an_unreachable_server_fails_in_moments(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        for work in (Models.preflight, extract, read_stream):
            with pytest.raises(ModelUnreachableError) as caught:
                run(url, tmp_path, work)
            assert url in str(caught.value)
            assert caught.value.hint


@pytest.mark.parametrize("status", [404, 405, 500])
def test_a_server_without_a_list_of_models_passes_the_preflight(
    server: TestServer, tmp_path: Path, status: int
) -> None:
    server.set_faults(Fault(kind="models", status=status))
    run(server.url, tmp_path, Models.preflight)
    assert calls(server, "models", "models") == 1


def test_preflight_sends_no_billed_call(server: TestServer, tmp_path: Path) -> None:
    run(server.url, tmp_path, Models.preflight)
    assert list(server.stats()) == ["models"]


@pytest.mark.parametrize(
    ("fault", "calls_made"), [("no_schema", 3), ("no_json", 4), ("no_temperature", 3)]
)
def test_what_a_server_does_not_take_is_found_out_once(
    server: TestServer, tmp_path: Path, fault: str, calls_made: int
) -> None:
    server.set_faults(Fault.from_json({"fault": fault}))

    async def work(models: Models) -> tuple[Extraction, Extraction]:
        other = [SYSTEM, Message("user", f"<text>\nMore of it. {TEXT}\n</text>")]
        return await extract(models), await models.json(other, Extraction, kind="extract")

    for found in run(server.url, tmp_path, work):
        assert "Ada Lovelace" in names(found)
    assert calls(server) == calls_made


def test_older_names_of_parameters_are_used_where_needed(
    server: TestServer, tmp_path: Path
) -> None:
    server.set_faults(Fault("no_max_tokens"), Fault("no_temperature"))
    found = run(server.url, tmp_path, extract, chat__max_output_tokens=4000)
    assert names(found)
    assert calls(server) == 3


@pytest.mark.parametrize("streamed", [False, True])
def test_a_model_without_the_role_system_gets_its_instructions_first(
    server: TestServer, tmp_path: Path, *, streamed: bool
) -> None:
    async def work(models: Models) -> None:
        if streamed:
            assert [piece async for piece in models.stream(PROMPT, kind="answer")]
        else:
            assert names(await extract(models))
        await models.text([SYSTEM, Message("user", "Say something.")], kind="answer")

    server.set_faults(Fault("no_system"))
    run(server.url, tmp_path, work)
    # The status is 500, as of llama.cpp, and it is found out once.
    assert sum(kind["calls"] for kind in server.stats()["chat"].values()) == 3


def test_a_server_that_takes_no_bound_gets_none(server: TestServer, tmp_path: Path) -> None:
    server.set_faults(Fault("no_max_tokens"), Fault("no_max_completion_tokens"))
    assert names(run(server.url, tmp_path, extract))
    assert calls(server) == 3


def test_a_reply_that_never_ends_is_cut_where_its_schema_does(
    server: TestServer, tmp_path: Path
) -> None:
    class Relevance(BaseModel):
        relevant: bool

    async def work(models: Models) -> list[int]:
        counts: list[int] = []
        for reply in (Extraction, Relevance):
            part = models.metered()
            with pytest.raises(BadReplyError, match="cut off after"):
                await part.json(PROMPT, reply, kind="extract", cache=False)
            counts.append(part.usage.completion_tokens)
        return counts

    server.set_faults(Fault("endless"))
    long, short = run(server.url, tmp_path, work)
    assert long <= MOST + 1
    assert short <= LEAST + 1
    assert run(server.url, tmp_path, work, chat__max_output_tokens=500) == [501, 501]


@pytest.mark.parametrize("streamed", [False, True])
def test_thoughts_have_room_of_their_own(
    server: TestServer, tmp_path: Path, *, streamed: bool
) -> None:
    async def work(models: Models) -> None:
        if streamed:
            assert [piece async for piece in models.stream(PROMPT, kind="answer")]
        else:
            assert names(await extract(models))

    async def later(models: Models) -> None:
        await models.text([Message("user", "Say something else.")], kind="answer")

    def sent() -> int:
        made = sum(kind["calls"] for kind in server.stats()["chat"].values())
        server.reset()
        return made

    server.set_faults(Fault("deep_thoughts"))
    run(server.url, tmp_path, work)
    assert sent() == 2
    run(server.url, tmp_path, later)
    assert sent() == 1  # it is remembered under the root that the model needs it


def test_any_first_400_steps_down_but_a_hopeless_one_is_raised(
    server: TestServer, tmp_path: Path
) -> None:
    server.set_faults(Fault(status=400))
    with pytest.raises(ModelError, match="400") as caught:
        run(server.url, tmp_path, extract)
    assert not caught.value.transient
    assert calls(server) == 3


@pytest.mark.parametrize("fault", ["truncated_json", "wrong_json"])
def test_a_bad_reply_is_asked_for_again(server: TestServer, tmp_path: Path, fault: str) -> None:
    server.set_faults(Fault.from_json({"fault": fault, "times": 1}))
    assert names(run(server.url, tmp_path, extract))
    assert calls(server) == 2
    server.set_faults(Fault.from_json({"fault": fault}))
    with pytest.raises(BadReplyError):
        run(server.url, tmp_path / "fresh", extract)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("refusal", RefusedError),
        ("content_filter", RefusedError),
        ("length", BadReplyError),
        ("empty", BadReplyError),
        ("context_too_long", ContextTooLongError),
        ("quota", ModelError),
    ],
)
def test_permanent_failures_are_not_repeated(
    server: TestServer, tmp_path: Path, fault: str, error: type[ModelError]
) -> None:
    server.set_faults(Fault.from_json({"fault": fault}))
    with pytest.raises(error) as caught:
        run(server.url, tmp_path, extract)
    assert not caught.value.transient
    assert caught.value.hint
    assert calls(server) == 1


def test_a_server_that_counts_nothing_is_estimated(server: TestServer, tmp_path: Path) -> None:
    server.set_faults(Fault("no_usage"))

    async def work(models: Models) -> None:
        await extract(models)
        assert models.usage.prompt_tokens > 20
        assert models.usage.completion_tokens > 20

    run(server.url, tmp_path, work)


def test_a_page_that_is_no_api_is_named(server: TestServer, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="404") as caught:
        run(server.url.removesuffix("/v1") + "/wrong", tmp_path, extract)
    assert "base_url" in caught.value.hint


def test_streams_are_counted_exactly_and_cached(server: TestServer, tmp_path: Path) -> None:
    async def work(models: Models) -> tuple[list[str], list[str]]:
        first = await read_stream(models)
        counted = server.stats()["chat"]["answer"]
        assert models.usage.prompt_tokens == counted["prompt_tokens"]
        assert models.usage.completion_tokens == counted["completion_tokens"]
        return first, await read_stream(models)

    first, second = run(server.url, tmp_path, work)
    assert len(first) > 1
    assert ["".join(first)] == second
    assert calls(server, "answer") == 1


def test_half_a_stream_is_an_error_after_its_pieces(server: TestServer, tmp_path: Path) -> None:
    server.set_faults(Fault("half_stream"))
    pieces: list[str] = []

    async def work(models: Models) -> None:
        async for piece in models.stream(PROMPT, kind="answer"):
            pieces.append(piece)

    async def again(models: Models) -> list[str]:
        return await read_stream(models)

    with pytest.raises(ModelError, match="lost") as caught:
        run(server.url, tmp_path, work)
    assert caught.value.transient
    assert pieces
    server.set_faults()
    assert len("".join(run(server.url, tmp_path, again))) > len("".join(pieces))


@pytest.mark.parametrize(
    ("delta", "message"),
    [
        ({"role": "assistant", "content": ""}, "sent no reply"),
        ({"content": "on and on " * 20_000}, "more than 2,000,000 characters"),
        ({"content": "", "reasoning_content": "hm"}, None),
    ],
)
def test_a_stream_without_end_is_ended(
    tmp_path: Path, delta: dict[str, str], message: str | None
) -> None:
    """Thoughts keep a stream alive, as long as there are any."""
    event = b"data: %s\n\n" % json.dumps({"choices": [{"delta": delta}]}).encode()

    class Endless(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            with suppress(OSError):
                for _ in range(100 if message is None else 10_000):
                    self.wfile.write(event)
                    time.sleep(0.01)
                end = {"choices": [{"delta": {"content": "end"}, "finish_reason": "stop"}]}
                self.wfile.write(b"data: %s\n\ndata: [DONE]\n\n" % json.dumps(end).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    endless = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    threading.Thread(target=endless.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{endless.server_port}/v1"
        if message is None:
            assert run(url, tmp_path, read_stream, chat__timeout_s=0.5) == ["end"]
        else:
            with pytest.raises(ModelError, match=message):
                run(url, tmp_path, read_stream, chat__timeout_s=0.5)
    finally:
        endless.shutdown()
        endless.server_close()


def test_streams_are_retried_before_their_first_piece(server: TestServer, tmp_path: Path) -> None:
    server.set_faults(Fault("no_stream_options"), Fault(status=503, times=2))
    assert run(server.url, tmp_path, read_stream)
    assert calls(server, "answer") == 4


@pytest.mark.parametrize(
    ("fault", "error"), [("refusal", RefusedError), ("content_filter", RefusedError)]
)
def test_streams_that_are_refused_say_so(
    server: TestServer, tmp_path: Path, fault: str, error: type[ModelError]
) -> None:
    server.set_faults(Fault.from_json({"fault": fault}))
    with pytest.raises(error):
        run(server.url, tmp_path, read_stream)


def test_an_answer_that_is_cut_off_is_there_and_noted_and_not_kept(
    server: TestServer, tmp_path: Path
) -> None:
    async def work(models: Models) -> tuple[str, ...]:
        fresh = models.with_fresh_usage()
        assert "".join([piece async for piece in fresh.stream(PROMPT, kind="answer")])
        return fresh.notes

    server.set_faults(Fault("length"))
    assert "cut off" in run(server.url, tmp_path, work)[0]
    server.set_faults()
    assert run(server.url, tmp_path, work) == ()
    assert sum(kind["calls"] for kind in server.stats()["chat"].values()) == 2


@pytest.mark.parametrize("faults", [(), (Fault("no_base64"),), (Fault(status=503, times=2),)])
def test_vectors_come_as_base64_or_as_numbers(
    server: TestServer, tmp_path: Path, faults: tuple[Fault, ...]
) -> None:
    server.set_faults(*faults)
    texts = ["a red apple", "the red apples", "quantum field theory", ""]

    async def work(models: Models) -> np.ndarray:
        vectors = await models.embed(texts, kind="embed")
        counted = server.stats()["embeddings"]["embed"]
        assert counted["prompt_tokens"] == models.usage.prompt_tokens
        return vectors

    vectors = run(server.url, tmp_path, work)
    assert vectors.shape == (4, 256)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_dimensions_are_asked_for_and_named(server: TestServer, tmp_path: Path) -> None:
    async def work(models: Models) -> tuple[int, ...]:
        assert models.embedder is not None
        assert models.embedder.name == "text-embedding-3-small@64"
        return (await models.embed(["x"], kind="embed")).shape

    assert run(server.url, tmp_path, work, embedding__dimensions=64) == (1, 64)


def test_a_batch_too_large_for_the_server_is_halved(server: TestServer, tmp_path: Path) -> None:
    server.set_faults(Fault(status=413, match="number 9"), Fault(status=422, match="number 20"))
    texts = [f"number {number}" for number in range(9)]

    async def work(models: Models) -> tuple[int, ...]:
        server.set_faults(Fault(status=422, match="number 0\nnumber 1\nnumber 2"))
        return (await models.embed(texts, kind="embed")).shape

    assert run(server.url, tmp_path, work)[0] == 9
    assert server.stats()["embeddings"]["embed"]["inputs"] == 9


def test_a_batch_that_takes_too_long_is_halved(tmp_path: Path) -> None:
    texts = [f"number {number}" for number in range(8)]

    async def work(models: Models) -> tuple[int, ...]:
        return (await models.embed(texts, kind="embed")).shape

    with TestServer() as server:
        server.set_faults(Fault("hang", match="number 1\nnumber 2"))
        assert run(server.url, tmp_path, work, embedding__timeout_s=0.3)[0] == 8
        # 8, 4 and 2 texts: each was sent once, and all went on two at a time.
        assert server.stats()["embeddings"]["embed"]["faults"] == 2
        assert server.stats()["embeddings"]["embed"]["inputs"] == 8


def test_a_server_with_one_slot_meets_no_storm(tmp_path: Path) -> None:
    units = [[Message("user", f"Extract entities. Unit {number}.")] for number in range(12)]

    async def work(models: Models) -> list[Extraction]:
        return list(
            await asyncio.gather(
                *(models.json(unit, Extraction, kind="extract", cache=False) for unit in units)
            )
        )

    # Together the calls take twice the time-out, one of them a sixth: a busy machine is no fault.
    with TestServer(latency=0.25, slots=1) as server:
        found = run(server.url, tmp_path, work, chat__concurrency=25, chat__timeout_s=1.5)
        sent = sum(kind["calls"] for kind in server.stats()["chat"].values())
    assert len(found) == len(units)
    assert sent <= 1.3 * len(units)


def test_on_this_machine_few_calls_are_in_flight_where_nothing_is_set(tmp_path: Path) -> None:
    async def work(models: Models) -> None:
        units = [[Message("user", f"Say {number}.")] for number in range(12)]
        await asyncio.gather(*(models.text(unit, kind="answer") for unit in units))

    with TestServer(latency=0.05) as server:
        run(server.url, tmp_path, work)
        most = max(kind["max_in_flight"] for kind in server.stats()["chat"].values())
    assert most == 4


def test_what_was_sent_again_is_told_once(server: TestServer, tmp_path: Path) -> None:
    server.set_faults(Fault(status=503, times=2))

    async def work(models: Models) -> tuple[str, ...]:
        fresh = models.with_fresh_usage()
        await extract(fresh)
        return fresh.notes

    (note,) = run(server.url, tmp_path, work)
    assert "sent again: 2; in the end 2 at once" in note


WINDOW = 100  # tokens of four bytes
LONG = "Captain Ann sailed the ship to Bergen and back. " * 30
SHORT = [f"Captain Ann{number} sailed ship {number}." for number in range(59)]


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_a_text_too_long_to_embed_is_cut_and_costs_no_other(
    dialect: Dialect, tmp_path: Path
) -> None:
    texts = [*SHORT[:7], LONG, *SHORT[7:]]

    async def work(models: Models) -> tuple[int, tuple[str, ...], bool]:
        rows = await models.embed(texts, kind="embed")
        again = await models.embed([f"{text}!" for text in SHORT], kind="embed")
        beginning = await models.embed([LONG[: int(0.75 * 4 * WINDOW)]], kind="embed")
        near = float(rows[7] @ beginning[0]) > 0.9
        return len(rows) + len(again), models.notes, near

    with TestServer(text_tokens=WINDOW, dialect=dialect) as server:
        rows, notes, near = run(server.url, tmp_path, work)
        counted = server.stats()["embeddings"]["embed"]
    assert rows == 60 + 59
    assert near
    (note,) = notes
    assert "cut to what the embedding model takes: 1 " in note
    # The batch is halved until the long text is alone; later batches are as full as ever.
    assert counted["calls"] < 25


def test_texts_that_are_all_too_long_are_cut_after_a_few_refusals(tmp_path: Path) -> None:
    async def work(models: Models) -> int:
        return len(await models.embed([f"{number} {LONG}" for number in range(200)], kind="embed"))

    with TestServer(text_tokens=WINDOW, dialect="tei") as server:
        assert run(server.url, tmp_path, work) == 200
        counted = server.stats()["embeddings"]["embed"]
    assert counted["faults"] <= 20
    assert counted["calls"] <= 40


def test_batches_that_came_are_kept_when_another_fails(server: TestServer, tmp_path: Path) -> None:
    server.set_faults(Fault(status=400, kind="embed", match="ship 40."))

    async def work(models: Models) -> int:
        with pytest.raises(ModelError):
            await models.embed(SHORT, kind="embed")
        return len(models.kept_vectors(SHORT))

    kept = run(server.url, tmp_path, work, embedding__batch_size=10)
    assert kept >= 49


def test_the_limit_on_cost_stops_in_time(server: TestServer, tmp_path: Path) -> None:
    prompts = [
        [SYSTEM, Message("user", f"<text>\n{number}. {TEXT}\n</text>")] for number in range(30)
    ]

    async def work(models: Models) -> list[Extraction | BaseException]:
        calls = (models.json(prompt, Extraction, kind="extract") for prompt in prompts)
        return await asyncio.gather(*calls, return_exceptions=True)

    price = {"input": 10.0, "output": 10.0}
    results = run(
        server.url,
        tmp_path,
        work,
        chat__price=price,
        limits__max_cost_usd=0.05,
        embedding__model=None,
    )
    stopped = [item for item in results if isinstance(item, CostLimitError)]
    assert stopped
    counted = server.stats()["chat"]["extract"]
    spent = (counted["prompt_tokens"] + counted["completion_tokens"]) * 10 / 1e6
    assert 0.02 < spent <= 0.05
    assert counted["calls"] == len(results) - len(stopped)


def test_calls_in_flight_keep_to_the_setting(tmp_path: Path) -> None:
    prompts = [[Message("user", f"<text>\n{number}\n</text>")] for number in range(12)]

    async def work(models: Models) -> None:
        await asyncio.gather(
            *(models.json(prompt, Extraction, kind="extract") for prompt in prompts)
        )

    with TestServer(latency=0.05) as server:
        run(server.url, tmp_path, work, chat__concurrency=4)
        assert server.stats()["chat"]["extract"]["max_in_flight"] == 4


def test_chat_and_embeddings_share_one_client(server: TestServer, tmp_path: Path) -> None:
    async def work(models: Models) -> int:
        return len(models._servers())

    assert run(server.url, tmp_path, work) == 1
    other = run(server.url, tmp_path, work, embedding__api_key="another")
    assert other == 2


def test_the_key_is_sent_and_nowhere_kept(tmp_path: Path) -> None:
    with TestServer(api_key="sk-test") as server:
        assert names(run(server.url, tmp_path, extract))
    for file in (tmp_path / ".graphrag").iterdir():
        assert b"sk-test" not in file.read_bytes()


def test_rules_add_kinds(tmp_path: Path) -> None:
    def shout(request: ChatRequest) -> str:
        return request.data.upper()

    rule = Rule("shout", lambda request: "Shout" in request.instructions, shout)
    messages = [Message("system", "Shout."), Message("user", "hello")]

    async def work(models: Models) -> str:
        return await models.text(messages, kind="x")

    with TestServer(rules=[rule]) as server:
        assert run(server.url, tmp_path, work) == "HELLO"
        assert list(server.stats()["chat"]) == ["shout"]


def test_the_server_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    faults = '[{"kind": "extract", "status": 503, "times": 1}]'
    with TestServer.spawn("--latency", "0.01", "--faults", faults) as server:
        assert names(run(server.url, tmp_path, extract))
        assert calls(server) == 2
        server.set_faults()
        server.reset()
        assert server.stats() == {}


def test_faults_pick_the_same_prompts_each_time(server: TestServer, tmp_path: Path) -> None:
    server.set_faults(Fault(status=503, rate=0.33))
    prompts = [[SYSTEM, Message("user", f"<text>\n{number}\n</text>")] for number in range(60)]

    async def work(models: Models) -> list[bool]:
        calls = (models.json(p, Extraction, kind="extract") for p in prompts)
        results = await asyncio.gather(*calls, return_exceptions=True)
        return [isinstance(item, ModelError) for item in results]

    first = run(server.url, tmp_path / "a", work, chat__max_retries=0)
    assert 8 < sum(first) < 32
    assert run(server.url, tmp_path / "b", work, chat__max_retries=0) == first


ENGINES = "/openai/deployments/mine"
MESSAGE: dict[str, object] = {"role": "assistant", "content": "Ann sailed it."}
SHAPES: dict[str, tuple[dict[str, object], str]] = {
    "parts": (
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "Ann "},
                {"type": "text", "text": "sailed it."},
            ]
        },
        "Ann sailed it.",
    ),
    "reasoning": (MESSAGE | {"reasoning_content": "Who may it be?"}, "Ann sailed it."),
    "aloud": (MESSAGE | {"content": "Bo?\n</think>\nAnn sailed it."}, "Ann sailed it."),
}


class Odd:
    """A server that answers each request with the same body; `asked` has what it was sent."""

    def __init__(self, body: bytes, *, kind: str = "application/json") -> None:
        asked: list[tuple[str, dict[str, str]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.asked = asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Odd:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def completion(message: object, **more: object) -> bytes:
    choice = {"index": None, "message": message, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], **more}).encode()


def read_text(models: Models) -> Awaitable[str]:
    return models.text(PROMPT, kind="answer")


@pytest.mark.parametrize("shape", SHAPES)
def test_content_of_any_shape_is_read(shape: str, tmp_path: Path) -> None:
    message, text = SHAPES[shape]
    usage = {"prompt_tokens": 12, "completion_tokens": None, "total_tokens": None}
    with Odd(completion(message, usage=usage)) as odd:
        assert run(f"{odd.root}/v1", tmp_path, read_text) == text


def test_streams_of_parts_and_empty_deltas_are_read(tmp_path: Path) -> None:
    deltas: list[dict[str, object]] = [
        {"role": "assistant", "content": None},
        {},
        {"content": [{"type": "text", "text": "Ann "}]},
        {"content": "", "reasoning_content": None},
        {"content": "sailed."},
    ]
    events = [{"choices": [{"index": None, "delta": delta}], "usage": None} for delta in deltas]
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    last = (
        'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: {"choices": []}\n\n'
    )
    body = "".join([*lines, last, "data: [DONE]\n\n"]).encode()
    with Odd(body, kind="text/event-stream") as odd:
        assert "".join(run(f"{odd.root}/v1", tmp_path, read_stream)) == "Ann sailed."


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize(
    ("error", "found", "tries"),
    [
        ({"message": "slow down, please", "code": 503}, ModelError, 3),
        ({"message": "out of money", "code": "insufficient_quota"}, ModelError, 1),
        ({"message": "no such key", "code": 401}, ModelAuthError, 1),
        ({"message": "the maximum context length is 10"}, ContextTooLongError, 1),
    ],
)
def test_an_error_in_a_200_is_that_error(
    error: dict[str, object], found: type[ModelError], tries: int, kind: str, tmp_path: Path
) -> None:
    body = json.dumps({"error": error}).encode()
    streams = kind == "text/event-stream"
    with Odd(b"data: %s\n\n" % body if streams else body, kind=kind) as odd:
        work = read_stream if streams else read_text
        with pytest.raises(found) as caught:
            run(f"{odd.root}/v1", tmp_path, work, chat__max_retries=2)
        assert caught.value.transient is (tries > 1)
        assert found is ModelAuthError or str(error["message"]) in str(caught.value)
        assert len(odd.asked) == (1 if streams else tries)


def test_the_address_of_an_azure_deployment_is_kept(tmp_path: Path) -> None:
    with Odd(completion(MESSAGE)) as odd:
        url = f"{odd.root}{ENGINES}?api-version=2024-10-21"
        run(url, tmp_path, read_text)
        ((path, headers),) = odd.asked
    assert path == f"{ENGINES}/chat/completions?api-version=2024-10-21"
    assert headers["api-key"] == "sk-test"
    assert "authorization" not in headers
