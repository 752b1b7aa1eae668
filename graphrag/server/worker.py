"""Do one job in a process of its own: read it from stdin, write what happens to stdout.

Indexing would hold up every request of the process that serves; here it cannot, and its memory
goes when it ends. It stops when stdin closes, so none outlives its server.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TextIO, cast

from graphrag.core.answers import Usage
from graphrag.core.errors import GraphRAGError, LockedError
from graphrag.core.logs import reason
from graphrag.engine.sync import GraphRAG
from graphrag.models.spending import known_price

_PAUSE_SECONDS = 0.25  # between two signs of progress
_WAITS = 30  # for another writer, of two seconds each
INTERRUPTED = 130  # exit code, as shells have it


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done: `index` paths, or what is left undone; `delete` sources."""

    kind: Literal["index", "delete"]
    paths: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    method: Literal["auto", "standard", "fast"] | None = None
    prune: bool = False
    retry_failed: bool = False
    max_cost: float | None = None


class Reporter(logging.Handler):
    """Progress and the use of models as lines of JSON; a `Progress` and a log handler."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(logging.DEBUG)
        self._out = out
        self._writing = threading.Lock()
        self._done: dict[str, int] = {}
        self._totals: dict[str, int | None] = {}
        self._told_at = 0.0
        self._usage = Usage()

    def tell(self, name: str, **values: object) -> None:
        with self._writing:
            self._out.write(json.dumps({"event": name, **values}) + "\n")
            self._out.flush()

    def start(self, step: str, total: int | None = None) -> None:
        self._done[step], self._totals[step] = 0, total
        self.tell("step", step=step, done=0, total=total)

    def advance(self, step: str, count: int = 1, *, note: str = "") -> None:
        self._done[step] += count
        if time.monotonic() - self._told_at >= _PAUSE_SECONDS:
            self._tell_progress(step, note=note)

    def finish(self, step: str, note: str = "") -> None:
        self._tell_progress(step, note=note)

    def emit(self, record: logging.LogRecord) -> None:
        """Count a model call of `graphrag.core.tracing`."""
        values = cast("Mapping[str, object]", getattr(record, "values", {}))
        tokens = values.get("gen_ai.usage.input_tokens")
        if not isinstance(tokens, int) or not isinstance(record.args, tuple):
            return
        reply = values.get("gen_ai.usage.output_tokens")
        written = reply if isinstance(reply, int) else 0
        price = known_price(str(record.args[0]))
        cost = (tokens * price.input + written * price.output) / 1e6 if price else None
        self._usage += Usage(
            chat_calls=int(reply is not None),
            embedding_calls=int(reply is None),
            prompt_tokens=tokens,
            completion_tokens=written,
            cost_usd=cost,
        )

    def _tell_progress(self, step: str, note: str = "") -> None:
        self._told_at = time.monotonic()
        self.tell(
            "progress",
            step=step,
            done=self._done.get(step, 0),
            total=self._totals.get(step),
            note=note,
            usage=asdict(self._usage),
        )


@dataclass(frozen=True, slots=True)
class Order:
    """A piece of work and the index that it is for."""

    root: str
    namespace: str | None
    work: Work = field(default_factory=lambda: Work("index"))


def read_order(line: str) -> Order:
    given = cast("dict[str, object]", json.loads(line))
    work = cast("dict[str, object]", given["work"])
    return Order(str(given["root"]), cast("str | None", given["namespace"]), read_work(work))


def read_work(given: Mapping[str, object]) -> Work:
    """As `asdict` made it, with lists for tuples."""
    lists = {
        name: tuple(cast("Sequence[str]", given.get(name, ()))) for name in ("paths", "sources")
    }
    return Work(**cast("dict[str, str]", {**given, **lists}))  # type: ignore[arg-type] # of our own


def do(order: Order, reporter: Reporter) -> None:
    work = order.work
    options: dict[str, object] = {"limits.max_cost_usd": work.max_cost}
    root = Path(order.root)
    with GraphRAG.open(root, namespace=order.namespace, options=options) as rag:
        if work.kind == "delete":
            result = rag.delete(work.sources, progress=reporter)
        else:
            result = rag.index(
                work.paths,
                progress=reporter,
                method=work.method,
                prune=work.prune,
                retry_failed=work.retry_failed,
            )
    reporter.tell("done", result=asdict(result))


def main() -> None:
    # What a library prints must not stand among the events.
    out, sys.stdout = sys.stdout, sys.stderr
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    reporter = Reporter(out)
    order = read_order(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    calls = logging.getLogger("graphrag.core.tracing")
    calls.addHandler(reporter)
    calls.setLevel(logging.DEBUG)
    calls.propagate = False
    for wait in range(_WAITS):
        try:
            do(order, reporter)
        except LockedError as error:
            if wait == _WAITS - 1:
                _fail(reporter, error)
            reporter.tell("waiting", note=str(error))
            time.sleep(2)
        except GraphRAGError as error:
            _fail(reporter, error)
            return
        except KeyboardInterrupt:
            os._exit(INTERRUPTED)
        else:
            return


def _fail(reporter: Reporter, error: GraphRAGError) -> None:
    # A model's or server's own words stay out: this is kept in a file.
    what = str(error) if not error.quoted else reason(error)
    reporter.tell("failed", detail=what, hint=error.hint)


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
