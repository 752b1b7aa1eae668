"""What the corpus shows of its own words: names, and words with a capital letter."""

from __future__ import annotations

import polars as pl
import pytest

from graphrag.indexing.extraction.capitals import common_words
from graphrag.stores.arrays import unit_words


def common(*texts: str, german: bool = False) -> list[str]:
    ids = [str(number) for number in range(len(texts))]
    words = unit_words.read(pl.DataFrame({"id": ids, "text": texts}))
    return common_words(words, ids if german else ())


def test_a_word_that_is_written_small_elsewhere_names_nothing() -> None:
    texts = ("Note that Watson left.", "He made a note of it. Note this.", "## Using Watson")
    found = common(*texts, "He was done using Watson, and (See below) they see him.")
    assert {"note", "see", "using"} <= set(found)
    assert "watson" not in found


def test_a_name_that_is_a_command_too_stays_a_name() -> None:
    commands = " ".join(f"Run git step{number} now." for number in range(8))
    inside = "The history that Git keeps is what Git shows, and Git is fast."
    assert "git" not in common(inside, commands)
    assert "git" in common("The history. Git keeps it. Git shows it. Git is fast.", commands)


def test_headings_and_shouting_say_nothing_for_a_name() -> None:
    found = common("# Shared Libraries For Packages", "Put libraries into packages.")
    assert {"libraries", "packages"} <= set(found)


@pytest.mark.parametrize(("german", "expected"), [(True, ["datei", "er"]), (False, ["er"])])
def test_a_noun_of_which_there_are_many_is_no_name_in_german(
    german: bool, expected: list[str]
) -> None:
    text = "Er öffnet eine Datei in der Schweiz. Die Datei liegt in Berlin, und er liest Datei."
    assert common(text, german=german) == expected


def test_a_script_without_capitals_has_no_common_words() -> None:
    assert common("東京で会う。", "Это Москва. Он любит Москва.") == []
