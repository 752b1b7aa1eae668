"""Ways to write one name share a key; different names do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.indexing.resolution import variants
from graphrag.indexing.resolution.variants import Variant, difference, initials, numbers, variant
from graphrag.text import normalise


def written(name: str) -> Variant:
    return variant(name, normalise(name))


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("Mr. Sherlock Holmes", "Sherlock Holmes", variants.HONORIFIC),
        ("Agent Alex Mercer", "Alex Mercer", variants.HONORIFIC),
        ("The World Bank", "World Bank", variants.ARTICLE),
        ("Ruaidhrí Mac Raghnaill", "Ruaidhri Mac Raghnaill", variants.ACCENTS),
        ("Nassau Dillenburg", "NassauDillenburg", variants.SPACING),
        ("Bluebeard", "Blue-Beard", variants.SPACING),
        ("St. Petersburg", "Saint Petersburg", variants.ABBREVIATION),
        ("Baker St.", "Baker Street", variants.ABBREVIATION),
        ("Smith & Wesson", "Smith and Wesson", variants.ABBREVIATION),
        ("World Health Organisation", "World Health Organization", variants.SPELLING),
        ("General Electric Inc.", "General Electric", variants.LEGAL_FORM),
        ("royal governors", "royal governor", variants.PLURAL),
        ("political parties", "political party", variants.PLURAL),
        ("U.S. Army", "US Army", variants.SPACING),
    ],
)
def test_ways_to_write_one_name(first: str, second: str, reason: str) -> None:
    one, other = written(first), written(second)
    assert one.key == other.key
    assert reason == difference(one, other) == difference(other, one)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Holmes", "Mr. Holmes"),  # one word would be left
        ("The Times", "Times"),
        ("Acme, Inc.", "Acme"),
        ("Mrs. Henry Baker", "Henry Baker"),
        ("King Charles", "Charles"),
        ("Duke of Balmoral", "Duchess of Balmoral"),
        ("World War I", "World War II"),
        ("Apollo 1 1", "Apollo 11"),
        ("Philip Roberts", "Philip Robert"),  # names have no plural
        ("royal authorities", "royal authority"),  # officials, and what they have
        ("Bär", "Bar"),
        ("U.S.", "us"),
        ("Lady Jane Grey", "Jane Gray"),
    ],
)
def test_names_that_are_not_one(first: str, second: str) -> None:
    assert written(first).key != written(second).key


def test_what_a_name_says_of_itself() -> None:
    assert initials(written("University of California").words) == ["uc", "uoc"]
    assert numbers(("henry", "viii")) == {"viii"}
    assert numbers(("apollo", "11")) == {"11"}
    assert numbers(("malcolm", "x", "civil", "first")) == {"first"}
    assert variants.gender("lady st simon") == "f"
    assert variants.gender("sherlock") == ""
    assert variants.only_doubtful(written("General Post Office").titles)
    assert not variants.only_doubtful(written("Mr. John Smith").titles)


@given(st.text(min_size=1, max_size=30))
def test_any_name_has_a_key_that_does_not_change(name: str) -> None:
    norm = normalise(name)
    if norm:
        found = variant(name, norm)
        assert found.key
        assert found.words
        assert variant(name, norm) == found
