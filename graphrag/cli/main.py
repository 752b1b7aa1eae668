"""The command line: parse, load settings, one call, print. No logic of its own."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from graphrag.cli.entities import entities
from graphrag.cli.evaluate import evaluate
from graphrag.cli.options import (
    EXIT_PARTIAL,
    common,
    handled,
    json_option,
    log_options,
    max_cost_option,
    open_engine,
    open_progress,
    root_option,
    say,
)
from graphrag.cli.output import (
    print_checks,
    print_context,
    print_notes,
    print_open_ends,
    print_piece,
    print_plan,
    print_result,
    print_server,
)
from graphrag.cli.prompts import prompts, tune
from graphrag.core.errors import UsageError

if TYPE_CHECKING:
    from graphrag.indexing.pipeline import Method
    from graphrag.stores.exchange.export import Format


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="graphrag-neo4j", prog_name="graphrag")
@log_options
def main() -> None:
    """Turn documents into a knowledge graph and ask it questions, with cited answers.

    Exit codes: 0 done; 1 failed; 2 wrong usage or settings; 3 done in part; 4 a metric fell
    (eval compare).
    """


main.add_command(entities)
main.add_command(evaluate)
main.add_command(prompts)
main.add_command(tune)


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
    from graphrag.core.settings import FILE_NAME
    from graphrag.core.settings_file import render_yaml

    path = root / FILE_NAME
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", hint="Use --force to overwrite it.")
    try:
        root.mkdir(parents=True, exist_ok=True)
        path.write_text(render_yaml(), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}") from error
    say(f"Wrote {path}")


@main.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@common
@click.option(
    "--method",
    type=click.Choice(["auto", "standard", "fast"]),
    help="standard asks the chat model, fast uses NLP rules; auto: standard if there is a model.",
)
@click.option("--dry-run", is_flag=True, help="Print calls, tokens and cost; call nothing.")
@max_cost_option()
@click.option("--prune", is_flag=True, help="Remove what came from the paths and is gone.")
@click.option("--retry-failed", is_flag=True, help="Try permanent failures again, too.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="ray: share the row-wise steps out over a cluster.",
)
@click.option(
    "--address", metavar="ADDRESS", help="Of the Ray cluster; unset: one on this machine."
)
@click.option(
    "--batch",
    is_flag=True,
    help="Call the models by the Batch API: half the price, within a day, resumable.",
)
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
    engine: Literal["local", "ray"],
    address: str | None,
    batch: bool,
    as_json: bool,
) -> None:
    """Index files and folders: add what is new, update what changed.

    Run it again at any time: finished work is never repeated. Without a PATH it goes on with
    what earlier runs left undone.
    """
    with open_engine(root, store, namespace, {"limits.max_cost_usd": max_cost}) as rag:
        if dry_run:
            plan = rag.plan(
                paths, method=method, prune=prune, retry_failed=retry_failed, batch=batch
            )
            print_plan(plan, as_json=as_json)
            return
        # What libraries print (Ray does, of a lost worker) is no part of the answer.
        with open_progress() as progress, redirect_stdout(sys.stderr):
            result = rag.index(
                paths,
                progress=progress,
                method=method,
                prune=prune,
                retry_failed=retry_failed,
                engine=engine,
                address=address,
                batch=batch,
            )
    print_result(result, as_json=as_json)
    if result.failed:
        sys.exit(EXIT_PARTIAL)


@main.command()
@click.argument("question")
@common
@click.option(
    "--method", metavar="NAME", help="auto, basic, local, global, drift, path, lazy or hybrid."
)
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
@click.option("-k", type=click.IntRange(1, 10_000), metavar="N", help="Text units to read.")
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
@click.option("--dynamic", is_flag=True, help="global: rate reports from the root, read what fits.")
@click.option("--tree", is_flag=True, help="drift: print the tree of questions and answers.")
@click.option("--cypher", is_flag=True, help="Print the Cypher that shows the evidence in Neo4j.")
@click.option("--suggest", is_flag=True, help="Propose next questions.")
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
    dynamic: bool,
    tree: bool,
    cypher: bool,
    suggest: bool,
) -> None:
    """Answer QUESTION from the index, with citations that were checked."""
    if context_only and (tree or cypher or suggest):
        raise UsageError(
            "--context stops before there is an answer to show more of",
            hint="Leave out --context, or --tree, --cypher and --suggest.",
        )
    if dynamic and method not in (None, "auto", "global"):
        raise UsageError(f"--dynamic does nothing for --method {method}", hint="Use global.")
    chosen: dict[str, object] = {"query.global.dynamic": dynamic or None}
    method = "global" if dynamic else method
    with open_engine(root, store, namespace, chosen) as rag:
        if context_only:
            found = rag.read(question, method=method, level=level, k=k, filters=filters)
            print_context(found, as_json=as_json)
            return
        streamed = not (as_json or no_stream)
        answer = rag.query(
            question,
            method=method,
            level=level,
            k=k,
            filters=filters,
            on_text=print_piece if streamed else None,
        )
        suggestions = rag.suggest(answer) if suggest else ()
    statement = ""
    if cypher:
        from graphrag.stores.neo4j.browser import evidence_cypher

        statement = evidence_cypher(answer, namespace=rag.settings.namespace)
    if as_json:
        extra: dict[str, object] = {"suggestions": suggestions} if suggest else {}
        extra |= {"cypher": statement} if cypher else {}
        click.echo(json.dumps(answer.as_dict() | extra, ensure_ascii=False, indent=2))
        return
    say("" if streamed else answer.answer)
    print_notes(answer)
    if tree:
        from graphrag.query.drift.tree import render_tree

        say(render_tree(answer.trace) or "No tree: only drift makes one.")
    if cypher:
        say(statement)
    for question_to_ask in suggestions:
        say(f"Next: {question_to_ask}")


@main.command()
@common
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@handled
def status(root: Path, store: str | None, namespace: str | None, as_json: bool) -> None:
    """Show what the index holds, what failed, is left to do or is stale."""
    with open_engine(root, store, namespace) as rag:
        overview = rag.status()
    if as_json:
        click.echo(json.dumps(overview, ensure_ascii=False, indent=2))
        return
    for name in ("counts", "documents", "text_units"):
        counted = ", ".join(f"{count} {key}" for key, count in overview[name].items())
        say(f"{name.replace('_', ' ')}: {counted or 'none'}")
    for name in ("store", "namespace", "method", "chat_model", "embedding_model", "last_run"):
        say(f"{name.replace('_', ' ')}: {overview[name] or '-'}")
    say(f"complete: {'yes' if overview['complete'] else 'no'}")
    say(f"joined names: {overview['joined_names']}")
    say(f"relationships dropped as loops: {overview['dropped_self_loops']}")
    print_open_ends(overview)


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
    with open_engine(root, store, namespace) as rag:
        files = rag.export(folder, format=file_format)
    for path in files:
        say(str(path))


@main.command(name="import")
@click.argument("folder", type=click.Path(path_type=Path))
@common
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@handled
def import_(
    folder: Path, root: Path, store: str | None, namespace: str | None, as_json: bool
) -> None:
    """Add the output FOLDER of Microsoft's graphrag to the index.

    Its extractions, communities and reports are kept; nothing is asked of a model again.
    """
    with open_engine(root, store, namespace) as rag, open_progress() as progress:
        result = rag.import_folder(folder, progress=progress)
    print_result(result, as_json=as_json)
    if result.failed:
        sys.exit(EXIT_PARTIAL)


@main.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@common
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@handled
def delete(
    sources: tuple[str, ...], root: Path, store: str | None, namespace: str | None, as_json: bool
) -> None:
    """Remove documents by SOURCE, with everything that only they support.

    A file of rows (csv, json, jsonl) stands for all its rows.
    """
    with open_engine(root, store, namespace) as rag, open_progress() as progress:
        result = rag.delete(sources, progress=progress)
    print_result(result, as_json=as_json)
    if result.failed:
        sys.exit(EXIT_PARTIAL)


@main.command()
@click.argument("from_url", metavar="FROM_URL")
@click.argument("to_url", metavar="TO_URL")
@click.option("--namespace", help="Name of the index in both stores.", metavar="NAME")
@click.option("--replace", is_flag=True, help="Replace another index that TO_URL holds.")
@root_option
@handled
def copy(from_url: str, to_url: str, namespace: str | None, replace: bool, root: Path) -> None:
    """Copy an index from one store to another, exactly: SQLite to Neo4j and back."""
    with open_engine(root, from_url, namespace) as rag:
        counts = rag.copy_to(to_url, replace=replace)
    say("Copied " + ", ".join(f"{count} {name}" for name, count in counts.items()))


@main.command()
@common
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@handled
def doctor(root: Path, store: str | None, namespace: str | None, as_json: bool) -> None:
    """Check the installation, the settings, the store and the models.

    Nothing is written and nothing is billed. Exit code 1 if a check failed.
    """
    import asyncio

    from graphrag.engine.doctor import examine

    checks = asyncio.run(examine(root, options={"store": store, "namespace": namespace}))
    print_checks(checks, as_json=as_json)
    if any(check.state == "failed" for check in checks):
        sys.exit(1)


@main.group()
@log_options
def neo4j() -> None:
    """A Neo4j with Browser for this root, on this machine only."""


@neo4j.command()
@root_option
@click.option("--version", help="Version of Neo4j; default: the tested 5.26 LTS.", metavar="V")
@click.option(
    "--heap",
    "heap_mb",
    type=click.IntRange(min=256),
    help="Memory for its work; half as much again holds pages of its files. Default: 512.",
    metavar="MB",
)
@json_option
@handled
def start(root: Path, version: str | None, heap_mb: int | None, as_json: bool) -> None:
    """Start it, downloading it once. Then index and query with --store local."""
    from graphrag.stores.neo4j_server import server as local_neo4j

    server = local_neo4j.start(
        root,
        version=version or local_neo4j.DEFAULT_VERSION,
        heap_mb=heap_mb,
    )
    print_server(server, as_json=as_json)


@neo4j.command()
@root_option
@handled
def stop(root: Path) -> None:
    """Stop it. Its data stays."""
    from graphrag.stores.neo4j_server import server as local_neo4j

    say("Stopped." if local_neo4j.stop(root) else "It was not running.")


@neo4j.command(name="status")
@root_option
@json_option
@handled
def neo4j_status(root: Path, as_json: bool) -> None:
    """Show its address, where its password is, and how to look at the graph."""
    from graphrag.stores.neo4j_server import server as local_neo4j

    print_server(local_neo4j.status(root), as_json=as_json)
