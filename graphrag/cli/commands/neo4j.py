"""`graphrag neo4j`: start, stop and show the server of a root."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from graphrag.cli.options import handled, json_option, log_options, root_option, say
from graphrag.cli.output import print_server
from graphrag.core.errors import UsageError

if TYPE_CHECKING:
    from graphrag.stores.neo4j.explore import SavedQuery


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
    from graphrag.core.settings_file import load_settings
    from graphrag.stores.neo4j.explore import browser_commands
    from graphrag.stores.neo4j_server import server as local_neo4j

    commands = browser_commands(root, namespace=load_settings(root).namespace)
    server = local_neo4j.start(
        root,
        version=version or local_neo4j.DEFAULT_VERSION,
        heap_mb=heap_mb,
        options={"browser.post_connect_cmd": commands},
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


@neo4j.command()
@root_option
@click.option("--store", default="local", metavar="URL", help="Default: the server of this root.")
@click.option("--namespace", metavar="NAME", help="Name of the index within its store.")
@click.option("--open", "is_opened", is_flag=True, help="Open the first one in Browser.")
@handled
def explore(root: Path, store: str, namespace: str | None, is_opened: bool) -> None:
    """Print queries to paste into Browser, filled with what the index holds.

    Its best connected people, its largest community, its newest document. And where there is a
    style with colours for types of its own.
    """
    import asyncio

    from graphrag.stores.neo4j.explore import AS_ASKED, style_file
    from graphrag.stores.neo4j_server import server as local_neo4j

    queries, labels = asyncio.run(_saved_queries(root, store, namespace))
    for query in queries:
        say(f"// {query.title}\n{query.cypher};\n")
    if queries:
        say("Paste one at a time: of several at once Browser draws none.", err=True)
    browser = local_neo4j.status(root).browser if store == "local" else None
    if browser is None:
        if is_opened:
            raise UsageError(
                "only the Browser of the server of this root can be opened",
                hint="Paste a query into the other server's Browser.",
            )
        say(f"Drag the style onto Browser first: {style_file(root)}", err=True)
        say(f"And type :{AS_ASKED} into it: it then draws what a query asks for alone.", err=True)
        return
    address = f"{browser}&cmd=edit&arg={quote(queries[0].cypher)}" if queries else browser
    say(f"Browser: {browser}", err=True)
    if labels:
        say(f"Colours for {', '.join(labels)}: drag {style_file(root)} onto it.", err=True)
        say("The server tells Browser of them when it is started again.", err=True)
    if is_opened and not click.launch(address):
        say(f"Opened {address}", err=True)


async def _saved_queries(
    root: Path, url: str, namespace: str | None
) -> tuple[list[SavedQuery], list[str]]:
    """The queries; and the labels that the style under `root` has more colours for."""
    from graphrag.core.settings_file import load_settings
    from graphrag.stores import open_store
    from graphrag.stores.neo4j.explore import add_colours, saved_queries
    from graphrag.stores.neo4j.store import Neo4jStore

    settings = load_settings(root)
    namespace = namespace or settings.namespace
    store = await open_store(
        url, root=root, namespace=namespace, create=False, neo4j=settings.neo4j
    )
    try:
        if not isinstance(store, Neo4jStore):
            raise UsageError(f"{url} is no Neo4j", hint="Give --store local or neo4j://…")
        return await saved_queries(store), await add_colours(store, root)
    finally:
        await store.close()
