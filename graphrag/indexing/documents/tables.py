"""Write tables of all formats alike: each value under its heading, merged cells in every place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MAX_HEADS = 4  # rows
_MAX_FILLED = 200_000  # cells that merged ones may fill


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell and how many columns and rows it takes."""

    text: str
    across: int = 1
    down: int = 1


def table_lines(rows: Sequence[Sequence[Cell]], *, heads: int = 1) -> list[str]:
    """`rows` as a Markdown table, all of one width, under its first `heads` rows as one.

    A merged cell is written in each of its places, but once where it takes a whole row below the
    heads. A column in which no cell begins is none. There are more rows of heads where a head
    takes several rows, or several columns whose own heads follow.
    """
    rows = [row for row in rows if row]
    if not rows:
        return []
    grid = _grid(rows, heads)
    if heads:
        heads = _n_heads(grid, max(heads, *(cell.down for cell in rows[0])))
        grid = [[_joined(column) for column in zip(*grid[:heads], strict=True)], *grid[heads:]]
    lines = [f"| {' | '.join(row)} |" for row in grid]
    if heads:
        lines.insert(1, "|" + " --- |" * len(grid[0]))
    return lines


def plain_rows(rows: Sequence[Sequence[str]]) -> list[list[Cell]]:
    """`rows` of which no cell is merged."""
    return [[Cell(text) for text in row] for row in rows]


def _grid(rows: Sequence[Sequence[Cell]], heads: int) -> list[list[str]]:
    """A text for each place, all rows of one width."""
    grid: list[list[str | None]] = [[] for _ in rows]
    begun: set[int] = set()  # columns
    n_filled = 0
    for number, row in enumerate(rows):
        at = 0
        for cell in row:
            while at < len(grid[number]) and grid[number][at] is not None:
                at += 1
            is_whole_row = at == 0 and len(row) == 1 and number >= heads
            begun.add(at)
            across = 1 if is_whole_row else max(1, cell.across)
            down = max(1, min(cell.down, len(rows) - number))
            n_filled += across * down - 1
            if n_filled > _MAX_FILLED:
                across = down = 1
            text = " ".join(cell.text.split()).replace("|", "\\|")
            for line in grid[number : number + down]:
                line.extend([None] * (at + across - len(line)))
                line[at : at + across] = [text] * across
            at += across
    columns = sorted(begun)
    return [[(row[at] if at < len(row) else "") or "" for at in columns] for row in grid]


def _n_heads(grid: Sequence[Sequence[str]], heads: int) -> int:
    if heads > min(_MAX_HEADS, len(grid) - 1):
        return 1
    while heads < min(_MAX_HEADS, len(grid) - 1):
        last, following = grid[heads - 1], grid[heads]
        is_group = [
            bool(text) and text in (*last[max(0, at - 1) : at], *last[at + 1 : at + 2])
            for at, text in enumerate(last)
        ]
        others = [text for text, grouped in zip(following, is_group, strict=True) if not grouped]
        if not any(is_group) or not others or any(others):
            break
        heads += 1
    return heads


def _joined(column: Sequence[str]) -> str:
    """The heads of a column from the top down, each once."""
    return " ".join(dict.fromkeys(text for text in column if text))
