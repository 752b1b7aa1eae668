"""Answers without a model: what is picked, and when nothing is."""

from __future__ import annotations

import pytest

from graphrag.query.answering.extractive import INTRODUCTION, answer, coverage, is_sentence
from graphrag.query.context import Evidence, Unit
from graphrag.query.context.words import QuestionWords
from graphrag.text import terms

LOCK = (
    "The Elm Street lock was built in 1822. Its gates are of oak. A lock keeper lived beside it "
    "until 1911 [3]. The lock on Elm Street was built in 1822 by the canal company."
)
ENGINE = "Marta Ruiz repaired the pumping engine. She was paid forty pounds for it by the mayor."


def unit(name: str, text: str, *, title: str = "") -> Unit:
    return Unit(name, f"d-{name}", 0, text, len(text) // 4, f"{name}.md", title, "en")


def evidence(question: str, *units: Unit) -> Evidence:
    idf = dict.fromkeys(terms(question), 2.0)
    words = QuestionWords(question, "en", idf, 10)
    return Evidence(tuple((one, 1.0) for one in units), words)


def test_sentences_are_quoted_and_cited_by_their_passage() -> None:
    found = evidence("When was the lock built?", unit("a", ENGINE), unit("b", LOCK))
    written = answer(found, limit=2, min_coverage=0.5)
    assert written.answered
    assert written.text.splitlines()[0] == INTRODUCTION
    first = written.citations[0]
    assert (first.number, first.text_unit_id, first.verified) == (1, "b", True)
    assert first.quote == "The Elm Street lock was built in 1822."
    assert all(citation.quote in LOCK + ENGINE for citation in written.citations)


def test_numbers_follow_the_answer_and_a_passage_has_one() -> None:
    found = evidence(
        "Who repaired the pumping engine, and when was the lock built?",
        unit("c", "Nothing is known of the mayor. He left no papers."),
        unit("a", ENGINE),
        unit("b", LOCK),
    )
    written = answer(found, limit=4, min_coverage=0.5)
    numbers = [citation.number for citation in written.citations]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(set(numbers)) + 1))
    pairs = {(citation.number, citation.text_unit_id) for citation in written.citations}
    assert len(pairs) == len(set(numbers)) < len(numbers)
    marks = [line.rpartition(" ")[2] for line in written.text.splitlines()[2:]]
    assert marks == [f"[{number}]" for number in numbers]


def test_each_of_the_first_passages_is_quoted() -> None:
    # Most of what the question says stands in one passage; the answer is in the third.
    question = "Where does the resin that Marta Ruiz used for the pumping engine come from?"
    much = (
        "Marta Ruiz used a resin for the pumping engine. The resin that Marta Ruiz used was dear. "
        "The pumping engine needed much resin. Marta Ruiz liked the engine. Marta Ruiz had used "
        "resin before."
    )
    found = evidence(
        question,
        unit("a", much),
        unit("b", "The pumping engine stood by the lock."),
        unit("c", "Resin is drawn from pine trees in Galicia."),
    )
    written = answer(found, limit=4, min_coverage=0.5)
    assert {citation.text_unit_id for citation in written.citations} == {"a", "b", "c"}
    assert "pine trees" in written.text


def test_what_she_refers_to_counts() -> None:
    text = (
        "Marta Ruiz went to Antwerp. She stayed for nine years. The mayor of Elm Street stayed "
        "for two years."
    )
    found = evidence("How many years did Marta Ruiz stay?", unit("a", text))
    written = answer(found, limit=2, min_coverage=0.3)
    assert "nine years" in written.citations[0].quote


def test_items_of_a_list_answer_what_introduces_them() -> None:
    text = (
        "The inquiry named the causes of the flood:\n\n"
        "- oak gates that nobody had closed in time;\n- a wall that was built of sand.\n\n"
        "The town paid for all of it."
    )
    found = evidence("What were the causes of the flood?", unit("a", text))
    quotes = [one.quote for one in answer(found, limit=3, min_coverage=0.5).citations]
    assert "oak gates that nobody had closed in time;" in quotes
    assert "The town paid for all of it." not in quotes


@pytest.mark.parametrize(
    ("quote", "whole"),
    [
        ("She was paid forty pounds.", True),
        ("the lock was built in 1822 by the canal company", True),
        ("運河は一八二二年に造られた。", True),
        ("| keeper | Elm Street | 1822 |", False),
        ("Two voyages of 1858", False),
        ("to the right for a dash.", False),
        ("Oak gates.", False),
        ("J. Fiske, _The American Revolution_ (2 vols.).", False),
        (
            "Short History, pp. 18-38: New England, pp. 46-49; Virginia, pp. 54-61; Pennsylvania, "
            "pp. 227-229; New York, pp. 240-250; Georgia, pp. 81-88",
            False,
        ),
    ],
)
def test_rows_headings_and_crumbs_are_no_sentences(quote: str, whole: bool) -> None:
    assert is_sentence(quote) is whole


