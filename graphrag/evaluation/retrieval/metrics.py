"""A ranking of text units and a question's gold in, one number for each metric out.

Rankings are read as a model reads them: k counts text units, and a gold item counts once, where
its first text unit stands. What an earlier unit already gave is no gain, so a long document
cannot fill the first places with itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log2

Items = Iterable[frozenset[str]]


def metric_names(ks: Sequence[int]) -> list[str]:
    """In the order in which they are shown."""
    at_k = ("recall", "all-gold", "precision", "ndcg")
    return [*(f"{name}@{k}" for name in at_k for k in sorted(ks)), "mrr"]


def score(ranking: Sequence[str], items: Items, *, ks: Sequence[int]) -> dict[str, float]:
    """Every metric of one ranking of unit ids, best first; `items`: the units of each gold item.

    recall: share of the items among the first k. all-gold: 1 when they are all there. precision:
    share of the first k that bring an item. ndcg: binary, against the best order. mrr: one by
    the rank of the first item.
    """
    ranks = [first_rank(ranking, item) for item in items]
    if not ranks:
        raise ValueError("a question without gold cannot be scored")
    gains = sorted({rank for rank in ranks if rank})
    values: dict[str, float] = {}
    for k in ks:
        found = sum(1 for rank in ranks if rank and rank <= k)
        gained = [rank for rank in gains if rank <= k]
        ideal = _discounted(range(1, min(k, len(ranks)) + 1))
        values[f"recall@{k}"] = found / len(ranks)
        values[f"all-gold@{k}"] = float(found == len(ranks))
        values[f"precision@{k}"] = len(gained) / k
        values[f"ndcg@{k}"] = _discounted(gained) / ideal
    values["mrr"] = 1 / gains[0] if gains else 0.0
    return {name: values[name] for name in metric_names(ks)}


def first_rank(ranking: Sequence[str], item: frozenset[str]) -> int | None:
    """Where the first unit of `item` stands, counted from 1."""
    return next((rank for rank, unit in enumerate(ranking, start=1) if unit in item), None)


def found_at(ranking: Sequence[str], items: Mapping[str, frozenset[str]]) -> dict[str, int | None]:
    """The rank of each item by its label; None where it was not found."""
    return {label: first_rank(ranking, item) for label, item in items.items()}


def _discounted(ranks: Iterable[int]) -> float:
    return sum(1 / log2(1 + rank) for rank in ranks)
