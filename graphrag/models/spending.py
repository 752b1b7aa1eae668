"""Count what calls cost, and keep to limits on cost and on calls and tokens a minute."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from graphrag.core import tracing
from graphrag.core.answers import Usage
from graphrag.core.errors import CostLimitError, SettingsError
from graphrag.core.settings import Price

OUTPUT_TOKENS = 1000

# USD per million tokens, from the makers' price lists (2026).
PRICES: Mapping[str, Price] = {
    "gpt-4.1": Price(input=2.0, output=8.0),
    "gpt-4.1-mini": Price(input=0.4, output=1.6),
    "gpt-4.1-nano": Price(input=0.1, output=0.4),
    "gpt-4o": Price(input=2.5, output=10.0),
    "gpt-4o-mini": Price(input=0.15, output=0.6),
    "gpt-5": Price(input=1.25, output=10.0),
    "gpt-5-mini": Price(input=0.25, output=2.0),
    "gpt-5-nano": Price(input=0.05, output=0.4),
    "text-embedding-3-small": Price(input=0.02),
    "text-embedding-3-large": Price(input=0.13),
    "text-embedding-ada-002": Price(input=0.10),
}


def known_price(model: str) -> Price | None:
    """The price of a well-known model, dated versions included; None when it is not known."""
    if model.partition(":")[0] == "local":
        return Price(input=0.0)  # it runs in this process
    name = model.rpartition("/")[2]
    return PRICES.get(re.sub(r"-20\d\d-\d\d-\d\d$", "", name))


def require_price(price: Price | None, *, of: str, section: str) -> None:
    """Raises SettingsError where the price of a model is not known."""
    if price is None:
        raise SettingsError(
            f"a cost limit needs the price of {of!r}, which is not known",
            hint=f"Set {section}.price: {{input: …, output: …}} (USD per million tokens).",
        )


def cost_of(price: Price | None, prompt_tokens: int, completion_tokens: int) -> float | None:
    """USD."""
    if price is None:
        return None
    return (prompt_tokens * price.input + completion_tokens * price.output) / 1e6


def upper_estimate(text: str) -> int:
    """A cheap count of tokens to bound a cost: in any script too high rather than too low.

    Three bytes a token, fewer beyond ASCII. Budgets of prompts are fitted by closer counts.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    return size // 3 + (size - len(text)) // 4 + 1


# The ledger that those made in the same block count into, too; see `counted_together`.
_shared: ContextVar[Ledger | None] = ContextVar("shared", default=None)


@contextmanager
def counted_together(ledger: Ledger) -> Generator[None, None, None]:
    """Ledgers that are made in this block spend from `ledger`, too: many queries, one limit."""
    token = _shared.set(ledger)
    try:
        yield
    finally:
        _shared.reset(token)


