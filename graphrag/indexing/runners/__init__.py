"""Work on the rows of a step in this process, or wherever a runner sends them.

Reading, splitting, extraction, context lines, embeddings and reports treat each row by itself.
Each is a function of some rows and the tools to work with; a `Runner` decides where it runs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from graphrag.core.concurrency import Progress

if TYPE_CHECKING:
    import polars as pl

    from graphrag.core.settings import Settings
    from graphrag.models.models import Models

Item = TypeVar("Item")
Result = TypeVar("Result")


class EvidenceStore(Protocol):
    """The part of a GraphStore that work on rows uses."""

    async def read(
        self,
        table: str,
        *,
        where: tuple[str, Sequence[str] | Sequence[int]] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame: ...

    async def put_evidence(self, rows: pl.DataFrame) -> None: ...

    async def replies(self, keys: Sequence[str] | None) -> dict[str, str]: ...

    async def put_replies(self, replies: Mapping[str, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What work on rows may use, where it is done."""

    models: Models
    store: EvidenceStore
    settings: Settings
    progress: Progress
    may_repeat: bool = field(default=False, kw_only=True)
    """Another worker may have done a part of these rows and been lost: look what is kept."""


Work: TypeAlias = Callable[[Sequence[Item], Tools], Coroutine[object, object, Result]]
"""A function at the top of a module, or a `partial` of one: it may travel to other machines."""


class Runner(Protocol):
    """Where the row-wise steps of a run are done."""

    @property
    def is_remote(self) -> bool:
        """Whether rows leave this machine, so that they must carry what they need."""
        ...

    def slices(
        self,
        step: str,
        items: Sequence[Item],
        work: Work[Item, Result],
        *,
        tools: Tools,
        size: int,
    ) -> AsyncGenerator[tuple[int, Awaitable[Result]], None]:
        """What `work` gives, to be awaited at once, with the place of its first item in `items`.

        Remote runners hand out slices of at most `size` items, yield them as they are done and
        tell `tools.progress` of each. Close the generator when leaving it early.
        """
        ...


class Here:
    """All rows in one slice, in this process."""

    is_remote = False

    async def slices(
        self,
        step: str,  # noqa: ARG002 - the work itself tells how far it is
        items: Sequence[Item],
        work: Work[Item, Result],
        *,
        tools: Tools,
        size: int,  # noqa: ARG002
    ) -> AsyncGenerator[tuple[int, Awaitable[Result]], None]:
        yield 0, work(items, tools)


HERE = Here()


async def in_order(
    runner: Runner,
    step: str,
    items: Sequence[Item],
    work: Work[Item, Result],
    *,
    tools: Tools,
    size: int,
) -> list[Result]:
    """The results of all slices, in the order of `items`."""
    results: dict[int, Result] = {}
    async with aclosing(runner.slices(step, items, work, tools=tools, size=size)) as slices:
        async for start, result in slices:
            results[start] = await result
    return [results[start] for start in sorted(results)]
