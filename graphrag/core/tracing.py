"""Record runs, steps and model calls in the log and as OpenTelemetry spans.

Steps are what `Progress` is told of, so that a step says once that it begins and ends. Spans are
made when the application has loaded `opentelemetry.trace`; else nothing of it is imported. Names
of attributes: OpenTelemetry's conventions for generative AI, where they have one.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

from graphrag.core.answers import Usage
from graphrag.core.concurrency import Progress, Silent
from graphrag.core.errors import ModelError
from graphrag.core.logs import Place, get_log, move_to, place, reason

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

Value = str | int | float

log = get_log(__name__, told=True)


@dataclass(slots=True)
class _Step:
    name: str
    total: int | None
    span: Span | None
    outside: Context | None  # OpenTelemetry's, as it was before the step
    before: Place = field(default_factory=Place)  # where the task was
    started: float = field(default_factory=time.perf_counter)
    usage: Usage = field(default_factory=Usage)

    def count(self, usage: Usage) -> None:
        self.usage += usage


class Steps:
    """Progress that is also written down; what is shown of it is up to the one it wraps."""

    def __init__(self, progress: Progress) -> None:
        self._shown = progress
        self._open: dict[str, _Step] = {}
        self.results: dict[str, Value] = {}

    def start(self, step: str, total: int | None = None) -> None:
        self._open[step] = _begin(step, total)
        self._shown.start(step, total)

    def advance(self, step: str, count: int = 1, *, note: str = "") -> None:
        self._shown.advance(step, count, note=note)

    def finish(self, step: str, note: str = "") -> None:
        begun = self._open.pop(step, None)
        if begun is not None:
            _end(begun)
        self._shown.finish(step, note)

    def abandon(self, error: BaseException) -> None:
        """What was begun ends here: the run failed."""
        while self._open:
            _end(self._open.popitem()[1], error)


@contextmanager
def run(command: str, progress: Progress | None = None) -> Generator[Steps]:
    """One call of the engine. The values in `results` stand in the record of its end.

    Runs have random ids: they name records and spans, and no result depends on them.
    """
    steps = Steps(progress or Silent())
    number = uuid.uuid4().hex[:12]
    before = move_to(replace(place(), run=number, method="", step="", unit=""))
    span, outside = _open_span(f"graphrag {command}", {"graphrag.run": number})
    started = time.perf_counter()
    log.info("%s begins", command)
    failure: BaseException | None = None
    try:
        yield steps
    except BaseException as error:
        failure = error
        steps.abandon(error)
        raise
    finally:
        seconds = round(time.perf_counter() - started, 3)
        values: dict[str, Value] = {**steps.results, "seconds": seconds}
        if failure is None:
            log.info("%s ends: %s", command, _text(values), extra={"values": values})
        else:
            why = reason(failure)
            more = {"values": values, "error": why}
            log.error("%s failed after %s s: %s", command, seconds, why, extra=more)
        if method := place().method:
            values["method"] = method
        _close_span(span, outside, values, failure)
        move_to(before)


@contextmanager
def step(name: str) -> Generator[None]:
    """A step that no progress is shown of."""
    begun = _begin(name, None)
    failure: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failure = error
        raise
    finally:
        _end(begun, failure)


def by(method: str) -> None:
    """The method of this run, once it is known."""
    move_to(replace(place(), method=method))


def spent(usage: Usage) -> None:
    """Count a call, or a cached reply, for the step of this task."""
    if (count := place().count) is not None:
        count(usage)


class Call:
    """What is known of a model call when it is over."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}

    def used(self, prompt_tokens: int, reply_tokens: int | None = None, finish: str = "") -> None:
        self.values["gen_ai.usage.input_tokens"] = prompt_tokens
        if reply_tokens is not None:
            self.values["gen_ai.usage.output_tokens"] = reply_tokens
        if finish:
            self.values["gen_ai.response.finish_reasons"] = finish


@contextmanager
def model_call(
    operation: Literal["chat", "embeddings", "rerank"], model: str, *, kind: str
) -> Generator[Call]:
    """One call of a model, with its retries; `kind` is what it is for."""
    call = Call()
    span = _call_span(operation, model, kind)
    started = time.perf_counter()
    failure: BaseException | None = None
    try:
        yield call
    except ModelError as error:
        failure = error
        why = reason(error)
        log.warning("call of %r failed (%s): %s", model, kind, why, extra={"error": why})
        raise
    finally:
        seconds = round(time.perf_counter() - started, 3)
        if failure is None:
            log.debug("called %r (%s): %s s", model, kind, seconds, extra={"values": call.values})
        _finish(span, call.values, failure)


def _begin(name: str, total: int | None) -> _Step:
    span, outside = _open_span(name, {"graphrag.step": name})
    begun = _Step(name, total, span, outside)
    begun.before = move_to(replace(place(), step=name, count=begun.count))
    log.info("%s begins%s", name, "" if total is None else f": {total}")
    return begun


def _end(step: _Step, failure: BaseException | None = None) -> None:
    usage = step.usage
    values: dict[str, Value] = {"seconds": round(time.perf_counter() - step.started, 3)}
    counts = {
        "items": step.total,
        "calls": usage.chat_calls + usage.embedding_calls,
        "cached": usage.cached_calls,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
    values |= {name: count for name, count in counts.items() if count}
    if failure is None:
        log.info("%s ends: %s", step.name, _text(values), extra={"values": values})
    else:
        more = {"values": values, "error": reason(failure)}
        log.warning("%s was broken off: %s", step.name, _text(values), extra=more)
    _close_span(step.span, step.outside, values, failure)
    # What was set, not by token: a step may end in another task than it began in.
    move_to(step.before)


def _text(values: Mapping[str, Value]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


@cache
def _make_tracer() -> Tracer:
    from opentelemetry import trace

    return trace.get_tracer("graphrag")


def _tracer() -> Tracer | None:
    return _make_tracer() if "opentelemetry.trace" in sys.modules else None


def _open_span(name: str, values: Mapping[str, Value]) -> tuple[Span | None, Context | None]:
    """A span that those of this task stand under from now on; the context before."""
    tracer = _tracer()
    if tracer is None:
        return None, None
    from opentelemetry import context, trace

    outside = context.get_current()
    span = tracer.start_span(name, attributes=values)
    context.attach(trace.set_span_in_context(span))
    return span, outside


def _close_span(
    span: Span | None,
    outside: Context | None,
    values: Mapping[str, Value],
    failure: BaseException | None,
) -> None:
    if span is None or outside is None:
        return
    from opentelemetry import context

    context.attach(outside)
    _finish(span, {f"graphrag.{name}": value for name, value in values.items()}, failure)


def _call_span(operation: str, model: str, kind: str) -> Span | None:
    tracer = _tracer()
    if tracer is None:
        return None
    from opentelemetry.trace import SpanKind

    values = {
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": model,
        "graphrag.kind": kind,
    }
    return tracer.start_span(f"{operation} {model}", kind=SpanKind.CLIENT, attributes=values)


def _finish(span: Span | None, values: Mapping[str, Value], failure: BaseException | None) -> None:
    if span is None:
        return
    for name, value in values.items():
        span.set_attribute(name, [str(value)] if name.endswith("_reasons") else value)
    if failure is not None:
        from opentelemetry.trace import Status, StatusCode

        span.set_attribute("error.type", type(failure).__name__)
        span.set_status(Status(StatusCode.ERROR, reason(failure)))
    span.end()
