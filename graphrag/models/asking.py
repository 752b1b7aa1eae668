"""Ask a model many things at the same time, and keep its errors beside its replies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import TypeVar

from graphrag.core.concurrency import run_all
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


def ask_each(
    items: Iterable[Item],
    ask: Callable[[Item], Coroutine[object, object, Reply]],
    *,
    limit: int,
    fatal: tuple[type[ModelError], ...] = FATAL,
    on_reply: Callable[[], object] = lambda: None,
) -> Coroutine[object, object, list[Reply | ModelError]]:
    """What `ask` gives for each item, or its ModelError, in the order of `items`.

    At most `limit` are asked at once. `on_reply` is called after each, for progress. The first
    error of `fatal` cancels the rest and is raised.
    """

    def keep(task: asyncio.Task[Reply]) -> Reply | ModelError:
        error = task.exception()
        if not isinstance(error, ModelError) or isinstance(error, fatal):
            error = None
        reply = error or task.result()
        on_reply()
        return reply

    return run_all(items, ask, limit=limit, keep=keep)


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
