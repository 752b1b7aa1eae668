"""Make scores of answers into plain data, and that into parts of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from graphrag.core.answers import Usage
from graphrag.evaluation.answers.pairwise import Match
from graphrag.evaluation.answers.scoring import Calibration, Grades
from graphrag.evaluation.html_report import Bars, Notes, Part, Table, shown
from graphrag.evaluation.intervals import Interval
from graphrag.evaluation.judge import Lost
from graphrag.evaluation.results import Result

if TYPE_CHECKING:
    from graphrag.evaluation.answers.scoring import AnswerScores

Fields = Mapping[str, object]
TEXT_SHOWN = 600  # characters of an answer in the report; the result has all


def as_result(
    scores: AnswerScores,
    *,
    matches: Sequence[Match],
    metrics: Mapping[str, Mapping[str, Interval]],
    calibrations: Mapping[str, Calibration | None],
    about: Fields,
    usage: Usage,
) -> Result:
    """The JSON of the evaluation; `methods` holds the metrics of each side, by its name."""
    biased = [
        f"the judge prefers a position: of {match.one} and {match.other} it chose the same "
        f"place twice in {match.position.followed:.0%} of the decided pairs"
        for match in matches
        if match.position.biased
    ]
    return {
        "kind": "answers",
        "methods": {
            side: {name: value.as_dict() for name, value in values.items()}
            for side, values in metrics.items()
        },
        "pairwise": [_match(match) for match in matches],
        "calibration": {
            side: asdict(found) for side, found in calibrations.items() if found is not None
        },
        "questions": len(scores.questions),
        "ways": list(scores.ways),
        "lost": dict(scores.lost),
        "about": dict(about),
        "warnings": [*scores.warnings, *biased],
        "per_question": [
            {
                "line": question.line,
                "question": question.text,
                "methods": {side: _answer(scores, side, question.line) for side in scores.answers},
            }
            for question in scores.questions
        ],
        "usage": asdict(usage),
    }


def parts(result: Result) -> list[Part]:
    """Charts of metrics and win rates, their tables, and every answer with its grades."""
    methods = cast(Mapping[str, Mapping[str, Mapping[str, float | None]]], result["methods"])
    found: list[Part] = []
    names = tuple(dict.fromkeys(name for values in methods.values() for name in values))
    if names:
        found += _metric_parts(methods, names)
    pairs = cast(Sequence[Fields], result["pairwise"])
    if pairs:
        found += _pair_parts(pairs)
    calibration = cast(Mapping[str, Mapping[str, object]], result["calibration"])
    for side, values in calibration.items():
        found.append(_calibration_table(side, values))
    found.append(Notes("Warnings", tuple(cast(Sequence[str], result["warnings"]))))
    found.append(_answers_table(cast(Sequence[Fields], result["per_question"]), list(methods)))
    return found


def _metric_parts(
    methods: Mapping[str, Mapping[str, Mapping[str, float | None]]], names: tuple[str, ...]
) -> list[Part]:
    values = {
        side: tuple(read_interval(given[name]) if name in given else None for name in names)
        for side, given in methods.items()
    }
    rows = tuple(
        (name, *("-" if (value := row[place]) is None else shown(value) for row in values.values()))
        for place, name in enumerate(names)
    )
    return [
        Bars("Grades: mean and 95% interval", names, tuple(values.items())),
        Table("Grades", ("metric", *values), rows),
    ]


def _pair_parts(pairs: Sequence[Fields]) -> list[Part]:
    rows: list[tuple[str, ...]] = []
    series: list[tuple[str, tuple[Interval | None, ...]]] = []
    criteria: tuple[str, ...] = ()
    for pair in pairs:
        scores = cast(Mapping[str, Mapping[str, object]], pair["criteria"])
        criteria = tuple(scores)
        rates = [
            read_interval(cast(Mapping[str, float | None], score["win_rate"]))
            for score in scores.values()
        ]
        series.append((f"{pair['one']} against {pair['other']}", tuple(rates)))
        for (criterion, score), rate in zip(scores.items(), rates, strict=True):
            rows.append(
                (
                    f"{pair['one']} against {pair['other']}",
                    criterion,
                    shown(rate),
                    f"{score['wins']}/{score['ties']}/{score['losses']}",
                    f"{cast(float, score['p']):.3f}",
                    "yes" if score["significant"] else "no",
                )
            )
    head = ("sides", "criterion", "win rate of the first", "won/tied/lost", "p", "significant")
    return [
        Bars(
            "Win rate of the first side; the line is where neither is better",
            criteria,
            tuple(series),
            middle=0.5,
        ),
        Table("Pairwise", head, tuple(rows), texts=2),
    ]


def _calibration_table(side: str, values: Mapping[str, object]) -> Table:
    bins = cast(Sequence[Mapping[str, float]], values["bins"])
    return Table(
        f"Calibration of {side}: expected error {cast(float, values['error']):.3f} over "
        f"{values['count']} attempted answers",
        ("confidence from", "answers", "mean confidence", "correct"),
        tuple(
            (
                f"{one['low']:.1f}",
                str(one["count"]),
                f"{one['confidence']:.2f}",
                f"{one['correct']:.2f}",
            )
            for one in bins
        ),
    )


def _answers_table(rows: Sequence[Fields], sides: Sequence[str]) -> Table:
    cells: list[tuple[str, ...]] = []
    for row in rows:
        answers = cast(Mapping[str, Mapping[str, object]], row["methods"])
        cells.append(
            (str(row["line"]), str(row["question"]), *(_answer_cell(answers[s]) for s in sides))
        )
    head = ("line", "question", *sides)
    return Table("Question by question", head, tuple(cells), texts=len(head), folded=True)


def _answer_cell(answer: Mapping[str, object]) -> str:
    metrics = cast(Mapping[str, float], answer.get("metrics", {}))
    grades = ", ".join(f"{name} {value:.2f}" for name, value in metrics.items())
    text = str(answer.get("answer") or answer.get("missing") or "")
    short = text if len(text) <= TEXT_SHOWN else text[:TEXT_SHOWN] + "…"
    return f"{grades}: {short}" if grades else short


def read_interval(value: Mapping[str, float | None]) -> Interval:
    return Interval(value["mean"] or 0.0, value["low"], value["high"])


def _match(match: Match) -> dict[str, object]:
    return {
        "one": match.one,
        "other": match.other,
        "questions": match.questions,
        "trials": match.trials,
        "criteria": {
            name: {
                "win_rate": score.win_rate.as_dict(),
                "wins": score.wins,
                "losses": score.losses,
                "ties": score.ties,
                "p": score.p,
                "significant": score.significant,
            }
            for name, score in match.criteria.items()
        },
        "position": {**asdict(match.position), "biased": match.position.biased},
        "verdicts": [asdict(row) for row in match.judged],
    }


def _answer(scores: AnswerScores, side: str, line: int) -> dict[str, object]:
    given = scores.answers[side][line]
    if isinstance(given, Lost):
        return {"missing": given.detail, "why": given.why, "metrics": {}}
    grades = scores.grades[side][line]
    return {
        "answer": given.text,
        "answered": given.answered,
        "confidence": given.confidence,
        "metrics": _values(grades),
        "details": {way: list(graded.details) for way, graded in grades.items() if graded},
    }


def _values(grades: Grades) -> dict[str, float]:
    """Under the names of the metrics, so that two results can be compared by question."""
    values: dict[str, float] = {}
    for way, graded in grades.items():
        if graded is None:
            continue
        if graded.grade is None:
            values[way] = graded.value
        else:
            for grade in ("correct", "incorrect", "not_attempted"):
                values[grade.replace("_", "-")] = float(graded.grade == grade)
    return values
