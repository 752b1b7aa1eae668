"""Calls that go by batches, against the test server: gathered, divided, resumed, never lost."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from graphrag.core.errors import (
    ContextTooLongError,
    ModelAuthError,
    ModelError,
    StoreError,
    UsageError,
)
from graphrag.core.settings import BatchSettings, ChatSettings, EmbeddingSettings
from graphrag.models.batch.server import MOST_INPUTS, BatchServer
from graphrag.models.openai_models import CHAT_PATH, EMBEDDINGS_PATH, OpenAIChat, OpenAIEmbedder
from graphrag.prompts import Message
from graphrag.testing import Fault, Rule, TestServer

ECHO = Rule("echo", lambda _: True, lambda request: f"said {request.data}")


class Watched:
    """Progress that is written down; `begun` is set when a batch is on its way."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.totals: list[int | None] = []
        self.done = 0
        self.notes: list[str] = []

    def start(self, step: str, total: int | None = None) -> None:
        self.totals.append(total)
        self.begun.set()

    def advance(self, step: str, count: int = 1, *, note: str = "") -> None:
        self.done += count

    def finish(self, step: str, note: str = "") -> None:
        self.notes.append(note)


class Client:
    """A chat and an embedding model of one batch server."""

    def __init__(
        self, url: str, folder: Path, settings: BatchSettings, retries: int, inputs: int
    ) -> None:
        self.progress = Watched()
        self.server = BatchServer(
            url,
            "key",
            paths=frozenset((CHAT_PATH, EMBEDDINGS_PATH)),
            settings=settings,
            max_retries=retries,
            folder=folder,
            progress=self.progress,
            quiet_s=0.02,
            most_inputs=inputs,
        )
        self._chat = OpenAIChat(self.server, ChatSettings(model="m"))
        self.embedder = OpenAIEmbedder(self.server, EmbeddingSettings(model="e"))

    async def ask(self, text: str) -> str:
        return (await self._chat.complete([Message("user", text)])).text

    async def ask_all(self, texts: Sequence[str]) -> list[str | BaseException]:
        return await asyncio.gather(*map(self.ask, texts), return_exceptions=True)


@pytest.fixture(scope="module")
def running() -> Iterator[TestServer]:
    with TestServer(rules=[ECHO], dimensions=4) as one:
        yield one


@pytest.fixture
def server(running: TestServer) -> TestServer:
    running.set_faults()
    running.reset()
    return running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "batches"


@asynccontextmanager
async def client(
    server: TestServer,
    folder: Path,
    *,
    retries: int = 0,
    settings: Mapping[str, float] | None = None,
    inputs: int = MOST_INPUTS,
) -> AsyncGenerator[Client]:
    chosen = BatchSettings.model_validate({"poll_s": 0.01, **(settings or {})})
    one = Client(server.url, folder, chosen, retries, inputs)
    try:
        yield one
    finally:
        await one.server.close()


def texts(count: int) -> list[str]:
    return [f"text {number}" for number in range(count)]


def said(asked: Sequence[str]) -> list[str]:
    return [f"said {text}" for text in asked]


def made(server: TestServer, kind: str = "batch") -> int:
    return server.stats()["batches"].get(kind, {}).get("calls", 0)


def lines(server: TestServer) -> int:
    """Calls that the batches made."""
    return server.stats()["chat"]["echo"]["calls"]


def notes(folder: Path) -> list[dict[str, object]]:
    return [json.loads(place.read_text()) for place in sorted(folder.glob("*.json"))]


def test_calls_that_wait_together_are_one_batch(server: TestServer, folder: Path) -> None:
    async def main() -> None:
        async with client(server, folder) as one:
            asked = [*texts(5), "text 2"]
            assert await one.ask_all(asked) == said(asked)
            assert one.progress.totals == [5]
            assert one.progress.done == 5
            assert one.progress.notes == ["completed, 5 of 5 requests"]
            assert await one.ask_all(["later"]) == ["said later"]

    asyncio.run(main())
    assert made(server) == 2
    assert lines(server) == 6


