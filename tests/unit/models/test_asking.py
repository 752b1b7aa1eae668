"""Replies and errors of many calls at once."""

from __future__ import annotations

import asyncio

import pytest

from graphrag.core.errors import (
    BadReplyError,
    CostLimitError,
    ModelAuthError,
    ModelError,
    ModelUnreachableError,
)
from graphrag.models.asking import FATAL, ask_each, raise_if_all_failed, reply_or_error


async def double(number: int) -> int:
    if number < 0:
        raise BadReplyError(f"{number} is negative", hint="Give another.", quoted="-")
    await asyncio.sleep(0.001 / (number + 1))  # the later ones are done first
    return 2 * number


def test_replies_and_errors_keep_the_order_of_the_items() -> None:
    done: list[int] = []
    replies = asyncio.run(ask_each([0, 1, -7, 3], double, limit=4, on_reply=lambda: done.append(1)))
    assert [str(reply) for reply in replies] == ["0", "2", "-7 is negative", "6"]
    assert isinstance(replies[2], BadReplyError)
    assert len(done) == 4


@pytest.mark.parametrize("error", [ModelAuthError, CostLimitError])
def test_an_error_after_which_no_call_can_succeed_is_raised(
    error: type[ModelError],
) -> None:
    cancelled: list[int] = []

    async def ask(number: int) -> int:
        if number == 0:
            raise error("no more")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    with pytest.raises(error, match="no more"):
        asyncio.run(ask_each(range(3), ask, limit=2))
    assert cancelled == [1]  # the third one was never begun


def test_the_caller_says_what_is_fatal() -> None:
    async def fail(error: ModelError) -> None:
        raise error

    limit = CostLimitError("the limit is reached")
    assert asyncio.run(reply_or_error(fail(limit), fatal=(ModelAuthError,))) is limit
    with pytest.raises(ModelUnreachableError):
        asyncio.run(
            ask_each(
                [ModelUnreachableError("nobody answers")],
                fail,
                limit=1,
                fatal=(*FATAL, ModelUnreachableError),
            )
        )


def test_an_error_of_another_kind_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(ask_each([0], lambda number: double(1 // number), limit=1))


def test_all_failed_is_an_error_that_tells_the_first() -> None:
    first = BadReplyError("no JSON", hint="Use another model.", quoted="JSON", transient=True)
    with pytest.raises(ModelError, match="could not read any of 2 parts: no JSON") as raised:
        raise_if_all_failed("read any of 2 parts", [first, BadReplyError("cut off")])
    assert (raised.value.hint, raised.value.quoted) == ("Use another model.", "JSON")
    assert raised.value.transient
    raise_if_all_failed("read any of 2 parts", [first, "a reply"])
    raise_if_all_failed("read any of no parts", [])
