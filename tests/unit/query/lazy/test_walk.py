"""The walk through communities: its order, its budget, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from graphrag.query.context import Unit
from graphrag.query.lazy.walk import MAX_MISSES, UNITS_A_TURN, WAVE, Path, Verdict, Walk, walk


def run(
    paths: Mapping[str, Path],
    relevant: Collection[str],
    *,
    budget: int = 100,
    scores: Mapping[str, float] | None = None,
) -> tuple[Walk, list[list[str]]]:
    """The walk, and the units that were tested together. Scores fall in the order of `paths`."""
    waves: list[list[str]] = []

    async def test(units: Sequence[str]) -> dict[str, Verdict]:
        waves.append([*units])
        return {
            unit: Verdict(Unit(unit, "d", 0, "text", 1, "d.txt", "", "en"), unit in relevant)
            for unit in units
        }

    given_scores = scores or {unit: 1 / place for place, unit in enumerate(paths, start=1)}
    return asyncio.run(walk(given_scores, paths, test, budget=budget)), waves


def in_community(name: str, count: int) -> dict[str, Path]:
    return {f"{name}{number}": (name,) for number in range(count)}


def test_communities_come_by_their_best_unit_and_give_their_best_ones() -> None:
    paths: dict[str, Path] = {"b1": ("b",), "a1": ("a",), "a2": ("a",), "b2": ("b",), "c1": ("c",)}
    walked, _ = run(paths, {"b2"})
    assert [(turn.community, [*turn.verdicts]) for turn in walked.turns] == [
        ("b", ["b1", "b2"]),
        ("a", ["a1", "a2"]),
        ("c", ["c1"]),
    ]
    verdicts = {unit: verdict.relevant for unit, verdict in walked.turns[0].verdicts.items()}
    assert verdicts == {"b1": False, "b2": True}


def test_only_communities_with_a_relevant_unit_are_entered() -> None:
    paths = {f"x{n}": ("x", f"x.{n % 2}") for n in range(12)}
    paths |= {f"y{n}": ("y", f"y.{n % 2}") for n in range(12)}
    walked, _ = run(paths, {"x0"})
    deeper = [turn for turn in walked.turns if turn.level == 1]
    assert {turn.community for turn in deeper} == {"x.0", "x.1"}
    assert all(len(turn.verdicts) <= UNITS_A_TURN for turn in walked.turns)


def test_an_undivided_community_is_read_on_while_it_has_relevant_units() -> None:
    walked, _ = run(in_community("a", 10), {f"a{n}" for n in range(10)})
    assert [len(turn.verdicts) for turn in walked.turns] == [4, 4, 2]
    assert walked.ended == "no text unit of a relevant community is left"


def test_misses_in_a_row_end_the_walk() -> None:
    paths: dict[str, Path] = {}
    for name in "abcdefgh":
        paths |= in_community(name, 6)
    walked, _ = run(paths, ())
    assert [turn.community for turn in walked.turns] == [*"abcde"]
    assert walked.ended == "5 communities in a row had none"
    assert walked.trace["budget_left"] == 100 - MAX_MISSES * UNITS_A_TURN


def test_few_communities_without_a_relevant_unit_are_read_on() -> None:
    walked, _ = run(in_community("a", 40), {"a9"})
    # a0-a3 and a4-a7 had none, which is no five in a row; a8-a11 have one.
    assert walked.verdicts["a9"].relevant
    assert len(walked.verdicts) == 12 + MAX_MISSES * UNITS_A_TURN


def test_waves_hold_the_next_communities_up_to_their_size() -> None:
    paths: dict[str, Path] = {}
    for name in "abcdefghijklm":
        paths |= in_community(name, 2)
    walked, waves = run(paths, {"c0", "m0"})
    # The first wave ends with seven misses in a row, so m is never reached.
    assert [len(wave) for wave in waves] == [WAVE]
    assert [turn.community for turn in walked.turns] == [*"abcdefghij"]


def test_a_relevant_unit_late_in_a_wave_is_found() -> None:
    paths: dict[str, Path] = {}
    for name in "abcdefghij":
        paths |= in_community(name, 1)
    walked, waves = run(paths, {"h0"})
    assert waves == [[f"{name}0" for name in "abcdefghij"]]
    assert walked.verdicts["h0"].relevant


@given(
    layout=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 3), st.booleans()), min_size=1, max_size=60
    ),
    budget=st.integers(1, 40),
)
def test_the_budget_is_never_passed_and_no_unit_tested_twice(
    layout: list[tuple[int, int, bool]], budget: int
) -> None:
    paths: dict[str, Path] = {
        f"u{place}": (f"c{root}", f"c{root}.{child}") if child else (f"c{root}",)
        for place, (root, child, _) in enumerate(layout)
    }
    relevant = {f"u{place}" for place, (*_, good) in enumerate(layout) if good}
    walked, waves = run(paths, relevant, budget=budget)
    tested = [unit for wave in waves for unit in wave]
    assert len(tested) == len(set(tested)) <= budget
    assert [*walked.verdicts] == tested
    assert walked.trace["tests"] == len(tested)
    assert walked.trace["budget_left"] == budget - len(tested)
    again, _ = run(paths, relevant, budget=budget)
    assert again == walked
