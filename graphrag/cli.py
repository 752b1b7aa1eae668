"""The command line: parse, load settings, one call, print. No logic of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar

import click

from graphrag.errors import GraphRAGError, UsageError

if TYPE_CHECKING:
    from graphrag.answers import Answer, Usage
    from graphrag.engine import GraphRAG
    from graphrag.indexing.pipeline import Method
    from graphrag.indexing.run import IndexResult, Plan
    from graphrag.query.router import Retrieved
    from graphrag.stores.exchange import Format
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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="graphrag-neo4j", prog_name="graphrag")
def main() -> None:
    """Turn documents into a knowledge graph and ask it questions, with cited answers.

    Exit codes: 0 done; 1 failed; 2 wrong usage or settings; 3 done in part.
    """


@main.command()
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder to put it in; default: the current one.",
)
@click.option("--force", is_flag=True, help="Overwrite a settings file that is there.")
@handled
def init(root: Path, force: bool) -> None:
    """Write graphrag.yaml with every setting, its default and its meaning.

    It is optional: without a file the defaults hold.
    """
    from graphrag.settings import FILE_NAME, render_yaml

    path = root / FILE_NAME
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", hint="Use --force to overwrite it.")
    try:
        root.mkdir(parents=True, exist_ok=True)
        path.write_text(render_yaml(), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}") from error
    click.echo(f"Wrote {path}")


@main.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@common
@click.option(
    "--method",
    type=click.Choice(["auto", "standard", "fast"]),
    help="standard asks the chat model, fast uses NLP rules; auto: standard if there is a model.",
)
@click.option("--dry-run", is_flag=True, help="Print calls, tokens and cost; call nothing.")
@click.option(
    "--max-cost",
    type=click.FloatRange(min=0, min_open=True),
    metavar="USD",
    help="Stop before the run would cost more.",
)
@click.option("--prune", is_flag=True, help="Remove what came from the paths and is gone.")
@click.option("--retry-failed", is_flag=True, help="Try permanent failures again, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@handled
def index(
    paths: tuple[str, ...],
    root: Path,
    store: str | None,
    namespace: str | None,
    method: Method | None,
    dry_run: bool,
    max_cost: float | None,
    prune: bool,
    retry_failed: bool,
    as_json: bool,
) -> None:
    """Index files and folders: add what is new, update what changed.

    Run it again at any time: finished work is never repeated. Without a PATH it goes on with
    what earlier runs left undone.
    """
    with _open(root, store, namespace, {"limits.max_cost_usd": max_cost}) as rag:
        if dry_run:
            plan = rag.plan(paths, method=method, prune=prune, retry_failed=retry_failed)
            _print_plan(plan, as_json=as_json)
            return
        with _progress() as progress:
            result = rag.index(
                paths, progress=progress, method=method, prune=prune, retry_failed=retry_failed
            )
    _print_result(result, as_json=as_json)
    if result.failed:
        sys.exit(EXIT_PARTIAL)


@main.command()
@click.argument("question")
@common
@click.option("--method", metavar="NAME", help="auto, basic, local or global; default: auto.")
@click.option(
    "--level",
    type=click.IntRange(min=0),
    metavar="N",
    help="global: level of the communities; 0 is the coarsest.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="K=V",
    help="Only documents with this metadata: k=v, k!=v, k>=v, k<=v, k=v1,v2.",
)
@click.option("-k", type=click.IntRange(min=1), metavar="N", help="Text units to read.")
@click.option(
    "--context",
    "context_only",
    is_flag=True,
    help="Print what would be read, and stop before an answer is written.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print everything as JSON.",
)
@click.option("--no-stream", is_flag=True, help="Print the answer when it is complete.")
@handled
def query(
    question: str,
    root: Path,
    store: str | None,
    namespace: str | None,
    method: str | None,
    level: int | None,
    filters: tuple[str, ...],
    k: int | None,
    context_only: bool,
    as_json: bool,
    no_stream: bool,
) -> None:
    """Answer QUESTION from the index, with citations that were checked."""
    with _open(root, store, namespace) as rag:
        if context_only:
            found = rag.read(question, method=method, level=level, k=k, filters=filters)
            _print_context(found, as_json=as_json)
            return
        streamed = not (as_json or no_stream)
        answer = rag.query(
            question,
            method=method,
            level=level,
            k=k,
            filters=filters,
            on_text=_print_piece if streamed else None,
        )
    if as_json:
        click.echo(json.dumps(answer.as_dict(), ensure_ascii=False, indent=2))
        return
    click.echo("" if streamed else answer.answer)
    _print_notes(answer)


@main.command()
@common
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@handled
def status(root: Path, store: str | None, namespace: str | None, as_json: bool) -> None:
    """Show what the index holds, and what failed or is left to do."""
    with _open(root, store, namespace) as rag:
        overview = rag.status()
    if as_json:
        click.echo(json.dumps(overview, ensure_ascii=False, indent=2))
        return
    for name in ("counts", "documents", "text_units"):
        counted = ", ".join(f"{count} {key}" for key, count in overview[name].items())
        click.echo(f"{name.replace('_', ' ')}: {counted or 'none'}")
    for name in ("store", "namespace", "method", "chat_model", "embedding_model", "last_run"):
        click.echo(f"{name.replace('_', ' ')}: {overview[name] or '-'}")
    click.echo(f"complete: {'yes' if overview['complete'] else 'no'}")
    for failure in overview["failed"]:
        click.echo(f"failed: {failure['source']}: {failure['reason']}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@common
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "csv", "microsoft", "graphml"]),
    default="parquet",
    show_default=True,
    help="microsoft: Parquet with the tables and columns of Microsoft's graphrag.",
)
@handled
def export(
    folder: Path, root: Path, store: str | None, namespace: str | None, file_format: Format
) -> None:
    """Write the tables of the index to FOLDER."""
    with _open(root, store, namespace) as rag:
        files = rag.export(folder, format=file_format)
    for path in files:
        click.echo(path)


def _open(
    root: Path,
    store: str | None,
    namespace: str | None,
    options: dict[str, object] | None = None,
) -> GraphRAG:
    from graphrag.engine import GraphRAG

    return GraphRAG.open(root, store=store, namespace=namespace, options=options)


def _progress() -> Bars | Lines:
    from graphrag.terminal import Bars, Lines

    return Bars() if sys.stderr.isatty() else Lines()


def _print_piece(piece: str) -> None:
    click.echo(piece, nl=False)


def _print_plan(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(plan), indent=2))
        return
    cost = "unknown (set chat.price)" if plan.cost_usd is None else f"about ${plan.cost_usd:.2f}"
    click.echo(
        f"{plan.documents} documents, {plan.text_units} text units, "
        f"{plan.to_extract} to extract with method {plan.method}\n"
        f"About {plan.calls} chat calls, {plan.prompt_tokens} prompt tokens, "
        f"{plan.completion_tokens} completion tokens; cost: {cost}. Nothing was called."
    )


def _print_result(result: IndexResult, *, as_json: bool) -> None:
    if as_json:
        data = asdict(result)
        data["failed"] = [asdict(item) for item in result.failed]
        click.echo(json.dumps(data, ensure_ascii=False, indent=2))
        return
    state = "Indexed" if result.changed else "Nothing changed"
    click.echo(
        f"{state} (method {result.method}): {result.documents} documents, "
        f"{result.text_units} text units, {result.entities} entities, "
        f"{result.relationships} relationships, {result.communities} communities, "
        f"{result.reports} reports in {result.seconds:.1f} s"
    )
    if result.usage.chat_calls or result.usage.embedding_calls or result.usage.cached_calls:
        click.echo(_usage_line(result.usage))
    if result.cut_edges:
        click.echo(f"{result.cut_edges} relationships did not fit into their report.")
    for warning in result.warnings:
        click.echo(f"Warning: {warning}", err=True)
    for failure in result.failed:
        click.echo(f"Failed: {failure.source}: {failure.reason}", err=True)
    if result.failed:
        click.echo(
            f"{len(result.failed)} failures. Run the same command again to try what may pass now; "
            "--retry-failed tries all.",
            err=True,
        )


def _usage_line(usage: Usage) -> str:
    cost = "cost unknown" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"
    return (
        f"{usage.chat_calls} chat calls, {usage.embedding_calls} embedding calls, "
        f"{usage.cached_calls} from the cache; {usage.prompt_tokens} prompt and "
        f"{usage.completion_tokens} completion tokens; {cost}"
    )


def _print_notes(answer: Answer) -> None:
    if answer.citations:
        click.echo("\nSources:")
    for citation in answer.citations:
        mark = "verified" if citation.verified else "NOT verified"
        quote = f': "{citation.quote}"' if citation.quote else ""
        click.echo(f"[{citation.number}] {citation.title} ({citation.document}), {mark}{quote}")
    for warning in answer.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if answer.unsupported:
        click.echo(f"{len(answer.unsupported)} sentences have no verified citation.", err=True)
    click.echo(f"Method {answer.method}: {answer.reason}", err=True)
    if answer.usage.chat_calls or answer.usage.cached_calls:
        click.echo(_usage_line(answer.usage), err=True)


def _print_context(found: Retrieved, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
        return
    context = found.context
    for number, passage in enumerate(context.text_units, 1):
        click.echo(f"[{number}] {passage.title} ({passage.document}), score {passage.score:.3f}")
        click.echo(f"{passage.text}\n")
    for entity in context.entities:
        click.echo(f"entity: {entity.name} ({entity.type or 'no type'}): {entity.description}")
    for relationship in context.relationships:
        click.echo(
            f"relationship: {relationship.source} - {relationship.type} - {relationship.target}: "
            f"{relationship.description}"
        )
    for report in context.reports:
        click.echo(f"report (level {report.level}): {report.title}: {report.summary}")
    for warning in found.warnings:
        click.echo(f"Warning: {warning}", err=True)
    click.echo(f"Method {found.method}: {found.reason}", err=True)
