"""Path search through the engine: its recall, when it ranks as `basic` does, its arrays."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from graphrag import Document, QueryMethod
from graphrag import text as analysis
from graphrag.core.settings import WORK_FOLDER
from graphrag.engine.sync import AsyncGraphRAG
from graphrag.query.router import Retrieved

FILMS = {
    "Blood Street": "Blood Street is a film of 1988, directed by Leo Fong.",
    "Leo Fong": "Leo Fong (born in Guangzhou) was an actor and a boxer.",
    "Manila": "Manila is a port on Luzon.",
    "Otters": "Otters swim in rivers and eat fish.",
}
QUESTION = "Which other films did the director of Blood Street act in?"
Labelled = Sequence[tuple[str, set[str]]]


def index(root: Path, documents: Sequence[Document]) -> None:
    async def run() -> None:
        async with AsyncGraphRAG.open(root, chat=None, embed=None) as rag:
            await rag.index(documents=documents)

    asyncio.run(run())


def read(
    root: Path, questions: Sequence[str], method: QueryMethod, *filters: str
) -> list[Retrieved]:
    async def run() -> list[Retrieved]:
        async with AsyncGraphRAG.open(root, chat=None, embed=None) as rag:
            return [
                await rag.context(text, method=method, k=8, filters=filters) for text in questions
            ]

    return asyncio.run(run())


def recall(
    found: Sequence[Retrieved], labelled: Labelled, *, by_title: bool
) -> tuple[float, float]:
    """Recall@5, and the share of questions with all gold passages among the first 8."""
    part = whole = 0.0
    for result, (_, gold) in zip(found, labelled, strict=True):
        names = [unit.title if by_title else unit.document for unit in result.context.text_units]
        part += len(gold.intersection(names[:5])) / len(gold)
        whole += gold <= set(names)
    return part / len(labelled), whole / len(labelled)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    documents = [
        Document(source=title, title=title, text=text, metadata={"kind": title[0]})
        for title, text in FILMS.items()
    ]
    index(tmp_path, documents)
    return tmp_path


def names(found: Retrieved) -> list[str]:
    return [unit.document for unit in found.context.text_units]


def test_a_question_that_names_something_is_answered_by_chains(films: Path) -> None:
    (found,) = read(films, [QUESTION], "path")
    assert names(found)[:2] == ["Blood Street", "Leo Fong"]
    assert found.trace["chains"] is True
    assert found.trace["names"] == ["blood street"]


def test_outside_articles_a_question_that_names_nothing_is_ranked_as_by_basic(
    tmp_path: Path,
) -> None:
    talk = {f"t{turn}": f"so we went on to plan {turn} then" for turn in range(8)}
    index(
        tmp_path, [Document(source=at, title=at, text=text) for at, text in (FILMS | talk).items()]
    )
    question = "Which animals swim in rivers, and is there a port or an actor?"
    (path,) = read(tmp_path, [question], "path")
    (basic,) = read(tmp_path, [question], "basic")
    assert path.trace["chains"] is False
    assert path.context.text_units == basic.context.text_units
    assert names(path)
    (named,) = read(tmp_path, [QUESTION], "path")
    assert named.trace["chains"] is True


def test_talk_is_ranked_as_basic_ranks_it(tmp_path: Path) -> None:
    turns = [f"Ruth: Plan {turn} was late again, said Omar." for turn in range(60)]
    index(tmp_path, [Document(source=str(n), text=text) for n, text in enumerate(turns)])
    (path,) = read(tmp_path, ["What did Omar say of plan 17?"], "path")
    (basic,) = read(tmp_path, ["What did Omar say of plan 17?"], "basic")
    assert path.trace["chains"] is False
    assert path.context.text_units == basic.context.text_units


def test_filters_hold_on_every_hop(films: Path) -> None:
    (found,) = read(films, [QUESTION], "path", "kind!=L")
    assert names(found)[0] == "Blood Street"
    assert "Leo Fong" not in names(found)
    (none,) = read(films, [QUESTION], "path", "kind=nothing")
    assert names(none) == []


def test_lost_arrays_are_made_again(films: Path) -> None:
    folder = films / WORK_FOLDER / "paths"
    (before,) = read(films, [QUESTION], "path")
    written = sorted(path.relative_to(folder) for path in folder.rglob("*.npy"))
    shutil.rmtree(folder)
    (after,) = read(films, [QUESTION], "path")
    assert after.context == before.context
    assert sorted(path.relative_to(folder) for path in folder.rglob("*.npy")) == written


@pytest.mark.data
@pytest.mark.parametrize(("titles", "at_5", "all_at_8"), [(True, 0.97, 0.96), (False, 0.93, 0.9)])
def test_recall_without_any_model(
    tmp_path: Path, test_data: Path, titles: bool, at_5: float, all_at_8: float
) -> None:
    folder = test_data / "2wiki"
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").read_text("utf-8").splitlines()]
    asked = (folder / "questions.jsonl").read_text("utf-8").splitlines()
    labelled = [(row["question"], set(row["gold_titles"])) for row in map(json.loads, asked)]
    index(
        tmp_path,
        [
            Document(
                source=row["title"], title=row["title"] if titles else f"p{n}", text=row["text"]
            )
            for n, row in enumerate(rows)
        ],
    )
    found = read(tmp_path, [question for question, _ in labelled], "path")
    part, whole = recall(found, labelled, by_title=False)
    assert part >= at_5
    assert whole >= all_at_8


@pytest.mark.data
def test_prose_is_ranked_no_worse_than_by_basic(tmp_path: Path, test_data: Path) -> None:
    """Half of the words of two sentences of a file; the passages that they stand in are gold."""
    passages: dict[str, str] = {}
    for name in ("holmes_03", "holmes_08"):
        text = (test_data / "gutenberg" / f"{name}.txt").read_text("utf-8")
        lines = [text[start:end] for start, end in analysis.sentences(text)]
        for start in range(0, len(lines), 8):
            passages[f"{name}/{start}"] = " ".join(lines[start : start + 8])
    index(tmp_path, [Document(source=source, text=text) for source, text in passages.items()])
    draw = random.Random(7)
    labelled: list[tuple[str, set[str]]] = []
    while len(labelled) < 150:
        gold = draw.sample(sorted(passages), 2)
        words = [word for source in gold for word in _half_a_sentence(passages[source], draw)]
        labelled.append((" ".join(words), set(gold)))
    questions = [question for question, _ in labelled]
    basic = recall(read(tmp_path, questions, "basic"), labelled, by_title=False)
    path = recall(read(tmp_path, questions, "path"), labelled, by_title=False)
    assert path[0] >= basic[0] - 0.01
    assert 0.5 < basic[0] < 1.0  # the questions tell rankings apart


def _half_a_sentence(text: str, draw: random.Random) -> list[str]:
    spans = analysis.sentences(text)
    longest = max(spans[:4], key=lambda span: span[1] - span[0])
    words = analysis.words(text[slice(*longest)])
    return [words[at] for at in sorted(draw.sample(range(len(words)), len(words) // 2))]
