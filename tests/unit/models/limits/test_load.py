"""How many calls are in flight: halved once by an overload, raised slowly, fair in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from graphrag.models.limits.load import Load


def test_never_more_than_the_limit_are_in_flight() -> None:
    load, most = Load(3, timeout_s=5), 0

    async def call() -> None:
        nonlocal most
        async with load.turn() as turn:
            most = max(most, len(load._turns))
            await asyncio.sleep(0)
        load.answered(turn)

    async def work() -> None:
        await asyncio.gather(*(call() for _ in range(20)))

    asyncio.run(work())
    assert most == 3


def test_an_overload_counts_once_for_the_calls_that_met_it() -> None:
    async def work() -> list[int]:
        load = Load(8, timeout_s=5)
        async with load.turn() as first, load.turn() as second:
            pass
        load.overloaded(first)
        load.overloaded(second)
        limits = [load.limit]
        async with load.turn() as later:
            pass
        load.overloaded(later)
        limits.append(load.limit)
        for _ in range(40):
            async with load.turn() as turn:
                pass
            load.answered(turn)
        return [*limits, load.limit]

    assert asyncio.run(work()) == [4, 2, 8]


def serial(load: Load, seconds: float) -> Callable[[], Awaitable[None]]:
    one_slot = asyncio.Lock()

    async def call() -> None:
        async with load.turn() as turn, one_slot:
            await asyncio.sleep(seconds)
        load.answered(turn)

    return call


def test_a_server_that_answers_one_after_another_is_waited_for() -> None:
    async def work() -> Load:
        load = Load(10, timeout_s=0.2)
        call = serial(load, 0.05)
        await asyncio.gather(*(call() for _ in range(10)))
        return load

    assert asyncio.run(work()).limit < 10  # but it is sent less


def test_a_call_that_hangs_ends_although_others_are_answered() -> None:
    async def work() -> None:
        load = Load(2, timeout_s=0.1)

        async def others() -> None:
            while True:
                async with load.turn() as turn:
                    await asyncio.sleep(0.02)
                load.answered(turn)

        busy = asyncio.create_task(others())
        try:
            async with load.turn():
                await asyncio.sleep(60)
        finally:
            busy.cancel()

    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(work(), 5))


def test_a_waiting_call_that_is_cancelled_leaves_its_place_to_the_next() -> None:
    async def work() -> str:
        load = Load(1, timeout_s=5)

        async def call() -> str:
            async with load.turn():
                return "done"

        async with load.turn():
            first, second = asyncio.create_task(call()), asyncio.create_task(call())
            await asyncio.sleep(0)
        first.cancel()
        return await asyncio.wait_for(second, 5)

    assert asyncio.run(work()) == "done"
