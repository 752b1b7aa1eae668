"""Set up, check, show, move and empty an index: `init`, `doctor`, `status`, `copy` and more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from graphrag.cli.options import (
    EXIT_PARTIAL,
    handled,
    json_option,
    open_engine,
    open_progress,
    root_option,
    say,
    with_index,
    with_target,
)
from graphrag.cli.output import print_checks, print_result, print_status
from graphrag.core.errors import UsageError

if TYPE_CHECKING:
    from graphrag import GraphRAG
    from graphrag.evaluation.targets import Target
    from graphrag.stores.exchange.export import Format


@click.command()
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
    from graphrag.core.work_folder import write_file

    path = root / FILE_NAME
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", hint="Use --force to overwrite it.")
    write_file(path, render_yaml())
    say(f"Wrote {path}")
    _print_models(root)


def _print_models(root: Path) -> None:
    """What is known of the models before anything is asked of them."""
    import asyncio

    from graphrag.core.settings_file import load_settings
    from graphrag.engine.model_checks import check_models

    for check in asyncio.run(check_models(root, load_settings(root), ask=False)):
        say(f"{check.name}: {check.detail}")
        if check.hint:
            say(f"        {check.hint}")


@click.command()
@json_option
@with_index
def status(rag: GraphRAG, as_json: bool) -> None:
    """Show what the index holds, what failed, is left to do or is stale."""
    print_status(rag.status(), as_json=as_json)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "csv", "microsoft", "graphml"]),
    default="parquet",
    show_default=True,
    help="microsoft: Parquet with the tables and columns of Microsoft's graphrag.",
)
@with_index
def export(rag: GraphRAG, folder: Path, file_format: Format) -> None:
    """Write the tables of the index to FOLDER."""
    for path in rag.export(folder, format=file_format):
        say(str(path))


@click.command(name="import")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
@with_index
def import_(rag: GraphRAG, folder: Path, as_json: bool) -> None:
    """Add the output FOLDER of Microsoft's graphrag to the index.

    Its extractions, communities and reports are kept; nothing is asked of a model again.
    """
    with open_progress() as progress:
        result = rag.import_folder(folder, progress=progress)
    print_result(result, as_json=as_json)
    if result.failed:
        sys.exit(EXIT_PARTIAL)


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@json_option
@with_index
def delete(rag: GraphRAG, sources: tuple[str, ...], as_json: bool) -> None:
    """Remove documents by SOURCE, with everything that only they support.

    A file of rows (csv, json, jsonl) stands for all its rows.
    """
    with open_progress() as progress:
        result = rag.delete(sources, progress=progress)
    print_result(result, as_json=as_json)
    if result.failed:
        sys.exit(EXIT_PARTIAL)


@click.command()
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


@click.command()
@click.option(
    "--ask",
    is_flag=True,
    help="Call the models, too: four short calls, which may cost a fraction of a cent.",
)
@json_option
@with_target
def doctor(target: Target, ask: bool, as_json: bool) -> None:
    """Check the installation, the settings, the store and the models.

    Nothing is written, and without --ask nothing is billed. Exit code 1 if a check failed.
    """
    import asyncio

    from graphrag.engine.doctor import examine

    options = {"store": target.store, "namespace": target.namespace}
    checks = asyncio.run(examine(target.root, options=options, ask=ask))
    print_checks(checks, as_json=as_json)
    if any(check.state == "failed" for check in checks):
        sys.exit(1)
