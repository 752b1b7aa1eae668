"""`graphrag tune` and `graphrag prompts`: make prompts for a domain, show and check them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from graphrag.cli.options import (
    EXIT_PARTIAL,
    handled,
    json_option,
    log_options,
    max_cost_option,
    open_progress,
    root_option,
    say,
    with_index,
)
from graphrag.cli.output import print_json, usage_line

if TYPE_CHECKING:
    from graphrag import GraphRAG
    from graphrag.tuning.checks import Checked, Listed
    from graphrag.tuning.planning import TuningPlan
    from graphrag.tuning.run import Tuned
    from graphrag.tuning.sampling import Select


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Text units to learn from; default: tuning.sample.",
)
@click.option(
    "--select",
    type=click.Choice(["diverse", "random", "all"]),
    help="How they are chosen; default: tuning.select.",
)
@click.option(
    "--entity-types",
    multiple=True,
    metavar="TYPE,TYPE",
    help="The entity types to use, in place of those that are discovered.",
)
@max_cost_option()
@click.option("--force", is_flag=True, help="Replace a set that is there; install one that lost.")
@click.option("--dry-run", is_flag=True, help="Print calls, tokens and cost; call nothing.")
@json_option
@with_index
def tune(
    rag: GraphRAG,
    paths: tuple[str, ...],
    sample: int | None,
    select: Select | None,
    entity_types: tuple[str, ...],
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make prompts for the domain and language of the documents, and prove them.

    They are learnt from a sample, compared with the packaged prompts on text that was held out,
    and written to ROOT/prompts unless they do worse. Without a PATH the documents are those of
    the index. Run it again at any time: no call is paid for twice.
    """
    with open_progress() as progress:
        done = rag.tune(
            paths,
            progress=progress,
            sample=sample,
            select=select,
            entity_types=entity_types,
            force=force,
            dry_run=dry_run,
        )
    if as_json:
        print_json(asdict(done))
    else:
        _print_tuned(done, rag.root)
    if done.state in ("refused", "stopped"):
        sys.exit(EXIT_PARTIAL)


@click.group()
@log_options
def prompts() -> None:
    """Look at the prompts of a root, compare them with the packaged ones, check them."""


@prompts.command(name="list")
@root_option
@json_option
@handled
def list_(root: Path, as_json: bool) -> None:
    """List every prompt: packaged, tuned, edited since, or your own, and what it costs.

    Tokens are those of the instructions, which every call with the prompt pays for.
    """
    from graphrag.core.settings_file import load_settings
    from graphrag.models.spending import cost_of, known_price
    from graphrag.tuning.checks import list_prompts

    chat = load_settings(root).chat
    price = chat.price or known_price(chat.model or "")
    rows = list_prompts(root)
    costs = [cost_of(price, 1000 * row.tokens, 0) for row in rows]
    if as_json:
        data = [
            {**asdict(row), "usd_per_1000_calls": cost}
            for row, cost in zip(rows, costs, strict=True)
        ]
        print_json(data)
        return
    _print_list(rows, costs)


@prompts.command()
@click.argument("name")
@root_option
@click.option("--packaged", is_flag=True, help="The packaged one, whatever is under the root.")
@handled
def show(name: str, root: Path, packaged: bool) -> None:
    """Print the prompt NAME, such as indexing/extract, as its file has it."""
    from graphrag.tuning.checks import text_of

    say(text_of(name, None if packaged else root), nl=False)


@prompts.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@root_option
@handled
def diff(names: tuple[str, ...], root: Path) -> None:
    """Show what the root's prompts change in the packaged ones."""
    from graphrag.tuning.checks import diff as compare

    say(compare(names, root) or "No difference.")


@prompts.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@root_option
@json_option
@handled
def check(paths: tuple[Path, ...], root: Path, as_json: bool) -> None:
    """Check prompt files: those of the root, or at each PATH.

    Says what is missing or unknown, and of prompts of Microsoft's graphrag what must change.
    Exit code 1 if a file cannot be used.
    """
    from graphrag.tuning.checks import check as inspect

    found = inspect(paths, root)
    if as_json:
        print_json([asdict(item) for item in found])
    else:
        _print_checked(found)
    if any(item.problems for item in found):
        sys.exit(1)


def _print_tuned(done: Tuned, root: Path) -> None:
    for warning in done.warnings:
        say(f"Warning: {warning}", err=True)
    if done.plan is not None:
        _print_plan(done.plan)
        return
    proof = cast(Mapping[str, object], done.record.get("proof") or {})
    rows = cast(Sequence[Mapping[str, object]], proof.get("rows") or [])
    if rows:
        say(f"On {proof['units']} text units that were held out, {proof['runs']} runs each:")
        _print_rows(rows)
    judge = cast(Mapping[str, object] | None, proof.get("judge"))
    if judge:
        say(
            f"Judge {judge['model']}: {judge['tuned']} pairs for tuned, {judge['packaged']} for "
            f"packaged, {judge['equal']} for neither"
        )
    folder = root / "prompts"
    match done.state:
        case "installed":
            say(f"Installed in {folder}: {done.reason}")
        case "unchanged":
            say(f"Nothing changed: {done.reason}")
        case "refused":
            say(
                f"Not installed: {done.reason}. The set is in {folder / 'not-installed'}; "
                "--force installs it."
            )
        case _:
            say(f"Stopped: {done.reason}", err=True)
    if done.previous:
        say(f"What was there is in {done.previous}")
    if done.kept:
        say(f"Left as they are, for they are yours: {', '.join(done.kept)}")
    if done.usage.chat_calls or done.usage.cached_calls:
        say(usage_line(done.usage))


def _print_plan(plan: TuningPlan) -> None:
    say(f"{plan.sample} text units to learn from, {plan.held_out} held out")
    for step in plan.steps:
        say(
            f"{step.name:<10}{step.calls:>5} calls, {step.prompt_tokens:>8} prompt and about "
            f"{step.completion_tokens:>7} completion tokens"
        )
    cost = "unknown (set chat.price)" if plan.cost_usd is None else f"about ${plan.cost_usd:.2f}"
    say(f"{plan.calls} chat calls in all; cost: {cost}. Nothing was called.")


def _print_rows(rows: Sequence[Mapping[str, object]]) -> None:
    say(f"{'':<24}{'packaged':>10}{'tuned':>10}  better")
    for row in rows:
        values = [
            "-" if row[side] is None else f"{row[side]:>10.4g}" for side in ("packaged", "tuned")
        ]
        name = str(row["name"]).replace("_", " ")
        say(f"{name:<24}{values[0]:>10}{values[1]:>10}  {row['better']}".rstrip())


def _print_list(rows: Sequence[Listed], costs: Sequence[float | None]) -> None:
    say(f"{'prompt':<28}{'state':<10}{'tokens':>7}{'packaged':>10}{'USD/1000 calls':>16}")
    for row, cost in zip(rows, costs, strict=True):
        shown = "unknown" if cost is None else f"{cost:.3f}"
        say(f"{row.name:<28}{row.state:<10}{row.tokens:>7}{row.packaged_tokens:>10}{shown:>16}")


def _print_checked(found: Sequence[Checked]) -> None:
    if not found:
        say("No prompt files here: all prompts are the packaged ones.")
    for item in found:
        what = f"{item.state}, {item.name}" if item.name else item.state
        state = "cannot be used" if item.problems else "ok"
        say(f"{item.path} ({what}): {state}")
        for line in (*item.problems, *item.notes):
            say(f"  - {line}")
