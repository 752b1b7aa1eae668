"""Make scores of a retrieval evaluation into plain data and parts of a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import fsum
from statistics import median

from graphrag.evaluation.html_report import Bars, Notes, Part, Table, shown
from graphrag.evaluation.intervals import LEVEL, SAMPLES
from graphrag.evaluation.results import Result
from graphrag.evaluation.retrieval.evaluate import (
    QuestionResult,
    RetrievalScores,
    Scored,
    Unscored,
    metric_names,
)


def as_result(scores: RetrievalScores, *, about: Mapping[str, object], seed: int) -> Result:
    """The JSON of the evaluation; `about`: what was evaluated."""
    return {
        "kind": "retrieval",
        "methods": {
            method: {name: interval.as_dict() for name, interval in metrics.items()}
            for method, metrics in scores.methods.items()
        },
        "questions": len(scores.scored) + len(scores.unscored),
        "scored": len(scores.scored),
        "not_in_corpus": _rows(scores, "not in the corpus"),
        "without_gold": _rows(scores, "no gold"),
        "failed": [*_rows(scores, "failed"), *_rows(scores, "budget")],
        "interval": {
            "method": "percentile bootstrap over questions",
            "level": LEVEL,
            "samples": SAMPLES,
            "seed": seed,
        },
        "about": dict(about),
        "warnings": list(scores.warnings),
        "per_question": [_question(one) for one in scores.scored],
        "usage": asdict(scores.usage),
        "seconds": {
            method: {
                "total": round(fsum(one.by_method[method].seconds for one in scores.scored), 3),
                "median": round(median(one.by_method[method].seconds for one in scores.scored), 4),
            }
            for method in scores.methods
        },
    }


def parts(scores: RetrievalScores) -> list[Part]:
    """A chart of all metrics, the table, what was not scored, and a row for each question."""
    methods = tuple(scores.methods)
    names = metric_names(scores.ks)
    chart = Bars(
        "Mean and 95% interval",
        tuple(names),
        tuple(
            (method, tuple(scores.methods[method][name] for name in names)) for method in methods
        ),
    )
    table = Table(
        f"{len(scores.scored)} questions, every method on the same ones",
        ("metric", *methods),
        tuple(
            (name, *(shown(scores.methods[method][name]) for method in methods)) for name in names
        ),
    )
    return [
        chart,
        table,
        Notes("Warnings", scores.warnings),
        _unscored_table(scores.unscored),
        _question_table(scores),
    ]


def _rows(scores: RetrievalScores, reason: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for one in scores.unscored:
        if one.reason == reason:
            row: dict[str, object] = {"line": one.line, "question": one.question}
            if one.missing:
                row["missing"] = list(one.missing)
            if one.detail:
                row["reason"] = one.detail
            rows.append(row)
    return rows


def _question(one: Scored) -> dict[str, object]:
    return {
        "line": one.question.line,
        "question": one.question.text,
        "gold": list(one.question.gold),
        "methods": {method: _ranked(ranked) for method, ranked in one.by_method.items()},
    }


def _ranked(ranked: QuestionResult) -> dict[str, object]:
    return {
        "metrics": dict(ranked.scores),
        "found_at": dict(ranked.found),
        "retrieved": [
            {"id": passage.id, "document": passage.document, "title": passage.title}
            for passage in ranked.passages
        ],
    }


def _unscored_table(unscored: tuple[Unscored, ...]) -> Table:
    return Table(
        f"{len(unscored)} questions were not scored",
        ("line", "question", "reason", "what"),
        tuple(
            (str(one.line), one.question, one.reason, "; ".join(one.missing) or one.detail)
            for one in unscored
        ),
        texts=4,
    )


def _question_table(scores: RetrievalScores) -> Table:
    """The rank of each gold item by method; "-" where it was not found."""
    rows = tuple(
        (
            str(one.question.line),
            one.question.text,
            "; ".join(one.question.gold),
            *(
                ", ".join(str(rank or "-") for rank in ranked.found.values())
                for ranked in one.by_method.values()
            ),
        )
        for one in scores.scored
    )
    return Table(
        "Question by question: the rank at which each gold item was found",
        ("line", "question", "gold", *scores.methods),
        rows,
        texts=3,
        folded=True,
    )
