"""Turn frames into plain rows, lists and structs as JSON text, and plain rows back into frames."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from graphrag.core.tables import KEYS, TABLES

Value = str | int | float | None
Row = tuple[Value, ...]

_WRAPPED = '{"v":'


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with its lists and structs as JSON text; a null stays null."""
    return frame.with_columns(
        # Only a struct has an encoder, so each list is wrapped in one and taken out again.
        pl.when(pl.col(name).is_not_null())
        .then(pl.struct(pl.col(name).alias("v")).struct.json_encode())
        .str.slice(len(_WRAPPED))
        .str.head(-1)
        .alias(name)
        for name, dtype in frame.schema.items()
        if dtype.is_nested()
    )


def from_rows(rows: Sequence[Row], schema: pl.Schema) -> pl.DataFrame:
    """The frame of `schema` that `flat` turned into `rows`."""
    if not rows:
        return schema.to_frame()
    columns = zip(*rows, strict=True)
    return pl.DataFrame(
        [
            _column(name, dtype, values)
            for (name, dtype), values in zip(schema.items(), columns, strict=True)
        ]
    )


def check_table(table: str, frame: pl.DataFrame) -> None:
    """Raises ValueError when `frame` is not of the schema of `table` or repeats a key."""
    if frame.schema != TABLES[table]:
        raise ValueError(f"{table} has the columns {frame.schema}, not {TABLES[table]}")
    if frame.n_unique(KEYS[table]) != frame.height:
        raise ValueError(f"{table} repeats a key {KEYS[table]}")


def schema_of(table: str, columns: Sequence[str] | None) -> pl.Schema:
    """The schema of `columns` of `table`. Raises ValueError on an unknown name."""
    if table not in TABLES:
        raise ValueError(f"no table {table!r}; there are {', '.join(TABLES)}")
    schema = TABLES[table]
    if columns is None:
        return schema
    unknown = [name for name in columns if name not in schema]
    if unknown or not columns:
        raise ValueError(f"{table} has no columns {unknown}; it has {', '.join(schema)}")
    return pl.Schema({name: schema[name] for name in columns})


def _column(name: str, dtype: pl.DataType, values: Sequence[Value]) -> pl.Series:
    if dtype.is_nested():
        return pl.Series(name, values, dtype=pl.String).str.json_decode(dtype)
    if dtype == pl.Boolean:
        return pl.Series(name, values, dtype=pl.Int64).cast(pl.Boolean)
    return pl.Series(name, values, dtype=dtype)
