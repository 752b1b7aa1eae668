"""Which names become one entity."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from graphrag.indexing.resolution import ALIAS, ALWAYS_JOIN, SAME_NAME, resolve
from graphrag.settings import ResolutionSettings
from graphrag.text import normalise

NONE = ResolutionSettings()


def test_names_that_differ_in_case_and_punctuation_are_one_entity() -> None:
    result = resolve({"Acme, Inc.": 1, "ACME INC": 2, "Acme": 1}, aliases=[], settings=NONE)
    assert result.names == {"acme inc": "ACME INC", "acme": "Acme"}
    assert result.aliases["acme inc"] == ["Acme, Inc."]
    assert result.joins.rows() == [("Acme, Inc.", "ACME INC", SAME_NAME)]


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
    assert result.joins.rows() == [("World Health Organization", "WHO", ALIAS)]


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
    assert {reason for _, _, reason in result.joins.rows()} == {ALIAS, ALWAYS_JOIN}


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
