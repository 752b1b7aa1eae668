"""Index a labelled set and ask its questions with whichever graphrag is on the path.

A program of its own that imports nothing of this checkout: `python ask.py JOB.json RESULT.json`.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from graphrag import AsyncGraphRAG, Document

if TYPE_CHECKING:
    from graphrag import QueryMethod

SAID = 1500  # characters of an answer that are read


@dataclass(frozen=True, slots=True)
class Job:
    """`files`: a folder that is indexed in place of `documents`. What is not there is empty."""

    root: str
    files: str
    documents: list[tuple[str, str, str]]  # source, title, text
    questions: list[str]
    methods: list[str]
    k: int
    scorer: str
    question_file: str
    answers: list[str]
    embedding: str  # its settings are in the root


class Scorer(Protocol):
    """The program that comes with a set and judges answers, as a module."""

    def ask_graphrag(self, corpus: Path, root: Path) -> object: ...
    def ask_with_embeddings(self, corpus: Path, root: Path) -> object: ...
    def score(self, questions: list[object], ask: object) -> list[dict[str, object]]: ...


def main() -> None:
    job_file, result_file = map(Path, sys.argv[1:])
    job = Job(**cast("dict[str, object]", json.loads(job_file.read_text("utf-8"))))  # pyright: ignore[reportArgumentType]
    rankings = asyncio.run(_rank(job))
    rows = _judged(job) if job.scorer else asyncio.run(_said(job))
    result_file.write_text(json.dumps({"rankings": rankings, "rows": rows}), "utf-8")


async def _rank(job: Job) -> dict[str, list[list[str]]]:
    """By method and question: the source of each passage, best first."""
    async with _open(job) as rag:
        if job.files:
            await rag.index([job.files], method="fast")
        else:
            documents = [
                Document(source=source, title=title, text=text)
                for source, title, text in job.documents
            ]
            await rag.index(documents=documents, method="fast")
        return {
            method: [
                [one.document for one in await rag.retrieve(question, method=method, k=job.k)]
                for question in job.questions
            ]
            for method in cast("list[QueryMethod]", job.methods)
        }


async def _said(job: Job) -> list[dict[str, object]]:
    """Whether the answer to each question says what it must, or that there is none."""
    if not job.answers:
        return []
    rows: list[dict[str, object]] = []
    async with _open(job) as rag:
        for question, answer in zip(job.questions, job.answers, strict=True):
            told = await rag.query(question)
            said = told.answered and answer.casefold() in told.answer[:SAID].casefold()
            rows.append({"answer": said} if answer else {"refused": not told.answered})
    return rows


def _open(job: Job) -> AsyncGraphRAG:
    if job.embedding:
        return AsyncGraphRAG.open(job.root, chat=None)
    return AsyncGraphRAG.open(job.root, chat=None, embed=None)


def _judged(job: Job) -> list[dict[str, object]]:
    sys.path.append(str(Path(job.scorer).parent))
    scorer = cast(Scorer, importlib.import_module(Path(job.scorer).stem))
    lines = Path(job.question_file).read_text("utf-8").split("\n")
    questions = [cast(object, json.loads(line)) for line in lines if line.strip()]
    ask = scorer.ask_with_embeddings if job.embedding else scorer.ask_graphrag
    return scorer.score(questions, ask(Path(job.files), Path(job.root)))


if __name__ == "__main__":
    main()
