"""How far a text holds the words of a question."""

from __future__ import annotations

from graphrag.query.matching import QuestionWords
from graphrag.text import terms, words


def asked(text: str, *, language: str = "en", **idf: float) -> QuestionWords:
    weights = {term: idf.get(term, 1.0) for term in terms(text, language)}
    return QuestionWords(text, language, weights, 100)


def test_words_are_found_in_every_form() -> None:
    question = asked("Who was directing the Norwegian films?")
    counts = question.counts("The film's director directed two films in Norway.", "en")
    assert counts == {"film": 2, "direct": 1}


def test_counts_are_those_of_a_full_analysis() -> None:
    text = "Die Häuser am Fluß; ein Haus, das Boot — and the café's owner naïvely happy, HAPPILY."
    for language in ("en", "de"):
        question = asked("Häuser Boot café happy naive Flüsse", language=language)
        full = [term for word in words(text) for term in terms(word, language)]
        expected = {term: full.count(term) for term in question.idf if term in full}
        assert question.counts(text, language) == expected


def test_a_text_in_another_language_counts_for_the_question_s_terms() -> None:
    question = asked("Where was Frederick crowned emperor?")
    assert question.found("Frederick hieß der emperor", "de") == {"frederick", "emperor"}
    # "was" is a word of weight in neither reading.
    assert question.found("was the", "und") == set()


def test_scripts_without_spaces() -> None:
    question = asked("福尔摩斯住在哪里", language="zh")
    assert question.found("福尔摩斯在伦敦", "zh") == {"福尔", "尔摩", "摩斯"}


def test_rare_words_decide() -> None:
    question = asked("goose carbuncle", goos=1.0, carbuncl=4.0)
    assert question.weight(["carbuncl"]) == 8 / 9
    assert question.weight(["carbuncl", "goos", "other"]) == 1
    assert question.relevance({"carbuncl": 1}, length=1) > question.relevance({"goos": 5}, length=1)


def test_a_question_of_stop_words_weighs_nothing() -> None:
    question = asked("who is it?")
    assert question.weight([]) == 0
    assert question.relevance(question.counts("it is", "en"), length=1) == 0
