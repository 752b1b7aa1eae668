"""A large synthetic graph on one machine: time and peak memory of each step of an index.

Every step is a process of its own, which reads its tables from a folder and writes what it makes
there; its peak counts both. `python -m bench.large --size 1000000` needs ten minutes or so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bench import large_corpus, parts
from bench.measure import run
from bench.neo4j import VERSIONS, serving
from bench.parts import median_ms
from bench.report import Cell, heading, into_docs, table
from bench.scale import exponent
from graphrag.core.concurrency import Silent
from graphrag.core.settings import WORK_FOLDER, Settings
from graphrag.core.tables import empty
from graphrag.indexing.graph import communities, merging
from graphrag.indexing.reports import write as reports
from graphrag.indexing.run import Run
from graphrag.models.models import Models
from graphrag.query import router
from graphrag.query.context import Question, Resources
from graphrag.stores import GraphStore, Snapshot, VectorTable, open_store
from graphrag.stores.arrays import building, unit_words
from graphrag.stores.arrays.path_index import folder_of
from graphrag.stores.contract import search_texts as searchable
from graphrag.stores.neo4j_server.config import HEAP_MB
from graphrag.testing import FakeEmbedder

SIZES = (10_000, 100_000)
LARGE_HEAP_MB = 3000  # of a server for more entities than those
GIB = 1024**3
GRAPH = ("entities", "relationships", "mentions")
INDEX = ("documents", "text_units", *GRAPH, "communities", "reports")
METHODS = ("basic", "local", "path", "hybrid", "global")
WITH_VECTORS = ("basic", "local", "path")

Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.large", description=__doc__)
    parser.add_argument("--size", type=int, action="append", help="entities; default: 10 k, 100 k")
    parser.add_argument("--limit", type=float, default=20.0, help="GiB that a step may allocate")
    parser.add_argument("--also", choices=FURTHER, action="append", default=[], help="step")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="keep the tables here, and go on from them")
    parser.add_argument("--quick", action="store_true", help="10,000 entities")
    parser.add_argument("--write-docs", action="store_true", help="also into docs/")
    options = parser.parse_args()
    sizes: list[int] = options.size or [*SIZES[: 1 if options.quick else None]]
    if options.step:
        allowed = int(options.limit * GIB)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
        print(json.dumps({**STEPS, **FURTHER}[options.step](sizes[0], options.folder)))
        return
    heading("large")
    names = [*STEPS, *options.also]
    measured = {size: _measured(size, names, options.folder, options.limit) for size in sizes}
    columns = ("step", "CPU s", "wall s", "peak MB", "what came of it")
    texts: dict[str, str] = {}
    for size, steps in measured.items():
        title = f"{size:,} entities, each step in a process of its own"
        rows = [_row(step, costs, figures) for step, (costs, figures) in steps.items()]
        texts[f"large-{size}"] = table(title, columns, rows)
    if len(sizes) > 1:
        for step in ("query", *options.also):
            asked = {size: steps[step][1] for size, steps in measured.items()}
            texts[f"large-growth-{step}"] = _growth(step, asked)
    if options.write_docs:
        into_docs("benchmarks.md", texts)


def _row(step: str, costs: Figures, figures: Figures) -> tuple[Cell, ...]:
    found = ", ".join(f"{name} {value:,.0f}" for name, value in figures.items())
    return (step, costs["CPU s"], costs["wall s"], costs["peak MB"], found)


def _growth(step: str, asked: Mapping[int, Figures]) -> str:
    """How questions grow with the entities; in CPU time others on the machine count less."""
    sizes = sorted(asked)
    rows: list[list[Cell]] = []
    for name in asked[sizes[0]]:
        if "p50" in name:
            taken = [asked[size][name] for size in sizes]
            rows.append([name, *taken, f"{exponent(sizes, taken):.2f}"])
    columns = ["", *(f"{size:,} entities" for size in sizes), "grows as n^"]
    return table(f"Questions without a chat model: {step}", columns, rows)


def _measured(
    size: int, names: Sequence[str], kept: Path | None, limit: float
) -> dict[str, tuple[Figures, Figures]]:
    """By step: what it cost, and what came of it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = kept / str(size) if kept else Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        measured: dict[str, tuple[Figures, Figures]] = {}
        for step in names:
            made = folder / f"{step}.json"
            if not made.exists():
                given = ["--step", step, "--size", str(size), "--limit", str(limit)]
                command = [sys.executable, "-m", "bench.large", *given, "--folder", str(folder)]
                done = run(command, os.environ)
                costs = {"CPU s": done.cpu, "wall s": done.wall, "peak MB": done.peak_mb}
                made.write_text(json.dumps([costs, json.loads(done.out)]))
            costs, figures = cast(list[Figures], json.loads(made.read_text()))
            measured[step] = costs, figures
            print(f"{step}: {costs} {figures}", file=sys.stderr, flush=True)
        return measured


