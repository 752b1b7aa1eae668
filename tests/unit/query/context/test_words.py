"""How far a text holds the words of a question."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.engine.sync import GraphRAG
from graphrag.indexing.documents.files import Document
from graphrag.query.context.words import LONG, QuestionWords, foreign_language, weigh
from graphrag.stores import open_store
from graphrag.text import terms, words


def asked(text: str, *, language: str = "en", **idf: float) -> QuestionWords:
    weights = {term: idf.get(term, 1.0) for term in terms(text, language)}
    return QuestionWords(text, language, weights, 100)


def test_words_are_found_in_every_form() -> None:
    question = asked("Who was directing the Norwegian films?")
    counts = question.counts("The film's director directed two films in Norway.", "en")
    assert counts == {"film": 2, "direct": 1}


def test_two_spellings_are_one_word(tmp_path: Path) -> None:
    documents = [
        Document(source=f"{n}", text=text)
        for n, text in enumerate(["A red colour. The programme.", "A blue color.", "No hue."])
    ]
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index(documents=documents, method="fast")

    async def read(text: str) -> QuestionWords:
        store = await open_store(None, root=tmp_path, namespace="default", create=False)
        try:
            return await weigh(text, store, language="en")
        finally:
            await store.close()

    both, one = (asyncio.run(read(f"Which colour?{line}")) for line in ("\ncolor", ""))
    assert both.idf.keys() == {"colour"}
    assert both.idf["colour"] < one.idf["colour"]  # two text units have it
    assert both.counts("The color of colours.", "en") == {"colour": 2}
    assert one.counts("The color of colours.", "en") == {"colour": 1}
    assert both.missing([]) == ["colour"]


def test_counts_are_those_of_a_full_analysis() -> None:
    text = "Die Häuser am Fluß; ein Haus, das Boot — and the café's owner naïvely happy, HAPPILY."
    for language in ("en", "de"):
        question = asked("Häuser Boot café happy naive Flüsse", language=language)
        full = [term for word in words(text) for term in terms(word, language)]
        expected = {term: full.count(term) for term in question.idf if term in full}
        assert question.counts(text, language) == expected


WRITTEN = st.lists(
    st.sampled_from(["hoping", "Hope", "O'Brien", "l'homme", "café", "Häuser", "red-headed", "x1"])
    | st.text(max_size=6),
    max_size=12,
).map(" ".join)


@given(WRITTEN, WRITTEN, st.sampled_from(["en", "de", "ko", "und"]))
def test_short_texts_are_counted_as_long_ones(question: str, text: str, language: str) -> None:
    one = asked(question, language=language)
    padded = text + " " + "." * LONG  # no words
    assert one.counts(text, language) == one.counts(padded, language)


@given(WRITTEN, WRITTEN)
def test_no_word_is_missed_or_counted_twice(question: str, text: str) -> None:
    one = asked(question, language="und")
    full = Counter(term for word in words(text) for term in terms(word, "und"))
    assert one.counts(text, "und") == {term: full[term] for term in one.idf if term in full}


def test_every_form_of_an_english_word_is_counted(test_data: Path) -> None:
    text = (test_data / "gutenberg" / "holmes_00.txt").read_text("utf-8")
    written = Counter(term for word in words(text) for term in terms(word))
    forms = sorted({word for word in words(text) if terms(word)})[::7]
    assert len(forms) > 300
    for word in forms:
        assert asked(word).counts(text, "en") == {term: written[term] for term in terms(word)}


def test_a_stem_can_differ_from_its_word_in_the_second_letter() -> None:
    assert asked("Who died?").counts("He was dying, and he dies.", "en") == {"die": 2}


def test_a_part_of_a_name_with_an_apostrophe_is_a_word() -> None:
    assert asked("Who is O'Brien?").found("It was O'Brien, or O’Brien.", "en") == {"brien", "o"}
    french = asked("Qui est l'homme ?", language="fr")
    assert french.found("Voici l'homme.", "fr") == {"homm"}


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


# --- the weight of words in an index ---------------------------------------------------------

TEXTS = [
    "Anna Berg founded the shipyard at Nordhafen in 1902. The yard built the ferry Aurora.",
    "Captain Lars Moen commanded the ferry Aurora, and was in the harbour of Kiel every week.",
    "The company raised a capital of 200,000 marks, and the bank of Kiel lent it half of that.",
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("yard")
    documents = [Document(source=f"{n}.txt", text=text) for n, text in enumerate(TEXTS)]
    with GraphRAG.open(folder, chat=None, embed=None) as rag:
        rag.index(documents=documents, method="fast")
    return folder


def weighed(root: Path, question: str) -> QuestionWords:
    async def read() -> QuestionWords:
        store = await open_store(None, root=root, namespace="default", create=False)
        try:
            return await weigh(question, store, language="en")
        finally:
            await store.close()

    return asyncio.run(read())


def test_what_kind_of_thing_is_asked_for_need_not_be_said(root: Path) -> None:
    asked = weighed(root, "Which vessel did Lars Moen command?")
    assert asked.weight(["lar", "moen", "command"]) > 0.85
    plain = weighed(root, "Did Lars Moen command a vessel?")
    assert plain.weight(["lar", "moen", "command"]) < 0.8


def test_a_name_or_number_that_no_text_has_decides(root: Path) -> None:
    for question in ("What is the capital of Australia?", "Who raised capital in 1977?"):
        assert weighed(root, question).weight(["capit", "rais"]) < 0.5
    # Where everything has a capital, none tells of a name.
    shouted = weighed(root, "Was The Capital Raised By Shipwrights?")
    assert shouted.weight(["capit", "rais"]) > 0.5


def test_a_few_texts_do_not_make_a_word_common(root: Path) -> None:
    asked = weighed(root, "Who commanded the ferry Aurora?")
    assert max(asked.idf.values()) < 1.5 * min(asked.idf.values())


def test_what_the_index_is_about_is_known(root: Path) -> None:
    assert weighed(root, "ferry in Kiel").common
    assert not weighed(root, "ferry of Lars Moen").common
    assert not weighed(root, "").common


def test_words_that_only_ask_weigh_nothing_in_another_language_than_the_index(root: Path) -> None:
    asked = weighed(root, "Wie ist das Kapital der Bank von Kiel so groß geworden?")
    assert {"kiel", "bank"} <= asked.idf.keys()
    assert not {"wie", "ist", "das", "der", "von", "so"} & asked.idf.keys()


def test_words_of_grammar_of_another_language_are_no_terms_of_the_question() -> None:
    words = QuestionWords("Hvad is en otter", "en", {"otter": 3.0}, 10)
    counts = words.counts("Hvad it is: an otter, en otter.", "und")
    assert counts == {"otter": 2}
    assert words.relevance(counts, length=1.0) > 0


def test_marks_and_missing_words_are_as_written() -> None:
    words = QuestionWords("Which locks leaked?", "en", {"lock": 2.0, "leak": 2.0}, 10)
    text = "A lock of oak, and the Locks of Ghent."
    assert [text[start:end] for start, end in words.spans(text, "en")] == ["lock", "Locks"]
    assert words.missing(words.found(text, "en")) == ["leaked"]


def test_words_side_by_side_are_told_from_words_apart() -> None:
    words = QuestionWords("stored procedure", "en", {"store": 2.0, "procedur": 2.0}, 10)
    assert words.side_by_side("A stored procedure runs.", "en") == 1.0
    apart = "What is stored may be read again by any other procedure."
    assert words.side_by_side(apart, "en") == 0.0


def test_the_language_of_a_question_is_told_by_script_and_grammar() -> None:
    assert foreign_language("Wie heißt der Zweig, der von einem Archiv kommt?", "en") == "de"
    assert foreign_language("부산항은 언제 개항했나요?", "en") == "ko"
    assert foreign_language("When was the lock built?", "en") == ""
