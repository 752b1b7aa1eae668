"""`graphrag entities`: list entities, or which names became one and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from graphrag.cli.options import json_option, say, with_index
from graphrag.cli.output import print_json, print_table
from graphrag.core.errors import UsageError

if TYPE_CHECKING:
    from graphrag import GraphRAG
    from graphrag.indexing.resolution.explain import Duplicates, Joined, Refused

LISTED = 50
NEAR_MISSES = 50  # lines; --json has them all


@click.command()
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

    No model is called. A wrong join is put right in the settings: resolution.always_join and
    never_join.
    """
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
