"""Questions about the whole and questions that spread are known by their words."""

from __future__ import annotations

import pytest

from graphrag.query.auto import spreads
from graphrag.text.questions import asking_words, is_broad, subject


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What are the main themes across the documents?", "corpus"),
        ("Summarise the corpus.", "corpus"),
        ("Overall, what changed?", "corpus"),
        ("What is this about?", "corpus"),
        ("Who are the main characters?", "corpus"),
        ("What happens in the story?", "corpus"),
        ("What topics come up most often?", "themes"),
        ("Give me an overview.", "themes"),
        ("What are the themes of these stories?", "themes"),
        ("Worum geht es in den Dokumenten?", "corpus"),
        ("Welche Themen haben alle Dokumente?", "corpus"),
        ("How are packages of the Debian archive sorted?", ""),
        ("Who built the lock?", ""),
        ("What is the lock about which she wrote?", ""),
        ("Who is it?", ""),
        ("", ""),
    ],
)
def test_broad_questions(question: str, kind: str) -> None:
    assert is_broad(question) == kind


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("What are the main themes of these stories?", ""),
        ("Summarise the documents", ""),
        ("What are the most important events?", ""),
        ("What are the main themes in the history of the canal?", "canal"),
        ("Overall, who was knighted?", "knighted"),
        ("Which stories name a canal across the documents?", "stories name canal"),
    ],
)
def test_what_a_broad_question_is_about(question: str, left: str) -> None:
    assert subject(question) == left


@pytest.mark.parametrize(
    "question",
    [
        "How did the cable of 1858 fail, and what did the engineers learn from it?",
        "Why did the company sell the ship and who paid for it?",
        "How has the canal changed, and why?",
        "Why was the mill closed, and with what effect on the town?",
        "How did the flood influence later mills? What were its consequences?",
    ],
)
def test_questions_that_spread(question: str) -> None:
    assert spreads(question)


@pytest.mark.parametrize(
    "question",
    [
        "How many mills were there, and who owned them?",
        "How long did it take and what did it cost?",
        "Why did the cable fail?",
        "How was the lock built?",
        "Who built the lock, and what was its effect?",
        "What were the consequences of the flood?",
        "",
    ],
)
def test_questions_that_do_not_spread(question: str) -> None:
    assert not spreads(question)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Summarise the history of the cable.", ["summarise", "history"]),
        ("Could you please describe the engine?", ["describe"]),
        ("What role did Thomson play?", ["role", "play"]),
        ("Give me an overview of the Channel cable", ["give", "overview"]),
        ("What is the life expectancy of a cable?", []),
        ("Which ships show lights?", []),
        ("", []),
    ],
)
def test_words_that_only_ask(question: str, words: list[str]) -> None:
    assert asking_words(question) == words
