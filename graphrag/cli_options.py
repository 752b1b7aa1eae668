"""What the commands share: options, errors as messages, the engine and the progress of a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar

import click

from graphrag.errors import GraphRAGError

if TYPE_CHECKING:
    from graphrag.engine import GraphRAG
    from graphrag.terminal import Bars, Lines

EXIT_PARTIAL = 3

P = ParamSpec("P")
R = TypeVar("R")


def handled(command: Callable[P, R]) -> Callable[P, R]:
    """Errors as one message and a hint on stderr, with their exit code; never a traceback."""

    @wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except GraphRAGError as error:
            fail(str(error), hint=error.hint, exit_code=error.exit_code)
        except KeyboardInterrupt:
            fail("interrupted", hint="What was done is kept; run the same command again.")
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
                f"unexpected {type(error).__name__}: {error}",
                hint="This is a defect. Set GRAPHRAG_DEBUG=1 to see where, and report it.",
            )

    return wrapper


def fail(message: str, *, hint: str = "", exit_code: int = 1) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    if hint:
        click.echo(f"Hint: {hint}", err=True)
    sys.exit(exit_code)


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
    from graphrag.engine import GraphRAG

    return GraphRAG.open(root, store=store, namespace=namespace, options=options)


def open_progress() -> Bars | Lines:
    from graphrag.terminal import Bars, Lines

    return Bars() if sys.stderr.isatty() else Lines()
