"""Compute metrics with intervals and the calibration of each system from grades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Literal

from graphrag.core.answers import Usage
from graphrag.evaluation.answers.grading import Graded
from graphrag.evaluation.answers.pairwise import Judged
from graphrag.evaluation.answers.sides import Replies, Side
from graphrag.evaluation.intervals import Interval, mean_interval, ratio_interval
from graphrag.evaluation.questions import EvalQuestion

Way = Literal["pairwise", "assertions", "factuality", "groundedness", "rubric"]
WAYS: tuple[Way, ...] = ("pairwise", "assertions", "factuality", "groundedness", "rubric")
BINS = 10

Grades = Mapping[Way, Graded | None]  # of one answer


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers given with a confidence from `low` on: how sure, and how often right."""

    low: float
    count: int
    confidence: float
    correct: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of attempted answers that come with a confidence. `error`: the expected calibration error,
    the gap between confidence and correctness, weighted by bin."""

    count: int
    error: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """Everything that was found out, before it is made into a result."""

    sides: tuple[Side, ...]
    questions: tuple[EvalQuestion, ...]
    answers: Mapping[str, Replies]
    grades: Mapping[str, Mapping[int, Grades]]
    judged: Mapping[tuple[str, str], tuple[Judged, ...]]
    ways: tuple[Way, ...]
    judge: str
    warnings: tuple[str, ...] = ()
    lost: Mapping[str, int] = field(default_factory=dict[str, int])
    is_partial: bool = False
    usage: Usage = field(default_factory=Usage)


def side_metrics(grades: Sequence[Grades], *, seed: int) -> dict[str, Interval]:
    """Means over the answers to which a way of scoring applies.

    factuality gives correct, incorrect and not-attempted, and the F-score of SimpleQA: the
    harmonic mean of the share of correct answers and their share among the attempted.
    """
    metrics: dict[str, Interval] = {}
    for way in ("assertions", "groundedness", "rubric"):
        if values := [graded.value for one in grades if (graded := one.get(way))]:
            metrics[way] = mean_interval(values, seed=seed)
    facts = [graded.grade for one in grades if (graded := one.get("factuality"))]
    if facts:
        for grade in ("correct", "incorrect", "not_attempted"):
            shares = [float(fact == grade) for fact in facts]
            metrics[grade.replace("_", "-")] = mean_interval(shares, seed=seed)
        metrics["f-score"] = ratio_interval(
            [2.0 * (fact == "correct") for fact in facts],
            [1.0 + (fact != "not_attempted") for fact in facts],
            seed=seed,
        )
    return metrics


def calibrate(pairs: Sequence[tuple[float, bool]]) -> Calibration | None:
    """From pairs of a confidence (0-1) and whether the answer was correct."""
    if not pairs:
        return None
    filled: dict[int, list[tuple[float, bool]]] = {}
    for sure, correct in pairs:
        filled.setdefault(min(BINS - 1, int(sure * BINS)), []).append((sure, correct))
    bins = tuple(
        Bin(
            low=place / BINS,
            count=len(members),
            confidence=fsum(sure for sure, _ in members) / len(members),
            correct=sum(correct for _, correct in members) / len(members),
        )
        for place, members in sorted(filled.items())
    )
    gap = fsum(one.count * abs(one.confidence - one.correct) for one in bins)
    return Calibration(len(pairs), gap / len(pairs), bins)
