"""Bounded concurrency: order, limits, errors and cancellation."""

from __future__ import annotations

import asyncio

import pytest

from graphrag.core.concurrency import batching_writer, map_ordered, run_all, together


def test_at_most_limit_at_once_and_every_item_once() -> None:
    running = most = 0

    async def work(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return item * 2

    assert asyncio.run(map_ordered(range(20), work, limit=3)) == [2 * item for item in range(20)]
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


def test_a_result_that_is_refused_cancels_what_is_at_work() -> None:
    cancelled: list[int] = []

    async def work(item: int) -> int:
        if item:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(item)
                raise
        return item

    def refuse(task: asyncio.Task[int]) -> int:
        raise ValueError(task.result())

    with pytest.raises(ValueError, match="0"):
        asyncio.run(run_all(range(4), work, limit=4, keep=refuse))
    assert sorted(cancelled) == [1, 2, 3]


def test_together_raises_the_first_error_alone() -> None:
    async def fail() -> None:
        raise KeyError("inner")

    async def main() -> None:
        async with together() as beside:
            beside.create_task(fail())
            await asyncio.Event().wait()

    with pytest.raises(KeyError, match="inner"):
        asyncio.run(main())


def test_what_comes_while_one_write_is_at_work_is_written_together() -> None:
    told: list[list[int]] = []
    ready = asyncio.Event()

    async def write(items: list[int]) -> None:
        await ready.wait()
        told.append(items)

    async def main() -> None:
        async with batching_writer(write, most=10) as behind:
            await behind.add([1])
            await asyncio.sleep(0)  # the first is at work
            for number in (2, 3, 4):
                await behind.add([number])
            assert told == []  # the caller went on
            await behind.add([])
            ready.set()

    asyncio.run(main())
    assert told == [[1], [2, 3, 4]]


def test_the_caller_waits_while_more_than_most_are_not_written() -> None:
    unwritten = largest = 0

    async def write(items: list[int]) -> None:
        nonlocal unwritten
        await asyncio.sleep(0.001)
        unwritten -= len(items)

    async def main() -> None:
        nonlocal unwritten, largest
        async with batching_writer(write, most=3) as behind:
            for number in range(50):
                unwritten += 1
                await behind.add([number])
                largest = max(largest, unwritten)

    asyncio.run(main())
    assert unwritten == 0
    assert largest == 3


def test_all_is_written_when_the_caller_fails_or_is_cancelled() -> None:
    written: list[str] = []

    async def write(names: list[str]) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        written.extend(names)

    async def fail() -> None:
        async with batching_writer(write, most=9) as behind:
            await behind.add(["before an error"])
            raise KeyError("inner")

    async def stand() -> None:
        async with batching_writer(write, most=0) as behind:
            await behind.add(["before a cancellation"])
            pytest.fail("it did not wait")

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


def test_the_error_of_a_write_comes_out_at_the_next_or_at_the_end() -> None:
    tried: list[list[int]] = []

    async def write(items: list[int]) -> None:
        tried.append(items)
        raise KeyError("inner")

    async def main(*, again: bool) -> None:
        async with batching_writer(write, most=9) as behind:
            await behind.add([1])
            if again:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                await behind.add([2])
                pytest.fail("the error was not told")

    for again in (True, False):
        with pytest.raises(KeyError, match="inner"):
            asyncio.run(main(again=again))
    assert tried == [[1], [1]]
