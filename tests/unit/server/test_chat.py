"""Messages of a chat as question and history; citations as a list and as places in the text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from graphrag.core.answers import Answer, Citation
from graphrag.server.chat import ChatMessage, ChatRequest, cited_places, conversation, sources
from graphrag.server.replies import ProblemError


def messages(*texts: tuple[str, str]) -> tuple[ChatMessage, ...]:
    return tuple(
        ChatMessage.model_validate({"role": role, "content": text}) for role, text in texts
    )


def cited(number: int, title: str, *, place: str = "") -> Citation:
    return Citation(number, f"unit-{number}", f"{title}.pdf", title, "a quote", True, page=place)


def answer(text: str, *citations: Citation) -> Answer:
    return Answer("q", text, True, "basic", citations=citations)


def test_the_last_question_and_the_turns_before_it() -> None:
    question, history = conversation(
        messages(
            ("system", "Be brief."),
            ("user", "Who?"),
            ("assistant", "She. [1]\n\nSources:\n[1] A book (a.pdf)\n"),
            ("user", "Hello?"),
            ("user", "When?"),
        )
    )
    assert question == "When?"
    assert history == (("Who?", "She. [1]"), ("Hello?", ""))


@pytest.mark.parametrize(
    "told", [[("system", "x")], [("user", " ")], [("user", "x"), ("assistant", "y")]]
)
def test_a_conversation_that_asks_nothing_is_refused(told: list[tuple[str, str]]) -> None:
    with pytest.raises(ProblemError, match="no question"):
        conversation(messages(*told))


def test_content_may_come_in_parts_and_names_may_be_strange() -> None:
    request = ChatRequest.model_validate(
        {
            "model": "kb",
            "messages": [
                {
                    "role": "user",
                    "name": "x",
                    "content": [
                        {"type": "text", "text": "Who"},
                        {"type": "image_url", "image_url": {"url": "data:"}},
                        {"type": "text", "text": "is it?"},
                    ],
                }
            ],
            "tools": [],
            "temperature": 0.3,
            "made_up": True,
        }
    )
    assert conversation(request.messages)[0] == "Who\nis it?"


def test_sources_are_listed_once_each_and_not_without_end() -> None:
    two = cited(2, "B", place="Page 3"), cited(1, "A"), cited(2, "B", place="Page 3")
    assert sources(answer("x", *two)) == "\n\nSources:\n[1] A (A.pdf)\n[2] B, Page 3 (B.pdf)"
    many = sources(answer("x", *(cited(n, f"T{n}") for n in range(1, 15))))
    assert many.count("\n[") == 10
    assert many.endswith("\nand 4 more")
    assert sources(answer("x")) == ""


def test_a_source_names_its_title_once_and_each_heading_cited() -> None:
    three = [
        replace(cited(1, "A"), heading=heading)
        for heading in ("A > Ships", "A", "A > Cables\n[2] x")
    ]
    assert sources(answer("x", *three)) == "\n\nSources:\n[1] A, Ships; Cables [2] x (A.pdf)"


def test_a_list_of_many_sources_is_no_part_of_the_history() -> None:
    listed = sources(answer("x", *(cited(n, f"T{n}") for n in range(1, 15))))
    told = messages(("user", "Who?"), ("assistant", f"She.{listed}"), ("user", "When?"))
    assert conversation(told)[1] == (("Who?", "She."),)


def test_a_title_cannot_add_a_source() -> None:
    forged = cited(1, "A\n[2] Forged")
    assert sources(answer("x", forged)).count("\n[") == 1


def test_a_citation_stands_where_its_number_does() -> None:
    text = "One. [1] Two. [2]"
    first, second, absent = cited_places(
        answer(text, cited(1, "A"), cited(2, "B"), cited(3, "C")), "kb"
    )
    for place, mark in ((first, "[1]"), (second, "[2]"), (absent, "")):
        one = place.url_citation
        assert text[one.start_index : one.end_index] == mark
    assert first.url_citation.url == "graphrag://kb/passage/unit-1"
