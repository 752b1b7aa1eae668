"""An answer as one page: its text, its links to sources, its marks, and nothing that runs."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from graphrag.core.answers import Answer, AnswerContext, Citation, Passage, RelationshipHit
from tests.hostile import HOSTILE

TEXT = "Of the lock.\nThe lock was built\nin 1822 by Telford & sons. It has two gates."
CITATION = Citation(
    1, "u1", "a.md", "Canals", "The lock was built in 1822", verified=True, heading="Lock > Gates"
)
ANSWER = Answer(
    "When was it built?",
    "**In 1822** [1], not in 1830 [7].",
    answered=True,
    method="basic",
    citations=(CITATION,),
    context=AnswerContext((Passage("u1", "a.md", "Canals", TEXT, 1.0),)),
)


class Elements(HTMLParser):
    """The names and attributes of all elements, and the text of all marks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.marked: list[str] = []
        self._is_marked = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag == "mark":
            self._is_marked = True
            self.marked.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_marked = self._is_marked and tag != "mark"

    def handle_data(self, data: str) -> None:
        if self._is_marked:
            self.marked[-1] += data


def test_numbers_lead_to_quotes_marked_in_their_passage() -> None:
    page = ANSWER.to_html()
    elements = Elements(page)
    assert elements.marked == ["The lock was built\nin 1822"]
    (link,) = elements.links
    assert f'id="{link.removeprefix("#")}"' in page
    assert "<strong>In 1822</strong>" in page
    assert "in 1830 [7]" in page  # no source has that number
    assert "by Telford &amp; sons. It has two gates." in page
    assert "Canals › Lock › Gates" in page
    assert "✓ verified" in page


def test_words_that_fit_the_question_stand_out() -> None:
    quote = "in 1822 by Telford & sons"
    one = Citation(1, "u1", "a.md", "Canals", quote, verified=True, marks=((3, 7), (11, 20)))
    page = Answer("?", "x [1]", True, "basic", citations=(one,), context=ANSWER.context).to_html()
    assert "in <b>1822</b> by <b>Telford &amp;</b> sons" in page


def test_a_quote_that_is_not_in_the_passage_is_shown_by_itself() -> None:
    one = Citation(2, "u1", "a.md", "Canals", "built by <i>Smeaton</i>", verified=False)
    page = Answer("?", "x [2]", True, "basic", citations=(one,), context=ANSWER.context).to_html()
    assert Elements(page).marked == ["built by <i>Smeaton</i>"]
    assert "✗ not verified" in page
    assert "Telford" not in page


def test_hostile_texts_are_drawn_as_text() -> None:
    plain = Elements(ANSWER.to_html())
    for text in HOSTILE.values():
        citation = Citation(1, "u1", text, text, text, verified=True, heading=text, page=text)
        edge = RelationshipHit("r", text, text, text, text, 1.0)
        answer = Answer(
            text,
            f"{text}\n\n[1]: javascript:alert(1)\n\n[1]",
            True,
            "basic",
            text,
            also_searched=(text,),
            citations=(citation,),
            unsupported=(text,),
            context=AnswerContext(
                (Passage("u1", text, text, f"a {text} b", 1.0),), relationships=(edge,)
            ),
            warnings=(text,),
        )
        found = Elements(answer.to_html())
        assert not found.names & {"script", "img", "iframe", "object", "form", "base", "link"}
        assert not {name for name in found.attributes if name.startswith("on")}
        assert not [
            link for link in found.links if re.match(r"(?i)\s*(javascript|data|file):", link)
        ]
    assert plain.names < {*plain.names, "table"}


def test_two_answers_in_one_notebook_have_their_own_links() -> None:
    other = Answer("?", "In 1823 [1]", True, "basic", citations=(CITATION,))
    one, two = ANSWER._repr_html_(), other._repr_html_()
    assert "<html" not in one
    assert set(Elements(one).links).isdisjoint(Elements(two).links)
