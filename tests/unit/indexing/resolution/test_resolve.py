"""Which names become one entity."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.errors import SettingsError
from graphrag.core.settings import ResolutionSettings
from graphrag.indexing.resolution.pairs import Decision, Pair
from graphrag.indexing.resolution.resolve import (
    ALIAS,
    ALWAYS_JOIN,
    NEVER_JOIN,
    NOT_ASKED,
    SAME_NAME,
    Resolution,
    check_settings,
    resolve,
)
from graphrag.text import normalise

NONE = ResolutionSettings()


def reasons(result: Resolution) -> list[tuple[str, ...]]:
    return result.joins.select("alias", "canonical", "reason").rows()


def link(first: str, second: str, score: float = 0.9, decision: Decision = "join") -> Pair:
    one, other = sorted((first, second))
    return Pair(one, other, "a reason", score, decision)


def test_names_that_differ_in_case_and_punctuation_are_one_entity() -> None:
    result = resolve({"Acme, Inc.": 1, "ACME INC": 2, "Acme": 1}, aliases=[], settings=NONE)
    assert result.names == {"acme inc": "ACME INC", "acme": "Acme"}
    assert result.aliases["acme inc"] == ["Acme, Inc."]
    assert reasons(result) == [("Acme, Inc.", "ACME INC", SAME_NAME)]


def test_the_name_is_the_spelling_with_most_mentions_then_the_first_in_sort_order() -> None:
    assert resolve({"b x": 2, "B x": 2, "B X": 1}, aliases=[], settings=NONE).names == {
        "b x": "B x"
    }


def test_an_alias_joins_where_it_stands_for_one_name() -> None:
    result = resolve(
        {"World Health Organization": 1, "WHO": 5},
        aliases=[("WHO", "World Health Organization")],
        settings=NONE,
    )
    assert result.canonical == {"world health organization": "who", "who": "who"}
    assert reasons(result) == [("World Health Organization", "WHO", ALIAS)]


def test_an_alias_of_two_names_joins_neither() -> None:
    result = resolve(
        {"Mr. Stoner": 1, "Dr. Stoner": 1, "Stoner": 4},
        aliases=[("Stoner", "Mr. Stoner"), ("Stoner", "Dr. Stoner")],
        settings=NONE,
    )
    assert sorted(result.names.values()) == ["Dr. Stoner", "Mr. Stoner", "Stoner"]
    assert result.joins.is_empty()


def test_two_names_that_the_settings_join_do_not_make_an_alias_ambiguous() -> None:
    result = resolve(
        {"Mr. Watson": 1, "Dr. Watson": 1, "Watson": 4},
        aliases=[("Watson", "Mr. Watson"), ("Watson", "Dr. Watson")],
        settings=ResolutionSettings(always_join=(("Dr. Watson", "Mr. Watson"),)),
    )
    assert result.names == {"dr watson": "Dr. Watson"}
    assert {reason for _, _, reason in reasons(result)} == {ALIAS, ALWAYS_JOIN}


def test_an_alias_that_no_text_uses_is_listed_but_no_entity() -> None:
    result = resolve({"Full Name": 1}, aliases=[("FN", "Full Name"), ("X", "Gone")], settings=NONE)
    assert result.names == {"full name": "Full Name"}
    assert result.aliases == {"full name": ["FN"]}


def test_always_join_names_the_entity_even_by_a_name_that_no_text_uses() -> None:
    settings = ResolutionSettings(always_join=(("The Detective", "Holmes", "Sherlock"),))
    result = resolve({"Holmes": 3, "Sherlock": 9}, aliases=[], settings=settings)
    assert result.names == {"the detective": "The Detective"}
    assert result.canonical["holmes"] == "the detective"
    assert resolve({"Other": 1}, aliases=[], settings=settings).names == {"other": "Other"}


def test_never_join_wins_over_aliases_settings_and_chains() -> None:
    settings = ResolutionSettings(always_join=(("a", "b"), ("b", "c")), never_join=(("a", "c"),))
    result = resolve({"a": 1, "b": 1, "c": 1}, aliases=[("c", "b")], settings=settings)
    assert result.canonical["a"] == result.canonical["b"] == "a"
    assert result.canonical["c"] == "c"


def test_one_shared_word_joins_nothing() -> None:
    result = resolve({"Holmes": 3, "Sherlock Holmes": 9}, aliases=[], settings=NONE)
    assert len(result.names) == 2


def test_a_bare_family_name_is_nobody_in_particular_where_several_bear_it() -> None:
    aliases = [("Holmes", "Mr. Holmes"), ("Mr. Sherlock Holmes", "Sherlock Holmes")]
    mentions = {"Mr. Holmes": 3, "Holmes": 9, "Sherlock Holmes": 5}
    alone = resolve(mentions, aliases=aliases, settings=NONE)
    assert alone.canonical["mr holmes"] == alone.canonical["holmes"] == "holmes"
    assert alone.canonical["sherlock holmes"] == "sherlock holmes"
    brothers = resolve({**mentions, "Mycroft Holmes": 1}, aliases=aliases, settings=NONE)
    assert len(brothers.names) == 4
    never_titled = resolve(mentions, aliases=aliases[:1], settings=NONE)
    assert len(never_titled.names) == 3


def test_nobody_is_a_lord_by_one_name_and_a_lady_by_another() -> None:
    aliases = [("Lord St. Simon", "St. Simon"), ("Lady St. Simon", "St. Simon")]
    result = resolve({"St. Simon": 4, "Lady St. Simon": 2}, aliases=aliases, settings=NONE)
    assert sorted(result.names.values()) == ["Lady St. Simon", "St. Simon"]
    forced = ResolutionSettings(always_join=(("St. Simon", "Lady St. Simon"),))
    assert len(resolve({"St. Simon": 4}, aliases=aliases, settings=forced).names) == 1


def test_likeness_is_not_passed_on_from_name_to_name() -> None:
    mentions = {"a": 9, "b": 2, "c": 5}
    chain = resolve(mentions, aliases=[], settings=NONE, pairs=[link("a", "b"), link("b", "c")])
    assert chain.canonical == {"a": "a", "b": "a", "c": "c"}
    assert [row[:2] for row in chain.refused.rows()] == [("b", "c")]
    assert "nothing links it with 'a'" in chain.refused["note"][0]
    pairs = [link("a", "b"), link("b", "c"), link("a", "c", 0.5)]
    star = resolve(mentions, aliases=[], settings=NONE, pairs=pairs)
    assert set(star.canonical.values()) == {"a"}
    assert star.joins["via"].to_list() == ["", ""]


def test_a_link_to_any_spelling_of_the_most_mentioned_name_counts() -> None:
    result = resolve(
        {"World Health Organization": 3, "WHO": 9, "W.H.O. Geneva": 1},
        aliases=[("WHO", "World Health Organization")],
        settings=NONE,
        pairs=[link("w h o geneva", "world health organization")],
    )
    assert set(result.canonical.values()) == {"who"}
    joined = {alias: via for alias, _, _, via, *_ in result.joins.rows()}
    assert joined == {
        "World Health Organization": "",
        "W.H.O. Geneva": "World Health Organization",
    }


def test_what_is_known_to_be_two_is_not_joined_through_a_third() -> None:
    pairs = [link("a", "b"), link("a", "c", 0.8), link("b", "c", decision="refuse")]
    result = resolve({"a": 9, "b": 2, "c": 1}, aliases=[], settings=NONE, pairs=pairs)
    assert result.canonical == {"a": "a", "b": "a", "c": "c"}
    assert {row[:2] for row in result.refused.rows()} == {("a", "c"), ("b", "c")}


def test_near_misses_are_listed_by_what_they_are_worth() -> None:
    settings = ResolutionSettings(never_join=(("c", "d"),))
    result = resolve(
        {"a": 1, "b": 1, "c": 9, "d": 9},
        aliases=[],
        settings=settings,
        pairs=[link("a", "b", 0.9, "ask"), link("c", "d", 0.5)],
    )
    notes = [(row[0], row[1], row[-1]) for row in result.refused.rows()]
    assert notes == [("c", "d", NEVER_JOIN), ("a", "b", NOT_ASKED)]


def test_settings_that_contradict_each_other_name_both_names() -> None:
    contradiction = ResolutionSettings(
        always_join=(("A", "B"), ("b", "C")), never_join=(("X", "c", "a"),)
    )
    with pytest.raises(SettingsError, match=r"keeps 'c' and 'a' apart"):
        check_settings(contradiction)
    check_settings(ResolutionSettings(always_join=(("A", "B"),), never_join=(("B", "C"),)))
    check_settings(ResolutionSettings(never_join=(("Acme", "ACME"),)))


letters = st.sampled_from("abcdefgh")
pair = st.tuples(letters, letters)
group = st.lists(letters, min_size=2, max_size=3, unique=True).map(tuple)


@given(
    aliases=st.lists(pair, max_size=12),
    always=st.lists(group, max_size=3),
    never=st.lists(group, max_size=4),
    seed=st.randoms(use_true_random=False),
)
def test_forbidden_pairs_stay_apart_and_order_does_not_matter(
    aliases: list[tuple[str, str]],
    always: list[tuple[str, ...]],
    never: list[tuple[str, ...]],
    seed: object,
) -> None:
    settings = ResolutionSettings(always_join=tuple(always), never_join=tuple(never))
    mentions = {letter: ord(letter) % 3 + 1 for letter in "abcdefgh"}
    result = resolve(mentions, aliases=aliases, settings=settings)
    for names in never:
        for one, other in combinations(names, 2):
            assert result.canonical[one] != result.canonical[other]
    for name, canonical in result.canonical.items():
        assert result.canonical[canonical] == canonical
        assert normalise(result.names[canonical]) == canonical
        assert name == canonical or name in result.aliases[canonical]
    again = resolve(
        dict(reversed(mentions.items())), aliases=list(reversed(aliases)), settings=settings
    )
    assert again.canonical == result.canonical
    assert again.joins.equals(result.joins)


scores = st.sampled_from([0.5, 0.7, 0.9, 1.0])
decisions: st.SearchStrategy[Decision] = st.sampled_from(["join", "join", "join", "ask", "refuse"])
pairs = st.dictionaries(
    pair.filter(lambda ends: ends[0] < ends[1]), st.tuples(scores, decisions), max_size=14
)


@given(
    found=pairs,
    never=st.lists(group, max_size=3),
    counts=st.lists(st.integers(1, 4), min_size=8, max_size=8),
    seed=st.randoms(use_true_random=False),
)
def test_pairs_join_directly_or_not_at_all_in_any_order(
    found: dict[tuple[str, str], tuple[float, Decision]],
    never: list[tuple[str, ...]],
    counts: list[int],
    seed: random.Random,
) -> None:
    settings = ResolutionSettings(never_join=tuple(never))
    mentions = dict(zip("abcdefgh", counts, strict=True))
    listed = [link(one, other, *how) for (one, other), how in found.items()]
    result = resolve(mentions, aliases=[], settings=settings, pairs=listed)
    for names in never:
        for one, other in combinations(names, 2):
            assert result.canonical[one] != result.canonical[other]
    how = {alias: (via, score) for alias, _, _, via, score, *_ in result.joins.rows()}
    for name, (via, score) in how.items():
        likenesses = score < 1
        while via:
            via, score = how[via]
            likenesses += score < 1
        assert likenesses <= 1, name
    seed.shuffle(listed)
    again = resolve(dict(reversed(mentions.items())), aliases=[], settings=settings, pairs=listed)
    assert again.canonical == result.canonical
    assert again.joins.equals(result.joins)
    assert again.refused.equals(result.refused)
