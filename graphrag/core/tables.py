"""The tables as polars schemas; `columns` says what they hold."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from graphrag.core.columns import (
    CO_OCCURS,
    COLUMNS,
    KEYS,
    SCHEMA_VERSION,
    SEARCH_TABLES,
    VECTOR_TABLES,
    Kind,
    evidence_key,
    stable_id,
)

__all__ = [
    "CLAIMS",
    "COMMUNITIES",
    "CO_OCCURS",
    "DOCUMENTS",
    "EMBEDDED",
    "ENTITIES",
    "EVIDENCE",
    "FINDING",
    "KEYS",
    "MENTIONS",
    "RELATIONSHIPS",
    "REPORTS",
    "SCHEMA_VERSION",
    "SEARCH_TABLES",
    "TABLES",
    "TEXT_UNITS",
    "VECTOR_TABLES",
    "WINDOWS",
    "empty",
    "evidence_key",
    "stable_id",
]

FINDING = pl.Struct(
    {"summary": pl.String, "explanation": pl.String, "text_unit_ids": pl.List(pl.String)}
)
_TYPES: Mapping[Kind, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "real": pl.Float64(),
    "boolean": pl.Boolean(),
    "texts": pl.List(pl.String),
    "integers": pl.List(pl.Int64),
    "findings": pl.List(FINDING),
}

TABLES: dict[str, pl.Schema] = {
    table: pl.Schema({name: _TYPES[kind] for name, kind in columns.items()})
    for table, columns in COLUMNS.items()
}
DOCUMENTS = TABLES["documents"]
TEXT_UNITS = TABLES["text_units"]
WINDOWS = TABLES["windows"]
EVIDENCE = TABLES["evidence"]
ENTITIES = TABLES["entities"]
RELATIONSHIPS = TABLES["relationships"]
MENTIONS = TABLES["mentions"]
CLAIMS = TABLES["claims"]
COMMUNITIES = TABLES["communities"]
REPORTS = TABLES["reports"]
EMBEDDED = pl.Schema({"id": pl.String, "key": pl.String})  # which vector a row has


def empty(table: str) -> pl.DataFrame:
    """`table` with no row."""
    return TABLES[table].to_frame()
