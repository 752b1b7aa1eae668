"""`graphrag schema`: check a schema, tell what it would change, propose one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from graphrag.cli.options import json_option, say, tell, with_index
from graphrag.cli.output import empty_types_line, left_out_line, print_json
from graphrag.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrag import GraphRAG
    from graphrag.indexing.schema import SchemaCheck, SchemaDiff


@click.group()
def schema() -> None:
    """Say which types, attributes and triples the graph may hold (docs/schema.md).

    The schema is schema.yaml under the root, or the file that the setting `schema` names. No model
    is called by these commands.
    """


@schema.command()
@json_option
@with_index
def check(rag: GraphRAG, as_json: bool) -> None:
    """Check the schema, and count what of the graph fits it, if there is an index.

    Exit code 2 where the file is wrong: each place is named.
    """
    found = rag.schema_check()
    print_json(found) if as_json else _print_check(found)


@schema.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@with_index
def diff(rag: GraphRAG, file: Path | None, as_json: bool) -> None:
    """Tell what the schema in FILE would add to the graph, drop, and leave to extract.

    Without FILE that of the root is compared. Nothing is written.
    """
    found = rag.schema_diff(file)
    print_json(found) if as_json else _print_diff(found)


@schema.command()
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE, a new one."
)
@json_option
@with_index
def discover(rag: GraphRAG, output: Path | None, as_json: bool) -> None:
    """Propose a schema of what the graph holds, with counts, to be edited.

    It goes to the standard output, or to the file of --output.
    """
    found = rag.schema_discover()
    if output is not None:
        try:
            with output.open("x", encoding="utf-8") as file:
                file.write(found["yaml"])
        except OSError as error:
            raise UsageError(
                f"{output} cannot be written: {error.strerror}", hint="Name a file that is new."
            ) from error
        tell(f"Wrote {len(found['types'])} types, {len(found['triples'])} triples to {output}")
    if as_json:
        print_json(found)
    elif output is None:
        say(found["yaml"].rstrip("\n"))


def _print_check(found: SchemaCheck) -> None:
    say(
        f"The schema ({found['mode']}) is in order: {len(found['types'])} types, "
        f"{found['triples']} triples."
    )
    for name in ("entities", "relationships"):
        fit = found[name]
        if fit is not None:
            say(f"{name}: {fit['fit']} fit, {fit['other']} do not")
    _print_counts("types", found["by_type"])
    _print_counts("other types", found["other_types"])
    if line := empty_types_line(found["by_type"]):
        say(line)


def _print_diff(found: SchemaDiff) -> None:
    for name in ("entities", "relationships"):
        change = found[name]
        say(
            f"{name}: {change['now']} now, {change['then']} then "
            f"({change['added']} added, {change['dropped']} dropped)"
        )
    say(f"entities of another type: {found['retyped']}")
    for kind, counts in found["types"].items():
        if counts["now"] != counts["then"]:
            say(f"  {kind or 'without type'}: {counts['now']} now, {counts['then']} then")
    if line := left_out_line(found["left_out"]):
        say(line)
    asked = found["extract"]
    cost = "unknown (set chat.price)" if asked["cost_usd"] is None else f"${asked['cost_usd']:.2f}"
    say(
        f"to extract: {asked['text_units']} text units, {asked['calls']} calls; with what follows "
        f"about {asked['prompt_tokens']} prompt and {asked['completion_tokens']} completion "
        f"tokens, cost: {cost}"
    )
    if asked["reports"]:
        say(f"reports to write again: at most {asked['reports']}")


def _print_counts(name: str, counts: Mapping[str, int]) -> None:
    if counts:
        listed = ", ".join(f"{count} {kind or 'without type'}" for kind, count in counts.items())
        say(f"{name}: {listed}")