class Ledger:
    """What was spent, by kind of call, and what calls in flight may still cost."""

    def __init__(self, *, max_cost_usd: float | None = None, outer: Ledger | None = None) -> None:
        """`outer` counts all that this one does, and its limit holds too."""
        self.max_cost_usd = max_cost_usd
        self.by_kind: dict[str, Usage] = {}
        self._notes: Counter[str] = Counter()
        self._longest_reply = OUTPUT_TOKENS
        self._spent = 0.0
        self._held = 0.0
        self._in_flight = 0
        self._changed = asyncio.Event()
        self._outer = outer or _shared.get()

    @property
    def longest_reply(self) -> int:
        """Tokens to expect of a reply whose length nothing bounds: the longest so far."""
        outer = self._outer.longest_reply if self._outer else 0
        return max(self._longest_reply, outer)

    def saw_reply(self, tokens: int) -> None:
        self._longest_reply = max(self._longest_reply, tokens)
        if self._outer is not None:
            self._outer.saw_reply(tokens)

    @property
    def total(self) -> Usage:
        return sum((self.by_kind[kind] for kind in sorted(self.by_kind)), Usage())

    def add(self, kind: str, usage: Usage) -> None:
        self.by_kind[kind] = self.by_kind.get(kind, Usage()) + usage
        self._spent += usage.cost_usd or 0.0
        if self._outer is None:
            tracing.spent(usage)
        else:
            self._outer.add(kind, usage)

    def note(self, sentence: str, count: int) -> None:
        """Something to tell at the end; `{}` in `sentence` stands for the sum of the counts."""
        self._notes[sentence] += count
        if self._outer is not None:
            self._outer.note(sentence, count)

    @property
    def told(self) -> tuple[str, ...]:
        """What was noted, a sentence each."""
        return tuple(sentence.format(self._notes[sentence]) for sentence in sorted(self._notes))

    @asynccontextmanager
    async def hold(self, amount: float | None) -> AsyncGenerator[None, None]:
        """Set `amount` USD aside while a call runs.

        Waits for calls in flight when only their reserve stands in the way. Raises
        CostLimitError when the call could pass the limit even so.
        """
        if self._outer is None:
            async with self._hold_here(amount):
                yield
            return
        async with self._outer.hold(amount), self._hold_here(amount):
            yield

    @asynccontextmanager
    async def _hold_here(self, amount: float | None) -> AsyncGenerator[None, None]:
        if self.max_cost_usd is None or amount is None:
            yield
            return
        while self._spent + self._held + amount > self.max_cost_usd:
            if not self._in_flight:
                raise CostLimitError(
                    f"stopped before the limit of {self.max_cost_usd} USD: {self._spent:.6f} USD "
                    f"are spent and the next call may cost {amount:.6f} USD",
                    hint="Raise limits.max_cost_usd (--max-cost) and run again; "
                    "what was paid for is kept.",
                )
            await self._changed.wait()
        self._held += amount
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            self._held = self._held - amount if self._in_flight else 0.0
            self._changed.set()
            self._changed = asyncio.Event()


class RateLimiter:
    """At most so many calls and tokens in any minute; first come, first served.

    Each caller is told at once when it may start, so nothing polls, nobody overtakes and the
    loop is never blocked.
    """

    def __init__(self, *, requests: int | None, tokens: int | None, window_s: float = 60.0) -> None:
        self._requests = requests
        self._tokens = tokens
        self._window_s = window_s
        self._calls: deque[Call] = deque()
        self._total = 0
        self._last = 0.0

    def pause(self, seconds: float) -> None:
        """The server asked to wait: nobody starts before that."""
        self._last = max(self._last, asyncio.get_running_loop().time() + seconds)

    async def wait(self, tokens: int) -> Call:
        """Returns when a call of about `tokens` may start."""
        now = asyncio.get_running_loop().time()
        call = self.place(tokens, now)
        if call.start > now:
            await asyncio.sleep(call.start - now)
        return call

    def settle(self, call: Call, tokens: int) -> None:
        """Put the true number of tokens in the place of the estimate."""
        if call.counted:
            self._total += tokens - call.tokens
            call.tokens = tokens

    def place(self, tokens: int, now: float) -> Call:
        """When a call of about `tokens` may start, as a time of the loop; its place is taken."""
        start = max(now, self._last)
        self._last = start
        if self._requests is None and self._tokens is None:
            return Call(start, tokens, counted=False)
        while self._calls and (
            self._calls[0].start + self._window_s <= start or self._is_full(tokens)
        ):
            oldest = self._calls.popleft()
            oldest.counted = False
            self._total -= oldest.tokens
            start = max(start, oldest.start + self._window_s)
        call = Call(start, tokens, counted=True)
        self._calls.append(call)
        self._total += tokens
        self._last = start
        return call

    def _is_full(self, tokens: int) -> bool:
        if self._requests is not None and len(self._calls) >= self._requests:
            return True
        return self._tokens is not None and self._total + tokens > self._tokens


class Call:
    """The place of one call in a limiter; `counted` while it lies in the window."""

    __slots__ = ("counted", "start", "tokens")

    def __init__(self, start: float, tokens: int, *, counted: bool) -> None:
        self.start = start
        self.tokens = tokens
        self.counted = counted
