"""Synthetic graphs of growing size: how long each part takes, and how that grows.

Each measurement is a process of its own (`bench.parts`), which prints JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from typing import cast

from bench.measure import run
from bench.report import Cell, heading, table

SEARCHED, QUICK_SEARCHED = (10_000, 100_000), (3_000, 10_000)
CLUSTERED, QUICK_CLUSTERED = (10_000, 100_000), (3_000, 10_000)
MERGED = (2_500, 10_000)
BOTH = ("planted", "scale-free")

Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="nothing at 100,000")
    parser.add_argument("--write-docs", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    heading("scale")
    searched, clustered = SEARCHED, CLUSTERED
    if options.quick:
        searched, clustered = QUICK_SEARCHED, QUICK_CLUSTERED
        print("quick: nothing above 10,000 entities; searching at 100,000 is skipped")
    title = "Searching n units and n entities with 10 n mentions (CPU s, and p50 in ms)"
    # Names that thousands of units share are the hard case for search: no planted graph there.
    _grown(title, "search", searched, kinds=BOTH[1:])
    _grown("Leiden over n entities (CPU s)", "leiden", clustered, kinds=BOTH)
    title = "Merging the evidence of n units with 10 mentions each (CPU s)"
    _grown(title, "merge", MERGED, kinds=BOTH)


def _grown(title: str, part: str, sizes: Sequence[int], *, kinds: Sequence[str]) -> None:
    """A table for each kind of graph: figures by size, and the exponent of their growth."""
    for kind in kinds:
        found = [_measure(part, size, kind) for size in sizes]
        rows: list[list[Cell]] = []
        for name in found[0]:
            values = [figures[name] for figures in found]
            rows.append([name, *values, f"{exponent(sizes, values):.2f}"])
        columns = ["figure", *(f"n = {size:,}" for size in sizes), "grows as n^"]
        table(f"{title}, {kind}", columns, rows)


def _measure(part: str, size: int, kind: str) -> Figures:
    done = run([sys.executable, "-m", "bench.parts", part, str(size), kind], os.environ)
    return cast(Figures, json.loads(done.out))


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The slope of the straight line through the logarithms."""
    x = [math.log(size) for size in sizes]
    y = [math.log(max(value, 1e-6)) for value in values]
    return statistics.linear_regression(x, y).slope


if __name__ == "__main__":
    main()
