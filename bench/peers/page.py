"""Results of all systems in; tables on stdout, tables and chart in docs/ out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from bench.peers.chart import Panel, drawn
from bench.peers.systems import System
from bench.report import Cell, into_docs, table

Result = dict[str, object]
Row = Mapping[str, object]

RESULTS = Path(__file__).parents[1] / "results"
CHART = Path(__file__).parents[2] / "docs" / "benchmarks.svg"
COSTS = {
    "CPU s": "cpu",
    "peak MB": "peak_mb",
    "wall s": "wall",
    "calls": "calls",
    "prompt tokens": "prompt_tokens",
    "completion tokens": "completion_tokens",
    "embedding calls": "embedding_calls",
    "embedding tokens": "embedding_tokens",
}
STEPS = ("index", "index, 1 s a call", "nothing changed", "one file replaced")
CHARTED = (  # a panel each: size, step, column
    ("Index 100 KB: CPU s", "100 KB", "index", "cpu"),
    ("Index 1 MB: CPU s", "1 MB", "index", "cpu"),
    ("Index 1 MB: peak MB", "1 MB", "index", "peak_mb"),
    ("Index 1 MB: prompt tokens", "1 MB", "index", "prompt_tokens"),
    ("Index 100 KB at 1 s a call: wall s", "100 KB", "index, 1 s a call", "wall"),
    ("1 MB, nothing changed: CPU s", "1 MB", "nothing changed", "cpu"),
    ("1 MB, one local query process: CPU s", "1 MB", "query: local", "cpu"),
)


def save(key: str, result: Result) -> None:
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    (RESULTS / f"peers-{key}.json").write_text(text + "\n", encoding="utf-8")


def show(systems: Sequence[System]) -> dict[str, str]:
    """Print the tables of what was measured last, of every system; and return them by name."""
    results = _results(systems)
    columns = ("system", "version", "distributions", "MB", "start: CPU s", "start: peak MB")
    shown = {"install": table("Installed, and started", columns, [*map(_installed, results)])}
    for size in ("100 KB", "1 MB"):
        for step in STEPS:
            rows = [
                (result["system"], *_costs(row))
                for result in results
                for row in _rows(result, size, step)
            ]
            if rows:
                name = f"{step} {size}".replace(" ", "-").replace(",", "")
                shown[name] = _table(f"{step}: {size}", ("system", *COSTS), rows)
        asked = [
            (result["system"], str(row["step"]).removeprefix("query: "), *_costs(row))
            for result in results
            for row in _rows(result, size)
            if str(row["step"]).startswith("query: ")
        ]
        if asked:
            name = f"queries-{size}".replace(" ", "-")
            shown[name] = _table(f"queries: {size}", ("system", "method", *COSTS), asked)
    return shown


def write(systems: Sequence[System]) -> None:
    into_docs("benchmarks.md", show(systems))
    results = _results(systems)
    panels = [
        Panel(title, [*_bars(results, size, step, column)]) for title, size, step, column in CHARTED
    ]
    panels.append(Panel("Installed: MB", [*_sizes(results)]))
    CHART.write_text(drawn(panels), encoding="utf-8")


def _results(systems: Sequence[System]) -> list[Result]:
    paths = [RESULTS / f"peers-{system.key}.json" for system in systems]
    return [cast(Result, json.loads(path.read_text("utf-8"))) for path in paths if path.exists()]


def _rows(result: Result, size: str, step: str | None = None) -> list[Row]:
    rows = cast(list[Row], result.get("rows", []))
    return [row for row in rows if row["size"] == size and step in (None, row["step"])]


def _installed(result: Result) -> tuple[Cell, ...]:
    if "failed" in result:
        return _cells((result["system"], result["failed"], None, None, None, None))
    start = cast(Row, result["start"])
    names = ("system", "version", "distributions", "install_mb")
    return _cells((*(result[name] for name in names), start["cpu"], start["peak_mb"]))


def _costs(row: Row) -> tuple[object, ...]:
    if "failed" in row:
        return (row["failed"], *[None] * (len(COSTS) - 1))
    return tuple(row[column] for column in COSTS.values())


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return table(title, columns, [_cells(row) for row in rows])


def _cells(row: Sequence[object]) -> tuple[Cell, ...]:
    return cast(tuple[Cell, ...], tuple(row))


def _bars(
    results: Sequence[Result], size: str, step: str, column: str
) -> Iterator[tuple[str, float]]:
    for result in results:
        for row in _rows(result, size, step):
            if "failed" not in row and row[column]:
                yield str(result["system"]), cast(float, row[column])


def _sizes(results: Sequence[Result]) -> Iterator[tuple[str, float]]:
    for result in results:
        if "install_mb" in result and "no model" not in str(result["system"]):
            yield str(result["system"]), cast(float, result["install_mb"])
