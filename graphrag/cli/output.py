"""Print results of the commands on stdout, and notes on stderr."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from graphrag.cli.options import say, tell
from graphrag.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphrag.core.answers import Usage
    from graphrag.engine.checks import Check
    from graphrag.indexing.run import IndexResult, OutOfSchema, Plan, SchemaFit
    from graphrag.indexing.status import Overview
    from graphrag.query.router import Retrieved
    from graphrag.stores.neo4j_server.server import LocalServer


def print_json(data: object, *, is_line: bool = False) -> None:
    indent = None if is_line else 2
    click.echo(json.dumps(data, ensure_ascii=False, indent=indent, default=str))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> None:
    """Columns as wide as what is in them; the first `texts` are text, the others stand right."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    for row in (head, *rows):
        cells = [
            cell.ljust(width) if place < texts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        say("  ".join(cells).rstrip())


def print_server(server: LocalServer, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(server))
        return
    if server.url is None:
        say("No Neo4j was ever started here: graphrag neo4j start")
        return
    if not server.running:
        say(f"Neo4j {server.version} is stopped; its data is kept: graphrag neo4j start")
        return
    say(f"Neo4j {server.version} runs")
    say(f"Bolt      {server.url}")
    say(f"Browser   {server.browser}")
    say(f"User      {server.user}, password in {server.password_file}")
    say("For all commands: --store local, or `store: local` in graphrag.yaml")
    say("Queries for Browser: graphrag neo4j explore")


def print_checks(checks: Sequence[Check], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(check) for check in checks])
        return
    for check in checks:
        say(f"{check.state:<8}{check.name}: {check.detail}")
        if check.hint:
            say(f"        {check.hint}")


def print_status(overview: Overview, *, as_json: bool) -> None:
    if as_json:
        print_json(overview)
        return
    for name in ("counts", "documents", "text_units"):
        counted = ", ".join(f"{count} {key}" for key, count in overview[name].items())
        say(f"{name.replace('_', ' ')}: {counted or 'none'}")
    for name in ("store", "namespace", "method", "chat_model", "embedding_model", "last_run"):
        say(f"{name.replace('_', ' ')}: {overview[name] or '-'}")
    say(f"complete: {'yes' if overview['complete'] else 'no'}")
    say(f"joined names: {overview['joined_names']}")
    say(f"relationships dropped as loops: {overview['dropped_self_loops']}")
    if overview["schema"] is not None:
        say(schema_line(overview["schema"]))
    _print_open_ends(overview)


def _print_open_ends(overview: Overview) -> None:
    """What a run would do: of `failed` the text units with whether it tries them by itself."""
    say(f"pending text units: {overview['pending']}")
    units = {
        (one["source"], f"text unit {one['ordinal']}: {one['reason']}"): one["transient"]
        for one in overview["failed_units"]
    }
    for failure in overview["failed"]:
        transient = units.get((failure["source"], failure["reason"]))
        kind = "" if transient is None else " (transient)" if transient else " (permanent)"
        say(f"failed{kind}: {failure['source']}: {failure['reason']}")
    for one in overview["stale"]:
        say(f"stale: {one['source']}: {one['change']} since it was indexed")
    corrections = overview["corrections"]
    if problem := corrections["problem"]:
        say(f"corrections: {problem}")
    elif corrections["items"] or corrections["removed"]:
        open_ = [
            f"{corrections[name]} {what}"
            for name, what in (
                ("pending", "not applied yet"),
                ("removed", "removed, not undone yet"),
            )
            if corrections[name]
        ]
        said = f" ({', '.join(open_)}: run `graphrag index`)" if open_ else ", all applied"
        say(f"corrections: {corrections['items']}{said}")


def print_plan(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(plan))
        return
    cost = "unknown (set chat.price)" if plan.cost_usd is None else f"about ${plan.cost_usd:.2f}"
    say(
        f"{plan.documents} documents, {plan.text_units} text units, "
        f"{plan.to_extract} to extract with method {plan.method}\n"
        f"About {plan.calls} chat calls, {plan.prompt_tokens} prompt tokens, "
        f"{plan.completion_tokens} completion tokens; cost: {cost}. Nothing was called."
    )


def print_result(result: IndexResult, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(result))
        return
    state = "Indexed" if result.changed else "Nothing changed"
    _write(
        f"{state} (method {result.method}): {result.documents} documents, "
        f"{result.text_units} text units, {result.entities} entities, "
        f"{result.relationships} relationships, {result.communities} communities, "
        f"{result.reports} reports in {result.seconds:.1f} s"
    )
    if result.schema is not None:
        _write(schema_line(result.schema))
    if result.usage.chat_calls or result.usage.embedding_calls or result.usage.cached_calls:
        _write(usage_line(result.usage))
    if result.cut_edges:
        say(f"{result.cut_edges} relationships did not fit into their report.")
    for warning in result.warnings:
        say(f"Warning: {warning}", err=True)
    for skipped in result.skipped:
        tell(f"Skipped: {skipped.source}: {skipped.reason}")
    for failure in result.failed:
        tell(f"Failed: {failure.source}: {failure.reason}")
    if result.failed:
        tell(
            f"{len(result.failed)} failures. Run the same command again to try what may pass now; "
            "--retry-failed tries all."
        )


def _write(text: str) -> None:
    terminal = Terminal.attached()
    terminal.write(text)
    terminal.end()


def schema_line(fit: SchemaFit) -> str:
    """How the graph fits its schema, in one line; a second one where a type has no entity."""
    types = ", ".join(f"{count} {name or 'without type'}" for name, count in fit["types"].items())
    line = f"Schema ({fit['mode']}): {types or 'no entities'}"
    line = "; ".join(filter(None, (line, left_out_line(fit["left_out"]))))
    return "\n".join(filter(None, (line, empty_types_line(fit["types"]))))


def empty_types_line(types: Mapping[str, int]) -> str:
    """What to do about types without an entity; empty where each has one."""
    empty = " or ".join(repr(name) for name, count in types.items() if not count)
    told = "give the type the words as aliases that the documents use (`graphrag schema discover`)."
    return f"No entity is of type {empty}: {told}" if empty else ""


def left_out_line(out: OutOfSchema) -> str:
    """What a strict schema keeps out; empty where that is nothing."""
    names = ("entities", "relationships", "attributes")
    held = ", ".join(f"{out[name]} {name}" for name in names if out[name])
    return f"left out, kept as evidence: {held}" if held else ""


def usage_line(usage: Usage) -> str:
    cost = "cost unknown" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"
    return (
        f"{usage.chat_calls} chat calls, {usage.embedding_calls} embedding calls, "
        f"{usage.cached_calls} from the cache; {usage.prompt_tokens} prompt and "
        f"{usage.completion_tokens} completion tokens; {cost}"
    )


def print_context(found: Retrieved) -> None:
    context = found.context
    for number, passage in enumerate(context.text_units, 1):
        say(f"[{number}] {passage.title} ({passage.document}), score {passage.score:.3f}")
        say(f"{passage.text}\n")
    for entity in context.entities:
        say(f"entity: {entity.name} ({entity.type or 'no type'}): {entity.description}")
    for relationship in context.relationships:
        say(
            f"relationship: {relationship.source} - {relationship.type} - {relationship.target}: "
            f"{relationship.description}"
        )
    for report in context.reports:
        say(f"report (level {report.level}): {report.title}: {report.summary}")
    for warning in found.warnings:
        tell(f"Warning: {warning}")
    tell(f"Method {found.method}: {found.reason}")
