"""What a question asks for, as far as it says so."""

from __future__ import annotations

import pytest

from graphrag.text.questions import ANSWER_SIGNS, answer_kind, asking_words, asks_nothing


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("On what day did the project begin?", ("date", "day")),
        ("When did it begin?", ("date", "")),
        ("Which command shrinks the file?", ("command", "command")),
        ("How do I shrink the file?", ("command", "")),
        ("How many gates has it?", ("number", "")),
        ("Who built it?", ("name", "")),
        ("What is a weir?", ("", "")),
    ],
)
def test_the_kind_of_answer_and_the_word_that_says_it(
    question: str, asked: tuple[str, str]
) -> None:
    assert answer_kind(question) == asked


@pytest.mark.parametrize("text", ["5900", "at 1,500 bytes", "twelve gates", "(64)."])
def test_a_number(text: str) -> None:
    assert ANSWER_SIGNS["number"].search(text)


@pytest.mark.parametrize("text", ["sqlite3_limit", "the x86 port", "UTF-8", "O(N²)"])
def test_a_name_with_a_digit_is_no_number(text: str) -> None:
    assert not ANSWER_SIGNS["number"].search(text)


@pytest.mark.parametrize("text", ["thanks", "OK, thank you very much!", "Hello there", "great"])
def test_thanks_and_greetings_ask_nothing(text: str) -> None:
    assert asks_nothing(text)


@pytest.mark.parametrize(
    "text", ["", "and why?", "thanks, what else?", "Thanks. How do I merge?", "more", "cool what"]
)
def test_what_goes_on_from_an_answer_asks_something(text: str) -> None:
    assert not asks_nothing(text)


@pytest.mark.parametrize(
    ("question", "asking"),
    [
        ("What is the difference between a fetch and a pull?", ["difference"]),
        ("How does a fetch differ from a pull?", ["differ"]),
        ("fetch vs pull", ["vs"]),
        ("How does a fetch compare with a pull?", ["compare"]),
        ("Does anybody know the difference?", []),
    ],
)
def test_words_that_only_ask(question: str, asking: list[str]) -> None:
    assert asking_words(question) == asking
