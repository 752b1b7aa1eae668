"""Bounded concurrency: order, limits, errors and cancellation."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from graphrag.concurrency import as_done, map_ordered, one_behind, together


def test_at_most_limit_at_once_and_every_item_once() -> None:
    running = most = 0

    async def work(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return item * 2

    async def main() -> list[tuple[int, int]]:
        return [pair async for pair in as_done(range(20), work, limit=3)]

    assert sorted(asyncio.run(main())) == [(item, item * 2) for item in range(20)]
    assert most == 3


def test_map_keeps_the_order_of_its_items() -> None:
    async def work(item: int) -> int:
        for _ in range(5 - item):
            await asyncio.sleep(0)
        return item

    assert asyncio.run(map_ordered(range(5), work, limit=5)) == [0, 1, 2, 3, 4]


def test_the_first_error_cancels_the_rest_and_is_raised_as_it_is() -> None:
    cancelled: list[int] = []

    async def work(item: int) -> int:
        if item == 1:
            raise ValueError("one")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(item)
            raise
        return item

    with pytest.raises(ValueError, match="one"):
        asyncio.run(map_ordered(range(3), work, limit=3))
    assert sorted(cancelled) == [0, 2]


def test_leaving_early_cancels_what_is_at_work() -> None:
    cancelled: list[int] = []

    async def work(item: int) -> int:
        if item:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(item)
                raise
        return item

    async def main() -> None:
        async with aclosing(as_done(range(4), work, limit=4)) as results:
            async for _ in results:
                break

    asyncio.run(main())
    assert sorted(cancelled) == [1, 2, 3]


def test_together_raises_the_first_error_alone() -> None:
    async def fail() -> None:
        raise KeyError("inner")

    async def main() -> None:
        async with together() as beside:
            beside.start(fail())
            await asyncio.Event().wait()

    with pytest.raises(KeyError, match="inner"):
        asyncio.run(main())


def test_a_piece_goes_on_beside_its_caller_and_the_next_waits_for_it() -> None:
    told: list[str] = []

    async def write(name: str, ready: asyncio.Event) -> None:
        told.append(f"{name} begins")
        await ready.wait()
        told.append(f"{name} ends")

    async def main() -> None:
        first, second = asyncio.Event(), asyncio.Event()
        async with one_behind() as behind:
            await behind.start(write("first", first))
            await asyncio.sleep(0)
            told.append("the caller goes on")
            first.set()
            await behind.start(write("second", second))
            second.set()
        told.append("left")

    asyncio.run(main())
    assert told == [
        *("first begins", "the caller goes on", "first ends"),
        *("second begins", "second ends", "left"),
    ]


def test_what_is_at_work_ends_when_the_caller_fails_or_is_cancelled() -> None:
    written: list[str] = []

    async def write(name: str) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        written.append(name)

    async def fail() -> None:
        async with one_behind() as behind:
            await behind.start(write("before an error"))
            raise KeyError("inner")

    async def stand() -> None:
        async with one_behind() as behind:
            await behind.start(write("before a cancellation"))
            await behind.start(write("never"))

    async def main() -> None:
        with pytest.raises(KeyError, match="inner"):
            await fail()
        standing = asyncio.create_task(stand())
        await asyncio.sleep(0)
        standing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await standing

    asyncio.run(main())
    assert written == ["before an error", "before a cancellation"]


def test_the_error_of_a_piece_comes_out_at_the_next_or_at_the_end() -> None:
    async def fail() -> None:
        raise KeyError("inner")

    async def succeed() -> None:
        pytest.fail("it was started after an error")

    async def main(*, again: bool) -> None:
        async with one_behind() as behind:
            await behind.start(fail())
            if again:
                await behind.start(succeed())

    for again in (True, False):
        with pytest.raises(KeyError, match="inner"):
            asyncio.run(main(again=again))
