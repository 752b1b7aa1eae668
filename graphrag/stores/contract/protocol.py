"""Say what a store does: one protocol, which every store keeps with equal answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, LiteralString, NamedTuple, Protocol

from graphrag.core.errors import UsageError
from graphrag.stores.contract.lease import LEASE_S

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from graphrag.stores.contract.records import Record

SearchTable = Literal["text_units", "entities", "reports"]
VectorTable = Literal["windows", "text_units", "entities", "reports"]

_OWN = "doc."  # before the names of our own fields


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on a document: its metadata, or our own `doc.source`, `doc.title`,
    `doc.language`, whose names hold without `doc.` too where its metadata has no such key.

    A stored number compares with a value that reads as a number as numbers, all else as text (a
    stored bool is "true" or "false"). A document without the key, or with null, matches only `!=`.
    """

    key: str
    operator: Literal["=", "!=", ">=", "<="]
    values: tuple[str, ...]  # one value for >= and <=; for = any of them, for != none of them

    @property
    def own_column(self) -> LiteralString:
        """The column of the documents table that the key may name, or nothing."""
        match self.key.removeprefix(_OWN):
            case "source":
                return "source"
            case "title":
                return "title"
            case "language":
                return "language"
            case _:
                return ""

    @property
    def in_metadata(self) -> bool:
        """Whether the key may be one of a document's own metadata."""
        return not (self.own_column and self.key.startswith(_OWN))


@dataclass(frozen=True, slots=True)
class Hit:
    """One row found by a search; a higher score is better."""

    id: str
    score: float


