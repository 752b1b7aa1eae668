"""Write log records that name the run, method, step and unit they belong to.

Nothing is set up here: records go where the application's handlers send them. The run, method,
step and unit come from the context of the task or thread that writes the record. No record holds
a key, a prompt or the words of a document: of an error it has what `reason` gives.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphrag.core.errors import GraphRAGError, ModelError, StoreError

if TYPE_CHECKING:
    from graphrag.core.answers import Usage

# The attributes of every record; "" where there is none.
NOWHERE: Mapping[str, str] = dict.fromkeys(("run", "method", "step", "unit", "error"), "")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a run the running task is."""

    run: str = ""
    method: str = ""
    step: str = ""
    unit: str = ""
    count: Callable[[Usage], None] | None = None
    """Takes what each call of the step costs."""


_OUTSIDE = Place()
_place: ContextVar[Place] = ContextVar("place", default=_OUTSIDE)


class Log(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records carry where in a run they were written."""

    def process(
        self, msg: object, kwargs: MutableMapping[str, object]
    ) -> tuple[object, MutableMapping[str, object]]:
        given = kwargs.get("extra")
        at = _place.get()
        where = {"run": at.run, "method": at.method, "step": at.step, "unit": at.unit}
        kwargs["extra"] = {**NOWHERE, **where, **(given if isinstance(given, dict) else {})}
        return msg, kwargs


def get_log(name: str, *, told: bool = False) -> Log:
    """`told`: whoever calls is told in another way what its warnings say.

    Without any handler Python would print them, too.
    """
    logger = logging.getLogger(name)
    if told:
        logger.addHandler(logging.NullHandler())
    return Log(logger)


def place() -> Place:
    return _place.get()


def move_to(there: Place) -> Place:
    """Records of this task, and of those it starts, are from `there` on; returns where it was."""
    before = _place.get()
    _place.set(there)
    return before


@contextmanager
def about(unit: str) -> Generator[None]:
    """Records in this block are about one text unit, or another row, of that id."""
    before = move_to(replace(place(), unit=unit))
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