def test_chat_and_embeddings_are_batches_of_their_own(server: TestServer, folder: Path) -> None:
    async def main() -> None:
        async with client(server, folder) as one:
            embedding = asyncio.create_task(one.embedder.embed(["a b", "c"]))
            assert await one.ask("x") == "said x"
            assert (await embedding).shape == (2, 4)

    asyncio.run(main())
    assert made(server) == 2


@pytest.mark.parametrize(("settings", "batches"), [({"max_requests": 2}, 3), ({"max_mb": 5e-4}, 3)])
def test_many_calls_are_divided(
    server: TestServer, folder: Path, settings: dict[str, float], batches: int
) -> None:
    async def main() -> None:
        async with client(server, folder, settings=settings) as one:
            assert await one.ask_all(texts(5)) == said(texts(5))

    asyncio.run(main())
    assert made(server) == batches


def test_texts_to_embed_are_counted(server: TestServer, folder: Path) -> None:
    async def main() -> None:
        async with client(server, folder, inputs=5) as one:
            rows = await asyncio.gather(
                *(one.embedder.embed([f"{number} {text}" for text in "abc"]) for number in range(3))
            )
            assert [len(row) for row in rows] == [3, 3, 3]

    asyncio.run(main())
    assert made(server) == 3


def test_too_many_waiting_tokens_halve_a_batch(server: TestServer, folder: Path) -> None:
    server.set_faults(Fault("queue_full", kind="batch"))

    async def main() -> None:
        async with client(server, folder) as one:
            assert await one.ask_all(texts(7)) == said(texts(7))

    asyncio.run(main())
    # 7 into 3 and 4, these into 1 and 2, and 2 and 2.
    assert made(server) == 7
    assert lines(server) == 7


@pytest.mark.parametrize("fault", ["status", "drop", "truncated_body"])
def test_a_failed_line_is_sent_once_more(server: TestServer, folder: Path, fault: str) -> None:
    server.set_faults(Fault.from_json({"fault": fault, "match": "text 3", "times": 1}))

    async def main() -> None:
        async with client(server, folder) as one:
            assert await one.ask_all(texts(5)) == said(texts(5))
            assert one.progress.notes[0] == "completed, 4 of 5 requests"

    asyncio.run(main())
    assert lines(server) == 6


def test_a_line_that_fails_again_is_an_error_of_its_own(server: TestServer, folder: Path) -> None:
    server.set_faults(Fault("status", status=500, kind="echo", match="text 3"))

    async def main() -> None:
        async with client(server, folder) as one:
            replies = await one.ask_all(texts(5))
            failed = replies.pop(3)
            assert isinstance(failed, ModelError)
            assert failed.transient
            assert "500" in str(failed)
            assert replies == said([text for text in texts(5) if text != "text 3"])

    asyncio.run(main())
    assert lines(server) == 6


def test_a_line_that_cannot_pass_is_not_sent_again(server: TestServer, folder: Path) -> None:
    server.set_faults(Fault("context_too_long", kind="echo", match="text 1"))

    async def main() -> None:
        async with client(server, folder) as one:
            replies = await one.ask_all(texts(3))
            assert isinstance(replies[1], ContextTooLongError)

    asyncio.run(main())
    assert lines(server) == 3


def test_what_a_server_does_not_take_is_left_out(server: TestServer, folder: Path) -> None:
    server.set_faults(Fault("no_temperature", kind="echo"))

    async def main() -> None:
        async with client(server, folder) as one:
            assert await one.ask_all(texts(3)) == said(texts(3))

    asyncio.run(main())
    assert made(server) == 2


def test_the_rest_of_an_expired_batch_is_sent_once_more(server: TestServer, folder: Path) -> None:
    server.set_faults(Fault("expired", kind="batch", match="text 0"))

    async def main() -> None:
        async with client(server, folder) as one:
            assert await one.ask_all(texts(6)) == said(texts(6))
            notes = ["expired, 3 of 6 requests", "completed, 3 of 3 requests"]
            assert one.progress.notes == notes

    asyncio.run(main())
    assert lines(server) == 6


