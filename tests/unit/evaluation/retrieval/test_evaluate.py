"""Metrics equal to those of ir-measures; intervals that hold what they promise."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import cast

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import RR, Measure, P, R, nDCG

from graphrag.core.answers import Usage
from graphrag.core.errors import CostLimitError
from graphrag.evaluation.intervals import (
    MIN_QUESTIONS,
    binomial_p,
    holm,
    mean_interval,
    sign_test,
    too_few,
)
from graphrag.evaluation.retrieval.evaluate import first_rank, metric_names, score
from graphrag.models.spending import Ledger, counted_together

KS = (1, 3, 5, 8, 20)

# Their types name classes of an optional library.
calc_aggregate = cast(
    Callable[[list[Measure], Mapping[str, object], Mapping[str, object]], dict[Measure, float]],
    getattr(ir_measures, "calc_aggregate"),  # noqa: B009 - so that pyright takes no type from it
)


def random_run(draw: random.Random) -> tuple[list[str], list[str]]:
    """A ranking of units, and the gold units; some of them are not in the ranking."""
    units = [f"u{number}" for number in range(draw.randint(1, 60))]
    gold = draw.sample(units, draw.randint(1, min(8, len(units))))
    ranking = draw.sample(units, draw.randint(0, len(units)))
    return ranking, gold


def test_metrics_equal_those_of_ir_measures() -> None:
    draw = random.Random(7)
    for _ in range(300):
        ranking, gold = random_run(draw)
        qrels = {"q": dict.fromkeys(gold, 1)}
        run = {"q": {unit: float(-place) for place, unit in enumerate(ranking)}}
        wanted = {f"recall@{k}": R @ k for k in KS} | {f"precision@{k}": P @ k for k in KS}
        wanted |= {f"ndcg@{k}": nDCG @ k for k in KS} | {"mrr": RR}
        theirs = calc_aggregate(list(wanted.values()), qrels, run)
        ours = score(ranking, [frozenset({unit}) for unit in gold], ks=KS)
        for name, measure in wanted.items():
            assert ours[name] == pytest.approx(theirs[measure], abs=1e-9), (name, ranking, gold)
        for k in KS:
            everything = theirs[R @ k] == 1.0
            assert ours[f"all-gold@{k}"] == float(everything)


def test_an_item_counts_once_where_its_first_unit_stands() -> None:
    items = [frozenset({"a1", "a2", "a3"}), frozenset({"b1"})]
    values = score(["x", "a2", "a1", "a3", "b1"], items, ks=(3, 5))
    assert values["recall@3"] == 0.5
    assert values["precision@3"] == pytest.approx(1 / 3)
    assert values["all-gold@3"] == 0
    assert values["all-gold@5"] == 1
    assert values["mrr"] == 0.5
    assert first_rank(["x", "a2"], items[0]) == 2
    assert first_rank(["x"], items[0]) is None


def test_nothing_found_is_zero_and_a_perfect_ranking_one() -> None:
    items = [frozenset({"a"}), frozenset({"b"})]
    assert set(score([], items, ks=(2,)).values()) == {0.0}
    assert set(score(["b", "a"], items, ks=(2,)).values()) == {1.0}
    assert list(score([], items, ks=(2, 5))) == metric_names((5, 2))
    with pytest.raises(ValueError, match="without gold"):
        score(["a"], [], ks=(1,))


@given(
    values=st.lists(st.floats(0, 1), min_size=MIN_QUESTIONS, max_size=40), seed=st.integers(0, 9)
)
def test_an_interval_holds_the_mean_and_repeats(values: list[float], seed: int) -> None:
    one = mean_interval(values, seed=seed)
    assert one == mean_interval(values, seed=seed)
    assert one.low is not None
    assert one.high is not None
    assert 0 <= one.low <= one.mean + 1e-12
    assert one.mean - 1e-12 <= one.high <= 1


def test_an_interval_is_about_as_wide_as_the_normal_one() -> None:
    draw = random.Random(3)
    values = [draw.random() for _ in range(400)]
    one = mean_interval(values)
    assert one.low is not None
    assert one.high is not None
    wanted = 2 * NormalDist().inv_cdf(0.975) * (1 / 12) ** 0.5 / 20
    assert one.high - one.low == pytest.approx(wanted, rel=0.1)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    draw = random.Random(11)
    hits = 0
    for seed in range(200):
        one = mean_interval([float(draw.random() < 0.3) for _ in range(60)], seed=seed)
        assert one.low is not None
        assert one.high is not None
        hits += one.low <= 0.3 <= one.high
    assert 180 <= hits <= 199


def test_equal_values_are_no_certainty() -> None:
    one = mean_interval([1.0] * 51)
    assert (one.mean, one.high) == (1.0, 1.0)
    assert one.low == pytest.approx(0.025 ** (1 / 51))
    none = mean_interval([0.0] * 20)
    assert none.low == 0.0
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 20))


def test_few_questions_have_no_interval_and_that_is_said() -> None:
    one = mean_interval([1.0, 0.0, 1.0])
    assert one.as_dict() == {"mean": pytest.approx(2 / 3), "low": None, "high": None}
    assert "3 questions" in (too_few(3) or "")
    assert too_few(MIN_QUESTIONS) is None


def test_significance() -> None:
    assert binomial_p(5, 5) == 1.0
    assert binomial_p(10, 0) == pytest.approx(2 / 2**10)
    assert binomial_p(0, 0) == 1.0
    assert sign_test([0.5, 1, 0, 0, -0.2]) == pytest.approx(binomial_p(2, 1))
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06}
    )


def test_ledgers_made_together_share_one_limit() -> None:
    """Many queries, each with a ledger of its own, stay below one limit together."""
    whole = Ledger(max_cost_usd=1.0)

    async def query(cost: float) -> None:
        own = Ledger(max_cost_usd=1.0)
        async with own.hold(cost):
            own.add("chat", Usage(chat_calls=1, cost_usd=cost))

    async def run() -> None:
        with counted_together(whole):
            await query(0.4)
            await query(0.5)
            with pytest.raises(CostLimitError, match=r"0\.900000 USD are spent"):
                await query(0.2)
        await query(0.9)  # outside it counts for itself

    asyncio.run(run())
    assert whole.total.chat_calls == 2
    assert whole.total.cost_usd == pytest.approx(0.9)
