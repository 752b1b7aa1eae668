"""Ask a model about many items at the same time, and keep each reply as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from graphrag.core.concurrency import batching_writer
from graphrag.core.errors import CostLimitError, ModelAuthError, ModelError
from graphrag.core.logs import about
from graphrag.models.asking import FATAL

Item = TypeVar("Item")
Reply = TypeVar("Reply")


@dataclass(slots=True)
class Asked(Generic[Item]):
    """What became of the items."""

    replied: int = 0
    errors: dict[Item, ModelError] = field(default_factory=dict["Item", ModelError])
    stopped: ModelError | None = None
    """Why the rest was not asked, if it was not; a cost limit is not among `errors`."""

    def note(
        self, results: Iterable[tuple[Item, Reply | ModelError]], patience: int | None
    ) -> None:
        for item, result in results:
            match result:
                case ModelAuthError():
                    raise result
                case CostLimitError():
                    self.stopped = self.stopped or result
                case ModelError():
                    self.errors[item] = result
                case _:
                    self.replied += 1
        if patience and not self.replied and len(self.errors) >= patience:
            self.stopped = self.stopped or [*self.errors.values()][-1]


async def ask_and_keep(
    items: Iterable[Item],
    ask: Callable[[Item], Coroutine[object, object, Reply]],
    keep: Callable[[list[tuple[Item, Reply | ModelError]]], Coroutine[object, object, None]],
    *,
    limit: int,
    on_done: Callable[[Sequence[Item]], object],
    name: Callable[[Item], str] = lambda _: "",
    patience: int | None = None,
) -> Asked[Item]:
    """Ask for each item, at most `limit` at once, and hand what came to `keep`, all at once.

    `keep` runs beside the calls and gets errors, too, which `Asked` lists as well; it has ended
    when this returns or raises. `name` is what the log calls an item. A cost limit, or `patience`
    errors before any reply, ends the asking. Raises ModelAuthError.
    """
    asked: Asked[Item] = Asked()
    rest = iter(items)
    pending: dict[asyncio.Task[Reply], Item] = {}
    async with batching_writer(keep, most=limit) as keeping:
        try:
            while asked.stopped is None:
                # No function lies between this and the call, for a debugger shows them all.
                for item in islice(rest, limit - len(pending)):
                    with about(name(item)):
                        pending[asyncio.create_task(ask(item))] = item
                if not pending:
                    break
                done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                results = [(pending.pop(task), _reply_or_error(task)) for task in done]
                on_done([item for item, _ in results])
                await keeping.add(pair for pair in results if not isinstance(pair[1], FATAL))
                asked.note(results, patience)
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
    return asked


def _reply_or_error(task: asyncio.Task[Reply]) -> Reply | ModelError:
    error = task.exception()
    return error if isinstance(error, ModelError) else task.result()
