"""Two-hop chains: where they lead, when there are none, and what they must not do."""

from __future__ import annotations

import numpy as np
import pytest

from graphrag.query.path import chains
from graphrag.query.path.chains import ChainSearch, RankedChains
from graphrag.stores.arrays import building
from graphrag.stores.arrays.path_index import PathIndex
from tests.unit.stores.arrays.test_path_index import tables

WIKI = {
    "Blood Street": "Blood Street is a film of 1988, directed by Leo Fong.",
    "Leo Fong": "Leo Fong (born in Guangzhou) was an actor and a boxer.",
    "Manila": "Manila is a port on Luzon. A street market is held there.",
    "Iron Road": "Iron Road is a film of 1990 in which blood is spilt.",
    "Guangzhou": "Guangzhou is a city on the Pearl River.",
    "Otters": "Otters swim in rivers and eat fish.",
}
QUESTION = "Where was the director of Blood Street born?"


def is_anchored(index: PathIndex, question: str) -> bool:
    return ChainSearch(index, question).is_anchored()


@pytest.fixture(scope="module")
def wiki() -> PathIndex:
    return building.build(*tables(WIKI))


@pytest.fixture(scope="module")
def mixed() -> PathIndex:
    """The articles among as many units of talk and more."""
    talk = {f"t{turn}": f"so we went on to plan {turn} then" for turn in range(8)}
    return building.build(*tables(WIKI | talk))


def ask(index: PathIndex, question: str, *, limit: int = 3) -> RankedChains:
    return ChainSearch(index, question).rank(limit)


def found(ranked: RankedChains) -> list[str]:
    return [list(WIKI)[unit] for unit in ranked.units]


def test_the_second_hop_is_found_without_a_common_word(wiki: PathIndex) -> None:
    ranked = ask(wiki, "Which films did the director of Blood Street act in?", limit=2)
    assert found(ranked) == ["Blood Street", "Leo Fong"]
    assert ranked.gain > 0


def test_scores_fall_and_nothing_comes_twice(wiki: PathIndex) -> None:
    ranked = ask(wiki, QUESTION, limit=6)
    assert found(ranked)[:2] == ["Blood Street", "Leo Fong"]
    assert len(set(ranked.units)) == len(ranked.units)
    assert ranked.scores == sorted(ranked.scores, reverse=True)


def test_the_same_question_gives_the_same_ranking(wiki: PathIndex) -> None:
    assert ask(wiki, QUESTION, limit=6) == ask(wiki, QUESTION, limit=6)


def test_only_allowed_units_are_ranked(wiki: PathIndex) -> None:
    for barred in range(len(WIKI)):
        allowed = np.ones(len(WIKI), dtype=np.bool_)
        allowed[barred] = False
        ranked = ChainSearch(wiki, QUESTION).rank(6, allowed=allowed)
        assert barred not in ranked.units
        assert ranked.units
    nothing = np.zeros(len(WIKI), dtype=np.bool_)
    assert ChainSearch(wiki, QUESTION).rank(6, allowed=nothing).units == []


def test_vectors_bring_units_without_a_common_word(wiki: PathIndex) -> None:
    near = {"u2": 0.9, "u5": 0.2, "gone": 0.8}
    ranked = ChainSearch(wiki, "Where do ships land?").rank(1, similar=near)
    assert found(ranked) == ["Manila"]


@pytest.mark.parametrize(
    "question",
    ["", "?!", "the of and", "zzz qqq", "一只猫", "Where is " + "the " * 2000],
)
def test_a_question_without_known_words_finds_nothing(wiki: PathIndex, question: str) -> None:
    ranked = ask(wiki, question)
    assert ranked.units == ranked.scores == []
    assert not is_anchored(wiki, question)


def test_an_empty_index_finds_nothing() -> None:
    assert ask(building.build(*tables({})), QUESTION).units == []


def test_without_a_name_of_few_units_a_question_is_not_anchored(mixed: PathIndex) -> None:
    assert is_anchored(mixed, QUESTION)
    assert not is_anchored(mixed, "Which animals swim in rivers and eat fish?")


