"""Grant the workers of one run leave to call and to spend: one process for all.

A rate limit holds for an account and not for a worker, and so does a limit on cost. The desk
keeps both, counts what the workers spent, and writes for them where the store is a file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from graphrag.core.answers import Usage
from graphrag.core.errors import GraphRAGError
from graphrag.core.settings import Settings
from graphrag.models.spending import Call, Ledger, RateLimiter
from graphrag.stores import open_store

if TYPE_CHECKING:
    import polars as pl

    from graphrag.stores import GraphStore


class Desk:
    """Lives in a Ray actor on the driver's machine; every method runs on its one event loop."""

    def __init__(self, settings: Settings, *, root: Path, window_s: float = 60.0) -> None:
        self._settings = settings
        self._root = root
        self._limiters = {
            section: RateLimiter(
                requests=part.requests_per_minute,
                tokens=part.tokens_per_minute,
                window_s=window_s,
            )
            for section, part in (("chat", settings.chat), ("embedding", settings.embedding))
        }
        self._ledger = Ledger(max_cost_usd=settings.limits.max_cost_usd)
        self._own_usd = 0.0  # what the driver's own calls had cost when it last said so
        self._unseen: dict[str, Usage] = {}  # by kind: what the driver was not told yet
        self._calls: dict[int, Call] = {}
        self._holds: dict[int, AsyncExitStack] = {}
        self._number = 0
        self._store: GraphStore | None = None
        self._opening = asyncio.Lock()

    async def permit(self, section: str, tokens: int) -> tuple[int, float]:
        """A number for the call, and the seconds to wait before it."""
        now = asyncio.get_running_loop().time()
        call = self._limiters[section].place(tokens, now)
        for number in [number for number, old in self._calls.items() if not old.counted]:
            del self._calls[number]
        self._number += 1
        self._calls[self._number] = call
        return self._number, max(0.0, call.start - now)

    async def settle(self, section: str, number: int, tokens: int) -> None:
        """The true number of tokens of a call."""
        call = self._calls.pop(number, None)
        if call is not None:
            self._limiters[section].settle(call, tokens)

    async def pause(self, section: str, seconds: float) -> None:
        """The server asked to wait: no worker calls before that."""
        self._limiters[section].pause(seconds)

    async def spend(self, kind: str, usage: Usage) -> None:
        self._ledger.add(kind, usage)
        self._unseen[kind] = self._unseen.get(kind, Usage()) + usage

    async def hold(self, amount: float, longest_s: float) -> int | GraphRAGError:
        """Set USD aside for a call; a number to release it with, or why it may not be made.

        A worker that is lost releases nothing, so a hold ends after `longest_s`.
        """
        held = AsyncExitStack()
        try:
            await held.enter_async_context(self._ledger.hold(amount))
        except GraphRAGError as error:
            return error
        self._number += 1
        number = self._number
        self._holds[number] = held
        loop = asyncio.get_running_loop()
        loop.call_later(longest_s, lambda: loop.create_task(self.release(number)))
        return number

    async def release(self, number: int) -> None:
        held = self._holds.pop(number, None)
        if held is not None:
            await held.aclose()

    async def begin(self, own_usd: float) -> None:
        """What the driver's own calls have cost until now counts, too."""
        self._ledger.add("driver", Usage(cost_usd=own_usd - self._own_usd))
        self._own_usd = own_usd

    async def drain(self) -> dict[str, Usage]:
        """By kind: what workers spent since this was last asked."""
        unseen, self._unseen = self._unseen, {}
        return unseen

    async def read(
        self,
        table: str,
        where: tuple[str, Sequence[str] | Sequence[int]] | None,
        columns: Sequence[str] | None,
    ) -> pl.DataFrame:
        return await (await self._file()).read(table, where=where, columns=columns)

    async def put_evidence(self, rows: pl.DataFrame) -> None:
        await (await self._file()).put_evidence(rows)

    async def replies(self, keys: Sequence[str] | None) -> dict[str, str]:
        return await (await self._file()).replies(keys)

    async def put_replies(self, replies: Mapping[str, str]) -> None:
        await (await self._file()).put_replies(replies)

    async def close(self) -> None:
        if self._store is not None:
            await self._store.close()

    async def _file(self) -> GraphStore:
        async with self._opening:
            if self._store is None:
                self._store = await open_store(
                    self._settings.store,
                    root=self._root,
                    namespace=self._settings.namespace,
                    create=False,
                )
            return self._store
