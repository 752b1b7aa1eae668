"""Compare two evaluations: what changed, and whether that is more than chance.

Each side is a kept result, a root folder or a settings file. With a file of questions roots and
settings are evaluated now; without one a root stands for its latest result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from graphrag.core.concurrency import Progress
from graphrag.core.errors import UsageError
from graphrag.evaluation.html_report import Bars, Notes, Part, Table, render, shown
from graphrag.evaluation.intervals import SEED, Interval, mean_interval, sign_test, too_few
from graphrag.evaluation.results import Finished, Result, keep, latest_result, read_result
from graphrag.evaluation.retrieval.run import RetrievalOptions, run_retrieval
from graphrag.evaluation.targets import Target, index_settings_that_differ, read_options

ALPHA = 0.05
WORSE_WHEN_HIGHER = ("incorrect", "not-attempted")

Values = Mapping[str, Mapping[str, Mapping[str, float | None]]]  # by method and metric
Scores = dict[str, dict[str, dict[str, float]]]  # by question, method and metric


@dataclass(frozen=True, slots=True)
class Bound:
    """A metric, of one method or (None) of each, that may fall by `most` and no more."""

    metric: str
    most: float
    method: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """From `before` to `after`, over the questions that both were scored on, if any are known."""

    method: str
    metric: str
    before: float
    after: float
    difference: Interval
    p: float
    questions: int
    fell: bool = False  # below its bound


def parse_bound(text: str) -> Bound:
    """`recall@5=0.02`, `path:recall@5=0.02`. Raises UsageError."""
    name, _, most = text.partition("=")
    method, _, metric = name.rpartition(":")
    try:
        value = float(most)
    except ValueError:
        value = -1.0
    if not metric or not 0 <= value <= 1:
        raise UsageError(
            f"{text!r} is no bound",
            hint="Write metric=most, such as recall@5=0.02: how far the metric may fall.",
        )
    return Bound(metric.strip(), value, method.strip() or None)


async def run_comparison(
    sides: tuple[Path, Path],
    base: Target,
    *,
    bounds: Sequence[Bound],
    questions: Path | None,
    options: RetrievalOptions,
    progress: Progress,
) -> Finished:
    """Compare; the result, with `fell` as a list, is kept under the base's root.

    Raises UsageError when a side cannot be read or has nothing in common with the other, and
    when a bound names a metric that is not there.
    """
    warnings: list[str] = []
    results: list[Result] = []
    partial = False
    found = [
        _resolve(side, base, evaluate=questions is not None, warnings=warnings) for side in sides
    ]
    for one in found:
        if isinstance(one, Target) and questions is not None:
            unnamed = replace(options, name=None)
            done = await run_retrieval(questions, one, unnamed, progress=progress)
            results.append(done.result)
            partial = partial or done.is_partial
        elif not isinstance(one, Target):
            results.append(one)
    before, after = results
    changes = [
        replace(change, fell=_fell(change, bounds))
        for change in compare(before, after, seed=options.seed)
    ]
    _check_bounds(bounds, changes)
    warnings += _differences(before, after, changes)
    names = tuple(str(side) for side in sides)
    result: Result = {
        "kind": "comparison",
        "before": names[0],
        "after": names[1],
        "compared": before["kind"],
        "changes": [asdict(change) for change in changes],
        "bounds": [asdict(bound) for bound in bounds],
        "fell": [
            f"{change.method}: {change.metric} fell from {change.before:.3f} to {change.after:.3f}"
            for change in changes
            if change.fell
        ],
        "warnings": warnings,
    }
    html = render("Comparison", f"{names[0]} and then {names[1]}", _parts(changes, result))
    kept = keep(base.root, result, html=html, name=options.name)
    return Finished(result, kept, partial)


def compare(before: Result, after: Result, *, seed: int = SEED) -> list[Change]:
    """Every metric of every method that both results have, paired by question where they can be.

    Raises UsageError when there is none.
    """
    if before["kind"] != after["kind"]:
        raise UsageError(
            f"one result is of {before['kind']}, the other of {after['kind']}",
            hint="Compare two results of the same kind.",
        )
    one, other = (cast(Values, result.get("methods") or {}) for result in (before, after))
    pairs = [
        (method, metric)
        for method in one
        if method in other
        for metric in one[method]
        if metric in other[method]
    ]
    if not pairs:
        raise UsageError(
            f"the results have nothing in common: {sorted(one)} and {sorted(other)}",
            hint="Evaluate the same methods (or sides of the same name) on both.",
        )
    scores = _by_question(before), _by_question(after)
    return [
        _change(method, metric, (one[method][metric], other[method][metric]), scores, seed=seed)
        for method, metric in pairs
    ]


def _change(
    method: str,
    metric: str,
    values: tuple[Mapping[str, float | None], Mapping[str, float | None]],
    scores: tuple[Scores, Scores],
    *,
    seed: int,
) -> Change:
    first, second = scores
    shared = [
        (a[method][metric], b[method][metric])
        for question, a in first.items()
        if (b := second.get(question)) is not None
        and metric in a.get(method, {})
        and metric in b.get(method, {})
    ]
    before, after = (value["mean"] or 0.0 for value in values)
    if not shared:
        return Change(method, metric, before, after, Interval(after - before, None, None), 1.0, 0)
    differences = [b - a for a, b in shared]
    difference = mean_interval(differences, seed=seed, bounds=(-1.0, 1.0))
    before = sum(a for a, _ in shared) / len(shared)
    after = sum(b for _, b in shared) / len(shared)
    p = sign_test(differences)
    return Change(method, metric, before, after, difference, p, len(shared))


def _by_question(result: Result) -> Scores:
    rows = cast(Sequence[Mapping[str, object]], result.get("per_question") or [])
    found: Scores = {}
    for row in rows:
        methods = cast(Mapping[str, Mapping[str, Mapping[str, float]]], row["methods"])
        found[str(row["question"])] = {
            method: dict(answer.get("metrics") or {}) for method, answer in methods.items()
        }
    return found


def _resolve(side: Path, base: Target, *, evaluate: bool, warnings: list[str]) -> Result | Target:
    """The result that `side` stands for, or what to evaluate."""
    if side.suffix == ".json":
        return read_result(side)
    if side.is_dir():
        target = replace(base, root=side)
        latest = None if evaluate else latest_result(side, kind="retrieval")
        if latest is not None:
            return read_result(latest)
    elif side.suffix in (".yaml", ".yml"):
        target = replace(base, options={**base.options, **read_options(side)})
        differ = index_settings_that_differ(target)
        if differ:
            warnings.append(
                f"{side} has other values in {', '.join(differ)}: they take effect only when the "
                "documents are indexed again, into a root of their own"
            )
    else:
        raise UsageError(
            f"{str(side)!r} is no result, root or settings file",
            hint="Name a .json file of `graphrag eval`, a folder, or a .yaml file.",
        )
    if not evaluate:
        raise UsageError(
            f"there is no result for {str(side)!r}",
            hint="Name a file of questions with --questions, to evaluate it now.",
        )
    return target


def _fell(change: Change, bounds: Sequence[Bound]) -> bool:
    loss = change.before - change.after
    if change.metric in WORSE_WHEN_HIGHER:
        loss = -loss
    # The last digits of a mean are no loss.
    return any(
        bound.metric == change.metric
        and bound.method in (None, change.method)
        and loss > bound.most + 1e-12
        for bound in bounds
    )


def _check_bounds(bounds: Sequence[Bound], changes: Sequence[Change]) -> None:
    for bound in bounds:
        if not any(
            bound.metric == change.metric and bound.method in (None, change.method)
            for change in changes
        ):
            there = sorted({change.metric for change in changes})
            methods = sorted({change.method for change in changes})
            raise UsageError(
                f"nothing to hold to the bound on {bound.metric!r}"
                + (f" of {bound.method!r}" if bound.method else ""),
                hint=f"There are: {', '.join(there)}, of {', '.join(methods)}.",
            )


def _differences(one: Result, other: Result, changes: Sequence[Change]) -> list[str]:
    """What makes the two hard to compare."""
    warnings: list[str] = []
    shared = max(change.questions for change in changes)
    asked = [len(_by_question(result)) for result in (one, other)]
    if shared == 0:
        warnings.append("the results have no question in common: means are compared, not pairs")
    elif min(asked) != shared or asked[0] != asked[1]:
        warnings.append(
            f"{shared} questions are in both results ({asked[0]} and {asked[1]} were scored): "
            "only those are compared"
        )
    few = too_few(shared) if shared else None
    return [*warnings, few] if few else warnings


def _parts(changes: Sequence[Change], result: Result) -> list[Part]:
    methods = tuple(dict.fromkeys(change.method for change in changes))
    parts: list[Part] = [Notes("Fell below a bound", tuple(cast(Sequence[str], result["fell"])))]
    for method in methods:
        own = [change for change in changes if change.method == method]
        parts.append(
            Bars(
                f"{method}: before and after",
                tuple(change.metric for change in own),
                (
                    ("before", tuple(Interval(change.before, None, None) for change in own)),
                    ("after", tuple(Interval(change.after, None, None) for change in own)),
                ),
            )
        )
    rows = tuple(
        (
            change.method,
            change.metric,
            f"{change.before:.3f}",
            f"{change.after:.3f}",
            shown(change.difference),
            f"{change.p:.3f}" + (" significant" if change.p < ALPHA else ""),
            str(change.questions),
            "FELL" if change.fell else "",
        )
        for change in changes
    )
    head = ("method", "metric", "before", "after", "difference", "p (sign test)", "questions", "")
    parts.append(Table("Every metric, paired by question", head, rows, texts=2))
    parts.append(Notes("Warnings", tuple(cast(Sequence[str], result["warnings"]))))
    return parts