def test_among_articles_every_question_is_anchored(wiki: PathIndex) -> None:
    assert is_anchored(wiki, "Which animals swim in rivers and eat fish?")


def test_names_that_are_compared_count_alike() -> None:
    title = "Long Grey Road to Old Samarkand"
    texts = {
        title: f"{title} is a film.",
        "Phoolwari": "Phoolwari is a film.",
        "Essay": "On the grey road to old Samarkand: it is long.",
        "Diary": "The road to Samarkand, old and grey. A long day.",
    } | {f"Note {place}": f"It rained on day {place}." for place in range(20)}
    index = building.build(*tables(texts))
    ranked = ask(index, f"Which film came first, {title} or Phoolwari?", limit=2)
    assert {index.units[unit] for unit in ranked.units} == {"u0", "u1"}


def test_a_name_that_many_units_are_about_is_no_anchor() -> None:
    talk = {str(turn): f"Ruth: we spoke of plan number {turn} again." for turn in range(9)}
    index = building.build(*tables(talk, {"Ruth": []}))
    assert index.names.has("ruth")
    assert not is_anchored(index, "What did Ruth say of the plan?")
    assert index.linked_share() == 0.0


def test_a_name_that_carries_little_of_the_question_is_no_anchor(mixed: PathIndex) -> None:
    asked = "which boxer was spilt, which actor acted on a port near a river or a market of 1988"
    assert not is_anchored(mixed, asked)
    assert not is_anchored(mixed, f"{asked}, Otters")
    assert is_anchored(mixed, "which boxer saw Otters")


def test_a_common_name_links_no_two_units_that_only_mention_it() -> None:
    def gain(n_units: int) -> float:
        texts = {
            f"File {place}": f"In town {place} the guild met. Ada Vane came late."
            for place in range(n_units)
        }
        texts |= {f"Note {place}": f"It rained on day {place}." for place in range(20)}
        ranked = ask(building.build(*tables(texts, {"Ada Vane": []})), "Which guild met?")
        return ranked.gain

    assert gain(3) > gain(chains.MAX_MENTIONED + 1) == 0


def test_the_far_sentence_that_answers_decides_between_two_hops() -> None:
    texts = {
        "Ann Bell": "Ann Bell was a miller of Ostby.",
        "Fen": "Nobody saw Ostby. A guild sold honey.",
        "Moor": "Nobody saw it. A guild sold Ostby honey.",
    }
    index = building.build(*tables(texts, {"Ostby": []}))
    assert ask(index, "Who sold honey where Ann Bell was a miller?").units == [0, 2, 1]
    # Of what neither sentence answers the first counts.
    assert ask(index, "Who lived where Ann Bell was a miller?").units == [0, 1, 2]


def test_pagerank_moves_weight_and_loses_none(wiki: PathIndex) -> None:
    ranks = chains.pagerank(wiki, {0: 3.0, 3: 1.0})
    assert ranks.sum() == pytest.approx(1.0)
    assert (ranks >= 0).all()
    assert ranks[0] > ranks[3] > 0
    assert ranks[1] > ranks[2]  # Leo Fong is a hop away, Manila is not
    np.testing.assert_array_equal(ranks, chains.pagerank(wiki, {3: 1.0, 0: 3.0}))
    assert chains.pagerank(wiki, {}).sum() == 0


def test_pagerank_fills_what_chains_do_not_reach() -> None:
    texts = {
        "Ann Bell": "Ann Bell wrote a letter to Carl Dorn.",
        "Carl Dorn": "Carl Dorn was a miller. He knew Edda Falk.",
        "Edda Falk": "Edda Falk kept bees.",
        "Otters": "Otters swim.",
    }
    ranked = ask(building.build(*tables(texts)), "To whom was the letter?", limit=4)
    assert ranked.units == [0, 1, 2]  # Edda Falk is two hops away; otters are nowhere near