def make(size: int, folder: Path) -> Figures:
    questions = large_corpus.write(size, folder)
    (folder / "questions.json").write_text(json.dumps(questions))
    return {"text units": size}


def merge(_: int, folder: Path) -> Figures:
    given = _read(folder, "documents", "text_units", "evidence")
    graph = merging.merge(
        documents=given["documents"],
        text_units=given["text_units"],
        evidence=given.pop("evidence"),
        settings=Settings(),
    )
    for name in GRAPH:
        frame = cast(pl.DataFrame, getattr(graph, name))
        frame.write_parquet(folder / f"{name}.parquet")
    return {
        "entities": graph.entities.height,
        "relationships": graph.relationships.height,
        "mentions": graph.mentions.height,
        "highest degree": cast(int, graph.entities["degree"].max()),
    }


def leiden(_: int, folder: Path) -> Figures:
    edges = _read(folder, "relationships")["relationships"]
    found = communities.detect(edges, settings=Settings().communities)
    found.write_parquet(folder / "communities.parquet")
    return {"communities": found.height, "levels": cast(int, found["level"].max()) + 1}


def extract(_: int, folder: Path) -> Figures:
    tables = _read(folder, *GRAPH, "communities", "text_units")
    graph = merging.Graph(
        entities=tables["entities"],
        relationships=tables["relationships"],
        mentions=tables["mentions"],
        claims=empty("claims"),
        joins=pl.DataFrame(),
    )

    async def write() -> pl.DataFrame:
        settings = Settings()
        store = await _open(folder)
        try:
            models = Models(chat=None, embedder=None, settings=settings)
            written, _ = await reports.write(
                Run(models, store, settings, Silent(), folder),
                tables["communities"],
                graph=graph,
                sentences=unit_words.sentences(tables["text_units"]),
                by_model=False,
            )
            return written
        finally:
            await store.close()

    written = asyncio.run(write())
    written.write_parquet(folder / "reports.parquet")
    return {"reports": written.height}


def paths(_: int, folder: Path) -> Figures:
    tables = _read(folder, "text_units", "documents", "entities")
    digest = building.content_hash(**tables)
    parts = tables["text_units"], tables["documents"], tables["entities"]
    built = building.build(*parts)
    arrays = folder_of(folder / WORK_FOLDER, {"content_hash": digest})
    built.save(arrays)
    return {"MB on disk": sum(file.stat().st_size for file in arrays.iterdir()) / 1e6}


def commit(_: int, folder: Path) -> Figures:
    async def load_all() -> None:
        store = await _open(folder)
        await store.commit(_snapshot(folder))
        await store.close()

    asyncio.run(load_all())
    return {"MB on disk": (folder / "graph.db").stat().st_size / 1e6}


def _snapshot(folder: Path, embedder: FakeEmbedder | None = None) -> Snapshot:
    """The tables, and random vectors for text units and entities where there is an `embedder`."""
    tables = {**_read(folder, *INDEX), "claims": empty("claims")}
    tables["windows"] = empty("windows")
    if embedder:
        tables["windows"] = _windows(tables["text_units"])
    digest = building.content_hash(tables["text_units"], tables["documents"], tables["entities"])
    texts = searchable.searchable_texts(tables)
    embedded: dict[VectorTable, pl.DataFrame] = {}
    made: dict[str, NDArray[np.float32]] = {}
    if embedder:
        embedded, made = parts.vectors(tables)
    return Snapshot(
        tables=tables,
        searchable=texts,
        embedded=embedded,
        vectors=made,
        evidence_keys=frozenset(),
        reply_keys=None,
        meta={
            "content_hash": digest,
            "counts": json.dumps({name: frame.height for name, frame in tables.items()}),
            "dimensions": str(parts.DIMENSIONS if embedder else 0),
            "embedding_model": embedder.name if embedder else "",
            "window_tokens": "192",
        },
    )


