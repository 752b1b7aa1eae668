"""Share options, messages of errors, the engine and progress among the commands."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from graphrag.core.errors import GraphRAGError, UsageError

if TYPE_CHECKING:
    from graphrag.core.concurrency import Progress
    from graphrag.engine.sync import GraphRAG

EXIT_PARTIAL = 3
# What a terminal obeys: all but tabs and line ends.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Command = Callable[..., None]
Value = TypeVar("Value")


class Interrupted(SystemExit):
    """The user or the system asked the command to end; threads may still compute."""


def handled(command: Command) -> Command:
    """Run `command` with its errors shown, for commands that open no index."""

    @wraps(command)
    def wrapper(**options: object) -> None:
        with _shown_errors():
            command(**options)

    return log_options(wrapper)


def with_index(command: Command) -> Command:
    """Hand in the opened engine of the index that --root, --store and --namespace name."""
    return _with_target(command, is_opened=True)


def with_target(command: Command) -> Command:
    """Hand in a Target: the index that --root, --store and --namespace name, not opened."""
    return _with_target(command, is_opened=False)


def _with_target(command: Command, *, is_opened: bool) -> Command:
    @wraps(command)
    def wrapper(root: Path, store: str | None, namespace: str | None, **options: object) -> None:
        with _shown_errors(), ExitStack() as stack:
            settings = _overridden(click.get_current_context())
            if is_opened:
                rag = open_engine(root, store, namespace, settings)
                command(stack.enter_context(rag), **options)
            else:
                from graphrag.evaluation.targets import Target

                command(Target(root, store, namespace, settings), **options)

    for option in (
        click.option("--namespace", help="Name of the index within its store.", metavar="NAME"),
        click.option(
            "--store",
            help="SQLite path or URL; unset: .graphrag/graph.db under the root.",
            metavar="URL",
        ),
        root_option,
    ):
        wrapper = option(wrapper)
    return log_options(wrapper)


@contextmanager
def _shown_errors() -> Generator[None]:
    """Errors as one message and a hint on stderr, with their exit code; never a traceback."""
    with _logging():
        try:
            yield
        except KeyboardInterrupt:
            _show("interrupted", "What was done is kept; run the same command again.")
            raise Interrupted(1) from None
        except (BrokenPipeError, click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            sys.exit(show_error(error))


def show_error(error: Exception) -> int:
    """Say on stderr what happened and what to do; the exit code that goes with it."""
    if isinstance(error, GraphRAGError):
        _show(_shown(error), error.hint)
        return error.exit_code
    if "GRAPHRAG_DEBUG" in os.environ:
        raise error
    _show(_shown(error), "This is a defect. Set GRAPHRAG_DEBUG=1 to see where, and report it.")
    return 1


def log_options(command: Command) -> Command:
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


def is_verbose() -> bool:
    return _asked("verbose")


def _logging() -> AbstractContextManager[None]:
    if not (logs_json() or is_verbose()):
        return nullcontext()
    from graphrag.cli.log_output import writing

    return writing(as_json=logs_json(), verbose=is_verbose())


def _shown(error: Exception) -> str:
    """The error's message; in a record without the words of documents and servers."""
    if logs_json() and not isinstance(error, UsageError):
        from graphrag.core.logs import reason

        return reason(error)
    known = isinstance(error, GraphRAGError)
    return str(error) if known else f"unexpected {type(error).__name__}: {error}"


def _show(message: str, hint: str) -> None:
    if logs_json():
        from graphrag.core.logs import get_log

        get_log("graphrag").error("%s. %s", message, hint, extra={"error": message})
        return
    say(f"Error: {message}", err=True)
    if hint:
        say(f"Hint: {hint}", err=True)


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text that documents or models may have written."""
    click.echo(harmless(text), err=err, nl=nl)


def harmless(text: str) -> str:
    """`text` without signs that steer a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def tell(text: str) -> None:
    """A note on stderr; none among records, for it may name what documents say."""
    if not logs_json():
        say(text, err=True)


root_option = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder of the index and its graphrag.yaml; default: the current one.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


def sets(setting: str) -> Callable[[click.Context, click.Parameter, Value], Value]:
    """The callback of an option that overrides `setting` of the index a command is about."""

    def note(context: click.Context, _: click.Parameter, value: Value) -> Value:
        _overridden(context)[setting] = value or None
        return value

    return note


def _overridden(context: click.Context) -> dict[str, object]:
    return context.meta.setdefault(f"{__name__}.settings", {})


def max_cost_option(what: str = "the run") -> Callable[[Command], Command]:
    return click.option(
        "--max-cost",
        type=click.FloatRange(min=0, min_open=True),
        metavar="USD",
        expose_value=False,
        callback=sets("limits.max_cost_usd"),
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
    if logs_json() or is_verbose():
        from graphrag.core.concurrency import Silent

        return nullcontext(Silent())  # the records say it
    from graphrag.cli.progress import Bars, Lines

    return Bars() if sys.stderr.isatty() else Lines()
