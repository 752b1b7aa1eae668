"""Progress on stderr: bars in a terminal, a plain line a step where output is piped."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import TaskID


class Lines:
    """One line when a step ends, and one at each tenth of a long step.

    Where items are named there is a line for the first, and later one a second at most.
    """

    def __init__(self) -> None:
        self._totals: dict[str, int | None] = {}
        self._done: dict[str, int] = {}
        self._started: dict[str, float] = {}
        self._named = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sys.stderr.flush()

    def start(self, step: str, total: int | None = None) -> None:
        self._totals[step] = total
        self._done[step] = 0
        self._started[step] = time.perf_counter()
        self._named = 0.0

    def advance(self, step: str, count: int = 1, *, note: str = "") -> None:
        before = self._done[step]
        self._done[step] = now = before + count
        total = self._totals[step]
        if note:
            if time.perf_counter() - self._named >= 1:
                self._named = time.perf_counter()
                sys.stderr.write(f"{step} {now} of {total}: {note}\n")
        elif total and total >= 20 and now * 10 // total > before * 10 // total and now < total:
            sys.stderr.write(f"{step}: {now} of {total}\n")

    def finish(self, step: str, note: str = "") -> None:
        total = self._totals.get(step)
        seconds = time.perf_counter() - self._started.get(step, time.perf_counter())
        what = note or (f"{total}" if total else "")
        sys.stderr.write(f"{step}: {what + ', ' if what else ''}{seconds:.1f} s\n")


class Bars:
    """A bar a step, by rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        self._progress = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            Elapsed(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def start(self, step: str, total: int | None = None) -> None:
        self._tasks[step] = self._progress.add_task(step, total=total, note="")

    def advance(self, step: str, count: int = 1, *, note: str = "") -> None:
        self._progress.update(self._tasks[step], advance=count, note=note)

    def finish(self, step: str, note: str = "") -> None:
        task = self._progress.tasks[self._tasks[step]]
        total = task.total or 1
        self._progress.update(task.id, total=total, completed=total, note=note)
