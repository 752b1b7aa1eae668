"""`graphrag entities`: an index in, which names became one entity and why out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from graphrag.cli.options import common, handled, json_option, open_engine, say
from graphrag.core.errors import UsageError

if TYPE_CHECKING:
    from graphrag.indexing.resolution.explain import Duplicates, Joined, Refused

NEAR_MISSES = 50  # lines; --json has them all


@click.command()
@common
@click.option("--duplicates", is_flag=True, help="Every join with its reason, and near misses.")
@json_option
@handled
def entities(
    root: Path, store: str | None, namespace: str | None, duplicates: bool, as_json: bool
) -> None:
    """Show which names are one entity and why, and which stayed apart. No model is called.

    What is wrong is put right in the settings: resolution.always_join and never_join.
    """
    if not duplicates:
        raise UsageError("there is nothing to show", hint="Use `graphrag entities --duplicates`.")
    with open_engine(root, store, namespace) as rag:
        found = rag.duplicates()
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    _print(found)


def _print(found: Duplicates) -> None:
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
