"""`graphrag eval`: score retrieval and answers, and compare them."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from graphrag.cli.options import (
    EXIT_PARTIAL,
    json_option,
    log_options,
    max_cost_option,
    open_progress,
    sets,
    with_target,
)
from graphrag.cli.output import print_json

if TYPE_CHECKING:
    from graphrag.evaluation.answers.scoring import Way
    from graphrag.evaluation.generate.write import Kind
    from graphrag.evaluation.results import Finished
    from graphrag.evaluation.targets import Target

EXIT_FELL = 4

R = TypeVar("R")


@click.group(name="eval")
@log_options
def evaluate() -> None:
    """Know how good retrieval and answers are, and whether a change made them better.

    Results are kept under ROOT/.graphrag/evaluations, as JSON and as an HTML report.
    """


@evaluate.command()
@click.argument("questions", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--method",
    "-m",
    "methods",
    multiple=True,
    metavar="NAME",
    help="Repeatable; default: basic, local, path, lazy and hybrid, without a chat model.",
)
@click.option(
    "-k",
    "ks",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="N",
    help="Repeatable: text units that are looked at; default: 5 and 8.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="First N questions only.")
@click.option("--seed", type=int, metavar="N", help="Of the bootstrap's resamples.")
@max_cost_option("all of it together")
@click.option("--name", metavar="NAME", help="Keep the result under this name.")
@click.option("--details", is_flag=True, help="Print a row for each question, too.")
@json_option
@with_target
def retrieval(
    target: Target,
    questions: Path,
    methods: tuple[str, ...],
    ks: tuple[int, ...],
    limit: int | None,
    seed: int | None,
    name: str | None,
    details: bool,
    as_json: bool,
) -> None:
    """Score methods side by side on QUESTIONS, a JSON Lines file.

    Each row has `question` and one of `gold_titles`, `gold_documents` and `gold_texts`. Printed
    are recall, all-gold, precision, nDCG and MRR, each with a 95% interval.
    """
    from graphrag.cli.evaluation_output import print_retrieval
    from graphrag.evaluation.intervals import SEED
    from graphrag.evaluation.retrieval.run import RetrievalOptions, run_retrieval

    options = RetrievalOptions(
        methods, ks or RetrievalOptions().ks, limit, SEED if seed is None else seed, name
    )
    with open_progress() as progress:
        done = _run(run_retrieval(questions, target, options, progress=progress))
    if as_json:
        _echo_json(done)
    else:
        print_retrieval(done, details=details)
    _leave(done)


@evaluate.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    metavar="N",
    help="Questions, in equal shares of the kinds.",
)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(["local", "multi-hop", "global"]),
    multiple=True,
    help="Repeatable; default: all three.",
)
@click.option(
    "--min-score",
    type=click.IntRange(1, 5),
    default=4,
    show_default=True,
    metavar="N",
    help="Drop questions that the critique rates lower on anything.",
)
@click.option("--seed", type=int, metavar="N", help="Another seed draws other texts.")
@max_cost_option("all of it together")
@click.option("--dry-run", is_flag=True, help="Print calls, tokens and cost; call nothing.")
@json_option
@with_target
def generate(
    target: Target,
    file: Path,
    count: int,
    kinds: tuple[Kind, ...],
    min_score: int,
    seed: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make questions with answers and gold from the index, and write them to FILE.

    local: from one text unit. multi-hop: from two that a name joins. global: from the reports
    of communities, asked by personas with tasks. `eval retrieval` and `eval answers` read FILE.
    """
    from graphrag.cli.evaluation_output import print_generation
    from graphrag.evaluation.generate.run import GenerationOptions, run_generation
    from graphrag.evaluation.generate.write import KINDS
    from graphrag.evaluation.intervals import SEED

    options = GenerationOptions(
        count, kinds or KINDS, min_score, SEED if seed is None else seed, dry_run
    )
    with open_progress() as progress:
        done = _run(
            run_generation(
                file,
                target,
                options,
                on_plan=lambda plan: None if dry_run else click.echo(plan.as_text(), err=True),
                progress=progress,
            )
        )
    if as_json:
        print_json(done.as_dict())
    else:
        print_generation(done)
    if done.is_partial:
        sys.exit(EXIT_PARTIAL)


