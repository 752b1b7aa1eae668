"""What the commands share: options, errors as messages, the engine and the progress of a run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar

import click

from graphrag.core.errors import GraphRAGError, UsageError

if TYPE_CHECKING:
    from graphrag.core.concurrency import Progress
    from graphrag.engine.sync import GraphRAG

EXIT_PARTIAL = 3
# What a terminal obeys: all but tabs and line ends.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

P = ParamSpec("P")
R = TypeVar("R")


class Interrupted(SystemExit):
    """The user or the system asked the command to end; threads may still compute."""


def handled(command: Callable[P, R]) -> Callable[P, R]:
    """Errors as one message and a hint on stderr, with their exit code; never a traceback."""

    @wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with _logging():
            try:
                return command(*args, **kwargs)
            except GraphRAGError as error:
                fail(_shown(error), hint=error.hint, exit_code=error.exit_code)
            except KeyboardInterrupt:
                _show("interrupted", "What was done is kept; run the same command again.")
                raise Interrupted(1) from None
            except BrokenPipeError:
                # The reader of our output is gone, and so must be our own flush at exit.
                sys.stdout = None
                sys.exit(1)
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except Exception as error:
                if "GRAPHRAG_DEBUG" in os.environ:
                    raise
                fail(
                    _shown(error),
                    hint="This is a defect. Set GRAPHRAG_DEBUG=1 to see where, and report it.",
                )

    return log_options(wrapper)


def log_options(command: Callable[P, R]) -> Callable[P, R]:
    """Options that every command takes, before its name or after it."""
    for name, text in (
        ("--log-json", "Write stderr as JSON, a record a line; -v adds model calls."),
        ("-v/--verbose", "Tell on stderr what happens."),
    ):
        command = click.option(
            *name.split("/"), is_flag=True, expose_value=False, callback=_note, help=text
        )(command)
    return command


def _note(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        context.meta[f"{__name__}.{option.name}"] = True


def _asked(option: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and f"{__name__}.{option}" in context.meta


def logs_json() -> bool:
    return _asked("log_json")


def _logging() -> AbstractContextManager[None]:
    if not (logs_json() or _asked("verbose")):
        return nullcontext()
    from graphrag.cli.log_output import writing

    return writing(as_json=logs_json(), verbose=_asked("verbose"))


def _shown(error: Exception) -> str:
    """The error's message; in a record without the words of documents and servers."""
    if logs_json() and not isinstance(error, UsageError):
        from graphrag.core.logs import reason

        return reason(error)
    known = isinstance(error, GraphRAGError)
    return str(error) if known else f"unexpected {type(error).__name__}: {error}"


def fail(message: str, *, hint: str = "", exit_code: int = 1) -> NoReturn:
    _show(message, hint)
    sys.exit(exit_code)


def _show(message: str, hint: str) -> None:
    if logs_json():
        from graphrag.core.logs import get_log

        get_log("graphrag").error("%s. %s", message, hint, extra={"error": message})
        return
    say(f"Error: {message}", err=True)
    if hint:
        say(f"Hint: {hint}", err=True)


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text that documents or models may have written: no sign in it steers the terminal."""
    click.echo(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text), err=err, nl=nl)


def tell(text: str) -> None:
    """A note on stderr; none among records, for it may name what documents say."""
    if not logs_json():
        say(text, err=True)


def common(command: Callable[P, R]) -> Callable[P, R]:
    """Options that every command about an index takes."""
    for option in (
        click.option("--namespace", help="Name of the index within its store.", metavar="NAME"),
        click.option(
            "--store",
            help="SQLite path or URL; unset: .graphrag/graph.db under the root.",
            metavar="URL",
        ),
        click.option(
            "--root",
            type=click.Path(path_type=Path, file_okay=False),
            default=Path(),
            help="Folder of the index and its graphrag.yaml; default: the current one.",
        ),
    ):
        command = option(command)
    return command


def root_option(command: Callable[P, R]) -> Callable[P, R]:
    return click.option(
        "--root",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        help="Folder of the index; default: the current one.",
    )(command)


def json_option(command: Callable[P, R]) -> Callable[P, R]:
    return click.option("--json", "as_json", is_flag=True, help="Print as JSON.")(command)


def max_cost_option(what: str = "the run") -> Callable[[Callable[P, R]], Callable[P, R]]:
    return click.option(
        "--max-cost",
        type=click.FloatRange(min=0, min_open=True),
        metavar="USD",
        help=f"Stop before {what} would cost more.",
    )


def open_engine(
    root: Path,
    store: str | None,
    namespace: str | None,
    options: dict[str, object] | None = None,
) -> GraphRAG:
    from graphrag.engine.sync import GraphRAG

    return GraphRAG.open(root, store=store, namespace=namespace, options=options)


def open_progress() -> AbstractContextManager[Progress]:
    if logs_json() or _asked("verbose"):
        from graphrag.core.concurrency import Silent

        return nullcontext(Silent())  # the records say it
    from graphrag.cli.progress import Bars, Lines

    return Bars() if sys.stderr.isatty() else Lines()
