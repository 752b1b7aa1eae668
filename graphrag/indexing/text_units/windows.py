"""Divide text units into the windows that an embedding model reads at a time.

One vector for a long unit finds the document and not the passage: it is near to everything that
the unit speaks of, and to nothing much.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from graphrag.core.tables import WINDOWS
from graphrag.text import sentences, tokens

REST = 1 / 4  # of a window: what is left of a unit and smaller belongs to the one before


def divide(text_units: pl.DataFrame, *, size: int) -> pl.DataFrame:
    """The windows of `text_units`, as in the table, each with its `text`.

    Whole sentences, together of at most `size` tokens; all of a unit's text is in one of them.
    """
    owners: list[str] = []
    rows: list[tuple[int, int | None, int | None, str]] = []
    columns = text_units.select("id", "text", "n_tokens", "start", "end").iter_rows()
    for owner, text, n_tokens, start, end in columns:
        # What a unit repeats stands before what it covers of the document's text.
        shift = None if start is None else end - len(text)
        spans = [(0, len(text))] if n_tokens <= size else _spans(text, size)
        for ordinal, (first, last) in enumerate(spans):
            owners.append(owner)
            if shift is None:
                rows.append((ordinal, None, None, text[first:last]))
            else:
                place = max(start, first + shift), max(start, last + shift)
                rows.append((ordinal, *place, text[first:last]))
    return pl.DataFrame(
        [(owner, *row) for owner, row in zip(owners, rows, strict=True)],
        schema={**WINDOWS, "text": pl.String},
        orient="row",
    )


def _spans(text: str, size: int) -> Iterator[tuple[int, int]]:
    """Where the windows of `text` begin and end."""
    begin = stop = filled = 0
    spans: list[tuple[int, int]] = []
    for first, last in _parts(text, size):
        n_tokens = tokens.count(text[first:last])
        if filled and filled + n_tokens > size:
            spans.append((begin, stop))
            begin, filled = first, 0
        stop, filled = last, filled + n_tokens
    if spans and filled < REST * size:
        begin = spans.pop()[0]
    yield from spans
    yield begin, stop


def _parts(text: str, size: int) -> Iterator[tuple[int, int]]:
    """Sentences, those too long cut at tokens."""
    for first, last in sentences(text):
        if last - first <= size or tokens.count(text[first:last]) <= size:
            yield first, last
            continue
        for piece in tokens.split(text[first:last], max_tokens=size):
            yield first, first + len(piece)
            first += len(piece)
