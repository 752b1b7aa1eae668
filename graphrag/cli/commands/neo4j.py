"""`graphrag neo4j`: start, stop and show the server of a root."""

from __future__ import annotations

from pathlib import Path

import click

from graphrag.cli.options import handled, json_option, log_options, root_option, say
from graphrag.cli.output import print_server


@click.group()
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
