"""Recall without any model: by method, path search taken apart, and where chains must not harm."""

from __future__ import annotations

import argparse
import asyncio
import math
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl

from bench import corpora
from bench.corpora import Corpus, Labelled
from bench.report import Cell, heading, into_docs, table
from graphrag import Document, QueryMethod
from graphrag.core.settings import WORK_FOLDER
from graphrag.engine.sync import AsyncGraphRAG
from graphrag.query.path import chains
from graphrag.stores.arrays import building
from graphrag.stores.arrays.packed import Lists
from graphrag.stores.arrays.path_index import PathIndex
from graphrag.text import subjects

METHODS: tuple[QueryMethod, ...] = ("basic", "local", "path", "hybrid")
QUESTIONS = 150
QUICK_QUESTIONS = 40
DILUTED = 6000  # passages
# What is switched off, and how: constants of `chains`.
ABLATIONS: Mapping[str, Mapping[str, float]] = {
    "all of it": {},
    "no link strength": {"LINK": 0.0},
    "no question words in the naming sentence": {"SPOKEN_OF": 0.0},
    "no third unit": {"LONGER": 0},
    "no missing words in the sentence at the far end": {"ANSWERED": 0.0},
    "no new question words": {"NEW_WORDS": 0.0},
    "no rarity of names": {"RARITY_POWER": 0.0},
    "no links over names that nobody owns": {"MAX_MENTIONED": 0},
    "such links over names in up to 60 units": {"MAX_MENTIONED": 60},
    "names in the question not balanced": {"MIN_BALANCED": math.inf},
    "no names from definitions": {},
    "no ownership": {},
    "no chains at all": {"SEEDS": 0},
}

Score = tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.retrieval", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer questions on prose and talk")
    parser.add_argument("--write-docs", action="store_true", help="into docs/path-search.md, too")
    options = parser.parse_args()
    heading("retrieval")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        encyclopedic = [corpora.wiki(titles=True), corpora.wiki(titles=False)]
        roots = [index(work / str(n), one.documents) for n, one in enumerate(encyclopedic)]
        _by_method(encyclopedic, roots)
        diluted = _diluted(work, encyclopedic)
        ablation = _ablation(encyclopedic, roots)
        count = QUICK_QUESTIONS if options.quick else QUESTIONS
        harm = _no_harm(work, count=count)
    if options.write_docs:
        into_docs("path-search.md", {"ablation": ablation, "diluted": diluted, "no-harm": harm})


def index(root: Path, documents: Sequence[Document]) -> Path:
    """An index of `documents` at `root`, made without a model."""

    async def run() -> None:
        async with AsyncGraphRAG.open(root, chat=None, embed=None) as rag:
            await rag.index(documents=documents, method="fast")

    asyncio.run(run())
    return root


def _by_method(sets: Sequence[Corpus], roots: Sequence[Path]) -> None:
    rows: list[list[Cell]] = []
    for method in METHODS:
        row: list[Cell] = [method]
        for one, root in zip(sets, roots, strict=True):
            row += map(_shown, _engine(root, one.questions, method))
        rows.append(row)
    columns = ["method", *(f"{one.name}: {what}" for one in sets for what in ("R@5", "all@8"))]
    table("Recall at 5, and all gold passages among the first 8, no model", columns, rows)


def _diluted(work: Path, sets: Sequence[Corpus]) -> str:
    """Path search where most passages are of another kind."""
    rows: list[list[Cell]] = []
    for number, one in enumerate(sets):
        among = corpora.diluted(one, passages=DILUTED)
        root = index(work / f"diluted{number}", among.documents)
        scores = [_engine(root, among.questions, method) for method in ("basic", "path")]
        rows.append([among.name, *(cell for score in scores for cell in map(_shown, score))])
    columns = ["set", *(f"{way}: {what}" for way in ("basic", "path") for what in ("R@5", "all@8"))]
    return table("The same questions among passages of novels and interviews", columns, rows)


def _ablation(sets: Sequence[Corpus], roots: Sequence[Path]) -> str:
    arrays = [_arrays(root) for root in roots]
    undefined = [_without_definitions(root) for root in roots]
    rows: list[list[Cell]] = []
    for name, constants in ABLATIONS.items():
        row: list[Cell] = [name]
        for number, (one, (index, sources)) in enumerate(zip(sets, arrays, strict=True)):
            known = index
            if name == "no ownership":
                known = _without_owners(index)
            elif name == "no names from definitions":
                known = undefined[number]
            with _changed(chains, constants):
                row += map(_shown, _score(one.questions, _chains(known, sources)))
        rows.append(row)
    columns = ["path search", *(f"{one.name}: {what}" for one in sets for what in ("R@5", "all@8"))]
    return table("Path search, one part switched off at a time", columns, rows)


