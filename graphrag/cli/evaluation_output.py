"""Print results of evaluations as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import click

from graphrag.cli.options import tell
from graphrag.cli.output import print_table, usage_line
from graphrag.evaluation.html_report import shown
from graphrag.evaluation.intervals import Interval

if TYPE_CHECKING:
    from graphrag.evaluation.generate.run import GenerationResult
    from graphrag.evaluation.near_duplicates import NearDuplicates
    from graphrag.evaluation.results import Finished

Row = Mapping[str, object]

LISTED = 10  # questions of one kind that are printed; the report has all
QUESTION_WIDTH = 60


def print_retrieval(done: Finished, *, details: bool) -> None:
    result = done.result
    methods = cast(Mapping[str, Mapping[str, Mapping[str, float | None]]], result["methods"])
    names = list(next(iter(methods.values())))
    click.echo(f"{result['scored']} of {result['questions']} questions scored; mean [95% interval]")
    click.echo("")
    print_table(
        ["", *methods],
        [[name, *(shown(interval(values[name])) for values in methods.values())] for name in names],
    )
    if details:
        click.echo("")
        _print_details(cast(Sequence[Row], result["per_question"]), [*methods])
    _print_unscored(cast(Sequence[Row], result["not_in_corpus"]), "with gold not in the corpus")
    _print_unscored(cast(Sequence[Row], result["without_gold"]), "without gold")
    _print_unscored(cast(Sequence[Row], result["failed"]), "failed")
    print_end(done)


def print_generation(done: GenerationResult) -> None:
    if done.file is None:
        click.echo(f"{done.plan.as_text()} Nothing was called.")
        return
    kinds = Counter(str(row["kind"]) for row in done.rows)
    made = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
    click.echo(f"{len(done.rows)} questions ({made}) in {done.file}")
    for reason, count in (done.dropped or {}).items():
        click.echo(f"Dropped: {count} {reason}")
    if done.usage:
        click.echo(usage_line(done.usage))
    for warning in done.warnings:
        tell(f"Warning: {warning}")


def print_answers(done: Finished) -> None:
    methods = cast(Mapping[str, Mapping[str, Mapping[str, float | None]]], done.result["methods"])
    names = list(dict.fromkeys(name for values in methods.values() for name in values))
    click.echo(f"{done.result['questions']} questions; mean [95% interval]")
    if names:
        click.echo("")
        rows = [
            [
                name,
                *(shown(interval(one[name])) if name in one else "-" for one in methods.values()),
            ]
            for name in names
        ]
        print_table(["", *methods], rows)
    for pair in cast(Sequence[Row], done.result["pairwise"]):
        _print_pair(pair)
    print_end(done)


def _print_pair(pair: Row) -> None:
    criteria = cast(Mapping[str, Mapping[str, object]], pair["criteria"])
    position = cast(Mapping[str, object], pair["position"])
    click.echo(f"\n{pair['one']} against {pair['other']}: {pair['questions']} questions")
    rows = [
        [
            name,
            shown(interval(cast(Mapping[str, float | None], score["win_rate"]))),
            f"{score['wins']}/{score['ties']}/{score['losses']}",
            f"{cast(float, score['p']):.3f}",
            "significant" if score["significant"] else "",
        ]
        for name, score in criteria.items()
    ]
    print_table(["", f"win rate of {pair['one']}", "won/tied/lost", "p", ""], rows)
    if position["biased"]:
        click.echo("The judge is POSITION-BIASED: its verdicts followed the order of the answers.")


def print_comparison(done: Finished) -> None:
    changes = cast(Sequence[Mapping[str, object]], done.result["changes"])
    rows = [
        [
            f"{change['method']} {change['metric']}",
            f"{cast(float, change['before']):.3f}",
            f"{cast(float, change['after']):.3f}",
            shown(interval(cast(Mapping[str, float | None], change["difference"]))),
            f"{cast(float, change['p']):.3f}",
            "FELL" if change["fell"] else "",
        ]
        for change in changes
    ]
    print_table(["", "before", "after", "difference [95% interval]", "p", ""], rows)
    for text in cast(Sequence[str], done.result["fell"]):
        tell(f"Below its bound: {text}")
    print_end(done)


def print_duplicates(found: NearDuplicates) -> None:
    click.echo(
        f"{len(found.documents)} pairs of documents and {len(found.passages)} of passages have at "
        f"least {found.similarity:g} of their word groups in common"
    )
    for pair in found.documents:
        click.echo(f"{pair.similarity:.2f}  {pair.one}  {pair.other}")
    for passage in found.passages:
        click.echo(
            f"{passage.similarity:.2f}  {passage.one_document} and {passage.other_document}: "
            f"{passage.text[:QUESTION_WIDTH]!r}"
        )
    if found.documents:
        click.echo(f"{found.could_go} documents would go with input.near_duplicates: skip")


def print_end(done: Finished) -> None:
    """Warnings, and where the result is."""
    for warning in cast(Sequence[str], done.result.get("warnings", [])):
        tell(f"Warning: {warning}")
    click.echo(f"Result: {done.kept.result}", err=True)
    click.echo(f"Report: {done.kept.report}", err=True)


def interval(value: Mapping[str, float | None]) -> Interval:
    return Interval(value["mean"] or 0.0, value["low"], value["high"])


def _print_details(rows: Sequence[Row], methods: Sequence[str]) -> None:
    """The rank of each gold item by method."""
    table: list[list[str]] = []
    for row in rows:
        by_method = cast(Mapping[str, Mapping[str, Mapping[str, int | None]]], row["methods"])
        cells = [
            ", ".join(str(rank or "-") for rank in by_method[method]["found_at"].values())
            for method in methods
        ]
        table.append([f"{row['line']}: {str(row['question'])[:QUESTION_WIDTH]}", *cells])
    print_table(["rank of each gold item", *methods], table)


def _print_unscored(rows: Sequence[Row], what: str) -> None:
    if not rows:
        return
    tell(f"\n{len(rows)} questions {what}, not scored:")
    for row in rows[:LISTED]:
        missing = "; ".join(cast(Sequence[str], row.get("missing", [])))
        detail = missing or str(row.get("reason", ""))
        tell(f"  line {row['line']}: {row['question']}" + (f" ({detail})" if detail else ""))
    if len(rows) > LISTED:
        tell(f"  and {len(rows) - LISTED} more: see the result")
