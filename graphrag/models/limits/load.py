"""Send a server no more calls at once than it answers in time."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Turn:
    """A call on its way."""

    deadline: asyncio.Timeout
    sent: float
    generation: int
    due: float = math.inf
    was_late_alone: bool = False
    timer: asyncio.TimerHandle | None = None


class Load:
    """Calls in flight: `most` at first, half as many when the server is overloaded.

    It rises by one after as many answers as are in flight. A server that answers one call after
    another makes the others wait: each call that ends gives those that it may have held up their
    whole time anew, and only where they had to wait longer than that is it a reason to send less.
    A server that says nothing at all may be loading its model. To give up all calls at once would
    fill its queue with some that nobody waits for, so the oldest goes first, for it may hang, and
    after each further time without a word twice as many of the newest.
    """

    def __init__(self, most: int, *, timeout_s: float) -> None:
        self.most = most
        self.retries = 0
        self.silences = 0
        """Times in a row that the server let pass without a word."""
        self._limit = float(most)
        self.timeout_s = timeout_s
        self._quiet_since = -math.inf
        self._turns: dict[Turn, None] = {}  # as they were sent
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._generation = 0  # of the limit: calls that were sent before it fell count once

    @property
    def limit(self) -> int:
        return int(self._limit)

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[Turn, None]:
        """Wait until a call may be sent, and bound its time. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        while len(self._turns) >= self.limit:
            place: asyncio.Future[None] = loop.create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                self._let_in()  # whoever is next, if it was this one's turn
                raise
        try:
            async with asyncio.timeout(None) as deadline:
                turn = Turn(deadline, loop.time(), self._generation)
                self._turns[turn] = None
                self._give_time(turn, turn.sent)
                try:
                    yield turn
                finally:
                    self._end(turn)
        finally:
            self._let_in()

    def answered(self, turn: Turn) -> None:
        """The call came through."""
        now = asyncio.get_running_loop().time()
        if now - turn.sent > self.timeout_s:
            self.overloaded(turn)
        else:
            self._limit = min(self.most, self._limit + 1 / self._limit)
        self.heard(turn)

    def heard(self, turn: Turn) -> None:
        """The server said something, be it an error."""
        self.silences = 0
        self._quiet_since = asyncio.get_running_loop().time()
        self._renew_after(turn)

    def overloaded(self, turn: Turn) -> None:
        """The server says that it has no time for the call, or has said nothing."""
        if turn.generation == self._generation:
            self._generation += 1
            self._limit = max(1.0, self._limit / 2)

    def _late(self, turn: Turn) -> None:
        """Give `turn` up, or the newest where the server has been silent for longer."""
        late = [turn]
        if turn.due >= self._quiet_since + self.timeout_s:
            if self.silences:
                due = [other for other in self._turns if other.due <= turn.due]
                late = due[-(2**self.silences) :]
            self.silences += 1
            self._quiet_since = turn.due
        self.overloaded(turn)
        turn.was_late_alone = len(self._turns) == 1
        for one in late:
            self._end(one)
            one.deadline.reschedule(0.0)
        self._renew_after(turn)

    def _renew_after(self, turn: Turn) -> None:
        """Those whose place in the server's queue may have been behind `turn` have time anew.

        A call that was sent a little later may have come in first. One that hangs is not kept by
        the many that are sent and answered meanwhile.
        """
        now = asyncio.get_running_loop().time()
        for other in self._turns:
            if turn.sent <= other.sent + self.timeout_s:
                self._give_time(other, now)

    def _give_time(self, turn: Turn, now: float) -> None:
        if turn.timer is not None:
            turn.timer.cancel()
        turn.due = now + self.timeout_s
        turn.timer = asyncio.get_running_loop().call_at(turn.due, self._late, turn)

    def _end(self, turn: Turn) -> None:
        self._turns.pop(turn, None)
        if turn.timer is not None:
            turn.timer.cancel()

    def _let_in(self) -> None:
        free = self.limit - len(self._turns)
        while free > 0 and self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1
