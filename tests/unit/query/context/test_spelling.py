"""Unknown words of a question are read as the known words that they were meant to be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from graphrag import Document
from graphrag.core.answers import Citation
from graphrag.core.settings import WORK_FOLDER
from graphrag.engine.sync import GraphRAG
from graphrag.query.context.spelling import Spelled, spell
from graphrag.stores import open_store

TEXTS = [
    "Choose the default editor by this setting. The merge command edits nothing.",
    "Stores of grain lie by the harbour. The keeper was out on bail, and no story tells more.",
    "The organizer packed a hacker's tools. Organisation is all. Nobody may hack in the harbor.",
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slips")
    documents = [Document(source=f"{n}.txt", text=text) for n, text in enumerate(TEXTS)]
    with GraphRAG.open(folder, chat=None, embed=None) as rag:
        rag.index(documents=documents, method="fast")
    return folder


def spelled(root: Path, question: str) -> Spelled:
    async def read() -> Spelled:
        store = await open_store(None, root=root, namespace="default", create=False)
        try:
            return await spell(question, store, language="en", work_folder=root / WORK_FOLDER)
        finally:
            await store.close()

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("What is the defualt?", "What is the default?"),
        ("wich editor is it?", "which editor is it?"),
        ("How do I set the editer?", "How do I set the editor?"),
    ],
)
def test_a_slip_is_read_as_the_nearest_known_word(root: Path, question: str, meant: str) -> None:
    assert spelled(root, question).text == meant


@pytest.mark.parametrize(
    "question",
    [
        "How long do I boil an egg?",
        "Which stories are told?",
        "Who was editing it?",
        "What was hacked?",
        "What did Marge write?",
        "Welche Einstelung ist es, und wer hat sie gemacht?",
    ],
)
def test_a_word_that_may_be_right_stays(root: Path, question: str) -> None:
    assert spelled(root, question) == Spelled(question, {})


@pytest.mark.parametrize(
    ("question", "others"),
    [
        ("Where is the harbor?", ("harbour",)),
        ("Where are the harbours?", ("harbors",)),
        ("Who is the organiser of the harbour?", ("harbor", "organizer")),
        ("Which hacker packed the tools?", ()),
    ],
)
def test_what_others_spell_otherwise_is_looked_for_too(
    root: Path, question: str, others: tuple[str, ...]
) -> None:
    told = spelled(root, question)
    assert (told.written, told.spellings) == ({}, others)
    assert told.text == "\n".join(filter(None, (question, " ".join(others))))


def test_a_word_that_is_only_part_of_another_is_replaced_alone(root: Path) -> None:
    told = spelled(root, "Is the defualt xdefualt?")
    assert told == Spelled("Is the default xdefualt?", {"default": "defualt"})


def test_a_number_stands_apart_from_its_unit_where_no_text_has_both(root: Path) -> None:
    assert spelled(root, "Where is it at 7pm on port 80?").text == "Where is it at 7 pm on port 80?"


def test_only_the_words_that_the_citations_have_were_of_use() -> None:
    told = Spelled("", {"default": "defualt", "editor": "editer"}, ("harbour", "organizer"))
    citation = Citation(1, "u", "d", "Harbours", "Choose the defaults here.", True)
    assert told.used([citation]) == ("default", "harbour")
    assert told.used([]) == ()
