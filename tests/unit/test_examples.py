"""The samples: enough of them, tied to each other, with facts that they really hold."""

from __future__ import annotations

import csv
import json
import re
from functools import cache
from pathlib import Path
from typing import TypedDict, cast

import pytest

from graphrag.core.settings import InputSettings
from graphrag.indexing.documents import readers

EXAMPLES = Path(__file__).parents[2] / "examples"
DOCUMENTS = EXAMPLES / "documents"
OFFICE = (".docx", ".pdf", ".pptx", ".xlsx")
FILES = sorted(path for path in DOCUMENTS.iterdir() if path.suffix not in OFFICE)
OFFICE_FILES = sorted(path for path in DOCUMENTS.iterdir() if path.suffix in OFFICE)


class Question(TypedDict):
    question: str
    kind: str
    facts: list[str]
    gold_documents: list[str]


def read_questions() -> list[Question]:
    lines = (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [cast(Question, json.loads(line)) for line in lines]


def texts() -> dict[str, str]:
    """By source: the text of each document, on one line. Rows are documents of their own."""
    found: dict[str, str] = {}
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        match path.suffix:
            case ".jsonl":
                rows = [cast(dict[str, str], json.loads(line)) for line in text.splitlines()]
            case ".csv":
                rows = list(csv.DictReader(text.splitlines()))
            case _:
                rows = []
        if rows:
            found.update({f"{path.name}#{row['id']}": row["text"] for row in rows})
        else:
            found[path.name] = text
    found.update({path.name: office_text(path) for path in OFFICE_FILES})
    return {source: " ".join(text.split()) for source, text in found.items()}


@cache
def office_text(path: Path) -> str:
    kind = readers.KINDS[path.suffix]
    (item,) = readers.read(path.read_bytes(), kind=kind, settings=InputSettings()).items
    return item.text


def test_samples_are_many_and_about_forty_kilobytes() -> None:
    assert len(FILES) >= 10
    assert {".md", ".txt", ".jsonl"} <= {path.suffix for path in FILES}
    assert 38_000 <= sum(path.stat().st_size for path in FILES) <= 48_000
    assert {path.suffix for path in OFFICE_FILES} == set(OFFICE)
    assert sum(path.stat().st_size for path in OFFICE_FILES) < 100_000


def test_rows_have_metadata_and_different_ids() -> None:
    for line in (DOCUMENTS / "people.jsonl").read_text(encoding="utf-8").splitlines():
        row = cast(dict[str, object], json.loads(line))
        assert {"id", "title", "text", "year", "role"} <= set(row)
    files = [path for path in (*FILES, *OFFICE_FILES) if path.suffix not in (".jsonl", ".csv")]
    assert len(texts()) == len(files) + 18


def test_documents_refer_to_each_other_and_to_nothing_else() -> None:
    names = {path.name for path in FILES}
    referred: set[str] = set()
    for path in FILES:
        mentioned = set(
            re.findall(r"[a-z0-9-]+\.(?:md|txt|html)\b", path.read_text(encoding="utf-8"))
        )
        assert mentioned <= names, path.name
        if mentioned - {path.name}:
            referred.add(path.name)
    assert len(referred) >= 8


@pytest.mark.parametrize("question", read_questions(), ids=lambda question: question["question"])
def test_facts_stand_in_the_documents_named(question: Question) -> None:
    known = texts()
    if question["kind"] == "unanswerable":
        assert question["facts"] == []
        return
    assert question["kind"] in ("local", "multi-hop", "global")
    assert question["facts"]
    named = {source: known[source].casefold() for source in question["gold_documents"]}
    for fact in question["facts"]:
        assert any(fact.casefold() in text for text in named.values()), fact
    for source, text in named.items():
        assert any(fact.casefold() in text for fact in question["facts"]), source


def test_questions_are_of_every_kind_and_none_twice() -> None:
    questions = read_questions()
    kinds = [question["kind"] for question in questions]
    assert {kind: kinds.count(kind) >= 2 for kind in kinds} == {
        "local": True,
        "multi-hop": True,
        "global": True,
        "unanswerable": True,
    }
    assert 15 <= len(questions) == len({question["question"] for question in questions})
