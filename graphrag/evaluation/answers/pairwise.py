"""Judge which of two systems answers better, by criterion.

Every pair is judged in both orders, and only pairs with both verdicts count. So a judge that
always likes the first answer best gives each side half of the wins; how often the verdict
followed the position is counted, and a judge that does so is flagged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Literal

from pydantic import BaseModel

from graphrag.core.concurrency import Progress, map_ordered
from graphrag.evaluation.answers.sides import Given, Replies
from graphrag.evaluation.intervals import Interval, binomial_p, holm, mean_interval, sign_test
from graphrag.evaluation.judge import Asker, Lost
from graphrag.evaluation.questions import EvalQuestion

CRITERIA = ("comprehensiveness", "diversity", "empowerment", "relevance")
ALPHA = 0.05

Winner = Literal["first", "second", "tie"]


class CriterionVerdict(BaseModel):
    reason: str = ""
    winner: Winner


class PairwiseReply(BaseModel):
    comprehensiveness: CriterionVerdict
    diversity: CriterionVerdict
    empowerment: CriterionVerdict
    relevance: CriterionVerdict

    def winners(self) -> dict[str, Winner]:
        return {
            "comprehensiveness": self.comprehensiveness.winner,
            "diversity": self.diversity.winner,
            "empowerment": self.empowerment.winner,
            "relevance": self.relevance.winner,
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """One question in one trial: by criterion the verdicts of both orders."""

    line: int
    trial: int
    one_first: Mapping[str, Winner]
    other_first: Mapping[str, Winner]

    def share_of_one(self, criterion: str) -> float:
        """1 if the first side won in both orders, 0.5 if each won once or both tied."""
        value = {"first": 1.0, "tie": 0.5, "second": 0.0}
        return (value[self.one_first[criterion]] + 1 - value[self.other_first[criterion]]) / 2


@dataclass(frozen=True, slots=True)
class Position:
    """How verdicts went with the position. `p`: that neither position is preferred."""

    first: int
    second: int
    tie: int
    followed: float  # share of pairs of decided verdicts in which the same position won twice
    p: float

    @property
    def biased(self) -> bool:
        return self.p < ALPHA or self.followed > 0.5


@dataclass(frozen=True, slots=True)
class CriterionScore:
    """`win_rate` of the first side, over questions. `p` is corrected for all comparisons."""

    win_rate: Interval
    wins: int
    losses: int
    ties: int
    p: float

    @property
    def significant(self) -> bool:
        return self.p < ALPHA


@dataclass(frozen=True, slots=True)
class Match:
    """One side against another. `questions`: those with at least one whole trial."""

    one: str
    other: str
    criteria: Mapping[str, CriterionScore]
    position: Position
    judged: tuple[Judged, ...]
    questions: int
    trials: int


async def judge_pair(
    names: tuple[str, str],
    answers: tuple[Replies, Replies],
    questions: Sequence[EvalQuestion],
    asker: Asker,
    *,
    trials: int,
    progress: Progress,
    limit: int,
) -> tuple[Judged, ...]:
    """Both orders of every trial of every question that both sides answered."""
    todo: list[tuple[EvalQuestion, int, Given, Given]] = []
    for question in questions:
        one, other = (replies[question.line] for replies in answers)
        if isinstance(one, Given) and isinstance(other, Given):
            todo += [(question, trial, one, other) for trial in range(1, trials + 1)]
    step = f"{names[0]} against {names[1]}"
    progress.start(step, len(todo))

    async def judge(item: tuple[EvalQuestion, int, Given, Given]) -> Judged | None:
        question, trial, one, other = item
        verdicts = [
            await asker.ask(
                "pairwise",
                {
                    # Part of the prompt, so that each trial is a call of its own and is kept.
                    "trial": str(trial),
                    "question": question.text,
                    "first": first.text,
                    "second": second.text,
                },
                PairwiseReply,
            )
            for first, second in ((one, other), (other, one))
        ]
        progress.advance(step)
        ahead, behind = verdicts
        if isinstance(ahead, Lost) or isinstance(behind, Lost):
            return None
        return Judged(question.line, trial, ahead.winners(), behind.winners())

    found = await map_ordered(todo, judge, limit=limit)
    progress.finish(step)
    return tuple(one for one in found if one is not None)


def score_matches(
    judged: Mapping[tuple[str, str], tuple[Judged, ...]], *, seed: int
) -> list[Match]:
    """Win rates of every pair of sides that has a whole verdict; p corrected over all (Holm)."""
    matches = {names: rows for names, rows in judged.items() if rows}
    shares = {
        (names, criterion): _by_question(rows, criterion)
        for names, rows in matches.items()
        for criterion in CRITERIA
    }
    keys = {f"{names} {criterion}": (names, criterion) for names, criterion in shares}
    p_values = {
        key: sign_test([share - 0.5 for share in shares[pair]]) for key, pair in keys.items()
    }
    corrected = holm(p_values)
    return [
        Match(
            one=names[0],
            other=names[1],
            criteria={
                criterion: _criterion(
                    shares[names, criterion], corrected[f"{names} {criterion}"], seed=seed
                )
                for criterion in CRITERIA
            },
            position=_position(rows),
            judged=rows,
            questions=len({row.line for row in rows}),
            trials=max(row.trial for row in rows),
        )
        for names, rows in matches.items()
    ]


def _by_question(rows: Sequence[Judged], criterion: str) -> list[float]:
    """The mean share of the first side, by question: trials of one question are no new evidence."""
    found: dict[int, list[float]] = {}
    for row in rows:
        found.setdefault(row.line, []).append(row.share_of_one(criterion))
    return [fsum(shares) / len(shares) for _, shares in sorted(found.items())]


def _criterion(shares: Sequence[float], p: float, *, seed: int) -> CriterionScore:
    return CriterionScore(
        win_rate=mean_interval(shares, seed=seed),
        wins=sum(share > 0.5 for share in shares),
        losses=sum(share < 0.5 for share in shares),
        ties=sum(share == 0.5 for share in shares),
        p=p,
    )


def _position(rows: Sequence[Judged]) -> Position:
    verdicts = [
        verdict
        for row in rows
        for order in (row.one_first, row.other_first)
        for verdict in order.values()
    ]
    pairs = [
        (row.one_first[criterion], row.other_first[criterion])
        for row in rows
        for criterion in CRITERIA
    ]
    decided = [pair for pair in pairs if "tie" not in pair]
    first, second = pairs.count(("first", "first")), pairs.count(("second", "second"))
    return Position(
        first=verdicts.count("first"),
        second=verdicts.count("second"),
        tie=verdicts.count("tie"),
        followed=(first + second) / len(decided) if decided else 0.0,
        p=binomial_p(first, second),
    )
