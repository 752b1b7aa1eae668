"""Send a server no more calls at once than it answers in time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Turn:
    """A call on its way; `behind`: calls that were sent before it and may be answered first."""

    deadline: asyncio.Timeout
    sent: float
    behind: int
    generation: int


class Load:
    """Calls in flight: `most` at first, half as many when the server is overloaded.

    It rises by one after as many answers as are in flight. A server that answers one call after
    another makes the others wait: each answer gives those behind it their whole time anew, and
    only where they had to wait longer than that is it a reason to send less.
    """

    def __init__(self, most: int, *, timeout_s: float) -> None:
        self.most = most
        self.retries = 0
        self._limit = float(most)
        self.timeout_s = timeout_s
        self._turns: set[Turn] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._generation = 0  # of the limit: calls that were sent before it fell count once

    @property
    def limit(self) -> int:
        return int(self._limit)

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[Turn, None]:
        """Wait until a call may be sent, and bound its time. Raises TimeoutError."""
        while len(self._turns) >= self.limit:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                self._let_in()  # whoever is next, if it was this one's turn
                raise
        try:
            async with asyncio.timeout(self.timeout_s) as deadline:
                now = asyncio.get_running_loop().time()
                turn = Turn(deadline, now, len(self._turns), self._generation)
                self._turns.add(turn)
                try:
                    yield turn
                finally:
                    self._turns.discard(turn)
        finally:
            self._let_in()

    def answered(self, turn: Turn) -> None:
        """The call came through."""
        now = asyncio.get_running_loop().time()
        if now - turn.sent > self.timeout_s:
            self.overloaded(turn)
        else:
            self._limit = min(self.most, self._limit + 1 / self._limit)
        for other in self._turns:
            if other.behind and other.sent <= now and not other.deadline.expired():
                other.behind -= 1
                other.deadline.reschedule(now + self.timeout_s)

    def overloaded(self, turn: Turn) -> None:
        """The server had no time for the call, or said so."""
        if turn.generation == self._generation:
            self._generation += 1
            self._limit = max(1.0, self._limit / 2)

    def _let_in(self) -> None:
        free = self.limit - len(self._turns)
        while free > 0 and self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1
