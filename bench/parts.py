"""`python -m bench.parts PART SIZE KIND`: one measurement on a synthetic graph, as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bench import synthetic
from graphrag.core.columns import WINDOW_MARK
from graphrag.core.settings import WORK_FOLDER, Settings
from graphrag.indexing.graph import communities, merging
from graphrag.models.models import Models
from graphrag.query import router
from graphrag.query.context import Question, Resources
from graphrag.query.path import chains
from graphrag.stores import GraphStore, Snapshot, VectorTable, open_store
from graphrag.stores.arrays import building
from graphrag.stores.arrays.path_index import PathIndex, folder_of
from graphrag.testing import FakeEmbedder

DIMENSIONS = 384
QUESTIONS = 25
META = {"content_hash": "bench"}
SEARCHED: tuple[VectorTable, ...] = ("windows", "entities")

Figures = dict[str, float]
Tables = Mapping[str, pl.DataFrame]
Result = TypeVar("Result")


def main() -> None:
    part, size, kind = sys.argv[1:]
    print(json.dumps(PARTS[part](int(size), cast(synthetic.Kind, kind))))


def search(size: int, kind: synthetic.Kind) -> Figures:
    """Path arrays and a SQLite store with vectors: made, then searched in this process."""
    corpus = synthetic.make(size, kind)
    tables = synthetic.tables(corpus)
    with tempfile.TemporaryDirectory() as folder:
        figures = _build_arrays(tables, Path(folder))
        return figures | asyncio.run(_search(tables, corpus.questions(QUESTIONS), Path(folder)))


def leiden(size: int, kind: synthetic.Kind) -> Figures:
    edges = synthetic.tables(synthetic.make(size, kind))["relationships"]
    options = Settings().communities
    found, seconds = _timed(lambda: communities.detect(edges, settings=options))
    return {
        "Leiden, s": seconds,
        "edges": edges.height,
        "communities": found.height,
        "modularity": communities.modularity(edges, found),
        "peak MB": _peak_mb(),
    }


def merge(size: int, kind: synthetic.Kind) -> Figures:
    corpus = synthetic.make(size, kind)
    given = synthetic.tables(corpus)
    evidence = synthetic.evidence(corpus)
    before = _now_mb()
    graph, seconds = _timed(
        lambda: merging.merge(
            documents=given["documents"],
            text_units=given["text_units"],
            evidence=evidence,
            settings=Settings(),
        )
    )
    return {
        "merging, s": seconds,
        "entities": graph.entities.height,
        "relationships": graph.relationships.height,
        "peak MB above the evidence": _peak_mb() - before,
    }


PARTS: Mapping[str, Callable[[int, synthetic.Kind], Figures]] = {
    "search": search,
    "leiden": leiden,
    "merge": merge,
}


def _build_arrays(tables: Tables, root: Path) -> Figures:
    before = _now_mb()
    parts = tables["text_units"], tables["documents"], tables["entities"]
    built, seconds = _timed(lambda: building.build(*parts))
    folder = folder_of(root / WORK_FOLDER, META)
    built.save(folder)
    return {
        "building path arrays, s": seconds,
        "building path arrays, peak MB above the tables": _peak_mb() - before,
        "path arrays, MB": sum(path.stat().st_size for path in folder.iterdir()) / 1e6,
    }


async def _search(tables: Tables, questions: list[str], root: Path) -> Figures:
    embedder = FakeEmbedder(DIMENSIONS)
    store = await open_store(None, root=root, namespace="default")
    content = snapshot(tables, embedder)
    started = time.process_time()
    await store.commit(content)
    figures = {"committing to SQLite, s": time.process_time() - started}
    for name, ask in _searches(store, embedder, root).items():
        await ask(questions[0])  # loads what the first search loads
        figures[f"{name}, p50 ms"] = await median_ms(ask, questions)
    await store.close()
    return figures | {"peak MB": _peak_mb()}


def _searches(
    store: GraphStore, embedder: FakeEmbedder, root: Path
) -> Mapping[str, Callable[[str], Awaitable[object]]]:
    arrays = PathIndex.load(folder_of(root / WORK_FOLDER, META))
    assert arrays is not None

    async def ranked(question: str) -> None:
        chains.ChainSearch(arrays, question).rank(32)

    async def nearest(question: str) -> None:
        (vector,) = await embedder.embed([question])
        await store.search_vectors("text_units", vector, k=50)

    def through(method: str, given: FakeEmbedder | None) -> Callable[[str], Awaitable[object]]:
        settings = Settings()
        models = Models(chat=None, embedder=given, settings=settings)
        return lambda question: router.retrieve(
            Question(question, method=method), Resources(store, models, settings, root)
        )

    return {
        "chains alone": ranked,
        "full text": lambda question: store.search_text("text_units", question, k=50),
        f"{DIMENSIONS}-d vectors": nearest,
        "basic, no model": through("basic", None),
        "path, no model": through("path", None),
        "local, no model": through("local", None),
        "path with vectors": through("path", embedder),
        "local with vectors": through("local", embedder),
    }


def snapshot(tables: Tables, embedder: FakeEmbedder) -> Snapshot:
    units, entities = tables["text_units"], tables["entities"]
    titled = units.join(tables["documents"].rename({"id": "document_id"}), on="document_id")
    language = pl.lit("en").alias("language")
    rows, made = vectors(tables)
    return Snapshot(
        tables={name: tables[name] for name in tables},
        searchable={
            "text_units": titled.select("id", "title", pl.col("text").alias("body"), language),
            "entities": entities.select(
                "id", pl.col("name").alias("title"), pl.col("description").alias("body"), language
            ),
            "reports": units.head(0).select(
                "id", pl.lit("").alias("title"), pl.lit("").alias("body"), language
            ),
        },
        embedded=rows,
        vectors=made,
        evidence_keys=frozenset(),
        reply_keys=None,
        meta={
            **META,
            "counts": json.dumps({name: frame.height for name, frame in tables.items()}),
            "dimensions": str(DIMENSIONS),
            "embedding_model": embedder.name,
            "window_tokens": "192",
        },
    )


def vectors(
    tables: Tables,
) -> tuple[dict[VectorTable, pl.DataFrame], dict[str, NDArray[np.float32]]]:
    """Random ones for windows, one a text unit, and entities: keys by row, and vectors by key."""
    keyed = {
        "windows": pl.concat_str("text_unit_id", pl.lit(WINDOW_MARK), "ordinal").alias("id"),
        "entities": pl.col("id"),
    }
    rows: dict[VectorTable, pl.DataFrame] = {
        table: tables[table].select(keyed[table]).with_columns(key="id") for table in SEARCHED
    }
    keys = [key for table in SEARCHED for key in rows[table]["key"]]
    size = (len(keys), DIMENSIONS)
    drawn = np.random.default_rng(2).standard_normal(size, dtype=np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return rows, dict(zip(keys, drawn, strict=True))


async def median_ms(
    ask: Callable[[str], Awaitable[object]],
    questions: list[str],
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    taken: list[float] = []
    for question in questions:
        started = clock()
        await ask(question)
        taken.append(clock() - started)
    return 1000 * statistics.median(taken)


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def _now_mb() -> float:
    """What this process holds now; the peak counts from here on, where the system can do that."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak_mb()


def _peak_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0][1]) / 1024


if __name__ == "__main__":
    main()