@evaluate.command()
@click.argument("questions", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--side",
    "-s",
    "sides",
    multiple=True,
    required=True,
    metavar="SIDE",
    help="Repeatable: a method, or key=value,… with method, model (none: extractive), root, "
    "store, namespace, settings (a file), prompts (a folder), answers (a file), name.",
)
@click.option(
    "--score",
    "ways",
    type=click.Choice(["pairwise", "assertions", "factuality", "groundedness", "rubric"]),
    multiple=True,
    help="Repeatable; default: pairwise for two sides or more, and what QUESTIONS has ground for.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="pairwise: judge each pair so often, each time in both orders.",
)
@click.option("--judge", metavar="MODEL", help="Model that judges; default: chat.model.")
@click.option(
    "--examples",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="rubric: graded examples, a JSON Lines file.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="First N questions only.")
@click.option("--seed", type=int, metavar="N", help="Of the bootstrap's resamples.")
@max_cost_option("all of it together")
@click.option("--name", metavar="NAME", help="Keep the result under this name.")
@json_option
@with_target
def answers(
    target: Target,
    questions: Path,
    sides: tuple[str, ...],
    ways: tuple[Way, ...],
    trials: int,
    judge: str | None,
    examples: Path | None,
    limit: int | None,
    seed: int | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Have a model judge the answers of one or more sides to QUESTIONS.

    Pairs are judged in both orders; a judge that follows the position is flagged. What cannot
    be used of its verdicts is counted and never scored.
    """
    from graphrag.cli.evaluation_output import print_answers
    from graphrag.evaluation.answers.run import AnswerOptions, run_answers
    from graphrag.evaluation.intervals import SEED

    options = AnswerOptions(
        sides, ways, trials, judge, examples, limit, SEED if seed is None else seed, name
    )
    with open_progress() as progress:
        done = _run(run_answers(questions, target, options, progress=progress))
    if as_json:
        _echo_json(done)
    else:
        print_answers(done)
    _leave(done)


@evaluate.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--questions",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Evaluate roots and settings on these now; without it a root's latest result is taken.",
)
@click.option(
    "--bound",
    "bounds",
    multiple=True,
    metavar="METRIC=MOST",
    help="Repeatable: exit 4 when the metric falls by more, as recall@5=0.02, path:mrr=0.",
)
@click.option("--method", "-m", "methods", multiple=True, metavar="NAME", help="As in retrieval.")
@click.option("-k", "ks", type=click.IntRange(min=1), multiple=True, metavar="N", help="As there.")
@click.option("--seed", type=int, metavar="N", help="Of the bootstrap's resamples.")
@click.option("--name", metavar="NAME", help="Keep the result under this name.")
@json_option
@with_target
def compare(
    target: Target,
    before: Path,
    after: Path,
    questions: Path | None,
    bounds: tuple[str, ...],
    methods: tuple[str, ...],
    ks: tuple[int, ...],
    seed: int | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Tell whether AFTER is better than BEFORE, question by question.

    Each is a result (.json), a root folder or a settings file (.yaml). Exit code 4 when a
    metric fell by more than its --bound.
    """
    from graphrag.cli.evaluation_output import print_comparison
    from graphrag.evaluation.compare import parse_bound, run_comparison
    from graphrag.evaluation.intervals import SEED
    from graphrag.evaluation.retrieval.run import RetrievalOptions

    options = RetrievalOptions(
        methods,
        ks or RetrievalOptions().ks,
        seed=SEED if seed is None else seed,
        name=name,
    )
    with open_progress() as progress:
        done = _run(
            run_comparison(
                (before, after),
                target,
                bounds=[parse_bound(text) for text in bounds],
                questions=questions,
                options=options,
                progress=progress,
            )
        )
    if as_json:
        _echo_json(done)
    else:
        print_comparison(done)
    if done.result["fell"]:
        sys.exit(EXIT_FELL)
    _leave(done)


@evaluate.command()
@click.option(
    "--similarity",
    type=click.FloatRange(0.5, 1),
    expose_value=False,
    callback=sets("input.near_duplicate_similarity"),
    metavar="S",
    help="Share of word groups in common; default: input.near_duplicate_similarity (0.9).",
)
@json_option
@with_target
def duplicates(target: Target, as_json: bool) -> None:
    """List documents and passages of the index that are nearly the same.

    To leave such documents out, set input.near_duplicates to skip and index again.
    """
    from graphrag.cli.evaluation_output import print_duplicates
    from graphrag.evaluation.near_duplicates import find_duplicates

    found = _run(find_duplicates(target))
    if as_json:
        print_json(found.as_dict())
    else:
        print_duplicates(found)


def _run(work: Coroutine[object, object, R]) -> R:
    import asyncio

    return asyncio.run(work)


def _echo_json(done: Finished) -> None:
    files = {"result": str(done.kept.result), "report": str(done.kept.report)}
    print_json({**done.result, **files})


def _leave(done: Finished) -> None:
    if done.is_partial:
        sys.exit(EXIT_PARTIAL)
