"""Turn what the server returns into frames, and what a search asks for into its parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import polars as pl

from graphrag.core.tables import KEYS
from graphrag.stores.contract.protocol import Filter, as_number
from graphrag.stores.contract.records import Record, fields_of, named

Values = list[list[object]]

_MAX_TERMS = 1000  # Lucene takes 1024 clauses


@dataclass(frozen=True, slots=True)
class Searched:
    """What full-text search covers of one table."""

    rows: int
    languages: list[str]


@dataclass(frozen=True, slots=True)
class Meta:
    """The `__Meta__` node. `dimensions`: the size of the stored vectors; `stamp`: of the commit;
    `written`: of the form that rows have.
    """

    schema_version: str
    state: str  # empty, committing, ready
    entries: dict[str, str]
    searched: dict[str, Searched]
    dimensions: int | None
    stamp: str | None  # None: an older version wrote it
    written: str | None  # likewise

    @classmethod
    def of(cls, row: list[object]) -> Meta:
        schema_version, state, entries, searched, dimensions, stamp, written = row
        return cls(
            schema_version=str(schema_version),
            state=str(state),
            entries=json.loads(str(entries or "{}")),
            searched=read_searched(searched),
            dimensions=cast("int | None", dimensions),
            stamp=cast("str | None", stamp),
            written=cast("str | None", written),
        )


def read_searched(text: object) -> dict[str, Searched]:
    """The `searched` property of the `__Meta__` node, by table."""
    tables = cast("dict[str, tuple[int, list[str]]]", json.loads(str(text or "{}")))
    return {table: Searched(*values) for table, values in tables.items()}


def embedded_windows(searched: Mapping[str, Searched]) -> int:
    """How many windows have a vector; an earlier version gave each text unit one."""
    return searched["windows"].rows if "windows" in searched else 0


def records(table: str, record: type[Record], rows: Values, *, key: Sequence[int]) -> list[Record]:
    """Rows with the columns of `record` first, each once, sorted by those at `key`."""
    names = fields_of(table, record)
    by_key = {tuple(cast("list[str]", [row[at] for at in key])): row for row in rows}
    ordered = [by_key[found] for found in sorted(by_key)]
    findings = names.index("findings") if table == "reports" and "findings" in names else None
    if findings is not None:
        for row in ordered:
            row[findings] = json.loads(str(row[findings])) if row[findings] else None
    return named(record, [row[: len(names)] for row in ordered])


def frame(table: str, schema: pl.Schema, rows: Values) -> pl.DataFrame:
    """Rows of `table` with the columns of `schema` and its key, sorted by key."""
    columns = result_columns(table, schema)
    if not rows:
        return schema.to_frame()
    data = dict(zip(columns, zip(*rows, strict=True), strict=True))
    keys = [_key_column(name) for name in KEYS[table]]
    series = [_series(table, name, dtype, data[name]) for name, dtype in schema.items()]
    order = pl.DataFrame({key: data[name] for key, name in zip(keys, KEYS[table], strict=True)})
    return pl.DataFrame(series).hstack(order).sort(keys).drop(keys)


def result_columns(table: str, schema: pl.Schema) -> list[str]:
    """The columns to ask the server for: those of `schema` and the key that sorts the rows."""
    return [*schema, *(name for name in KEYS[table] if name not in schema)]


def filter_parameters(filters: Sequence[Filter]) -> list[dict[str, object]]:
    """`filters` as the statements of `neo4j_cypher` read them."""
    return [
        {
            # No property has an empty name.
            "meta": metadata_property(condition.key) if condition.in_metadata else "",
            "own": condition.own_column,
            "operator": condition.operator,
            "values": [
                {"text": utf8(value), "number": as_number(value)} for value in condition.values
            ],
        }
        for condition in filters
    ]


def any_of(terms: Iterable[str]) -> str:
    """A Lucene query for rows that have any of `terms`, each taken literally."""
    found = list(dict.fromkeys(terms))[:_MAX_TERMS]
    return " ".join('"' + re.sub(r'(["\\])', r"\\\1", term) + '"' for term in found)


def metadata_property(key: str) -> str:
    """The property that holds a document's metadata under `key`; no name may hold NUL."""
    return f"meta_{utf8(key)}".replace("\0", "\ufffd")


def attribute_property(name: str) -> str:
    """The property that holds the values of an attribute."""
    return f"attr_{utf8(name)}".replace("\0", "\ufffd")


def attribute_properties(text: str) -> dict[str, object]:
    """The `attr_` properties of an entity's attributes, so that Cypher can compare them.

    Each is a list: floats where all values are numbers of one unit, else texts.
    """
    stated: dict[str, list[dict[str, object]]] = {}
    for one in cast("list[dict[str, object]]", json.loads(text)):
        stated.setdefault(str(one["name"]), []).append(one)
    found: dict[str, object] = {}
    for name, values in stated.items():
        key = attribute_property(name)
        numbers = [one["value"] for one in values if type(one["value"]) in (int, float)]
        if len(numbers) == len(values) and len({one["unit"] for one in values}) == 1:
            found[key] = [float(cast(float, number)) for number in numbers]
        else:
            found[key] = [" ".join(_texts(one["value"], one["unit"])) for one in values]
    return found


def _texts(*parts: object) -> list[str]:
    """JSON's words for what is no text; nothing for null."""
    return [
        utf8(one if isinstance(one, str) else json.dumps(one)) for one in parts if one is not None
    ]


def utf8(text: str) -> str:
    """`text` without halves of characters, which no UTF-8 text can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _key_column(name: str) -> str:
    return f"key {name}"


def _series(table: str, name: str, dtype: pl.DataType, values: Sequence[object]) -> pl.Series:
    if table == "evidence" and name in ("entities", "relationships", "claims"):
        values = [json.loads(str(payload))[name] for payload in values]
    if table == "reports" and name == "findings":
        return pl.Series(name, values, dtype=pl.String).str.json_decode(dtype)
    return pl.Series(name, values, dtype=dtype)
