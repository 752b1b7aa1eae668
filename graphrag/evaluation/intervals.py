"""Compute means, confidence intervals and significance by seeded bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import comb, fsum

SEED = 20_240_607
SAMPLES = 2000
LEVEL = 0.95
MIN_QUESTIONS = 10  # fewer say too little about the questions that were not asked


@dataclass(frozen=True, slots=True)
class Interval:
    """`low` and `high` bound the mean with 95% confidence; None with too few questions."""

    mean: float
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


def mean_interval(
    values: Sequence[float], *, seed: int = SEED, bounds: tuple[float, float] = (0.0, 1.0)
) -> Interval:
    """The mean of `values` with the percentile bootstrap's interval.

    Where all values are equal a resample cannot differ; there the interval is the exact
    (Clopper-Pearson) one of a share that was seen 0 or n times, on the side that is open.
    """
    import numpy as np

    mean = fsum(values) / len(values)
    if len(values) < MIN_QUESTIONS:
        return Interval(mean, None, None)
    if len(set(values)) == 1:
        unseen = (bounds[1] - bounds[0]) * (1 - ((1 - LEVEL) / 2) ** (1 / len(values)))
        return Interval(mean, max(bounds[0], mean - unseen), min(bounds[1], mean + unseen))
    draw = np.random.default_rng(seed)
    picks = draw.integers(0, len(values), size=(SAMPLES, len(values)))
    means = np.asarray(values, dtype=np.float64)[picks].mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean, float(low), float(high))


def ratio_interval(
    numerators: Sequence[float], denominators: Sequence[float], *, seed: int = SEED
) -> Interval:
    """Sum by sum, such as an F-score, with the percentile bootstrap over questions."""
    import numpy as np

    total = fsum(denominators)
    value = fsum(numerators) / total if total else 0.0
    if len(numerators) < MIN_QUESTIONS:
        return Interval(value, None, None)
    draw = np.random.default_rng(seed)
    picks = draw.integers(0, len(numerators), size=(SAMPLES, len(numerators)))
    above = np.asarray(numerators, dtype=np.float64)[picks].sum(axis=1)
    below = np.asarray(denominators, dtype=np.float64)[picks].sum(axis=1)
    ratios = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def sign_test(values: Sequence[float]) -> float:
    """Two-sided p that gains and losses are equally likely; zeros say nothing."""
    gains = sum(1 for value in values if value > 0)
    losses = sum(1 for value in values if value < 0)
    return binomial_p(gains, losses)


def binomial_p(first: int, second: int) -> float:
    """Two-sided p of such counts, or more unequal ones, when both sides are equally likely."""
    n = first + second
    if n == 0:
        return 1.0
    tail = sum(comb(n, hits) for hits in range(min(first, second) + 1))
    return min(1.0, 2 * tail / 2**n)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The same corrected for asking several questions of one set (Holm 1979)."""
    corrected: dict[str, float] = {}
    highest = 0.0
    ordered = sorted(p_values.items(), key=lambda pair: (pair[1], pair[0]))
    for place, (name, p) in enumerate(ordered):
        highest = max(highest, min(1.0, p * (len(ordered) - place)))
        corrected[name] = highest
    return {name: corrected[name] for name in p_values}


def too_few(count: int) -> str | None:
    """The warning where `count` questions cannot carry an interval."""
    if count >= MIN_QUESTIONS:
        return None
    return (
        f"{count} questions are fewer than the {MIN_QUESTIONS} that an interval needs: "
        "means are given without one"
    )
