"""Walk through the communities and test their best text units for relevance.

The walk of LazyGraphRAG: communities by their best units (best-first), the best untested units
of each tested in turn (breadth-first), then the sub-communities of those that had a relevant
one (iterative deepening). It ends when so many communities in a row had none, when none is
left, or when the budget of tests is spent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from graphrag.core.errors import ModelError
from graphrag.query.context import Unit

UNITS_A_TURN = 4  # tested in one community before the next one has its turn
MAX_MISSES = 5  # communities in a row without a relevant unit
WAVE = UNITS_A_TURN * MAX_MISSES  # units that are tested at the same time

Path = tuple[str, ...]  # communities, the coarsest first


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether `unit` is relevant; one whose test ended with an `error` is not."""

    unit: Unit
    relevant: bool
    error: ModelError | None = None


Test = Callable[[Sequence[str]], Awaitable[Mapping[str, Verdict]]]


@dataclass(frozen=True, slots=True)
class Turn:
    """The units of one community that were tested together, and the verdict on each."""

    community: str
    level: int
    verdicts: Mapping[str, Verdict]


@dataclass(frozen=True, slots=True)
class Walk:
    turns: tuple[Turn, ...]
    budget: int
    ended: str  # why

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """By unit, in the order of the tests."""
        return {unit: verdict for turn in self.turns for unit, verdict in turn.verdicts.items()}

    @property
    def errors(self) -> list[ModelError]:
        return [verdict.error for verdict in self.verdicts.values() if verdict.error]

    @property
    def trace(self) -> dict[str, object]:
        """What was tested, where, in which order, and what it cost of the budget."""
        verdicts = self.verdicts
        return {
            "budget": self.budget,
            "tests": len(verdicts),
            "relevant": sum(verdict.relevant for verdict in verdicts.values()),
            "budget_left": self.budget - len(verdicts),
            "ended": self.ended,
            "communities": [
                {
                    "community": turn.community,
                    "level": turn.level,
                    "verdicts": {unit: one.relevant for unit, one in turn.verdicts.items()},
                }
                for turn in self.turns
            ],
        }


async def walk(
    scores: Mapping[str, float], paths: Mapping[str, Path], test: Test, *, budget: int
) -> Walk:
    """Test the units of `scores`, which stand at `paths`, at most `budget` of them.

    `test` gets the units of several communities at once; whether there were too many misses is
    asked after each such wave.
    """
    untested = sorted(scores, key=lambda unit: (-scores[unit], unit))
    entered: frozenset[Path] | None = None  # None: the whole hierarchy
    turns: list[Turn] = []
    left, misses, depth = budget, 0, 1
    while left:
        groups = _group(untested, paths, depth=depth, entered=entered)
        if not groups:
            return Walk(tuple(turns), budget, "no text unit of a relevant community is left")
        order = sorted(groups, key=lambda node: (_rank(groups[node], scores), node))
        relevant: set[Path] = set()
        while order and left and misses < MAX_MISSES:
            chosen = _allot(order, groups, most=min(WAVE, left))
            order = order[len(chosen) :]
            verdicts = await test([unit for units in chosen.values() for unit in units])
            for node, units in chosen.items():
                turn = Turn(node[-1], len(node) - 1, {unit: verdicts[unit] for unit in units})
                turns.append(turn)
                hit = any(verdict.relevant for verdict in turn.verdicts.values())
                misses = 0 if hit else misses + 1
                if hit:
                    relevant.add(node)
            left -= len(verdicts)
            untested = [unit for unit in untested if unit not in verdicts]
        if misses >= MAX_MISSES and not relevant:
            return Walk(tuple(turns), budget, f"{misses} communities in a row had none")
        entered = frozenset(relevant or groups)
        misses = 0 if relevant else misses
        depth += 1
    return Walk(tuple(turns), budget, "the budget is spent")


def _group(
    units: Sequence[str], paths: Mapping[str, Path], *, depth: int, entered: frozenset[Path] | None
) -> dict[Path, list[str]]:
    """Units, best first, by their community at `depth`, inside those that were entered.

    One that is not divided any further stands for itself again.
    """
    groups: dict[Path, list[str]] = {}
    for unit in units:
        path = paths[unit]
        if entered is None or path[: depth - 1] in entered:
            groups.setdefault(path[:depth], []).append(unit)
    return groups


def _rank(units: Sequence[str], scores: Mapping[str, float]) -> list[float]:
    """Communities compare by their best unit, then by their second."""
    return [-scores[unit] for unit in units[:UNITS_A_TURN]]


def _allot(
    order: Sequence[Path], groups: Mapping[Path, Sequence[str]], *, most: int
) -> dict[Path, Sequence[str]]:
    """What the next communities have tested, `most` units in all."""
    chosen: dict[Path, Sequence[str]] = {}
    for node in order:
        if not most:
            break
        chosen[node] = groups[node][: min(UNITS_A_TURN, most)]
        most -= len(chosen[node])
    return chosen
