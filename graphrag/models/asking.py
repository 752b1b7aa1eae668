"""Ask a model many things at the same time, and keep its errors beside its replies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from typing import TypeVar

from graphrag.core.concurrency import as_batches
from graphrag.core.errors import (
    ContextTooLongError,
    CostLimitError,
    ModelAuthError,
    ModelError,
    ModelUnreachableError,
)

Item = TypeVar("Item")
Reply = TypeVar("Reply")

# After these no other call can succeed.
FATAL: tuple[type[ModelError], ...] = (ModelAuthError, CostLimitError)
FATAL_OR_UNREACHABLE = (*FATAL, ModelUnreachableError)  # for a run that waits for no server


async def reply_or_error(
    call: Awaitable[Reply], *, fatal: tuple[type[ModelError], ...] = FATAL
) -> Reply | ModelError:
    """What `call` gives, or the ModelError that it ends with. Raises those of `fatal`."""
    try:
        return await call
    except fatal:
        raise
    except ModelError as error:
        return error


async def ask_each(
    items: Iterable[Item],
    ask: Callable[[Item], Coroutine[object, object, Reply]],
    *,
    limit: int,
    fatal: tuple[type[ModelError], ...] = FATAL,
    on_reply: Callable[[], object] = lambda: None,
) -> list[Reply | ModelError]:
    """What `ask` gives for each item, or its ModelError, in the order of `items`.

    At most `limit` are asked at once. `on_reply` is called after each, for progress. The first
    error of `fatal` cancels the rest and is raised.
    """
    replies: dict[int, Reply | ModelError] = {}
    async with aclosing(
        as_batches(enumerate(items), lambda pair: ask(pair[1]), limit=limit)
    ) as batches:
        async for batch in batches:
            for (position, _), task in batch:
                replies[position] = _kept(task, fatal)
                on_reply()
    return [replies[position] for position in sorted(replies)]


def _kept(task: asyncio.Task[Reply], fatal: tuple[type[ModelError], ...]) -> Reply | ModelError:
    error = task.exception()
    if isinstance(error, ModelError) and not isinstance(error, fatal):
        return error
    return task.result()


def raise_if_all_failed(what: str, replies: Sequence[object]) -> None:
    """Raise "the model could not `what`: the first error" where `replies` holds only errors."""
    failures = [reply for reply in replies if isinstance(reply, ModelError)]
    if failures and len(failures) == len(replies):
        first = failures[0]
        too_long = any(isinstance(failure, ContextTooLongError) for failure in failures)
        kind = ContextTooLongError if too_long else ModelError
        raise kind(
            f"the model could not {what}: {first}",
            hint=first.hint,
            quoted=first.quoted,
            transient=first.transient,
        ) from first
