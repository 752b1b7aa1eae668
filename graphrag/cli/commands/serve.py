"""`graphrag serve`, `mcp` and `skill`: the doors for other programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from graphrag.cli.options import handled, say
from graphrag.core.errors import UsageError

if TYPE_CHECKING:
    from graphrag.server.app import Options

P = ParamSpec("P")
R = TypeVar("R")


def _index_options(command: Callable[P, R]) -> Callable[P, R]:
    for option in (
        click.option("--read-only", is_flag=True, help="Nothing can be indexed or deleted."),
        click.option(
            "--documents",
            "folders",
            multiple=True,
            metavar="[NAME=]DIR",
            help="A folder that clients may have indexed, for one index or all.",
        ),
        click.option(
            "--index",
            "named",
            multiple=True,
            metavar="NAME=ROOT[#NAMESPACE]",
            help="An index and the name that clients call it by; may come often.",
        ),
        click.option(
            "--root",
            type=click.Path(path_type=Path, file_okay=False),
            default=Path(),
            help="Folder of the only index, under its name; default: the current one.",
        ),
    ):
        command = option(command)
    return command


@click.command()
@_index_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8321,
    show_default=True,
    help="0 takes a free one.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name that clients may call this server by; addresses and localhost always can.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that holds the token; unset: one is made under the first root.",
)
@click.option("--no-token", is_flag=True, help="Let every program of this machine in.")
@click.option("--mcp-write", is_flag=True, help="Let MCP clients index and delete.")
@handled
def serve(
    root: Path,
    named: tuple[str, ...],
    folders: tuple[str, ...],
    read_only: bool,
    host: str,
    port: int,
    hosts: tuple[str, ...],
    token_file: Path | None,
    no_token: bool,
    mcp_write: bool,
) -> None:
    """Serve indexes over HTTP: an API, OpenAI's chat and the Model Context Protocol.

    Prints one line, the address with the token after `#`. Clients send it as
    `Authorization: Bearer TOKEN`.
    """
    from dataclasses import replace

    options = replace(
        _options(root, named, folders, read_only=read_only, mcp_write=mcp_write),
        host=host,
        port=port,
        hosts=tuple(name.lower() for name in hosts),
        token_file=token_file,
        has_token=not no_token,
    )
    from graphrag.server.app import serve as run

    run(options, ready=say)


@click.command()
@_index_options
@click.option("--mcp-write", is_flag=True, help="Let the client index and delete.")
@handled
def mcp(
    root: Path,
    named: tuple[str, ...],
    folders: tuple[str, ...],
    read_only: bool,
    mcp_write: bool,
) -> None:
    """Speak the Model Context Protocol over stdin and stdout, for assistants to start."""
    options = _options(root, named, folders, read_only=read_only, mcp_write=mcp_write)
    from graphrag.server.app import serve_stdio

    serve_stdio(options)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@handled
def skill(folder: Path) -> None:
    """Write a skill for coding assistants to DIR/graphrag/SKILL.md.

    It says when to use which method, with commands that work.
    """
    from importlib.resources import files

    from graphrag.core.work_folder import write_file

    text = (files("graphrag.integrations") / "SKILL.md").read_text(encoding="utf-8")
    path = folder / "graphrag" / "SKILL.md"
    write_file(path, text)
    say(f"Wrote {path}")


def _options(
    root: Path,
    named: tuple[str, ...],
    folders: tuple[str, ...],
    *,
    read_only: bool,
    mcp_write: bool,
) -> Options:
    from importlib.util import find_spec  # loading it takes a second

    if find_spec("mcp") is None or find_spec("uvicorn") is None:
        raise UsageError(
            "the server's libraries are not installed",
            hint='Install them: pip install "graphrag-neo4j[server]".',
        )
    from graphrag.server.app import Options
    from graphrag.server.indexes import parse_places

    places = parse_places(named, root=root, folders=folders)
    return Options(places, is_read_only=read_only, mcp_write=mcp_write)
