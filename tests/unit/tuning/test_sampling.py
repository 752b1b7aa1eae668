"""Samples: seeded, apart from what is held out, far apart from each other; small ones too."""

from __future__ import annotations

import asyncio
import random

import pytest

from graphrag.tuning.sampling import Sample, Select, SourceUnit, draw, main_language

TOPICS = ("cable ship sea", "court judge law", "wheat farm barn", "violin opera stage")
GERMAN = "Das Schiff fuhr mit dem Kabel über das Meer und die Mannschaft war nicht an Bord. "
ENGLISH = "The ship went over the sea with the cable and the crew was not on board of it. "


def unit(number: int, text: str, n_tokens: int = 100) -> SourceUnit:
    return SourceUnit(f"{number:03}", f"{number}.txt", 0, (), text, n_tokens)


def topical(count: int) -> list[SourceUnit]:
    """Many units on the first topic, one on each other."""
    texts = [f"{TOPICS[0]} number {number}" for number in range(count)]
    return [unit(number, text) for number, text in enumerate([*texts, *TOPICS[1:]])]


def drawn(
    units: list[SourceUnit],
    *,
    size: int = 4,
    held_out: int = 2,
    select: Select = "diverse",
    seed: int = 0,
) -> Sample:
    return asyncio.run(
        draw(units, size=size, held_out=held_out, select=select, seed=seed, models=None)
    )


@pytest.mark.parametrize("select", ["diverse", "random", "all"])
def test_a_sample_depends_on_texts_and_seed_alone(select: Select) -> None:
    units = topical(20)
    first = drawn(units, select=select)
    shuffled = [*units]
    random.Random(7).shuffle(shuffled)
    assert drawn(shuffled, select=select) == first
    assert drawn(units, select=select, seed=1) != first
    assert not {item.id for item in first.units} & {item.id for item in first.held_out}
    assert len(first.held_out) == 2
    assert len(first.units) == (21 if select == "all" else 4)


def test_diverse_takes_what_is_far_apart() -> None:
    units = topical(40)
    rare = {f"{number:03}" for number in (40, 41, 42)}
    sample = drawn(units, held_out=1)
    there = rare - {item.id for item in sample.held_out}
    assert there <= {item.id for item in sample.units}


@pytest.mark.parametrize(("count", "learnt", "kept"), [(2, 1, 1), (3, 2, 1), (8, 6, 2)])
def test_small_collections_are_divided(count: int, learnt: int, kept: int) -> None:
    sample = drawn([unit(number, f"text {number}") for number in range(count)], size=16, held_out=8)
    assert (len(sample.units), len(sample.held_out)) == (learnt, kept)


def test_one_unit_is_both_and_that_is_said() -> None:
    sample = drawn([unit(0, "A single text.", 5)])
    assert sample.units == sample.held_out
    assert any("one text unit only" in warning for warning in sample.warnings)


def test_equal_and_tiny_units_teach_nothing() -> None:
    units = [unit(number, "the same text") for number in range(9)]
    units += [unit(10, "another text"), unit(11, "tiny", 3)]
    sample = drawn(units, size=16)
    assert {item.text for item in (*sample.units, *sample.held_out)} == {
        "the same text",
        "another text",
    }


def test_the_main_language_is_that_of_most_tokens() -> None:
    units = [unit(0, GERMAN * 3, 700), unit(1, ENGLISH * 3, 300)]
    language = main_language(units)
    assert (language.code, language.name) == ("de", "German")
    assert language.shares == {"de": 0.7, "en": 0.3}
    sample = drawn(units)
    (warning,) = sample.warnings
    assert "mixed languages" in warning
    assert "German (70%" in warning
    assert "English 30%" in warning


def test_a_language_that_cannot_be_told_has_no_name() -> None:
    assert "passages" in main_language([unit(0, "42")]).name
