"""Answers without a model: what is picked, and when nothing is."""

from __future__ import annotations

from graphrag.query.context import Evidence, Unit
from graphrag.query.extractive import INTRODUCTION, answer, coverage
from graphrag.query.matching import QuestionWords
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
    assert (first.number, first.text_unit_id, first.verified) == (2, "b", True)
    assert first.quote == "The Elm Street lock was built in 1822."
    assert all(citation.quote in LOCK + ENGINE for citation in written.citations)


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
