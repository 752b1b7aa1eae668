"""Bounded concurrency: order, limits, errors and cancellation."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from graphrag.concurrency import as_done, map_ordered, together


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