def _windows(text_units: pl.DataFrame) -> pl.DataFrame:
    """One for each text unit."""
    return text_units.select(
        pl.col("id").alias("text_unit_id"), pl.lit(0, pl.Int64).alias("ordinal"), "start", "end"
    ).sort("text_unit_id")


def query(_: int, folder: Path) -> Figures:
    async def ask() -> Figures:
        store = await _open(folder)
        figures = await _ask(store, folder, METHODS, first=True)
        await store.close()
        return figures

    return asyncio.run(ask())


def vectors(_: int, folder: Path) -> Figures:
    """The same in another SQLite store, which has vectors."""
    return asyncio.run(_with_vectors("vectors.db", folder, folder))


def neo4j(_: int, folder: Path) -> Figures:
    """The same on a Neo4j of our own."""
    with serving(VERSIONS[0]) as root:
        return asyncio.run(_with_vectors("local", folder, root))


def neo4j_text(size: int, folder: Path) -> Figures:
    """The questions of `query` on a Neo4j of our own, which has no vectors."""
    with serving(VERSIONS[0], heap_mb=HEAP_MB if size <= SIZES[-1] else LARGE_HEAP_MB) as root:
        return asyncio.run(_loaded("local", folder, root, None))


async def _with_vectors(url: str, folder: Path, root: Path) -> Figures:
    address = url if url == "local" else f"sqlite:///{folder / url}"
    return await _loaded(address, folder, root, FakeEmbedder(parts.DIMENSIONS))


async def _loaded(url: str, folder: Path, root: Path, embedder: FakeEmbedder | None) -> Figures:
    """The tables into a store, with vectors where there is an `embedder`; then the questions."""
    store = await open_store(url, root=root, namespace="default")
    started = time.perf_counter()
    await store.commit(_snapshot(folder, embedder))
    figures = {"commit s": time.perf_counter() - started}
    figures |= await _ask(store, folder, WITH_VECTORS)
    if embedder:
        asked = await _ask(store, folder, WITH_VECTORS, embedder=embedder)
        figures |= {f"{name}, vectors": figure for name, figure in asked.items()}
    await store.close()
    return figures


async def _ask(
    store: GraphStore,
    folder: Path,
    methods: Sequence[str],
    *,
    embedder: FakeEmbedder | None = None,
    first: bool = False,
) -> Figures:
    questions = cast(list[str], json.loads((folder / "questions.json").read_text()))
    settings = Settings()
    models = Models(chat=None, embedder=embedder, settings=settings)
    figures: Figures = {}
    for method in methods:

        async def once(question: str, method: str = method) -> object:
            resources = Resources(store, models, settings, folder)
            return await router.retrieve(Question(question, method=method), resources)

        started = time.perf_counter()
        await once(questions[0])
        if first:
            figures[f"{method}: first ms"] = 1000 * (time.perf_counter() - started)
        await median_ms(once, questions)  # a server compiles its plans by use
        figures[f"{method}: p50 ms"] = await median_ms(once, questions)
        spent = await median_ms(once, questions, clock=time.process_time)
        figures[f"{method}: p50 CPU ms"] = spent
    return figures


STEPS: Mapping[str, Callable[[int, Path], Figures]] = {
    "make": make,
    "merge": merge,
    "leiden": leiden,
    "extract": extract,
    "paths": paths,
    "commit": commit,
    "query": query,
}
FURTHER: Mapping[str, Callable[[int, Path], Figures]] = {
    "vectors": vectors,
    "neo4j": neo4j,
    "neo4j-text": neo4j_text,
}


def _read(folder: Path, *names: str) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in names}


async def _open(folder: Path) -> GraphStore:
    return await open_store(f"sqlite:///{folder / 'graph.db'}", root=folder, namespace="default")


if __name__ == "__main__":
    main()