def test_what_expires_twice_is_told(server: TestServer, folder: Path) -> None:
    server.set_faults(Fault("expired", kind="batch"))

    async def main() -> None:
        async with client(server, folder) as one:
            replies = await one.ask_all(texts(4))
            assert replies[0] == "said text 0"
            error = replies[3]
            assert isinstance(error, ModelError)
            assert error.transient
            assert "'expired'" in str(error)
            assert "completion window" in str(error)

    asyncio.run(main())
    assert lines(server) == 3


@pytest.mark.parametrize(("fault", "good"), [("cancelled", 2), ("failed", 0)])
def test_a_batch_that_was_stopped_is_told_at_once(
    server: TestServer, folder: Path, fault: str, good: int
) -> None:
    server.set_faults(Fault.from_json({"fault": fault, "kind": "batch"}))

    async def main() -> None:
        async with client(server, folder) as one:
            replies = await one.ask_all(texts(4))
            errors = [reply for reply in replies if isinstance(reply, ModelError)]
            assert len(errors) == 4 - good
            assert all(f"ended as {fault!r}" in str(error) for error in errors)
            assert all(error.transient and error.hint for error in errors)

    asyncio.run(main())
    assert made(server) == 1


def test_an_interrupted_run_takes_up_its_batch(folder: Path) -> None:
    async def main(server: TestServer) -> None:
        async with client(server, folder) as one:
            asking = asyncio.create_task(one.ask_all(texts(4)))
            await one.progress.begun.wait()
            asking.cancel()
        assert "goes on" in one.progress.notes[0]
        [note] = notes(folder)
        assert note["batch"]
        async with client(server, folder) as one:
            assert await one.ask_all([*texts(2), "new"]) == said([*texts(2), "new"])
            # The rest of the batch is kept until it is asked for.
            assert await one.ask_all(["text 3", "text 2"]) == said(["text 3", "text 2"])
            await one.server.forget()
        assert notes(folder) == []

    with TestServer(rules=[ECHO], latency={"batch": 0.2}) as server:
        asyncio.run(main(server))
        assert made(server) == 2
        assert lines(server) == 5
        assert made(server, "discard") == 4  # the requests and replies of two batches


def test_replies_that_a_run_had_no_use_for_are_kept(server: TestServer, folder: Path) -> None:
    async def main() -> None:
        async with client(server, folder) as one:
            await one.ask_all(texts(4))  # and the run ends here without `forget`
        for wanted, left in ((texts(1), 3), (texts(4)[1:], 0)):
            async with client(server, folder) as one:
                assert await one.ask_all(wanted) == said(wanted)
                await one.server.forget()
            kept = [cast(list[str], note["names"]) for note in notes(folder)]
            assert sum(map(len, kept)) == left

    asyncio.run(main())
    assert made(server) == 1
    assert made(server, "discard") == 2


def test_old_notes_are_dropped(server: TestServer, folder: Path) -> None:
    async def main() -> None:
        for _ in range(2):
            async with client(server, folder) as one:
                assert await one.ask("x") == "said x"
            [place] = folder.glob("*.json")
            os.utime(place, (0, 0))

    asyncio.run(main())
    assert made(server) == 2


def test_a_batch_whose_making_was_not_confirmed_is_found(server: TestServer, folder: Path) -> None:
    server.set_faults(Fault("half_stream", kind="create", times=1))

    async def main() -> None:
        async with client(server, folder) as one:
            [failed] = await one.ask_all(["x"])
            assert isinstance(failed, ModelError)
        [note] = notes(folder)
        assert note["batch"] == ""
        async with client(server, folder) as one:
            assert await one.ask("x") == "said x"

    asyncio.run(main())
    assert made(server) == 1


