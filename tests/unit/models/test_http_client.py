"""Calls on a clock that jumps to whatever happens next, against servers of all tempers."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TypeVar

import pytest

from graphrag.core.errors import ModelError
from graphrag.models.http_client import Policy, Server
from graphrag.models.limits.load import Load
from graphrag.models.spending import RateLimiter

Result = TypeVar("Result")

TIMEOUT_S = 12.0
CALL_S = 5.0


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: the time until the next timer has passed when it is asked to wait."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise AssertionError("all wait for each other")
        self.now += timeout or 0.0
        return ready


def run_in_no_time(work: Callable[[], Coroutine[object, object, Result]]) -> tuple[Result, float]:
    """What `work` gives, and the seconds that it believes it took."""
    selector = _Jumping()

    class Loop(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return selector.now

    with asyncio.Runner(loop_factory=lambda: Loop(selector)) as runner:
        return runner.run(work()), selector.now


@dataclass(frozen=True, slots=True)
class Reply:
    total_tokens: int = 1


class Queueing:
    """A server that answers `slots` calls at once, in the order in which they came in.

    `goes_on`: with a call whose connection was closed, as a proxy lets it. Nothing is answered
    before `loading_s`.
    """

    def __init__(self, *, slots: int, goes_on: bool, loading_s: float = 0.0) -> None:
        self.sent = 0
        self._slots = asyncio.Semaphore(slots)
        self._goes_on = goes_on
        self._loading_s = loading_s

    async def __call__(self, _: object) -> Reply:
        self.sent += 1
        work = asyncio.ensure_future(self._work())
        return await (asyncio.shield(work) if self._goes_on else work)

    async def _work(self) -> Reply:
        async with self._slots:
            now = asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, self._loading_s - now) + CALL_S)
            return Reply()


class Sharing(Queueing):
    """A server that works on all calls at once: each takes as many times longer as there are."""

    at_work = 0

    async def _work(self) -> Reply:
        self.at_work += 1
        try:
            left = CALL_S
            while left > 0:
                left -= 0.25 / self.at_work
                await asyncio.sleep(0.25)
        finally:
            self.at_work -= 1
        return Reply()


def ask_all(
    make: Callable[[], Queueing], *, calls: int = 20, most: int = 25, retries: int = 5
) -> tuple[int, int, float]:
    """Calls that were sent, those that failed in the end, and the seconds."""

    async def work() -> tuple[int, int]:
        temper = make()
        load = Load(most, timeout_s=TIMEOUT_S)
        policy = Policy("m", retries, RateLimiter(requests=None, tokens=None), load)
        server = Server("http://127.0.0.1:9/v1", "none")
        asked = (server.call(temper, lambda reply: reply, policy, tokens=1) for _ in range(calls))
        done = await asyncio.gather(*asked, return_exceptions=True)
        await server.close()
        failures = [one for one in done if not isinstance(one, Reply)]
        assert all(isinstance(one, ModelError) for one in failures), failures
        return temper.sent, len(failures)

    (sent, failed), seconds = run_in_no_time(work)
    return sent, failed, seconds


@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("slots", [1, 2, 4])
def test_a_server_with_few_slots_meets_no_storm(slots: int, goes_on: bool) -> None:
    sent, failed, seconds = ask_all(lambda: Queueing(slots=slots, goes_on=goes_on))
    assert (sent, failed) == (20, 0)
    assert seconds == 20 / slots * CALL_S


@pytest.mark.parametrize(("goes_on", "most_sent"), [(True, 40), (False, 26)])
@pytest.mark.parametrize("loading_s", [13.0, 20.0, 30.0])
def test_calls_wait_for_a_server_that_loads_its_model(
    loading_s: float, goes_on: bool, most_sent: int
) -> None:
    sent, failed, _ = ask_all(lambda: Queueing(slots=1, goes_on=goes_on, loading_s=loading_s))
    assert failed == 0
    assert sent <= most_sent


@pytest.mark.parametrize(("most", "most_sent"), [(4, 26), (25, 80)])
def test_a_server_that_works_on_all_calls_at_once_is_sent_fewer(most: int, most_sent: int) -> None:
    sent, failed, _ = ask_all(lambda: Sharing(slots=1, goes_on=False), most=most)
    assert failed == 0
    assert sent <= most_sent


def test_a_server_that_never_says_a_word_is_given_up() -> None:
    sent, failed, seconds = ask_all(lambda: Queueing(slots=1, goes_on=False, loading_s=math.inf))
    assert failed == 20
    assert sent <= 60  # of the 120 that the retries allow
    assert seconds <= 31 * TIMEOUT_S


def test_a_call_that_is_late_with_the_server_for_itself_is_sent_three_times() -> None:
    sent, failed, _ = ask_all(lambda: Queueing(slots=1, goes_on=False, loading_s=math.inf), calls=1)
    assert (sent, failed) == (3, 1)


def test_a_call_that_hangs_is_sent_again_while_others_are_answered() -> None:
    class Hanging(Queueing):
        begun = 0

        async def _work(self) -> Reply:
            self.begun += 1
            if self.begun == 1:
                await asyncio.sleep(math.inf)
            return await super()._work()

    sent, failed, seconds = ask_all(lambda: Hanging(slots=4, goes_on=False), calls=60, most=4)
    assert (sent, failed) == (61, 0)
    assert seconds < 60 / 3 * CALL_S


@pytest.mark.parametrize(
    ("url", "azure", "openai"),
    [
        ("https://name.openai.azure.com/openai/v1", True, True),
        ("https://name.openai.azure.com/openai/deployments/d?api-version=2024-10-21", True, True),
        ("https://gateway.example/d?api-version=2024-10-21", True, False),
        (None, False, True),
        ("http://127.0.0.1:8080/v1", False, False),
    ],
)
def test_whose_a_server_is_stands_in_its_address(
    url: str | None, *, azure: bool, openai: bool
) -> None:
    server = Server(url, "none")
    assert (server.is_azure, server.is_openai) == (azure, openai)
