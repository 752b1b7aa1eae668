"""Export the tables of a store: parquet, csv, Microsoft's tables, or GraphML."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Literal

import polars as pl

from graphrag.core.columns import WINDOW_MARK
from graphrag.core.errors import StoreError, UsageError
from graphrag.core.tables import KEYS, TABLES, VECTOR_TABLES
from graphrag.stores.contract.frames import flat
from graphrag.stores.contract.protocol import GraphStore

Format = Literal["parquet", "csv", "microsoft", "graphml"]

_Write = Callable[[Path], None]


async def export(store: GraphStore, folder: Path, *, format: Format) -> list[Path]:
    """Write the index to `folder` and return the files, which replace those of the same name.

    `parquet` and `csv` write one file for each table of `TABLES`, rows sorted by key, without
    clocks and usage; equal graphs give equal csv bytes. Csv holds lists as JSON and no embeddings.
    Raises UsageError when `folder` is a file, StoreError when it cannot be written.
    """
    _check_folder(folder)
    written: list[Path] = []
    async with aclosing(_files(store, format)) as files:
        async for name, write in files:
            written.append(await asyncio.to_thread(_replace, folder / name, write))
    return written


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is a file", hint="Name a folder to export to.")


async def _files(store: GraphStore, format: Format) -> AsyncGenerator[tuple[str, _Write]]:
    """The name of each file and what writes it, one table in memory at a time."""
    match format:
        case "csv":
            for table in TABLES:
                frame = flat(await _read(store, table))
                yield f"{table}.csv", partial(frame.write_csv, line_terminator="\n")
        case "parquet":
            for table in TABLES:
                frame = await _with_vectors(store, table, await _read(store, table))
                yield f"{table}.parquet", frame.write_parquet
        case "microsoft":
            from graphrag.stores.exchange.microsoft import microsoft_tables

            tables = {table: await store.read(table) for table in TABLES if table != "evidence"}
            for name, frame in microsoft_tables(tables).items():
                yield f"{name}.parquet", frame.write_parquet
        case "graphml":
            from graphrag.stores.exchange.graphml import write_graphml

            tables = {
                table: await store.read(table)
                for table in ("entities", "relationships", "communities")
            }
            yield "graph.graphml", partial(write_graphml, tables)


async def _read(store: GraphStore, table: str) -> pl.DataFrame:
    """`table` without what differs between runs that found the same."""
    columns = [name for name in TABLES[table] if name != "usage"]
    return await store.read(table, columns=columns)


async def _with_vectors(store: GraphStore, table: str, frame: pl.DataFrame) -> pl.DataFrame:
    for name in VECTOR_TABLES:
        if name == table:
            ids, matrix = await store.vectors(name)
            if not ids:
                return frame
            numbers = pl.Series("embedding", matrix).cast(pl.List(pl.Float32))
            vectors = pl.DataFrame({"embedded": ids, "embedding": numbers})
            key = pl.concat_str(KEYS[table], separator=WINDOW_MARK)
            return frame.join(
                vectors, left_on=key, right_on="embedded", how="left", maintain_order="left"
            ).drop("embedded")
    return frame


def _replace(path: Path, write: _Write) -> Path:
    """Write beside `path`, then put it in its place: nobody reads half a file."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            f"{str(path)!r} cannot be written: {error}",
            hint="Check who may write to the folder, and the space that is left.",
        ) from error
    return path