def test_it_is_found_in_the_same_run_where_tries_are_left(server: TestServer, folder: Path) -> None:
    server.set_faults(Fault("half_stream", kind="create", times=1))

    async def main() -> None:
        async with client(server, folder, retries=1) as one:
            assert await one.ask("x") == "said x"

    asyncio.run(main())
    assert made(server) == 1


def test_a_server_that_is_away_for_a_while(server: TestServer, folder: Path) -> None:
    server.set_faults(Fault("status", kind="poll", times=3))

    async def main() -> None:
        async with client(server, folder) as one:
            assert await one.ask("x") == "said x"

    asyncio.run(main())


def test_replies_that_cannot_be_fetched_are_taken_by_the_next_run(
    server: TestServer, folder: Path
) -> None:
    server.set_faults(Fault("status", kind="download"))

    async def main() -> None:
        async with client(server, folder) as one:
            [failed] = await one.ask_all(["x"])
            assert isinstance(failed, ModelError)
            assert failed.transient
            await one.server.forget()
        server.set_faults()
        async with client(server, folder) as one:
            assert await one.ask("x") == "said x"

    asyncio.run(main())
    assert made(server) == 1


def test_a_batch_that_the_server_forgot_is_made_anew(server: TestServer, folder: Path) -> None:
    async def main() -> None:
        async with client(server, folder) as one:
            assert await one.ask("x") == "said x"
        [place] = folder.glob("*.json")
        place.write_text(json.dumps({**json.loads(place.read_text()), "batch": "gone"}))
        (folder / "damaged.json").write_text("{")
        async with client(server, folder) as one:
            assert await one.ask("x") == "said x"

    asyncio.run(main())
    assert made(server) == 2


def test_nothing_is_sent_for_callers_that_are_gone(server: TestServer, folder: Path) -> None:
    async def main() -> None:
        async with client(server, folder) as one:
            asking = asyncio.create_task(one.ask("x"))
            await asyncio.sleep(0)
            asking.cancel()
            assert await one.ask("y") == "said y"

    asyncio.run(main())
    assert lines(server) == 1


def test_a_note_that_cannot_be_written_stops_before_anything_is_paid(
    server: TestServer, folder: Path
) -> None:
    folder.write_text("a file stands in its place")

    async def main() -> None:
        async with client(server, folder) as one:
            [failed] = await one.ask_all(["x"])
            assert isinstance(failed, StoreError)

    asyncio.run(main())
    assert made(server, "create") == 0


def test_a_server_without_the_api(server: TestServer, folder: Path) -> None:
    server.set_faults(Fault("status", status=404, kind="poll"))

    async def main() -> None:
        async with client(server, folder) as one:
            with pytest.raises(UsageError, match="Batch API"):
                await one.server.preflight()

    asyncio.run(main())


def test_a_wrong_key_is_told_to_all(folder: Path) -> None:
    async def main(server: TestServer) -> None:
        async with client(server, folder) as one:
            replies = await one.ask_all(["x", "y"])
            assert [type(reply) for reply in replies] == [ModelAuthError, ModelAuthError]

    with TestServer(api_key="another") as server:
        asyncio.run(main(server))


def test_the_test_server_refuses_a_file_without_sense(server: TestServer) -> None:
    import openai

    async def main() -> list[str]:
        line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions"}
        bad = [{**line, "body": {"model": name}} for name in "mn"]
        content = "\n".join(map(json.dumps, bad)).encode()
        async with openai.AsyncOpenAI(api_key="k", base_url=server.url) as sdk:
            file = await sdk.files.create(file=("b.jsonl", content), purpose="batch")
            assert (await sdk.files.content(file.id)).content == content
            batch = await sdk.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
            while batch.status == "validating":
                batch = await sdk.batches.retrieve(batch.id)
            assert batch.status == "failed"
            assert (await sdk.batches.list()).data[0].id == batch.id
            assert batch.errors is not None
            return [str(problem.code) for problem in batch.errors.data or []]

    assert asyncio.run(main()) == ["duplicate_custom_id", "mismatched_model"]
