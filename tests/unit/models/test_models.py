"""Models over fakes: replies parsed, cached, shared, counted, bounded in cost; no server."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from pydantic import BaseModel

from graphrag.core.answers import Usage
from graphrag.core.errors import (
    BadReplyError,
    CostLimitError,
    ModelError,
    RefusedError,
    SettingsError,
    UsageError,
)
from graphrag.core.settings import ChatSettings, EmbeddingSettings, LimitSettings, Price, Settings
from graphrag.core.settings_file import load_settings
from graphrag.models.models import Models
from graphrag.models.protocol import ChatModel
from graphrag.models.replies.completion import Completion
from graphrag.models.servers import open_models
from graphrag.prompts import Message
from graphrag.testing import FakeChat, FakeEmbedder

Result = TypeVar("Result")

PROMPT = [Message("system", "Rate it."), Message("user", "<text>\nabc\n</text>")]
PRICED = ChatSettings(price=Price(input=1000.0, output=1000.0), max_output_tokens=10)


class Rating(BaseModel):
    rating: int
    reason: str


def make(
    chat: ChatModel | None = None,
    *,
    embedder: FakeEmbedder | None = None,
    settings: Settings | None = None,
    cache_path: Path | None = None,
) -> Models:
    return Models(
        chat=chat, embedder=embedder, settings=settings or Settings(), cache_path=cache_path
    )


def run(models: Models, work: Callable[[Models], Awaitable[Result]]) -> Result:
    async def inner() -> Result:
        try:
            return await work(models)
        finally:
            await models.close()

    return asyncio.run(inner())


def rate(models: Models) -> Awaitable[Rating]:
    return models.json(PROMPT, Rating, kind="rate")


GOOD = '{"rating": 7, "reason": "clear"}'


@pytest.mark.parametrize(
    "reply",
    [
        GOOD,
        '{"rating": "7", "reason": "clear"}',
        f"Here you are:\n```json\n{GOOD}\n```\nAnything else?",
        '{"rating": 7, "reason": "clear",}',
        f"<think>Is it {{odd}}? {{}}</think>\n{GOOD}",
        '{"rating": 7,\n "reason": "clear", "more": [1, 2,],}',
    ],
)
def test_a_reply_is_read_through_fences_prose_and_trailing_commas(reply: str) -> None:
    chat = FakeChat([reply])
    assert run(make(chat), rate) == Rating(rating=7, reason="clear")
    assert len(chat.calls) == 1


@pytest.mark.parametrize(
    "reply", ['{"rating": 7, "reason": "cle', '[{"rating": 7}', "seven", '{"score": 7}', "{}"]
)
def test_a_bad_reply_is_asked_for_once_more_with_its_fault(reply: str) -> None:
    chat = FakeChat([reply, GOOD])
    models = make(chat)
    assert run(models, rate).rating == 7
    correction = chat.calls[1]
    assert [message.role for message in correction] == ["system", "user", "assistant", "user"]
    assert correction[2].content == reply
    assert models.usage.chat_calls == 2


def test_a_reply_that_stays_bad_is_an_error_and_is_not_kept(tmp_path: Path) -> None:
    chat = FakeChat(['{"rating": "high"}', "still wrong", GOOD])
    models = make(chat, cache_path=tmp_path / "cache.db")

    async def work(models: Models) -> Rating:
        with pytest.raises(BadReplyError, match="still wrong") as caught:
            await rate(models)
        assert caught.value.hint
        assert not caught.value.transient
        return await rate(models)

    assert run(models, work).rating == 7


class Item(BaseModel):
    name: str = ""


class Found(BaseModel):
    items: list[Item] = []


@pytest.mark.parametrize("reply", ['{"items": [{"name": "a"}, {"name": "b"', '{"unexpected": 1}'])
def test_a_truncated_list_or_another_shape_is_never_taken_for_a_short_list(reply: str) -> None:
    with pytest.raises(BadReplyError):
        run(make(FakeChat([reply, reply])), lambda m: m.json(PROMPT, Found, kind="found"))


class Scripted:
    """A chat model that ends its replies as told."""

    name = "scripted"

    def __init__(self, *completions: Completion) -> None:
        self._queue = [*completions]

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Completion:
        return self._queue.pop(0)

    def stream(self, messages: Sequence[Message]) -> FakeStream:
        return FakeStream()


class FakeStream:
    def __aiter__(self) -> FakeStream:
        return self

    async def __anext__(self) -> str:
        raise StopAsyncIteration


@pytest.mark.parametrize(
    ("finish", "text", "error"),
    [
        ("length", GOOD, BadReplyError),
        ("content_filter", "", RefusedError),
        ("refusal", "I cannot.", RefusedError),
        ("stop", "  ", BadReplyError),
    ],
)
def test_replies_that_did_not_end_well_are_errors_and_count(
    finish: str, text: str, error: type[ModelError]
) -> None:
    models = make(Scripted(Completion(text, 100, 5, finish)))
    with pytest.raises(error) as caught:
        run(models, rate)
    assert caught.value.hint
    assert models.usage.prompt_tokens == 100


def test_replies_are_kept_across_runs_in_a_file_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / ".graphrag" / "cache.db"
    first = make(FakeChat([GOOD, "some text"]), cache_path=path)

    async def both(models: Models) -> tuple[Rating, str]:
        return await rate(models), await models.text(PROMPT, kind="text")

    wanted = run(first, both)
    again = make(FakeChat([]), cache_path=path)
    assert run(again, both) == wanted
    assert again.usage == Usage(cached_calls=2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    stored = path.read_bytes()
    assert b"Rate it" not in stored


def test_another_model_temperature_prompt_or_schema_is_another_call(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    run(make(FakeChat([GOOD]), cache_path=path), rate)
    warm = Settings(chat=ChatSettings(temperature=0.5))
    other = [Message("system", "Rate it."), Message("user", "<text>\nabd\n</text>")]
    cases: list[tuple[Models, Callable[[Models], Awaitable[object]]]] = [
        (make(FakeChat([GOOD], name="other"), cache_path=path), rate),
        (make(FakeChat([GOOD]), settings=warm, cache_path=path), rate),
        (make(FakeChat([GOOD]), cache_path=path), lambda m: m.json(other, Rating, kind="rate")),
        (make(FakeChat([GOOD]), cache_path=path), lambda m: m.json(PROMPT, Rating, kind="x")),
    ]
    for models, work in cases:
        run(models, work)
        assert models.usage.chat_calls == 1


def test_cache_false_neither_reads_nor_keeps(tmp_path: Path) -> None:
    models = make(FakeChat([GOOD, GOOD]), cache_path=tmp_path / "cache.db")

    async def work(models: Models) -> None:
        for _ in range(2):
            await models.json(PROMPT, Rating, kind="rate", cache=False)

    run(models, work)
    assert models.usage.chat_calls == 2


def test_a_damaged_cache_is_moved_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "cache.db"
    path.write_bytes(b"no database " * 100)
    assert run(make(FakeChat([GOOD]), cache_path=path), rate).rating == 7
    assert "damaged" in caplog.text
    assert (tmp_path / "cache.db.corrupt").exists()
    again = make(FakeChat([]), cache_path=path)
    assert run(again, rate).rating == 7


def test_a_cache_that_cannot_be_made_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    models = make(FakeChat([GOOD]), cache_path=tmp_path / "file" / "cache.db")
    assert run(models, rate).rating == 7
    assert "is not used" in caplog.text


def test_identical_calls_at_the_same_time_are_one(tmp_path: Path) -> None:
    for path in (None, tmp_path / "cache.db"):
        chat = Gate([GOOD])
        models = make(chat, cache_path=path)

        async def work(models: Models, chat: Gate = chat) -> list[Rating]:
            calls = asyncio.gather(*(rate(models) for _ in range(5)))
            await chat.entered.wait()
            chat.open.set()
            return await calls

        assert {item.rating for item in run(models, work)} == {7}
        assert models.usage.chat_calls == 1
        assert models.usage.cached_calls == 4


class Gate(FakeChat):
    """Replies only when told to."""

    def __init__(self, replies: Sequence[str | Exception]) -> None:
        super().__init__(replies)
        self.entered = asyncio.Event()
        self.open = asyncio.Event()

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Completion:
        self.entered.set()
        await self.open.wait()
        return await super().complete(messages, schema=schema)


def test_cancelling_the_first_of_two_identical_calls_does_not_end_the_second() -> None:
    chat = Gate([GOOD])

    async def work(models: Models) -> Rating:
        first = asyncio.ensure_future(rate(models))
        await chat.entered.wait()
        second = asyncio.ensure_future(rate(models))
        await asyncio.sleep(0)
        first.cancel()
        chat.open.set()
        return await second

    assert run(make(chat), work).rating == 7


def test_a_failure_is_shared_and_a_later_call_tries_again() -> None:
    chat = Gate([ModelError("down", transient=True), GOOD])

    async def work(models: Models) -> tuple[list[Rating | BaseException], Rating]:
        calls = asyncio.gather(*(rate(models) for _ in range(3)), return_exceptions=True)
        await chat.entered.wait()
        chat.open.set()
        return await calls, await rate(models)

    failed, later = run(make(chat), work)
    assert [str(item) for item in failed] == ["down"] * 3
    assert later.rating == 7


def test_usage_is_counted_by_kind_with_its_cost() -> None:
    settings = Settings(
        chat=ChatSettings(price=Price(input=2.0, output=8.0)),
        embedding=EmbeddingSettings(price=Price(input=0.5)),
    )
    chat = Scripted(Completion(GOOD, 1000, 100), Completion("hello", 10, 1))
    models = make(chat, embedder=FakeEmbedder(), settings=settings)

    async def work(models: Models) -> None:
        await rate(models)
        await models.text(PROMPT, kind="greet")
        await models.embed(["some words", "others"], kind="embed")

    run(models, work)
    by_kind = models.usage_by_kind()
    assert list(by_kind) == ["embed", "greet", "rate"]
    assert by_kind["rate"] == Usage(1, 0, 1000, 100, 0, 0.0028)
    assert by_kind["embed"].embedding_calls == 1
    assert by_kind["embed"].prompt_tokens == 7
    assert models.usage.chat_calls == 2
    assert models.with_fresh_usage().usage == Usage()


def test_metered_calls_are_told_alone_and_counted_with_the_rest() -> None:
    models = make(Scripted(*(Completion(GOOD, tokens, 1) for tokens in (100, 20, 3))))

    async def work(models: Models) -> tuple[int, int]:
        first, second = models.metered(), models.metered()
        await first.text([PROMPT[0]], kind="a")
        await second.text([PROMPT[1]], kind="b")
        await first.text(PROMPT, kind="c")
        return first.usage.prompt_tokens, second.usage.prompt_tokens

    assert run(models, work) == (103, 20)
    assert models.usage.prompt_tokens == 123


def test_an_unknown_price_makes_the_cost_unknown() -> None:
    models = make(FakeChat([GOOD]))
    run(models, rate)
    assert models.usage.cost_usd is None
    assert models.with_fresh_usage().usage.cost_usd == 0


def test_well_known_models_have_a_price() -> None:
    models = make(FakeChat([GOOD], name="gpt-4.1-mini-2025-04-14"))
    run(models, rate)
    cost = models.usage.cost_usd
    assert cost is not None
    assert 0 < cost < 0.001


def test_the_cost_limit_is_never_passed_and_all_that_fits_is_done() -> None:
    # Each call costs 20 tokens of prompt and 9 of reply: 0.029 USD, and may cost 0.03.
    settings = Settings(chat=PRICED, limits=LimitSettings(max_cost_usd=0.1))
    chat = FakeChat(lambda _messages, _schema: GOOD)
    models = make(chat, settings=settings)

    async def work(models: Models) -> list[str | BaseException]:
        prompts = [[Message("user", f"call {number:03} " + "x" * 51)] for number in range(20)]
        calls = (models.text(prompt, kind="text") for prompt in prompts)
        return await asyncio.gather(*calls, return_exceptions=True)

    results = run(models, work)
    stopped = [item for item in results if isinstance(item, CostLimitError)]
    assert stopped[0].exit_code == 3
    assert "0.1 USD" in str(stopped[0])
    cost = models.usage.cost_usd
    assert cost is not None
    assert 0.05 < cost <= 0.1
    assert len(results) - len(stopped) == len(chat.calls) >= 3


def test_a_cost_limit_needs_prices() -> None:
    settings = Settings(limits=LimitSettings(max_cost_usd=1.0))
    with pytest.raises(SettingsError, match="fake-chat") as caught:
        make(FakeChat([]), settings=settings)
    assert "chat.price" in caught.value.hint
    with pytest.raises(SettingsError, match="fake-embedding"):
        make(embedder=FakeEmbedder(), settings=settings)


def test_a_stream_comes_in_pieces_and_from_the_cache_in_one(tmp_path: Path) -> None:
    models = make(FakeChat(["one two three"]), cache_path=tmp_path / "cache.db")

    async def work(models: Models) -> list[list[str]]:
        return [[piece async for piece in models.stream(PROMPT, kind="answer")] for _ in range(2)]

    first, second = run(models, work)
    assert first == ["one ", "two ", "three"]
    assert second == ["one two three"]
    assert models.usage.chat_calls == 1
    assert models.usage.cached_calls == 1
    assert models.usage.completion_tokens > 0


def test_a_stream_that_its_reader_leaves_is_counted_but_not_kept(tmp_path: Path) -> None:
    models = make(FakeChat(["one two three", "four"]), cache_path=tmp_path / "cache.db")

    async def work(models: Models) -> str:
        stream = models.stream(PROMPT, kind="answer")
        await anext(stream)
        await stream.aclose()
        assert models.usage.chat_calls == 1
        return await models.text(PROMPT, kind="answer")

    assert run(models, work) == "four"


def test_vectors_are_kept_by_text_and_asked_for_once(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    embedder = FakeEmbedder(8)
    settings = Settings(embedding=EmbeddingSettings(batch_size=2))
    models = make(embedder=embedder, settings=settings, cache_path=path)
    texts = ["red apple", "green pear", "red apple", "blue plum"]

    async def work(models: Models) -> np.ndarray:
        return await models.embed(texts, kind="embed")

    vectors = run(models, work)
    assert vectors.shape == (4, 8)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors[0], vectors[2])
    assert [list(call) for call in embedder.calls] == [["red apple", "green pear"], ["blue plum"]]
    other = make(embedder=FakeEmbedder(8), cache_path=path)

    async def more(models: Models) -> np.ndarray:
        return await models.embed(["blue plum", "a new one", "green pear"], kind="embed")

    mixed = run(other, more)
    assert np.array_equal(mixed[0], vectors[3])
    assert np.array_equal(mixed[2], vectors[1])
    assert other.embedder is not None
    assert models.usage.embedding_calls == 2
    assert other.usage.embedding_calls == 1


def test_batches_keep_to_the_token_budget() -> None:
    embedder = FakeEmbedder(8)
    settings = Settings(embedding=EmbeddingSettings(batch_tokens=100))
    texts = [f"{number}" * 150 for number in range(4)] + ["x" * 900]

    async def work(models: Models) -> np.ndarray:
        return await models.embed(texts, kind="embed")

    run(make(embedder=embedder, settings=settings), work)
    assert [len(call) for call in embedder.calls] == [1, 1, 1, 1, 1]


def test_no_texts_are_no_call() -> None:
    models = make(embedder=FakeEmbedder())

    async def work(models: Models) -> np.ndarray:
        return await models.embed([], kind="embed")

    assert run(models, work).shape == (0, 0)
    assert models.usage == Usage()


def test_identical_embedding_calls_at_the_same_time_are_one() -> None:
    embedder = FakeEmbedder()
    models = make(embedder=embedder)

    async def work(models: Models) -> None:
        await asyncio.gather(*(models.embed(["a b"], kind="embed") for _ in range(3)))

    run(models, work)
    assert len(embedder.calls) == 1


def test_a_model_that_changed_its_size_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"

    async def work(models: Models) -> None:
        await models.embed(["one", "two"], kind="embed")

    async def more(models: Models) -> None:
        await models.embed(["one", "three"], kind="embed")

    run(make(embedder=FakeEmbedder(8), cache_path=path), work)
    with pytest.raises(BadReplyError, match=r"\[8, 16\]"):
        run(make(embedder=FakeEmbedder(16), cache_path=path), more)


def test_without_a_model_the_message_says_how_to_get_one() -> None:
    with pytest.raises(UsageError, match="chat model") as caught:
        run(make(), rate)
    assert "OPENAI_API_KEY" in caught.value.hint

    async def work(models: Models) -> None:
        await models.embed(["x"], kind="embed")

    with pytest.raises(UsageError, match="embedding model"):
        run(make(), work)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"OPENAI_BASE_URL": "localhost:11434/v1"}, "localhost:11434/v1"),
        ({"OPENAI_BASE_URL": "http://[::1"}, "is no URL"),
        ({"OPENAI_BASE_URL": "http://"}, "is no URL"),
        ({"OPENAI_BASE_URL": "http://a b/v1"}, "is no URL"),
        ({"OPENAI_BASE_URL": "https://host:99999/v1"}, "is no URL"),
        ({"OPENAI_API_KEY": "sk-“quoted”"}, "api_key"),
    ],
)
def test_a_bad_url_or_key_is_refused_before_any_call(
    tmp_path: Path, environ: dict[str, str], message: str
) -> None:
    settings = load_settings(tmp_path, environ=environ)
    with pytest.raises(SettingsError, match=message) as caught:
        open_models(settings, root=tmp_path)
    assert "quoted" not in str(caught.value)


def test_no_key_and_no_server_are_no_models(tmp_path: Path) -> None:
    models = open_models(load_settings(tmp_path, environ={}), root=tmp_path)
    assert models.chat is None
    assert models.embedder is None