def test_a_row_is_taken_only_where_no_sentence_fits() -> None:
    row = "| lock | keeper | gates |\n|---|---|---|\n| Elm Street | Marta Ruiz | oak |\n"
    question = "Who is the keeper of the lock on Elm Street?"
    said = unit("b", "The keeper of the lock on Elm Street is Marta Ruiz.")
    both = answer(evidence(question, unit("a", row), said), limit=3, min_coverage=0.3)
    assert [one.text_unit_id for one in both.citations] == ["b"]
    alone = answer(evidence(question, unit("a", row)), limit=3, min_coverage=0.3)
    assert "Marta Ruiz" in alone.text


def test_the_same_is_not_said_twice() -> None:
    written = answer(
        evidence("When was the Elm Street lock built?", unit("b", LOCK)), limit=4, min_coverage=0.5
    )
    assert sum("built in 1822" in citation.quote for citation in written.citations) == 1


def test_a_number_in_the_text_is_no_citation() -> None:
    written = answer(
        evidence("Until when did a lock keeper live there?", unit("b", LOCK)),
        limit=3,
        min_coverage=0.2,
    )
    assert "until 1911 (3). [1]" in written.text
    assert "[3]" not in written.text


def test_the_title_speaks_for_its_sentences() -> None:
    found = evidence(
        "How much was Marta Ruiz paid?",
        unit("c", "Nobody was paid. Nothing more is known of them."),
        unit("a", "She was paid forty pounds for it by the mayor.", title="Marta Ruiz"),
    )
    written = answer(found, limit=1, min_coverage=0.5)
    assert written.citations[0].text_unit_id == "a"


def test_too_little_of_the_question_is_no_answer() -> None:
    question = "Which refrigerant does the pumping engine of a freezer need?"
    found = evidence(question, unit("a", ENGINE), unit("b", LOCK))
    written = answer(found, limit=3, min_coverage=0.5)
    assert not written.answered
    assert written.citations == ()


def test_nothing_found_is_no_answer() -> None:
    assert not answer(evidence("When was it built?"), limit=3, min_coverage=0.5).answered


def test_scattered_words_count_for_less_than_words_that_stand_together() -> None:
    question = "Which oak gates did the mayor repair for forty pounds?"
    filler = " Rain fell on the town all day. Boats waited in the basin. Evening came."
    scattered = (
        f"An oak stood there.{filler} The mayor spoke.{filler} It weighs forty tons.{filler}"
    )
    together = "The mayor paid forty pounds to repair the oak gates."
    words = evidence(question).words
    assert coverage([unit("x", together)], words) > 0.9
    assert coverage([unit("x", scattered)], words) < 0.5


def test_long_sentences_are_cut_and_still_verified() -> None:
    long = "The lock keeper wrote that " + "the water rose and fell again, " * 40 + "and he left."
    written = answer(
        evidence("What did the lock keeper write?", unit("a", long)), limit=1, min_coverage=0.3
    )
    assert len(written.citations[0].quote) <= 400
    assert written.citations[0].quote in long
    assert written.text.rstrip().endswith("… [1]")


def test_a_row_that_holds_more_than_any_sentence_is_quoted_with_its_place() -> None:
    table = (
        "###### Sheet: Stores\n\n| Carried by a ship | Number |\n| --- | --- |\n"
        "| anchors of iron | 12 |\n| buoys with lamps | 7 |\n"
    )
    said = "The ship carried coal to the islands in winter. Lamps were lit at night in the town."
    found = evidence(
        "How many buoys with lamps did a ship carry?", unit("a", table), unit("b", said)
    )
    first = answer(found, limit=2, min_coverage=0.3).citations[0]
    assert (first.quote, first.page) == ("| buoys with lamps | 7 |", "Sheet: Stores")


def test_a_place_line_is_no_heading() -> None:
    text = "## Marta Ruiz\n\n###### Page 4\n\nShe repaired the engine in the year of the flood."
    found = evidence("What did Marta Ruiz repair?", unit("a", text))
    (citation,) = answer(found, limit=2, min_coverage=0.3).citations
    assert citation.page == "Page 4"
    assert "Page" not in citation.quote
