"""Near-duplicates: the pairs that a comparison of everything with everything finds."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from graphrag.indexing.corpus.near_duplicates import (
    SimilarTexts,
    clusters,
    similar_pairs,
    word_groups,
)

WORDS = [f"word{number}" for number in range(400)]


def test_pairs_equal_those_of_comparing_everything() -> None:
    draw = random.Random(5)
    texts: dict[str, str] = {}
    for number in range(30):
        words = draw.choices(WORDS, k=120)
        texts[f"a{number}"] = " ".join(words)
        for change in range(draw.randint(0, 6)):
            words[draw.randrange(120)] = f"other{change}"
        texts[f"b{number}"] = " ".join(words)
    groups = {name: word_groups(text) for name, text in texts.items()}
    every = {
        (one, other): len(groups[one] & groups[other]) / len(groups[one] | groups[other])
        for one, other in combinations(sorted(texts), 2)
    }
    wanted = {pair: jaccard for pair, jaccard in every.items() if jaccard >= 0.8}
    found = similar_pairs(groups, threshold=0.8)
    assert 5 < len(wanted) < 30
    assert {(pair.one, pair.other): pair.similarity for pair in found} == wanted
    assert found == similar_pairs(dict(reversed(groups.items())), threshold=0.8)
    assert [pair.similarity for pair in found] == sorted(wanted.values(), reverse=True)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("", "", False),
        ("one", "one", True),
        ("one", "two", False),
        ("The cable was laid in 1866.", "the cable WAS laid, in 1866", True),
        ("東京は日本の首都である。", "東京は日本の首都である", True),
    ],
)
def test_short_and_odd_texts(one: str, other: str, alike: bool) -> None:
    groups = {"one": word_groups(one), "other": word_groups(other)}
    assert bool(similar_pairs(groups, threshold=0.9)) is alike


def test_clusters_join_pairs() -> None:
    pairs = [SimilarTexts("a", "b", 1), SimilarTexts("x", "y", 1), SimilarTexts("b", "c", 1)]
    assert clusters(pairs) == [["a", "b", "c"], ["x", "y"]]
    assert clusters([]) == []
