"""Rate limits, what servers' failures mean, and the schemas that replies are asked for with."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from graphrag.core.errors import ContextTooLongError, ModelAuthError, ModelError, RefusedError
from graphrag.models.http_errors import RejectedRequestError, retry_after, status_error
from graphrag.models.replies.schema import is_strict, reply_schema, schema_as_text
from graphrag.models.spending import RateLimiter, known_price, upper_estimate

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@given(
    st.integers(1, 5),
    st.integers(50, 200),
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 250)), min_size=1, max_size=40),
)
def test_no_window_holds_more_than_the_limits(
    requests: int, tokens: int, calls: list[tuple[int, int]]
) -> None:
    limiter = RateLimiter(requests=requests, tokens=tokens, window_s=60.0)
    now = 0.0
    starts: list[tuple[float, int]] = []
    for later, size in calls:
        now += later
        starts.append((limiter.place(size, now).start, size))
    assert [start for start, _ in starts] == sorted(start for start, _ in starts)
    for first, _ in starts:
        inside = [size for start, size in starts if first <= start < first + 60.0]
        assert len(inside) <= requests
        assert sum(inside) <= tokens or len(inside) == 1


def test_calls_start_at_once_while_there_is_room_and_in_order_after_that() -> None:
    limiter = RateLimiter(requests=2, tokens=None, window_s=10.0)
    assert [limiter.place(1, 5.0).start for _ in range(5)] == [5.0, 5.0, 15.0, 15.0, 25.0]


def test_true_counts_make_room_for_the_next_call() -> None:
    limiter = RateLimiter(requests=None, tokens=100, window_s=10.0)
    first = limiter.place(90, 0.0)
    limiter.settle(first, 20)
    assert limiter.place(80, 0.0).start == 0.0
    assert limiter.place(1, 0.0).start == 10.0
    limiter.settle(first, 90)
    assert limiter.place(19, 10.0).start == 10.0


def test_waiting_never_blocks_the_loop() -> None:
    limiter = RateLimiter(requests=1, tokens=None, window_s=0.05)

    async def work() -> int:
        ticks = 0
        waiting = asyncio.gather(*(limiter.wait(1) for _ in range(3)))
        while not waiting.done():
            await asyncio.sleep(0)
            ticks += 1
        await waiting
        return ticks

    assert asyncio.run(work()) > 10


def test_a_pause_holds_everyone_back() -> None:
    limiter = RateLimiter(requests=None, tokens=None)

    async def work() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        limiter.pause(0.05)
        await limiter.wait(1)
        return loop.time() - began

    assert asyncio.run(work()) >= 0.04


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_seconds_milliseconds_or_as_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, now=NOW) == seconds


def failure(status: int, message: str = "no", code: str | None = None) -> ModelError:
    body = {"message": message, "code": code}
    return status_error(status, body, url="http://host/v1", model="m", key="sk-secret")


@pytest.mark.parametrize(
    ("status", "message", "kind", "transient"),
    [
        (401, "bad key sk-secret", ModelAuthError, False),
        (403, "no", ModelAuthError, False),
        (404, "no such model", ModelError, False),
        (402, "pay", ModelError, False),
        (408, "slow", ModelError, True),
        (409, "conflict", ModelError, True),
        (429, "slow down", ModelError, True),
        (429, "You exceeded your current quota", ModelError, False),
        (500, "oops", ModelError, True),
        (529, "overloaded", ModelError, True),
        (501, "never", ModelError, False),
        (400, "maximum context length is 8192", ContextTooLongError, False),
        (400, "filtered by the content management policy", RefusedError, False),
        (400, "temperature is not supported", RejectedRequestError, False),
        (422, "field", RejectedRequestError, False),
        (418, "teapot", ModelError, False),
    ],
)
def test_each_status_is_the_right_error(
    status: int, message: str, kind: type[ModelError], transient: bool
) -> None:
    error = failure(status, message)
    assert type(error) is kind
    assert error.transient is transient
    assert "http://host/v1" in str(error)
    assert error.hint
    assert "sk-secret" not in str(error)


def test_the_servers_words_are_short_and_without_keys() -> None:
    error = failure(400, "key sk-abc123*** " + "long " * 500)
    assert "abc123" not in str(error)
    assert len(str(error)) < 500


def test_causes_are_found_before_keys_are_hidden() -> None:
    def told(message: str, key: str) -> ModelError:
        return status_error(400, {"message": message}, url="http://h", model="m", key=key)

    assert type(told("maximum context length", "context")) is ContextTooLongError
    assert "maximum context length" in str(told("maximum context length", "context"))
    error = told("temperature is wrong for key-of-nine", "key-of-nine")
    assert isinstance(error, RejectedRequestError)
    assert error.mentions("temperature")
    assert "key-of-nine" not in f"{error} {error.quoted}"


def test_bodies_of_any_shape_are_read() -> None:
    for body in ("<html>gateway</html>", None, {"error": "plain"}, {"detail": [1]}, [1]):
        assert "answered 500" in str(status_error(500, body, url="http://host", model="m", key=""))


class Part(BaseModel):
    name: str = Field(default="", max_length=20)
    title: str | None = None


class Whole(BaseModel):
    parts: list[Part] = []
    score: float


def test_schemas_suit_strict_mode_and_carry_the_kind() -> None:
    schema = reply_schema(Whole, title="whole")
    assert schema["title"] == "whole"
    assert schema["required"] == ["parts", "score"]
    assert is_strict(schema)
    assert '"maxLength"' not in str(schema)
    assert not is_strict(Whole.model_json_schema())


def test_fields_that_are_named_like_keywords_stay() -> None:
    text = str(reply_schema(Part, title="part"))
    assert "'title': {'anyOf'" in text


class Free(BaseModel):
    values: dict[str, int]


def test_free_keys_are_not_strict() -> None:
    assert not is_strict(reply_schema(Free, title="free"))


def test_the_schema_as_text_names_every_field() -> None:
    text = schema_as_text(reply_schema(Whole, title="whole"))
    assert '{"parts": [{"name": string, "title": string | null}, …], "score": number}' in text


def test_estimates_are_rather_high() -> None:
    from graphrag.text import tokens

    for text in ("A plain English sentence about nothing.", "Ein Satz über Größe.", "鎌倉時代"):
        assert upper_estimate(text) >= tokens.count(text)


@pytest.mark.parametrize(
    ("model", "known"),
    [("gpt-4o", True), ("openai/gpt-4o-2024-08-06", True), ("gpt-4o-extra", False), ("", False)],
)
def test_prices_are_known_by_name_and_date(model: str, known: bool) -> None:
    assert (known_price(model) is not None) is known
