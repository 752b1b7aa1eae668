"""`graphrag index`: add and update documents, or print what that would cost."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Literal

import click

from graphrag.cli.options import (
    EXIT_PARTIAL,
    json_option,
    max_cost_option,
    open_progress,
    say,
    with_index,
)
from graphrag.cli.output import print_plan, print_result

if TYPE_CHECKING:
    from graphrag import GraphRAG
    from graphrag.indexing.pipeline import Method


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
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
@json_option
@with_index
def index(
    rag: GraphRAG,
    paths: tuple[str, ...],
    method: Method | None,
    dry_run: bool,
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
    if dry_run:
        plan = rag.plan(paths, method=method, prune=prune, retry_failed=retry_failed, batch=batch)
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
    if result.method == "fast" and method != "fast" and not rag.settings.has_chat:
        _print_local_servers()
    if result.failed:
        sys.exit(EXIT_PARTIAL)


def _print_local_servers() -> None:
    """How to use the model servers of this machine, where there are any."""
    from graphrag.models.vendors.loopback import find_local_servers, ports_from

    for server in find_local_servers(ports_from(os.environ)):
        say(server.hint, err=True)
