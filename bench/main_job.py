"""Documents to cited answers through the command: CPU, memory, tokens, calls, wall time."""

from __future__ import annotations

import argparse
import csv
import math
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import cast

from packaging.requirements import Requirement

from bench.measure import Run, graphrag
from bench.report import Cell, data, heading, table
from graphrag.testing import TestServer

QUESTION = "What did Sherlock Holmes find out about the Red-Headed League?"
MODEL_FREE = ("basic", "local", "path", "hybrid", "lazy", "global")
WITH_MODEL = ("basic", "local")
CHAT_SLOTS = 25  # the default of chat.concurrency
START_UPS = 5

Rows = list[tuple[Cell, ...]]
Stats = Mapping[str, Mapping[str, Mapping[str, int]]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.main_job", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="no calls with latency")
    parser.add_argument("--write-docs", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    heading("main_job")
    books, novel = data("gutenberg"), data("dulce", "operation_dulce.md")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copytree(books, work / "books")
        fast = graphrag("index", work / "books", "--root", work / "fast", "--method", "fast")
        _indexing(work, novel, fast)
        if not options.quick:
            _critical_path(work, books / "holmes_00.txt")
        _queries(work)
    _start_up()
    _install()


def _indexing(work: Path, novel: Path, fast: Run) -> None:
    command = ("index", work / "books", "--root", work / "full", "--method", "standard", "--json")
    rows: Rows = [("fast, no model", *_used(fast), None, None, None, "15 s, 300 MB")]
    with TestServer.spawn("--tokens", "tiktoken") as server:
        full = graphrag(*command, server=server.url)
        stats = server.stats()
        everything = _calls(stats, "chat")
        rows.append(_row("standard", full, stats, "10 s, 300 MB, 1.0 M"))
        _by_kind(stats)
        cut = full.number("cut_edges")

        server.reset()
        again = graphrag(*command, server=server.url)
        rows.append(_row("the same again", again, server.stats(), "1 s, no call"))

        server.reset()
        text = novel.read_text("utf-8")[:100_000]
        (work / "books" / "holmes_05.txt").write_text(text, encoding="utf-8")
        replaced = graphrag(*command, server=server.url)
        stats = server.stats()
        rows.append(_row("one of ten files replaced", replaced, stats, "extraction of its units"))
        units = _units_of(work / "full", "holmes_05", export=work / "edited")
        alone = ("index", work / "books" / "holmes_05.txt", "--root", work / "alone", "--json")
        from_nothing = graphrag(*alone, server=server.url)
    columns = (
        "index 1 MB",
        "CPU s",
        "peak MB",
        "wall s",
        "calls",
        "chat tokens",
        "embedding tokens",
        "at most",
    )
    table("Indexing 1 MB (ten files), zero latency", columns, rows)
    some = _calls(stats, "chat")
    table(
        "One of ten files replaced",
        ("what", "calls", "of"),
        [
            ("extraction calls, and the new file's units", some["extract"], units),
            ("report calls, and those of the whole index", some["report"], everything["report"]),
            ("CPU s, and of the whole index", replaced.cpu, full.cpu),
            ("CPU s of that file alone, from nothing", from_nothing.cpu, full.cpu),
            (
                "edges that no report had room for, of relationships",
                cut,
                full.number("relationships"),
            ),
        ],
    )


def _critical_path(work: Path, file: Path) -> None:
    """Wall time at one second a call, against the calls that must wait for one another."""
    arguments = ("index", file, "--root", work / "slow", "--method", "standard", "--json")
    with TestServer.spawn("--latency", "1", "--embedding-latency", "1") as server:
        done = graphrag(*arguments, server=server.url)
        stats = server.stats()
    calls = _calls(stats, "chat")
    levels = _reports_by_level(work / "slow", export=work / "slow-tables")
    stages: Rows = [("extraction", calls["extract"], _rounds(calls["extract"]))]
    if calls["join"]:
        stages.append(("embedding of the names", None, 1))
        stages.append(("verdicts on names", calls["join"], _rounds(calls["join"])))
    if calls["summarise"]:
        stages.append(("summaries", calls["summarise"], _rounds(calls["summarise"])))
    for level in sorted(levels, reverse=True):
        stages.append((f"reports, level {level}", levels[level], _rounds(levels[level])))
    stages.append(("embedding of the reports", None, 1))
    path = sum(cast(int, stage[2]) for stage in stages)
    table("Dependent stages of 100 KB at 1 s a call", ("stage", "calls", "s"), stages)
    table(
        "100 KB at 1 s a call",
        ("wall s", "critical path s", "ratio", "at most"),
        [(f"{done.wall:.2f}", path, f"{done.wall / path:.3f}", 1.15)],
    )


def _queries(work: Path) -> None:
    rows: Rows = []
    for method in MODEL_FREE:
        used = graphrag("query", QUESTION, "--root", work / "fast", "--method", method, "--json")
        rows.append((f"{method}, no model", *_used(used), "0.7 s, 200 MB"))
    with TestServer.spawn() as server:
        for method in WITH_MODEL:
            given = ("query", QUESTION, "--root", work / "full", "--method", method, "--json")
            used = graphrag(*given, server=server.url)
            rows.append((f"{method}, with a model", *_used(used), "1.5 s, 250 MB"))
    table(
        "One query process on the 1 MB index",
        ("method", "CPU s", "peak MB", "wall s", "at most"),
        rows,
    )


def _start_up() -> None:
    runs = [graphrag("--help") for _ in range(START_UPS)]
    best = min(runs, key=lambda run: run.wall)
    row = ("--help", f"{best.cpu:.3f}", f"{best.wall:.3f}", "0.25 s")
    table(f"Start-up, best of {START_UPS}", ("command", "CPU s", "wall s", "at most"), [row])


def _install() -> None:
    """The distributions that `pip install graphrag-neo4j` brings, and what their files take."""
    found: dict[str, metadata.Distribution] = {}
    todo = ["graphrag-neo4j"]
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name in found:
            continue
        found[name] = metadata.distribution(name)
        for line in found[name].requires or ():
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                todo.append(wanted.name)
    sizes = {name: _size(distribution) for name, distribution in found.items()}
    total = math.fsum(sizes.values())
    largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
    rows: Rows = [
        ("distributions", len(found), 50),
        ("MB", total, 600),
        *((f"of these {name}", sizes[name], None) for name in largest),
    ]
    table("Base install", ("what", "is", "at most"), rows)


def _size(distribution: metadata.Distribution) -> float:
    paths = [Path(str(file.locate())) for file in distribution.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def _used(run: Run) -> tuple[float, float, float]:
    return run.cpu, run.peak_mb, run.wall


def _row(name: str, run: Run, stats: Stats, bound: str) -> tuple[Cell, ...]:
    calls = sum(_calls(stats, "chat").values()) + sum(_calls(stats, "embeddings").values())
    return (name, *_used(run), calls, _tokens(stats, "chat"), _tokens(stats, "embeddings"), bound)


def _by_kind(stats: Stats) -> None:
    rows = [
        (f"{group}: {kind}", counts["calls"], counts["inputs"], counts["prompt_tokens"])
        for group, kinds in stats.items()
        for kind, counts in kinds.items()
    ]
    table("Calls of `standard`, 1 MB", ("kind", "calls", "inputs", "prompt tokens"), rows)


def _calls(stats: Stats, group: str) -> Counter[str]:
    return Counter({kind: counts["calls"] for kind, counts in stats.get(group, {}).items()})


def _tokens(stats: Stats, group: str) -> int:
    return sum(counts["prompt_tokens"] for counts in stats.get(group, {}).values())


def _rounds(calls: int) -> int:
    return math.ceil(calls / CHAT_SLOTS)


def _read(root: Path, table_name: str, *, export: Path) -> list[dict[str, str]]:
    if not export.exists():
        graphrag("export", export, "--root", root, "--format", "csv")
    csv.field_size_limit(sys.maxsize)
    with (export / f"{table_name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _reports_by_level(root: Path, *, export: Path) -> Counter[int]:
    """Reports that the model wrote, by the level of their community."""
    written = {
        row["community_id"]
        for row in _read(root, "reports", export=export)
        if row["method"] == "model"
    }
    communities = _read(root, "communities", export=export)
    return Counter(int(row["level"]) for row in communities if row["id"] in written)


def _units_of(root: Path, source: str, *, export: Path) -> int:
    documents = {
        row["id"] for row in _read(root, "documents", export=export) if source in row["source"]
    }
    units = _read(root, "text_units", export=export)
    return sum(row["document_id"] in documents for row in units)


if __name__ == "__main__":
    main()
