"""Corpora of 100 KB to 10 MB: CPU seconds of `graphrag index`, and how they grow.

The novels are 1 MB. Beyond that they come again with other names: each word that stands with a
capital inside a sentence gets another ending in each copy, so no text and hardly a name repeats.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.measure import Run, graphrag
from bench.report import Cell, data, heading, into_docs, table
from graphrag.testing import TestServer

FILE = 100_000  # bytes, about
SIZES = (1, 3, 10, 30, 100)  # files
ENDINGS = ("", "bo", "dan", "fer", "gul", "ham", "kin", "lor", "mot", "ned", "pash")

_NAMED = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}")
_WORD = re.compile(r"\b[A-Z][a-z]{2,}\b")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 1 MB")
    parser.add_argument("--fast", action="store_true", help="without a model alone")
    parser.add_argument("--write-docs", action="store_true", help="also into docs/")
    options = parser.parse_args()
    heading("growth")
    sizes = SIZES[:3] if options.quick else SIZES
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        rows = [_row("fast, no model", sizes, [_fast(work, size) for size in sizes])]
        if not options.fast:
            rows.append(_row("standard", sizes, [_standard(work, size) for size in sizes]))
    columns = ("index: CPU s", *(f"{size / 10:g} MB" for size in sizes))
    text = table("Growth", (*columns, "grows as n^", "last step n^", "peak MB"), rows)
    if options.write_docs:
        into_docs("benchmarks.md", {"growth": text})


def texts() -> Iterator[str]:
    """Files of the novels, then again with other names, as long as they are wanted."""
    files = sorted(data("gutenberg").glob("*.txt"))
    novels = [file.read_text("utf-8")[:FILE] for file in files]
    for ending in ENDINGS:
        yield from (_renamed(novel, ending) for novel in novels)


def _renamed(novel: str, ending: str) -> str:
    """The novel with another ending of each name."""
    names = set(_NAMED.findall(novel))
    return _WORD.sub(lambda word: word[0] + ending * (word[0] in names), novel)


def _corpus(work: Path, size: int) -> Path:
    folder = work / f"corpus-{size}"
    if not folder.exists():
        folder.mkdir()
        for number, text in zip(range(size), texts(), strict=False):
            (folder / f"{number:03}.txt").write_text(text, encoding="utf-8")
    return folder


def _fast(work: Path, size: int) -> Run:
    root = work / f"fast-{size}"
    return graphrag("index", _corpus(work, size), "--root", root, "--method", "fast")


def _standard(work: Path, size: int) -> Run:
    root = work / f"standard-{size}"
    with TestServer.spawn() as server:
        arguments = ("index", _corpus(work, size), "--root", root, "--method", "standard")
        return graphrag(*arguments, server=server.url)


def _row(name: str, sizes: Sequence[int], runs: Sequence[Run]) -> tuple[Cell, ...]:
    spent = [run.cpu for run in runs]
    fitted, last = _exponent(sizes, spent), _exponent(sizes[-2:], spent[-2:])
    return (name, *spent, f"{fitted:.2f}", f"{last:.2f}", max(run.peak_mb for run in runs))


def _exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The slope of the straight line through the logarithms."""
    x, y = map(math.log, sizes), map(math.log, values)
    return statistics.linear_regression([*x], [*y]).slope


if __name__ == "__main__":
    main()
