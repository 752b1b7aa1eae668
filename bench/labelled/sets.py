"""Read the labelled sets: documents, questions, and the documents that answer them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from bench.report import data

# The largest first, so that none is left to one process alone at the end.
SETS = ("realdocs", "nature", "mathematics", "musique", "lihua", "hotpot", "2wiki")
_PASSAGES = {"2wiki": "title", "hotpot": "title", "musique": "id"}  # what gold names

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """`gold`: for each question the sources of its documents; none where nothing answers it.

    `answers`: short ones that an answer must hold, one for each question that has one.
    """

    name: str
    questions: list[str]
    gold: list[frozenset[str]]
    documents: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    archive: Path | None = None  # files, in place of `documents`
    scorer: Path | None = None  # judges passages and answers, too
    question_file: Path | None = None  # of the scorer
    answers: list[str] = field(default_factory=list[str])

    def unpack(self, folder: Path) -> None:
        """The files of the archive into `folder`, unless it is there."""
        if self.archive is not None and not folder.exists():
            with zipfile.ZipFile(self.archive) as archive:
                archive.extractall(folder)


def load(name: str) -> LabelledSet:
    """The set of that name, one of `SETS`."""
    if name in _PASSAGES:
        return _passages(name, _PASSAGES[name])
    match name:
        case "lihua":
            rows = _rows("lihua", "questions.jsonl")
            gold = [
                frozenset(f"{one}.txt" for one in _names(row, "gold_titles") if one != "N/A")
                for row in rows
            ]
            answers = [
                str(row["answer"]) if one else "" for row, one in zip(rows, gold, strict=True)
            ]
            archive = data("lihua", "chats.zip")
            return LabelledSet(name, _asked(rows), gold, archive=archive, answers=answers)
        case "realdocs":
            rows = _rows(name, "questions.jsonl")
            return LabelledSet(
                name,
                _asked(rows),
                [_names(row, "gold_documents") for row in rows],
                archive=data(name, "documents.zip"),
                scorer=data(name, "score.py"),
                question_file=data(name, "questions.jsonl"),
            )
        case _:
            rows = _rows("wild", f"{name}.jsonl")
            gold = [_names(row, "gold_documents") for row in rows]
            return LabelledSet(name, _asked(rows), gold, archive=data("wild", f"{name}.zip"))


def _passages(name: str, key: str) -> LabelledSet:
    rows = _rows(name, "questions.jsonl")
    documents = [
        (str(row[key]), str(row["title"]), str(row["text"])) for row in _rows(name, "corpus.jsonl")
    ]
    gold = [_names(row, f"gold_{key}s") for row in rows]
    answers = [str(row["answer"]) for row in rows] if "answer" in rows[0] else []
    return LabelledSet(name, _asked(rows), gold, documents, answers=answers)


def _rows(*path: str) -> list[Row]:
    lines = data(*path).read_text("utf-8").split("\n")
    return [cast(Row, json.loads(line)) for line in lines if line.strip()]


def _asked(rows: list[Row]) -> list[str]:
    return [str(row["question"]) for row in rows]


def _names(row: Row, key: str) -> frozenset[str]:
    return frozenset(cast(list[str], row.get(key) or []))