def _no_harm(work: Path, *, count: int) -> str:
    """Prose and talk, where chains have nothing to follow: path must rank as well as basic."""
    sets: Mapping[str, Callable[[], list[Document]]] = {
        "novels": corpora.prose,
        "interviews": lambda: corpora.interviews(by_turn=False),
        "interviews by turn": lambda: corpora.interviews(by_turn=True),
    }
    rows: list[list[Cell]] = []
    for number, (name, load) in enumerate(sets.items()):
        documents = load()
        root = index(work / f"plain{number}", documents)
        arrays, sources = _arrays(root)
        for sentences in (1, 2):
            asked = corpora.half_sentences(documents, sentences=sentences, count=count)
            scores = (
                _engine(root, asked, "basic"),
                _engine(root, asked, "path"),
                _score(asked, _chains(arrays, sources)),
            )
            cells = [f"{_shown(part)} / {_shown(whole)}" for part, whole in scores]
            rows.append([f"{name}, {sentences} of {len(documents)} passages", *cells])
    columns = ["gold", "basic", "path", "chains, whatever the question"]
    return table(f"R@5 / all@8 of {count} questions without a label", columns, rows)


def _engine(root: Path, questions: Sequence[Labelled], method: QueryMethod) -> Score:
    async def run() -> list[list[str]]:
        async with AsyncGraphRAG.open(root, chat=None, embed=None) as rag:
            return [
                [passage.document for passage in await rag.retrieve(one.text, method=method, k=8)]
                for one in questions
            ]

    found = iter(asyncio.run(run()))
    return _score(questions, lambda _: next(found))


def _score(questions: Sequence[Labelled], search: Callable[[str], Sequence[str]]) -> Score:
    part = whole = 0.0
    for one in questions:
        found = search(one.text)
        part += len(one.gold.intersection(found[:5])) / len(one.gold)
        whole += one.gold <= set(found[:8])
    return part / len(questions), whole / len(questions)


def _chains(index: PathIndex, sources: Sequence[str]) -> Callable[[str], list[str]]:
    """Chains for every question, anchored or not."""

    def search(question: str) -> list[str]:
        ranked = chains.ChainSearch(index, question).rank(8)
        return [sources[unit] for unit in ranked.units]

    return search


def _arrays(root: Path) -> tuple[PathIndex, list[str]]:
    """The path arrays that indexing wrote, and the document of each unit."""

    async def read() -> dict[str, str]:
        async with AsyncGraphRAG.open(root, chat=None, embed=None) as rag:
            store = await rag._open_store(create=False)
            documents = await store.read("documents", columns=["id", "source"])
            units = await store.read("text_units", columns=["id", "document_id"])
        source = dict(documents.iter_rows())
        return {unit: source[document] for unit, document in units.iter_rows()}

    (folder,) = (root / WORK_FOLDER / "paths").iterdir()
    index = PathIndex.load(folder)
    assert index is not None
    source_of = asyncio.run(read())
    return index, [source_of[index.units[unit]] for unit in range(len(index.units))]


def _without_owners(index: PathIndex) -> PathIndex:
    nobody = Lists(np.zeros_like(index.node_owners.ends), np.zeros(0, dtype=np.int32))
    return replace(
        index,
        node_owners=nobody,
        owner_weights=np.zeros(0, dtype=np.float32),
        owner_defines=np.zeros(0, dtype=np.bool_),
    )


def _without_definitions(root: Path) -> PathIndex:
    """The arrays as they are when no unit begins by saying what something is."""

    async def read() -> Sequence[pl.DataFrame]:
        async with AsyncGraphRAG.open(root, chat=None, embed=None) as rag:
            store = await rag._open_store(create=False)
            return [await store.read(name) for name in ("text_units", "documents", "entities")]

    units, documents, entities = asyncio.run(read())

    def nothing(_: str) -> str:
        return ""

    off = {"defined_name": nothing}
    with _changed(subjects, off), _changed(building, off):
        return building.build(units, documents, entities)


@contextmanager
def _changed(module: ModuleType, values: Mapping[str, object]) -> Generator[None]:
    before = {name: getattr(module, name) for name in values}
    try:
        for name, value in values.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def _shown(share: float) -> str:
    return f"{share:.3f}"


if __name__ == "__main__":
    main()
