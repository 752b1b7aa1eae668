"""Requests of one tuning step in, a reply or a reason for each out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TypeVar

from graphrag.core.concurrency import Progress, map_ordered
from graphrag.core.errors import CostLimitError, ModelAuthError, ModelError, ModelUnreachableError

Request = TypeVar("Request")
Reply = TypeVar("Reply")

# Failures that stop the run; after any other one the rest goes on.
FATAL = (ModelAuthError, ModelUnreachableError, CostLimitError)


async def ask_all(
    requests: Sequence[Request],
    ask: Callable[[Request], Coroutine[object, object, Reply]],
    *,
    step: str,
    limit: int,
    progress: Progress,
) -> list[Reply | ModelError]:
    """What `ask` gives for each request, or its error. Raises those of FATAL."""

    async def attempt(request: Request) -> Reply | ModelError:
        try:
            return await ask(request)
        except FATAL:
            raise
        except ModelError as error:
            return error
        finally:
            progress.advance(step)

    return await map_ordered(requests, attempt, limit=limit)
