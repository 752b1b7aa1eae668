"""What happens in, records on the loggers below `graphrag` out, each naming its run.

Nothing is set up here: records go where the application's handlers send them. The run, method,
step and unit come from the context of the task or thread that writes the record. No record holds
a key, a prompt or the words of a document: of an error it has what `reason` gives.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar

from graphrag.core.errors import GraphRAGError, ModelError, StoreError

# The attributes of every record; "" where there is none.
NOWHERE: Mapping[str, str] = dict.fromkeys(("run", "method", "step", "unit", "error"), "")

_place: ContextVar[Mapping[str, str]] = ContextVar("place", default=NOWHERE)


class Log(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records carry where in a run they were written."""

    def process(
        self, msg: object, kwargs: MutableMapping[str, object]
    ) -> tuple[object, MutableMapping[str, object]]:
        given = kwargs.get("extra")
        kwargs["extra"] = {**_place.get(), **(given if isinstance(given, dict) else {})}
        return msg, kwargs


def get_log(name: str, *, told: bool = False) -> Log:
    """`told`: whoever calls is told in another way what its warnings say.

    Without any handler Python would print them, too.
    """
    logger = logging.getLogger(name)
    if told:
        logger.addHandler(logging.NullHandler())
    return Log(logger)


def place() -> Mapping[str, str]:
    return _place.get()


def move_to(there: Mapping[str, str]) -> Mapping[str, str]:
    """Records of this task, and of those it starts, are from `there` on; returns where it was."""
    before = _place.get()
    _place.set({**before, **there})
    return before


@contextmanager
def about(unit: str) -> Generator[None]:
    """Records in this block are about one text unit, or another row, of that id."""
    before = move_to({"unit": unit})
    try:
        yield
    finally:
        move_to(before)


def reason(error: BaseException) -> str:
    """What failed, without the words of a document, a reply or a server."""
    kind = type(error).__name__
    if not isinstance(error, ModelError | StoreError):
        return kind
    said = str(error)
    cause: BaseException | None = error
    while isinstance(cause, GraphRAGError):  # its message may stand in this one's
        said = said.replace(cause.quoted, "…") if cause.quoted else said
        cause = cause.__cause__
    return f"{kind}: {said}"
