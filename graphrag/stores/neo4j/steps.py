"""Pair a statement with the many rows it writes, made a batch at a time as they are sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import LiteralString, Self, TypeAlias

import polars as pl

from graphrag.stores.contract.frames import check_table
from graphrag.stores.neo4j import cypher
from graphrag.stores.neo4j.cypher import key_prefix, namespace_label
from graphrag.stores.neo4j.rows import utf8

Row: TypeAlias = dict[str, object]  # what the driver takes as a map

_KEPT_ROWS = 500  # evidence and replies are long
_EVIDENCE = ("text_hash", "extractor", "status", "error", "transient", "usage", "asked")
_PAYLOAD = ("entities", "relationships", "claims")


@dataclass(frozen=True, slots=True)
class Step:
    """One statement for `count` rows, `size` of them at a time; None: as many as all others.

    `make` gives the rows from one place up to another: as maps those of a large graph would take
    many times its space. Where a commit takes many transactions, each has `size` rows, or
    `together` if those are more.
    """

    statement: LiteralString
    count: int
    make: Callable[[int, int], list[Row]]
    size: int | None = None
    together: int = 0
    start: int = 0

    @classmethod
    def of(cls, statement: LiteralString, rows: list[Row], size: int | None = None) -> Self:
        """A step for rows that are there already."""
        return cls(statement, len(rows), lambda start, stop: rows[start:stop], size)

    def parts(self, size: int) -> Iterator[Step]:
        """The step in as many as the transactions that it takes."""
        most = max(self.size or size, self.together)
        for start in range(0, self.count, most):
            yield replace(self, start=self.start + start, count=min(most, self.count - start))

    def batches(self, size: int) -> Iterator[list[Row]]:
        end, size = self.start + self.count, self.size or size
        for start in range(self.start, end, size):
            yield self.make(start, min(start + size, end))


def evidence_step(frame: pl.DataFrame, namespace: str) -> Step:
    check_table("evidence", frame)
    prefix, labels = key_prefix(namespace), [namespace_label(namespace)]
    rows: list[Row] = []
    for row in frame.iter_rows(named=True):
        payload = json.dumps({name: row[name] for name in _PAYLOAD}, ensure_ascii=False)
        kept = {name: row[name] for name in _EVIDENCE}
        rows.append(
            {
                "key": prefix + row["key"],
                "labels": labels,
                "props": {"id": row["key"], "payload": payload, **kept},
            }
        )
    return Step.of(cypher.labelled(cypher.UPSERT, "evidence"), rows, _KEPT_ROWS)


def replies_step(replies: Mapping[str, str], namespace: str) -> Step:
    prefix, labels = key_prefix(namespace), [namespace_label(namespace)]
    rows: list[Row] = [
        {"key": prefix + key, "labels": labels, "props": {"id": key, "text": utf8(text)}}
        for key, text in sorted(replies.items())
    ]
    return Step.of(cypher.UPSERT_REPLIES, rows, _KEPT_ROWS)
