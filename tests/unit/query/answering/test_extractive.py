"""Answers without a model: what is quoted, under which title, and when nothing is."""

from __future__ import annotations

from graphrag.core.answers import trail
from graphrag.query.answering.excerpts import excerpts
from graphrag.query.answering.extractive import (
    MAX_CHARACTERS,
    NARROW,
    NO_QUESTION,
    NOTHING,
    STEPS,
    WHOLE,
    answer,
    refusal,
)
from graphrag.query.context import Evidence, Unit
from graphrag.query.context.words import QuestionWords
from graphrag.text import terms

LOCK = (
    "The Elm Street lock was built in 1822. Its gates are of oak. A lock keeper lived beside it "
    "until 1911 [3]. The lock on Elm Street was built by the canal company."
)
ENGINE = "Marta Ruiz repaired the pumping engine. She was paid forty pounds for it by the mayor."
MANUAL = """\
# Widget manual

Widgets are small and blue, and most people have one.

## Change the editor

Set the editor of the widget with this command:

```
widget config editor vim
```

## Colours

The colour of a widget can be changed, too.
"""


def unit(name: str, text: str, *, title: str = "") -> Unit:
    return Unit(name, f"d-{name}", 0, text, len(text) // 4, f"{name}.md", title, "en")


def evidence(question: str, *units: Unit, unseen: tuple[str, ...] = ()) -> Evidence:
    idf = dict.fromkeys(terms(question), 2.0)
    words = QuestionWords(question, "en", idf, 10, frozenset(unseen))
    return Evidence(tuple((one, 1.0) for one in units), words)


def test_an_excerpt_is_a_whole_piece_of_the_text_under_its_title() -> None:
    found = evidence("When was the lock built?", unit("a", ENGINE), unit("b", LOCK, title="Locks"))
    written = answer(found, ()).written
    assert written.answered
    first = written.citations[0]
    assert (first.number, first.text_unit_id, first.verified) == (1, "b", True)
    assert first.quote == LOCK
    assert written.text.startswith("**Locks** [1]\n\nThe Elm Street lock was built in 1822.")


def test_the_sentence_that_answers_comes_first() -> None:
    text = "Its gates are of oak. They are green. The Elm Street lock was built in 1822. It leaks."
    first = answer(evidence("When was the Elm Street lock built?", unit("a", text)), ())
    assert first.written.citations[0].quote.startswith("The Elm Street lock was built in 1822.")


def test_code_comes_whole_with_the_line_that_introduces_it() -> None:
    found = evidence("How do I set the editor of the widget?", unit("m", MANUAL, title="Manual"))
    written = answer(found, ()).written
    assert written.citations[0].quote == (
        "Set the editor of the widget with this command:\n\n```\nwidget config editor vim\n```"
    )
    assert "**Manual › Widget manual › Change the editor** [1]" in written.text


def test_a_row_of_a_long_table_is_shown_under_its_head() -> None:
    rows = [f"| sluice {number} | {number} metres | built by nobody |" for number in range(40)]
    table = "\n".join(["| name | width | builder |", "|---|---|---|", *rows, "| Elm | 9 | Ruiz |"])
    written = answer(evidence("How wide is Elm, by Ruiz?", unit("t", table)), ()).written
    quote = written.citations[0].quote
    assert "| Elm | 9 | Ruiz |" in quote
    assert "builder" not in quote
    assert written.text.partition("\n\n")[2].startswith("| name | width | builder |\n|---|---|---|")


def test_at_most_three_excerpts_that_are_short_together() -> None:
    sentence = "The lock of village {0} was built with stones of colour {0} by mason {0} in May. "
    units = [
        unit(f"u{n}", "".join(sentence.format(f"{n}x{m}") for m in range(30))) for n in range(6)
    ]
    written = answer(evidence("Who built the lock?", *units), ()).written
    assert 0 < len(written.citations) <= 3
    assert sum(len(citation.quote) for citation in written.citations) <= MAX_CHARACTERS


def test_the_last_excerpt_is_cut_to_what_room_is_left() -> None:
    sentence = "The lock of village {0} was built by mason {0} in spring, of stones from a quarry. "
    units = [
        unit(f"u{n}", "".join(sentence.format(f"{n}x{m}") for m in range(9))) for n in range(3)
    ]
    quotes = [
        one.quote for one in answer(evidence("Who built the lock?", *units), ()).written.citations
    ]
    assert len(quotes) == 3
    assert len(quotes[2]) < len(quotes[1])
    assert quotes[2].endswith("from a quarry.")


def test_the_word_for_what_is_asked_for_goes_without_saying_beside_such_a_thing() -> None:
    told = (
        unit("a", "The weir was opened by the miller."),
        unit("b", "The weir opened on 2000-05-09."),
    )
    extract = answer(evidence("On what day was the weir opened?", *told), ())
    assert extract.written.citations[0].text_unit_id == "b"
    assert extract.support is not None
    assert extract.support.together == 2.0


def test_a_method_that_follows_links_knows_the_order_better_than_the_words() -> None:
    linked = (
        unit("a", "The builder of the weir of Elm is Ruiz."),
        unit("b", "Ruiz has come from Lima."),
    )
    other = unit("c", "Eels come from the weir of Elm.")
    found = evidence("Where did the builder of the weir of Elm come from?", *linked)
    second = [
        answer(found, [other], scope=scope).written.citations[1].text_unit_id
        for scope in (STEPS, NARROW)
    ]
    assert second == ["b", "c"]


def test_what_has_a_document_of_its_own_is_what_the_question_is_about() -> None:
    elsewhere = unit("a", "Change the password of the lock.", title="Gates")
    lock = unit("b", "Change the wheel of the lock.", title="Elm")
    question = "How do I change the password of the Elm lock?"
    first, leading_on = (
        answer(evidence(text, elsewhere, lock), ()).written.citations[0].text_unit_id
        for text in (question, f"{question[:-1]} that the keeper left?")
    )
    assert (first, leading_on) == ("b", "a")


def test_the_name_that_is_asked_for_decides() -> None:
    text = "The port on which the server of Ruiz listens is 5900."
    named, other = (
        answer(evidence(f"Which port does the server of {name} listen on?", unit("a", text)), ())
        for name in ("Ruiz", "Miller")
    )
    assert named.support
    assert other.support
    assert named.support.unnamed == 0
    assert other.support.unnamed > 0.1
    assert named.support.log_odds > other.support.log_odds + 0.5


def test_the_same_is_not_said_twice() -> None:
    found = evidence("When was the lock built?", unit("a", LOCK), unit("b", LOCK))
    assert len(answer(found, ()).written.citations) == 1


def test_of_the_whole_there_are_many_short_excerpts() -> None:
    text = "The red lock is of oak. The green lock leaks badly. A blue lock stands in the meadow."
    found = evidence("lock", unit("a", text))
    assert len(answer(found, ()).written.citations) == 1
    quotes = [one.quote for one in answer(found, (), scope=WHOLE).written.citations]
    assert len(quotes) == 3
    assert all(quote.count(".") == 1 for quote in quotes)


def test_marks_are_the_words_of_the_question() -> None:
    citation = answer(evidence("When was the lock built?", unit("a", LOCK)), ()).written.citations[
        0
    ]
    marked = [citation.quote[start:end] for start, end in citation.marks]
    assert marked == ["lock", "built", "lock", "lock", "built"]


def test_a_number_in_the_text_is_no_citation_and_code_stays_as_it_is() -> None:
    text = "The lock keeper's list [3] was printed by this:\n\n```\nprint(lock[3])\n```\n"
    written = answer(evidence("Who printed the lock keeper's list?", unit("a", text)), ()).written
    assert "list (3)" in written.text
    assert "print(lock[3])" in written.text


def test_what_is_cited_stands_first_in_the_context() -> None:
    found = evidence("When was the lock built?", unit("a", ENGINE))
    extract = answer(found, [unit("b", LOCK)])
    assert [one.id for one, _ in extract.units] == ["b", "a"]


def test_too_little_of_the_question_is_no_answer_and_says_what_is_missing() -> None:
    found = evidence(
        "Which turbine replaced the pumping engine?", unit("a", ENGINE), unseen=("turbin", "replac")
    )
    written = answer(found, ()).written
    assert not written.answered
    assert written.citations == ()
    assert written.text.startswith(NOTHING)
    assert 'No document has "turbine", "replaced".' in written.text


def test_a_refusal_speaks_of_the_words_as_they_were_written() -> None:
    found = evidence("How long do I bail an egg of ducks?", unit("a", "He is out on bail."))
    written = answer(found, (), respelled={"bail": "boil"}).written
    assert not written.answered
    assert 'No document has "boil". Instead was searched: "bail".' in written.text


def test_what_was_searched_for_an_unknown_word_makes_no_passage_close() -> None:
    question = "How is the stack of messages configured by root?"
    stack = unit("a", "The stack of the messages is small.")
    far = refusal(list(excerpts(stack, (words := evidence(question, stack).words))), words)
    assert "The closest passage" in far.text
    slip = {"stack": "Slack"}
    assert "closest" not in refusal(list(excerpts(stack, words)), words, written=slip).text


def test_words_that_stand_apart_are_named() -> None:
    question = "Which harbour dues did captains pay for grain of Riga?"
    units = unit("a", "The harbour is deep.", title="Harbour"), unit("b", "Grain is dear.")
    written = answer(evidence(question, *units), ()).written
    assert not written.answered
    assert 'No passage has "harbour", "dues", "captains", "pay", "grain", "Riga"' in written.text
    assert "closest" not in written.text  # one word in common says nothing of the question
    near = unit("a", "The captains are in the harbour.", title="Port")
    words = evidence(question, near).words
    told = refusal(list(excerpts(near, words)), words).text
    assert told.endswith("together; the closest is **Port** (a.md).")


def test_words_that_say_little_are_not_named() -> None:
    words = QuestionWords(
        "Will anybody get the harbour dues?",
        "en",
        {"anybodi": 3.0, "get": 0.5, "harbour": 3.0, "due": 3.0},
        10,
    )
    written = refusal([], words)
    assert 'No passage has "harbour", "dues" together' in written.text


def test_one_word_of_a_question_of_several_is_no_answer() -> None:
    idf = {"docker": 5.1, "renam": 3.0, "contain": 0.9}
    words = QuestionWords("How do I rename a Docker container?", "en", idf, 10)
    chain = unit("a", "The chain DOCKER of the filter table accepts all packets.")
    apart = chain, unit("b", "Files can be renamed."), unit("c", "A container is a box.")
    extract = answer(Evidence(tuple((one, 1.0) for one in apart), words), ())
    assert extract.support
    assert extract.support.log_odds > 0  # as weights alone have it
    assert not extract.written.answered
    both = unit("a", "The chain DOCKER was renamed.")
    assert answer(Evidence(((both, 1.0),), words), ()).written.answered


def test_thanks_are_no_question() -> None:
    found = evidence("Thanks a lot!", unit("a", "Thanks to the mayor for a lot of engines."))
    extract = answer(found, ())
    assert (extract.written.answered, extract.units) == (False, ())
    assert extract.written.text == NO_QUESTION


def test_a_refusal_shows_a_close_passage_without_citing_it() -> None:
    question = "Who repainted the harbour lighthouse of Riga?"
    near = unit("a", "The harbour lighthouse of Riga is *red*.", title="Lights")
    words = evidence(question, near).words
    written = refusal(list(excerpts(near, words)), words)
    assert not written.answered
    assert written.citations == ()
    assert written.text.endswith(
        'The closest passage, **Lights** (a.md), does not speak of "repainted", and says:\n\n'
        "> The harbour lighthouse of Riga is *red*."
    )


def test_close_excerpts_of_a_unit_are_one_and_scraps_are_none() -> None:
    question = "How many columns may a table have, and can the number be lowered?"
    filler = "It was chosen by people who had other things to do, as such things are. "
    text = (
        "The number of columns that a table may have is bounded.\n\n"
        + filler * 4
        + "\n\nThe number can be lowered, and a table then has fewer columns.\n"
    )
    label = unit("b", "Columns and tables\n")
    written = answer(evidence(question, unit("a", text), label), ()).written
    assert [one.quote for one in written.citations] == [text.strip()]


def test_what_an_excerpt_refers_to_comes_with_it() -> None:
    filler = " Nothing of note was ever said of it by anybody who knew." * 6
    text = f"The pump leaks.{filler}\n\nThis wears the rubber seal of valve nine out.{filler}"
    question = "What wears out the rubber seal of valve nine?"
    alone = unit("a", text.partition("\n\n")[2])
    for one, begins in ((unit("a", text), "The pump leaks."), (alone, "This wears")):
        written = answer(evidence(question, one), ()).written
        assert written.citations[0].quote.startswith(begins)
        assert "This wears the rubber seal" in written.citations[0].quote


def test_what_says_as_much_before_an_excerpt_takes_the_room_of_its_end() -> None:
    first, second = (
        f"The pump {end} feeds valve nine by pipe four, and the seal of the valve is of rubber. "
        for end in ("at the lock", "at the mill also")
    )
    second += "Its seal of rubber is small. "
    filler = "Nothing of note was ever said of it by anybody who knew. " * 7
    text = f"{first}{filler}\n\n{second}{filler}"
    question = "Which pump feeds valve nine by pipe four, and of what is the rubber seal?"
    quote = answer(evidence(question, unit("a", text)), ()).written.citations[0].quote
    assert quote.startswith("The pump at the lock")
    assert "at the mill also" in quote
    assert len(quote) <= 900
    little = f"The lock is old. {filler}\n\n{second}{filler}"
    quote = answer(evidence(question, unit("a", little)), ()).written.citations[0].quote
    assert quote.startswith("The pump at the mill")


def test_headings_that_say_the_same_are_told_once() -> None:
    assert trail("git-commit(1)", "git-commit(1) Manual Page", "HOOKS", "HOOKS") == (
        "git-commit(1) Manual Page › HOOKS"
    )
    assert trail("6.2. apt, apt-get", "6.2. apt , apt-get", "Chapter 1", "Chapter 12") == (
        "6.2. apt , apt-get › Chapter 1 › Chapter 12"
    )


def test_words_that_no_document_has_are_said_beside_an_answer() -> None:
    question = "Which port does the gateway of the lock server listen on?"
    found = evidence(
        question, unit("a", "The lock server listens on port 80."), unseen=tuple(terms("gateway"))
    )
    written = answer(found, ()).written
    assert written.answered
    assert written.warnings == ('no document has "gateway"',)


def test_a_name_counts_that_the_unit_of_the_best_excerpt_has() -> None:
    question = "Who examined the mud of HMS Cyclops?"
    text = "HMS Cyclops went there.\n\n" + "She sounded. " * 50 + "\n\nThe Cyclops brought mud."
    found = answer(evidence(question, unit("a", text)), ())
    assert found.support is not None
    assert found.support.unnamed == 0


def test_a_foreign_question_is_told_so() -> None:
    words = QuestionWords("Wann?", "en", {"schleus": 2.0}, 10, frozenset({"schleus"}), "de")
    written = answer(Evidence((), words), ()).written
    assert "another language (de) than the documents (en)" in written.text


def test_code_that_is_cut_is_shown_between_fences() -> None:
    cut = unit("m", "widget.close()\n```\n\nThe widget closes so, and nothing else will do it.\n")
    text = answer(evidence("How does the widget close?", cut), ()).written.text
    assert "\n```\nwidget.close()\n```\n" in text
    long = "Open the widget:\n\n```\n" + "widget.open() again\n" * 60 + "```\n"
    text = answer(evidence("How do I open the widget?", unit("n", long)), ()).written.text
    assert text.count("```") % 2 == 0


def test_a_head_without_rows_is_not_quoted() -> None:
    table = unit("t", "The widget has columns.\n\n| Column | Contents |\n|---|---|\n")
    written = answer(evidence("Which columns and contents has the widget?", table), ()).written
    assert all(one.verified for one in written.citations)
