"""Which pairs of names a rule joins, which it refuses, and which are left to a model."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.indexing.resolution import pairs as candidates
from graphrag.indexing.resolution import variants
from graphrag.indexing.resolution.pairs import (
    NameProfile,
    Pair,
    best_pairs,
    find_pairs,
    make_pair,
    worth,
)
from graphrag.text import normalise


def known(
    name: str, units: Iterable[int] = (1,), *, kind: str = "", is_name: bool = True
) -> NameProfile:
    held = frozenset(units)
    norm = normalise(name)
    documents = frozenset(unit // 10 for unit in held)
    return NameProfile(norm, name, kind, is_name, held, documents, variants.variant(name, norm))


def found(*names: NameProfile) -> dict[tuple[str, str], Pair]:
    pairs = find_pairs(names, threshold=0.9)
    return {(pair.first, pair.second): pair for pair in pairs}


def only(*names: NameProfile) -> Pair:
    pairs = found(*names)
    assert len(pairs) == 1, pairs
    return next(iter(pairs.values()))


def test_a_title_joins_and_a_title_of_the_other_sex_does_not() -> None:
    assert only(known("Mr. Sherlock Holmes", [1]), known("Sherlock Holmes", [90])).is_form
    refused = only(known("Lord Jo Grey", [1]), known("Lady Jo Grey", [1]))
    assert (refused.decision, refused.note) == ("refuse", "one is a man, one a woman")
    apart = only(known("Captain Jo Grey", [1]), known("Dr. Jo Grey", [90]))
    assert (apart.decision, apart.note) == ("refuse", "different titles in different texts")


def test_a_word_that_is_often_no_title_needs_a_person() -> None:
    post = only(known("General Land Office"), known("Land Office"))
    assert post.decision == "refuse"
    general = only(known("General Jo Grey"), known("Jo Grey", kind="person"))
    assert general.decision == "join"


def test_singular_and_plural_are_one_in_one_text_only() -> None:
    near = only(known("royal governor", [1, 2]), known("royal governors", [2]))
    assert (near.decision, near.reason) == ("join", variants.PLURAL)
    assert only(known("pale hand", [1]), known("pale hands", [2])).decision == "ask"


@pytest.mark.parametrize(
    ("short", "long", "units", "decision"),
    [
        ("WHO", "World Health Organization", (1, 1), "join"),
        ("W.H.O.", "World Health Organization", (1, 1), "join"),
        ("BoE", "Bank of England", (1, 1), None),  # not capitals throughout
        ("WHO", "World Health Organization", (1, 2), "ask"),  # no text has both
        ("US", "Uncle Sam", (1, 1), "ask"),  # two letters fit too much
    ],
)
def test_acronyms(short: str, long: str, units: tuple[int, int], decision: str | None) -> None:
    pairs = found(known(short, [units[0]]), known(long, [units[1]]))
    assert [pair.decision for pair in pairs.values()] == ([decision] if decision else [])


def test_an_acronym_of_two_names_joins_neither() -> None:
    pairs = found(known("WHO"), known("World Health Organization"), known("Wild Horse Orchestra"))
    assert [pair.decision for pair in pairs.values()] == ["ask", "ask"]


def test_initials_join_where_they_fit_one_person() -> None:
    assert only(known("John H. Watson"), known("John Watson")).decision == "join"
    assert only(known("John Hamish Watson"), known("John H. Watson")).decision == "join"
    assert only(known("John Hamish Watson"), known("John Watson")).decision == "ask"
    assert only(known("John H. Watson", [1]), known("John Watson", [90])).decision == "ask"
    bushes = found(known("George Bush"), known("George W. Bush"), known("George H. Bush"))
    assert {pair.decision for pair in bushes.values()} == {"ask"}


def test_a_short_form_joins_the_long_one_in_documents_with_both() -> None:
    long = known("Cyrus West Field", [1, 2], kind="person")
    assert only(long, known("Cyrus Field", [2])).decision == "join"
    elsewhere = known("Cyrus Field", [2, 90])
    assert only(long, elsewhere).decision == "ask"
    manual = known("Debian Policy Manual", [1]), known("Debian Manual", [1])
    assert only(*manual).decision == "ask"
    other = known("Cyrus North Field", [1], kind="person")
    pairs = found(long, other, known("Cyrus Field", [1]))
    assert "join" not in {pair.decision for pair in pairs.values()}


def test_a_first_name_after_a_comma() -> None:
    pair = only(known("Holmes, Sherlock"), known("Sherlock Holmes", [90]))
    assert (pair.decision, pair.reason) == ("join", candidates.INVERTED)


@pytest.mark.parametrize(
    ("first", "second", "decision"),
    [
        ("Grimesby Roylott", "Grimsby Roylott", "join"),
        ("Anna Pavlov", "Anna Pavlova", None),  # the last letter decides who is meant
        ("External Office", "Internal Office", None),
        ("Louis XVI of France", "Louis XIV of France", "refuse"),
        ("Miss Stoner", "Miss Stoper", None),  # a letter replaced in a short word
        ("Hunter Constantine", "Hunter Constandine", "join"),
    ],
)
def test_a_misprint_joins_only_inside_a_long_word(
    first: str, second: str, decision: str | None
) -> None:
    pairs = found(known(first), known(second))
    decided = [pair.decision for pair in pairs.values() if pair.decision != "ask"]
    assert decided == ([decision] if decision else [])


def test_one_shared_word_is_only_ever_asked_about() -> None:
    pairs = found(
        known("Holmes", [1, 2, 3]),
        known("Sherlock Holmes", [1, 2]),
        known("Mycroft Holmes", [3]),
    )
    assert {pair.decision for pair in pairs.values()} == {"ask"}
    assert {pair.reason for pair in pairs.values()} == {candidates.SHARED_WORD}
    assert ("mycroft holmes", "sherlock holmes") not in pairs
    assert not found(known("Holmes", [1]), known("Sherlock Holmes", [90]))  # they never meet
    assert not found(known("England"), known("Bank of England"))


def test_numbers_and_first_names_tell_namesakes_apart() -> None:
    assert candidates.conflict(known("Henry VII"), known("Henry VIII")) == "different numbers"
    brothers = known("Sherlock Holmes", kind="person"), known("Mycroft Holmes", kind="person")
    assert "different first names" in candidates.conflict(*brothers)
    assert not candidates.conflict(known("S. Holmes", kind="person"), brothers[0])


def test_phrases_are_compared_by_form_alone() -> None:
    assert not found(known("wounded man", is_name=False), known("man wounded", is_name=False))


def test_one_pair_keeps_what_says_most() -> None:
    one, other = known("a b"), known("c d")
    asked = make_pair(one, other, "x", 0.9, decision="ask")
    joined = make_pair(other, one, "y", 0.5, decision="join")
    assert best_pairs([asked, joined]) == best_pairs([joined, asked]) == [joined]
    names = {"a b": known("a b", range(9)), "c d": known("c d", range(3))}
    assert worth(asked, names) == pytest.approx(0.9 * 2)


def test_the_work_grows_with_the_names_and_not_with_their_square() -> None:
    def count(size: int) -> int:
        draw = random.Random(3)
        people = [
            known(f"N{draw.randrange(size)}x M{number}y Smith", [number % 50], kind="person")
            for number in range(size)
        ]
        return len(find_pairs([*people, known("Smith", range(50))], threshold=0.9))

    assert count(1600) <= 3 * count(800) + 50


WORDS = "Ada Bo Holmes Sherlock Mycroft Mr. H. Lady The Bank of II WHO"
words = st.sampled_from(sorted(WORDS.split()))
names = st.lists(words, min_size=1, max_size=4).map(" ".join)


@given(
    spellings=st.lists(names, max_size=12, unique_by=normalise),
    seed=st.randoms(use_true_random=False),
)
def test_the_order_of_names_does_not_matter(spellings: Sequence[str], seed: random.Random) -> None:
    given_names = [known(name, [len(name) % 3]) for name in spellings]
    shuffled = list(given_names)
    seed.shuffle(shuffled)
    pairs = find_pairs(given_names, threshold=0.9)
    assert pairs == find_pairs(shuffled, threshold=0.9)
    assert all(pair.first < pair.second for pair in pairs)
    norms = {name.norm for name in given_names}
    for pair in pairs:
        assert {pair.first, pair.second} <= norms
        one_word = min(len(pair.first.split()), len(pair.second.split())) == 1
        if pair.reason == candidates.SHARED_WORD:
            assert one_word
            assert pair.decision != "join"
