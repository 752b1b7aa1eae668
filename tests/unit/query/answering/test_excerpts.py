"""Text units are cut where a reader would cut them."""

from __future__ import annotations

from graphrag.query.answering.excerpts import LONGEST, coverage, excerpts, find_titles, quotes
from graphrag.query.context import Unit
from graphrag.query.context.words import QuestionWords
from graphrag.text import terms


def unit(text: str, *, headings: tuple[str, ...] = ()) -> Unit:
    return Unit("u", "d", 0, text, len(text) // 4, "u.md", "Title", "en", headings)


def words(question: str) -> QuestionWords:
    return QuestionWords(question, "en", dict.fromkeys(terms(question), 2.0), 10)


def test_no_excerpt_goes_on_under_another_heading() -> None:
    text = "# Locks\n\nA lock leaks.\n\n## Gates\n\nThe lock has gates.\n\nThey are green.\n"
    found = list(excerpts(unit(text, headings=("Canals",)), words("lock gates")))
    assert [one.quote for one in found] == [
        "A lock leaks.",
        "The lock has gates.\n\nThey are green.",
    ]
    assert [one.headings for one in found] == [("Locks",), ("Locks", "Gates")]


def test_an_excerpt_stands_on_one_page() -> None:
    text = "The lock leaks.\n\n###### Page 2\n\nThe lock is mended.\n"
    found = [one.quote for one in excerpts(unit(text), words("lock"))]
    assert found == ["The lock leaks.", "The lock is mended."]


def test_a_long_paragraph_falls_into_sentences() -> None:
    sentences = [f"Sentence {number} is about the lock of a canal." for number in range(40)]
    found = list(excerpts(unit(" ".join(sentences)), words("lock")))
    assert len(found) > 1
    assert all(len(one.quote) <= LONGEST for one in found)
    assert all(one.quote.startswith("Sentence") and one.quote.endswith(".") for one in found)
    assert found[0].says_the_same(found[1])


def test_a_long_list_falls_into_items() -> None:
    items = [f"- item {number} on the lock\n  goes on here" for number in range(40)]
    found = list(excerpts(unit("\n".join(items)), words("lock")))
    assert all(one.quote.startswith("- item") and one.quote.endswith("here") for one in found)


def test_a_title_in_the_text_comes_with_what_it_is_the_title_of() -> None:
    story = " ".join(f"The keeper opened gate {number} of his own." for number in range(16))
    assert LONGEST - len("THE LOCK") < len(story) < LONGEST
    text = f"He left it.\n\nTHE LOCK\n\n{story}"
    first, *_ = excerpts(unit(text), words("lock"))
    assert first.quote.startswith("THE LOCK\n\nThe keeper opened gate 0")
    assert first.quote.endswith("of his own.")
    assert list(excerpts(unit("He left.\n\nTHE LOCK"), words("lock"))) == []
    assert [one.quote for one in excerpts(unit("THE LOCK"), words("lock"))] == ["THE LOCK"]


def test_a_sentence_with_a_space_behind_it_is_no_title() -> None:
    text = "The lock is old. " * 40 + "\n\nThe pump is green. "
    found = [one.quote for one in excerpts(unit(text), words("Which pump is green?"))]
    assert [quote for quote in found if quote.endswith("The pump is green.")]


def test_a_list_of_one_before_a_paragraph_is_its_title() -> None:
    story = " ".join(f"The keeper opened gate {number} of his own." for number in range(14))
    before, *_ = excerpts(unit(f"{story}\n\n- The lock\n\n{story}"), words("gate"))
    assert before.quote == story
    whole = f"{story}\n\n- The lock"
    assert [one.quote for one in excerpts(unit(whole), words("gate"))] == [whole]
    items = [f"- Gate {number} of the keeper's lock" for number in range(24)]
    found = excerpts(unit("\n".join(items) + f"\n\n{story}"), words("gate"))
    assert any(one.quote.endswith(items[-1]) for one in found)  # of a list of many


def test_a_sentence_goes_on_over_the_lines_of_a_quote() -> None:
    lines = [f"> Of lock {number} the keeper\n> of the canal says nothing." for number in range(20)]
    notes = "> # Notes\n>\n> - a mark\n> - of a list\n>\n"
    told = list(excerpts(unit(notes + "\n".join(lines)), words("lock")))
    assert len(told) > 1
    assert all(one.quote.endswith("nothing.") for one in told)
    assert told[0].quote.startswith("> Of lock 0") or told[0].quote.startswith("> # Notes\n>\n> -")


def test_the_menu_of_a_page_is_not_quoted() -> None:
    menu = "- Home\n- The canal\n- Contact\n\n- Locks\n- Gates\n- Keepers\n\n"
    foot = "\n\n- Prev\n- Up\n- Home\n- Next: the mill"
    told = "The locks of the canal leak."
    for top in ("", "A canal.\nIts locks.\n\n"):
        found = excerpts(unit(top + menu + told + foot), words("canal locks leak"))
        assert [one.quote for one in found if one.terms["leak"]] == [told]
        assert not any("Home" in one.quote for one in found)
    alone = "- the canal\n- a lock\n- a gate"
    introduced = f"They mended these\n\n{alone}"
    for text in (alone, f"{alone}\n\nBuy paint.", introduced, f"The canal has locks.\n\n{alone}"):
        assert any(alone in one.quote for one in excerpts(unit(text), words("a gate's lock"))), text


def test_what_opens_with_the_same_words_as_another_part_repeats_it() -> None:
    same = "As this is a normal package of its kind, its priority is set to optional."
    first, second = (
        next(iter(excerpts(unit(text), words("priority of a normal package"))))
        for text in (
            f"Section and priority sort packages in front ends.\n\n{same}",
            f"{same}\n\nThe fourth line has the name and the address of who maintains it, "
            "so that errors reach them by mail; commas and brackets are to be avoided there.",
        )
    )
    assert first.says_the_same(second)
    assert second.says_the_same(first)


def test_the_beginning_of_an_excerpt_ends_with_a_sentence() -> None:
    found, *_ = excerpts(unit("The lock leaks.\n\nIt is old. It is of oak."), words("lock"))
    beginning = found.fitted(27, words("lock"))
    assert beginning is not None
    assert beginning.quote == "The lock leaks.\n\nIt is old."
    assert found.fitted(10, words("lock")) is None


def test_quotes_lose_marks_and_are_cut() -> None:
    text = f"# Title\n\n- A short item.\n\n{'word ' * 200}end."
    short, long = quotes(text)
    assert short == "A short item."
    assert len(long) <= 400


def test_scattered_words_count_for_less_than_words_that_stand_together() -> None:
    asked = words("What did the mayor pay for the pumping engine?")
    together = unit("The mayor paid forty pounds for the pumping engine.")
    scattered = unit(
        "The mayor slept. Rain fell on the town. Nothing moved. Forty pounds is a sum. Snow came. "
        "Nobody spoke. A pumping engine stood there."
    )
    assert coverage([together], asked) > coverage([scattered], asked)


def test_what_a_colon_promises_comes_with_it_or_neither_does() -> None:
    code = "```\n" + "open the lock gate;\n" * 20 + "```"
    before = "The lock keeper waits. " * 12
    text = f"{before}\n\nOpen the lock so:\n\n{code}\n\nThe end."
    first, *_ = excerpts(unit(text), words("lock gate"))
    assert first.quote.endswith("```")
    long = "```\n" + "open the lock gate;\n" * 40 + "```"
    first, *_ = excerpts(unit(f"{before}\n\nOpen the lock so:\n\n{long}"), words("lock"))
    assert first.quote.count("open the lock gate") > 10
    table = "| lock | gate |\n|---|---|\n" + f"| {'oak ' * 300} | one |\n"
    first, *_ = excerpts(unit(f"{before}\n\nThe locks are these:\n\n{table}"), words("lock"))
    assert first.quote.endswith(("waits.", "---|"))


def test_a_unit_that_begins_inside_code_is_read_from_there() -> None:
    prose = "The lock keeper opens the gate when a boat has blown its horn twice."
    text = f"lock.close()\n```\n\n{prose}\n\n```\nlock.open()\n"
    found = list(excerpts(unit(text), words("lock keeper")))
    assert [part.kind for part in found[0].parts] == ["code", "paragraph", "code"]
    only = excerpts(unit(f"```\n\n{prose}\n\n```"), words("lock"))
    assert [one.quote for one in only] == [prose]


def test_a_table_of_contents_gives_way_to_what_stands_under_its_titles() -> None:
    contents = "- How do I open the lock?\n- Who may open the gate?\n"
    answer = "(1) How do I open the lock?\n\nTurn the key of the lock.\n"
    units = [
        Unit("a", "d", 0, contents, 20, "u.md", "Title", "en", ()),
        Unit("b", "d", 3, answer, 20, "u.md", "Title", "en", ()),
        Unit("c", "other", 0, contents, 20, "o.md", "Other", "en", ()),
    ]
    titles = find_titles(units)
    found = {
        one.id: [x.quote for x in excerpts(one, words("open lock"), titles=titles)] for one in units
    }
    assert found["a"] == []
    assert found["b"] == [answer.strip()]
    assert found["c"] == [contents.strip()]  # nothing stands under them there
    numbered = "4.1. The lock\n4.2. The gate of the lock\n\nThe lock leaks."
    told = excerpts(unit(numbered), words("lock"), titles=find_titles([unit(numbered)]))
    assert [one.quote for one in told] == ["The lock leaks."]
