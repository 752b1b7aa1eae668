"""Rows in, Markdown tables on stdout out; and where the labelled corpora are."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

Cell = str | float | int | None


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Print a table, and return it."""
    lines = [
        f"| {' | '.join(columns)} |",
        f"|{'|'.join(['---'] + ['---:'] * (len(columns) - 1))}|",
        *(f"| {' | '.join(map(_cell, row))} |" for row in rows),
    ]
    text = "\n".join(lines)
    print(f"\n{title}\n\n{text}", flush=True)
    return text


def heading(topic: str) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine = f"{platform.system()}, Python {platform.python_version()}, {cores} cores"
    print(f"\n## {topic} ({machine})", flush=True)


def data(*parts: str) -> Path:
    """A path in the folder of labelled corpora; ends this topic where it is not there."""
    folder = os.environ.get("GRAPHRAG_TEST_DATA")
    path = Path(folder or ".", *parts)
    if not folder or not path.exists():
        print(f"skipped: {'/'.join(parts)} is not in the folder that GRAPHRAG_TEST_DATA names")
        sys.exit(0)
    return path


def _cell(value: Cell) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.3g}" if abs(value) < 10 else f"{value:,.0f}"
        case int():
            return f"{value:,}"
        case str():
            return value


def into_docs(page: str, tables: Mapping[str, str]) -> None:
    """Put each table between `<!-- NAME -->` and `<!-- /NAME -->` of a page in docs/."""
    path = Path(__file__).parents[1] / "docs" / page
    text = path.read_text("utf-8")
    for name, rows in tables.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}\n{rows}\n{end}{after}"
    path.write_text(text, encoding="utf-8")