class Membership(NamedTuple):
    """One entity of one community."""

    entity_id: str
    community_id: str
    level: int
    parent_id: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole new content of a namespace. A store writes only what differs from what it holds.

    Evidence and replies that are not listed as live are deleted with it.
    """

    tables: Mapping[str, pl.DataFrame]
    """Every table of `TABLES` but `evidence`, complete."""
    searchable: Mapping[SearchTable, pl.DataFrame]
    """By table: `id`, `title`, `body`, `language`: the plain text that full-text search covers."""
    embedded: Mapping[VectorTable, pl.DataFrame]
    """By table: `id`, `key`: which vector each row has. Tables without a model are missing.

    The id of a window is its `window_id`. Text units have none where their windows do.
    """
    vectors: Mapping[str, NDArray[np.float32]]
    """By key: the vectors that the store does not hold yet."""
    evidence_keys: frozenset[str]
    reply_keys: frozenset[str] | None
    """None keeps all replies."""
    meta: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def sizes(self) -> str:
        """Rows by table, for the log."""
        return ", ".join(f"{frame.height} {name}" for name, frame in self.tables.items())


class GraphStore(Protocol):
    """One namespace of one store. Rows come back sorted by key; every read is of that namespace."""

    @property
    def url(self) -> str:
        """Where the store is, without credentials."""
        ...

    @property
    def namespace(self) -> str: ...

    async def close(self) -> None: ...

    async def meta(self) -> dict[str, str]:
        """What the last commit recorded; empty when nothing was indexed yet."""
        ...

    async def counts(self) -> dict[str, int]:
        """Rows by table of `TABLES`."""
        ...

    def writing(self, *, lease_s: float = LEASE_S) -> AbstractAsyncContextManager[None]:
        """Hold the writer's lease (host, pid, expiry). Raises LockedError, naming the holder.

        It is renewed all the time; another may take over `lease_s` after the last time.
        """
        ...

    async def read(
        self,
        table: str,
        *,
        where: tuple[str, Sequence[str] | Sequence[int]] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Rows of `table`, those whose column (`where[0]`) has one of the values (`where[1]`)."""
        ...

    async def rows(
        self,
        table: str,
        record: type[Record],
        *,
        where: tuple[str, Sequence[str] | Sequence[int]] | None = None,
    ) -> list[Record]:
        """As `read`, as named tuples of the columns that `record` names.

        What queries use: they read few rows, and importing polars takes longer than they do.
        """
        ...

    async def relationships_of(
        self, entity_ids: Sequence[str], record: type[Record], *, most: int
    ) -> list[Record]:
        """Up to `most` relationships with an end among `entity_ids`.

        Those between two of them come first, then the heaviest; equal ones by `id`.
        """
        ...

    async def documents_of(
        self, text_unit_ids: Sequence[str], record: type[Record]
    ) -> list[Record]:
        """The documents of at least one of `text_unit_ids`."""
        ...

    async def memberships_of(self, entity_ids: Sequence[str]) -> list[Membership]:
        """In which communities, of all levels, each of `entity_ids` is, sorted by both ids."""
        ...

    async def put_evidence(self, rows: pl.DataFrame) -> None:
        """Insert or replace evidence, durable when this returns."""
        ...

    async def replies(self, keys: Sequence[str] | None) -> dict[str, str]:
        """What models wrote for these inputs (summaries, reports, context lines), where known.

        None gives all that is kept.
        """
        ...

    async def put_replies(self, replies: Mapping[str, str]) -> None:
        """Insert or replace replies, durable when this returns."""
        ...

    async def known_vectors(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` whose vector the store holds."""
        ...

    async def embedded(self, table: VectorTable) -> pl.DataFrame:
        """As `Snapshot.embedded`: which vector each row has, sorted by id."""
        ...

    async def vectors(
        self, table: VectorTable, ids: Sequence[str] | None = None
    ) -> tuple[list[str], NDArray[np.float32]]:
        """Ids that have a vector, sorted, and their vectors, shape (len(ids), dimensions)."""
        ...

    async def commit(self, snapshot: Snapshot) -> None:
        """Make `snapshot` the content of the namespace; readers see the old or the new."""
        ...

    async def search_text(
        self, table: SearchTable, query: str, *, k: int, filters: Sequence[Filter] = ()
    ) -> list[Hit]:
        """BM25 over the searchable text: any word of `query` may match; best first, ties by id."""
        ...

    async def document_frequencies(self, terms: Sequence[str]) -> tuple[int, dict[str, int]]:
        """The number of text units, and of those that hold each of `terms` (of `text.terms`)."""
        ...

    async def search_vectors(
        self,
        table: SearchTable,
        vector: NDArray[np.float32],
        *,
        k: int,
        filters: Sequence[Filter] = (),
    ) -> list[Hit]:
        """Cosine similarity (-1 to 1), best first, ties by id; a text unit's best window counts."""
        ...

    async def matching_documents(self, filters: Sequence[Filter]) -> list[str]:
        """Ids of the documents that pass all filters, sorted."""
        ...

    async def delete_all(self) -> None:
        """Remove everything of this namespace."""
        ...


_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_FILTER = re.compile(r"(?P<key>[^!<>=]+?)\s*(?P<operator>!=|>=|<=|=)\s*(?P<value>.*)", re.DOTALL)


def parse_filter(text: str) -> Filter:
    """`k=v`, `k!=v`, `k>=v`, `k<=v` or `k=v1,v2` as a Filter. Raises UsageError."""
    match = _FILTER.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is not a filter",
            hint="Write key=value, key!=value, key>=value, key<=value or key=v1,v2.",
        )
    operator, value = match["operator"], match["value"]
    if operator == ">=" or operator == "<=":
        return Filter(match["key"], operator, (value.strip(),))
    values = tuple(part.strip() for part in value.split(","))
    return Filter(match["key"], "=" if operator == "=" else "!=", values)


def as_number(value: str) -> int | float | None:
    """The value of a filter, where it reads as a number."""
    if not _NUMBER.fullmatch(value):
        return None
    try:
        number = int(value)
    except ValueError:
        return float(value)
    return number if abs(number) < 2**63 else float(value)
