"""`graphrag entities`: list entities, say which names became one and why, and put them right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from graphrag.cli.options import json_option, say, with_index
from graphrag.cli.output import print_json, print_table
from graphrag.core.errors import NoIndexError, SettingsError, UsageError

if TYPE_CHECKING:
    from graphrag import GraphRAG
    from graphrag.indexing.resolution.explain import Duplicates, Joined, Refused

LISTED = 50
NEAR_MISSES = 50  # lines; --json has them all


@click.group(invoke_without_command=True)
@click.option("--type", "type_", metavar="TYPE", help="Only entities of this type.")
@click.option("--search", metavar="TEXT", help="Only those with TEXT in a name or other spelling.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="The N most mentioned; default: 50, with --json all.",
)
@click.option("--duplicates", is_flag=True, help="Every join with its reason, and near misses.")
@json_option
@with_index
def entities(
    rag: GraphRAG,
    type_: str | None,
    search: str | None,
    limit: int | None,
    duplicates: bool,
    as_json: bool,
) -> None:
    """List the entities, most mentioned first; with --duplicates which names are one and why.

    No model is called. The commands below put right what is wrong: each writes a line to
    corrections.yaml under the root, which every later `graphrag index` applies.
    """
    context = click.get_current_context()
    if context.invoked_subcommand:
        _refuse_options(context)
        return
    if duplicates:
        if type_ or search or limit:
            raise UsageError(
                "--duplicates shows all joins",
                hint="Leave out --duplicates, or --type, --search and --limit.",
            )
        joins = rag.entity_joins()
        print_json(joins) if as_json else _print_joins(joins)
        return
    found = rag.entities(type=type_, search=search, limit=limit if as_json else None)
    if as_json:
        print_json([asdict(entity) for entity in found])
        return
    listed = found[: limit or LISTED]
    rows = [
        [" ".join(one.name.split()), one.type, str(one.mentions), str(one.degree)] for one in listed
    ]
    print_table(["name", "type", "mentions", "degree"], rows, texts=2)
    if len(found) > len(listed):
        say(f"{len(listed)} of {len(found)} entities: --limit shows more.", err=True)


def _refuse_options(context: click.Context) -> None:
    """Options before the name of a command would be lost."""
    command = context.invoked_subcommand
    for name in context.params:
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            raise UsageError(
                f"an option stands before {command!r}",
                hint=f"Write it behind: graphrag entities {command} … --root DIR",
            )


@entities.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME OTHER…")
@with_index
def merge(rag: GraphRAG, names: tuple[str, ...]) -> None:
    """Make NAME and the OTHERs one entity, called NAME."""
    if len(names) < 2:
        raise UsageError("one name cannot be merged", hint="Name the entity, then the others.")
    _correct(rag, "merge", lambda: rag.correct(merge=names))


@entities.command()
@click.argument("name")
@click.argument("to", metavar="NEW-NAME")
@click.option("--document", "documents", multiple=True, metavar="SOURCE", help="In this document.")
@click.option(
    "--context", multiple=True, metavar="PHRASE", help="In passages that have this phrase."
)
@with_index
def split(
    rag: GraphRAG, name: str, to: str, documents: tuple[str, ...], context: tuple[str, ...]
) -> None:
    """Call NAME NEW-NAME in some documents, or near some phrases: it is another thing there.

    Say --document, or --context, not both; each may be given several times.
    """
    if bool(documents) == bool(context):
        raise UsageError(
            "say with --document, or with --context, where the name means something else",
            hint="One of the two; each may be given several times.",
        )
    _correct(
        rag,
        "split",
        lambda: rag.correct(split=name, to=to, documents=documents, context=context),
    )


@entities.command()
@click.argument("name")
@click.argument("to", metavar="NEW-NAME")
@with_index
def rename(rag: GraphRAG, name: str, to: str) -> None:
    """Call the entity NAME by NEW-NAME."""
    _correct(rag, "rename", lambda: rag.correct(rename=name, to=to))


@entities.command()
@click.argument("name")
@click.argument("to", metavar="TYPE")
@with_index
def retype(rag: GraphRAG, name: str, to: str) -> None:
    """Give the entity NAME another TYPE."""
    _correct(rag, "retype", lambda: rag.correct(retype=name, to=to))


@entities.command()
@click.argument("name")
@with_index
def hide(rag: GraphRAG, name: str) -> None:
    """Leave the entity NAME out of the graph."""
    _correct(rag, "hide", lambda: rag.correct(hide=name))


def _correct(rag: GraphRAG, command: str, write: Callable[[], str]) -> None:
    """Write a correction, and say what it does not find in the index."""
    from difflib import get_close_matches

    before = len(rag.corrections())
    try:
        line = write()
    except SettingsError:
        raise
    except UsageError as error:  # its hint tells how the file says it
        hint = f"graphrag entities {command} --help says what it takes."
        raise UsageError(str(error), hint=hint) from error
    number = len(rag.corrections())
    if number == before:
        say(f"{rag.root / 'corrections.yaml'} has it already: {line}")
        return
    say(f"{rag.root / 'corrections.yaml'}: {line}")
    try:
        notes = [note for note in rag.check_corrections() if note.number == number]
        known = [one.name for one in rag.entities()] if any(note.name for note in notes) else []
    except NoIndexError as error:
        notes, known = [], []
        say(f"No index says whether it finds what it names: {error}.\n{error.hint}", err=True)
    for note in notes:
        like = get_close_matches(note.name, known, n=3) if note.name else []
        meant = f" Did you mean {' or '.join(map(repr, like))}?" if like else ""
        say(f"{note.what[0].upper()}{note.what[1:]}.{meant}", err=True)
    say("`graphrag index` with the same options applies it; remove the line to undo it.", err=True)


def _print_joins(found: Duplicates) -> None:
    for entity in found["entities"]:
        say(entity["name"])
        for joined in entity["joined"]:
            say(f"  = {joined['name']}: {_why(joined)}")
    near = found["refused"]
    if near:
        say("\nKept apart:")
    for pair in near[:NEAR_MISSES]:
        say(f"  {pair['first']} | {pair['second']}: {_why_not(pair)}")
    if len(near) > NEAR_MISSES:
        say(f"  and {len(near) - NEAR_MISSES} pairs more: --json lists all.")
    say(
        f"\n{found['joined_names']} names were joined to {len(found['entities'])} entities; "
        f"{found['self_loops']} relationships became loops and were dropped."
    )
    if not found["current"]:
        say(
            "Warning: the settings have changed since the index was made; "
            "`graphrag index` brings it up to date.",
            err=True,
        )


def _why(joined: Joined) -> str:
    parts = [joined["reason"]]
    if joined["via"]:
        parts.append(f"by way of {joined['via']}")
    if joined["score"] < 1:
        parts.append(f"score {joined['score']:.2f}")
    parts.append(f"decided by {joined['decided_by']}")
    return ", ".join(parts) + (f" ({joined['note']})" if joined["note"] else "")


def _why_not(pair: Refused) -> str:
    said = f" ({pair['note']})" if pair["note"] else ""
    return f"{pair['reason']}, score {pair['score']:.2f}, decided by {pair['decided_by']}{said}"
