"""A snapshot and what the server holds in; batches of rows for the store's statements out.

Nothing here talks to a server. A row carries a hash of its content and of what it is linked to,
so only what differs is written. Where a node and its links are written apart, the hash comes with
the links: a commit that was cut off in between is completed by the next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, LiteralString, TypeAlias, cast

import polars as pl

from graphrag.errors import IncompatibleIndexError
from graphrag.stores import SearchTable, Snapshot
from graphrag.stores import neo4j_cypher as cypher
from graphrag.stores.neo4j_names import key_prefix, namespace_label, type_label
from graphrag.stores.rows import check_table
from graphrag.tables import VECTOR_TABLES
from graphrag.text import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Row: TypeAlias = dict[str, object]  # what the driver takes as a map

_ANALYSIS = b"2"  # raise it when `text.terms` or the properties change: all is then written again
_ROWS = 2000
# In one statement, which the server holds with each number as an object: 2,000 vectors of 384.
_VECTOR_NUMBERS = 768_000
# A search looks into each part of a vector index, each transaction adds a part, and larger parts
# take longer to make: with as many of them as this a search takes twice as long as with one.
_VECTOR_PARTS = 4
_PART_NUMBERS = 9_600_000
_MAX_INTEGER = 2**63
# Nodes whose links are written after them; their hash comes with the links.
_LINKS: dict[str, LiteralString] = {
    "text_units": cypher.LINK_CHUNKS,
    "claims": cypher.LINK_CLAIMS,
    "communities": cypher.LINK_COMMUNITIES,
}
_NODE_TABLES = ("documents", "text_units", "entities", "claims", "communities", "reports")
_EVIDENCE = ("text_hash", "extractor", "status", "error", "transient", "usage")
_PAYLOAD = ("entities", "relationships", "claims")


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a stored node says of itself. `metadata`: the names of its `meta_` properties."""

    row_hash: str | None
    terms_hash: str | None = None
    vector_key: str | None = None
    metadata: tuple[str, ...] = ()


@dataclass(slots=True)
class Stored:
    """What the server holds of one namespace: nodes by table and id, edges by their id and ends."""

    nodes: dict[str, dict[str, NodeState]] = field(default_factory=dict[str, dict[str, NodeState]])
    edges: dict[str, dict[tuple[str, str, str], str | None]] = field(
        default_factory=dict[str, dict[tuple[str, str, str], "str | None"]]
    )
    evidence: set[str] = field(default_factory=set[str])
    replies: set[str] = field(default_factory=set[str])

    def vector_key(self, table: str, key: str) -> str | None:
        """Which vector the row has, without the namespace."""
        state = self.nodes[table].get(key)
        return None if state is None else state.vector_key


@dataclass(frozen=True, slots=True)
class Step:
    """One statement for many rows, `size` of them at a time.

    Where a commit takes many transactions, each has `size` of them, or `together` if those are
    more.
    """

    statement: LiteralString
    rows: list[Row]
    size: int = _ROWS
    together: int = 0
    is_by_source: bool = False

    def parts(self) -> Iterator[Step]:
        """The step in as many as the transactions that it takes."""
        most = max(self.size, self.together)
        for start in range(0, len(self.rows), most):
            yield replace(self, rows=self.rows[start : start + most])

    def batches(self) -> Iterator[list[Row]]:
        """The rows, `size` at a time; vectors as lists, which take ten times an array's space.

        Those of a statement for new edges have one row for all edges of a batch with one source.
        """
        for start in range(0, len(self.rows), self.size):
            rows = self.rows[start : start + self.size]
            if self.is_by_source:
                yield _by_source(rows)
            else:
                yield [_with_list(row) for row in rows] if "vector" in rows[0] else rows


def plan(
    snapshot: Snapshot,
    stored: Stored,
    vectors: Mapping[str, NDArray[np.float32]],
    *,
    namespace: str,
) -> list[Step]:
    """The steps that turn what is stored into `snapshot`; deletions come last.

    `vectors` are those of the snapshot and those of `moved_vectors`. Raises ValueError on frames
    that are not of our schemas or name what is not there.
    """
    for table, frame in snapshot.tables.items():
        check_table(table, frame)
    planner = _Planner(snapshot, stored, key_prefix(namespace), namespace_label(namespace))
    return [
        *(planner.nodes(table) for table in _NODE_TABLES),
        *(planner.links(table) for table in _LINKS),
        *(step for table in VECTOR_TABLES for step in planner.vectors(table, vectors)),
        *planner.edges("relationships"),
        *planner.edges("mentions"),
        *planner.removals(),
    ]


def moved_vectors(snapshot: Snapshot, stored: Stored) -> set[str]:
    """Keys of vectors that another row of the store has, for rows that lack them."""
    wanted = {
        vector_key
        for table in VECTOR_TABLES
        for key, vector_key in _embedded(snapshot, table).items()
        if stored.vector_key(table, key) != vector_key
    }
    return wanted - snapshot.vectors.keys()


def vector_size(snapshot: Snapshot, *, dimensions: int | None) -> int | None:
    """The size of all vectors after the commit, None without any.

    `dimensions` is the size of the stored ones. Raises IncompatibleIndexError when they differ.
    """
    used = {key for table in VECTOR_TABLES for key in _embedded(snapshot, table).values()}
    sizes = {int(vector.size) for key, vector in snapshot.vectors.items() if key in used}
    if dimensions is not None and used - snapshot.vectors.keys():
        sizes.add(dimensions)
    if len(sizes) > 1:
        raise IncompatibleIndexError(
            f"vectors of {' and '.join(map(str, sorted(sizes)))} numbers cannot be in one index",
            hint="Embed everything with one model: index again with the embedding model set.",
        )
    return next(iter(sizes), None)


def searched(snapshot: Snapshot) -> dict[str, tuple[int, list[str]]]:
    """By searchable table: its rows and the languages that they were analysed in."""
    return {
        table: (frame.height, sorted(set(frame["language"].fill_null("").to_list())))
        for table, frame in snapshot.searchable.items()
    }


def evidence_rows(frame: pl.DataFrame, namespace: str) -> list[Row]:
    """Evidence as rows of `UPSERT`."""
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
    return rows


def reply_rows(replies: Mapping[str, str], namespace: str) -> list[Row]:
    """Replies as rows of `UPSERT_REPLIES`."""
    prefix, labels = key_prefix(namespace), [namespace_label(namespace)]
    return [
        {"key": prefix + key, "labels": labels, "props": {"id": key, "text": text}}
        for key, text in replies.items()
    ]


class _Planner:
    def __init__(self, snapshot: Snapshot, stored: Stored, prefix: str, label: str) -> None:
        self._snapshot = snapshot
        self._stored = stored
        self._prefix = prefix
        self._label = label
        self._ids: dict[str, set[str]] = {
            table: set(snapshot.tables[table].to_series(0).to_list()) for table in _NODE_TABLES
        }
        self._links: dict[str, dict[str, Row]] = {
            "text_units": self._chunk_links(),
            "claims": self._claim_links(),
            "communities": self._community_links(),
        }
        self._hashes = {table: self._hash_nodes(table) for table in _NODE_TABLES}

    def nodes(self, table: str) -> Step:
        """Properties, labels and search terms of the nodes that differ."""
        changed: dict[str, Row] = {}
        stored = self._stored.nodes[table]
        for row in self._changed(table).iter_rows(named=True):
            key = str(row["community_id" if table == "reports" else "id"])
            props = _properties(table, row)
            if key in stored:
                props |= {name: None for name in stored[key].metadata if name not in props}
            # A linked node must look unfinished until its links are written too.
            finished = None if table in _LINKS else self._hashes[table][key]
            props["report_hash" if table == "reports" else "row_hash"] = finished
            changed[key] = props
        for key, props in self._terms(table):
            changed.setdefault(key, {}).update(props)
        if table == "reports":
            return Step(cypher.SET_REPORTS, self._without_report() + self._keyed(changed))
        rows = self._keyed(changed)
        for row, (_, props) in zip(rows, changed.items(), strict=True):
            kind = props.get("type_label")
            row["labels"] = [self._label] if kind is None else [self._label, kind]
        statement = cypher.UPSERT_ENTITIES if table == "entities" else cypher.UPSERT
        return Step(cypher.labelled(statement, table), rows)

    def links(self, table: str) -> Step:
        """The relationships that follow from a node's own columns, and the hash of both."""
        hashes = self._hashes[table]
        rows: list[Row] = [
            {"key": self._prefix + key, "hash": hashes[key], **self._links[table][key]}
            for key in self._changed(table).to_series(0).to_list()
        ]
        # A community of the top level may have each entity as a member.
        return Step(_LINKS[table], rows, 100 if table == "communities" else _ROWS)

    def vectors(self, table: str, vectors: Mapping[str, NDArray[np.float32]]) -> list[Step]:
        embedded = _embedded(self._snapshot, table)
        longest = max((vector.size for vector in vectors.values()), default=1)
        written: list[Row] = []
        for key, vector_key in embedded.items():
            if self._stored.vector_key(table, key) == vector_key:
                continue
            if vector_key not in vectors or key not in self._ids[table]:
                raise ValueError(f"{table}: {key!r} has the key of a vector that is not there")
            vector = vectors[vector_key]
            written.append(
                {
                    "key": self._prefix + key,
                    "vector_key": self._prefix + vector_key,
                    # Zero has no direction: no index takes it and no cosine is defined.
                    "vector": vector if vector.any() else None,
                }
            )
        cleared: list[Row] = [
            {"key": self._prefix + key}
            for key, state in self._stored.nodes[table].items()
            if state.vector_key is not None and key not in embedded and key in self._ids[table]
        ]
        return [
            Step(cypher.labelled(cypher.CLEAR_VECTORS, table), cleared),
            Step(
                cypher.labelled(cypher.WRITE_VECTORS, table),
                written,
                _VECTOR_NUMBERS // longest,
                together=min(-(-len(written) // _VECTOR_PARTS), _PART_NUMBERS // longest),
            ),
        ]

    def edges(self, table: str) -> list[Step]:
        """Relationships or mentions that differ, and those that are gone."""
        frame, related = self._snapshot.tables[table], table == "relationships"
        first, second = ("source_id", "target_id") if related else ("text_unit_id", "entity_id")
        ids = (
            frame["id"]
            if related
            else pl.Series([""], dtype=pl.String).new_from_index(0, frame.height)
        )
        ends = list(zip(ids, frame[first], frame[second], strict=True))
        self._check_ends(table, frame[first], frame[second])
        hashes, stored = _hash_rows(frame), self._stored.edges[table]
        changed = [row for row, end in enumerate(ends) if stored.get(end) != hashes[row]]
        new: list[Row] = []
        again: list[Row] = []
        properties = frame.drop(first, second)[changed].iter_rows(named=True)
        for row, props in zip(changed, properties, strict=True):
            props["row_hash"] = hashes[row]
            written = again if ends[row] in stored else new
            written.append(self._edge(*ends[row]) | {"props": props})
        gone = [self._edge(*end) for end in stored.keys() - set(ends)]
        new.sort(key=_source)
        return [
            Step(cypher.RELATE if related else cypher.MENTION, new, is_by_source=True),
            Step(cypher.RELATE_AGAIN if related else cypher.MENTION_AGAIN, again),
            Step(cypher.UNRELATE if related else cypher.UNMENTION, gone),
        ]

    def removals(self) -> Iterator[Step]:
        """Nodes, evidence and replies that the snapshot no longer has."""
        for table in _NODE_TABLES:
            if table != "reports":
                yield self._removal(table, self._stored.nodes[table].keys() - self._ids[table])
        yield self._removal("evidence", self._stored.evidence - self._snapshot.evidence_keys)
        if self._snapshot.reply_keys is not None:
            gone = self._stored.replies - self._snapshot.reply_keys
            yield Step(cypher.DELETE_REPLIES, [{"key": self._prefix + key} for key in sorted(gone)])

    def _removal(self, table: str, gone: set[str]) -> Step:
        rows: list[Row] = [{"key": self._prefix + key} for key in sorted(gone)]
        return Step(cypher.labelled(cypher.DELETE, table), rows)

    def _changed(self, table: str) -> pl.DataFrame:
        hashes, stored = self._hashes[table], self._stored.nodes[table]
        frame = self._snapshot.tables[table]
        keys: list[str] = frame.to_series(0).to_list()
        rows = [
            row
            for row, key in enumerate(keys)
            if key not in stored or stored[key].row_hash != hashes[key]
        ]
        return frame[rows]

    def _hash_nodes(self, table: str) -> dict[str, str]:
        frame = self._snapshot.tables[table]
        keys: list[str] = frame.to_series(0).to_list()
        hashes = dict(zip(keys, _hash_rows(frame), strict=True))
        links = self._links.get(table)
        if links is None:
            return hashes
        return {key: _digest(f"{value}{links[key]!r}".encode()) for key, value in hashes.items()}

    def _terms(self, table: str) -> Iterator[tuple[str, Row]]:
        """The index terms of rows whose searchable text differs; the title counts twice."""
        if table not in cypher.PREFIXES:
            return
        name = f"{cypher.PREFIXES[table]}_terms"
        stored, ids = self._stored.nodes[table], self._ids[table]
        frame = self._snapshot.searchable.get(cast(SearchTable, table))
        found: set[str] = set()
        if frame is not None:
            rows = cast("Iterator[tuple[str, str, str, str]]", frame.iter_rows())
            for (key, *parts), row_hash in zip(rows, _hash_rows(frame), strict=True):
                found.add(key)
                if key not in ids or (key in stored and stored[key].terms_hash == row_hash):
                    continue
                title, body, language = (part or "" for part in parts)
                title_terms, body_terms = terms(title, language), terms(body, language)
                text = " ".join([*title_terms, *title_terms, *body_terms])
                yield key, {name: text, "terms_hash": row_hash}
        for key in stored.keys() & ids - found:
            if stored[key].terms_hash is not None:
                yield key, {name: None, "terms_hash": None}

    def _without_report(self) -> list[Row]:
        """Communities that stay and lose their report: all its properties become null."""
        gone = self._stored.nodes["reports"].keys() - self._ids["reports"]
        names = (*cypher.COLUMNS["reports"], "report_hash", "terms_hash", "vector_key")
        nothing: Row = {name: None for name in names if name != "community_id"}
        nothing |= {"report_terms": None, "report_embedding": None}
        return self._keyed(dict.fromkeys(sorted(gone & self._ids["communities"]), nothing))

    def _keyed(self, changed: Mapping[str, Row]) -> list[Row]:
        return [{"key": self._prefix + key, "props": props} for key, props in changed.items()]

    def _edge(self, edge: str, source: str, target: str) -> Row:
        return {"id": edge, "source": self._prefix + source, "target": self._prefix + target}

    def _check_ends(self, table: str, first: pl.Series, second: pl.Series) -> None:
        sources = self._ids["entities" if table == "relationships" else "text_units"]
        missing = (set(first) - sources) | (set(second) - self._ids["entities"])
        if missing:
            raise ValueError(f"{table} have the ends {sorted(missing)[:3]}, which are not there")

    def _to(self, table: str, key: str | None) -> str | None:
        """The key to link to, or None where there is no such node."""
        known = self._snapshot.evidence_keys if table == "evidence" else self._ids[table]
        return None if key is None or key not in known else self._prefix + key

    def _chunk_links(self) -> dict[str, Row]:
        units = self._snapshot.tables["text_units"].sort("document_id", "ordinal", "id")
        units = units.with_columns(next=pl.col("id").shift(-1).over("document_id"))
        columns = units.select("id", "document_id", "next", "evidence_key").iter_rows()
        return {
            key: {
                "document": self._to("documents", document),
                "next": self._to("text_units", following),
                "evidence": self._to("evidence", evidence),
            }
            for key, document, following, evidence in columns
        }

    def _claim_links(self) -> dict[str, Row]:
        rows = self._snapshot.tables["claims"].select("id", "text_unit_id").iter_rows()
        return {key: {"chunk": self._to("text_units", chunk)} for key, chunk in rows}

    def _community_links(self) -> dict[str, Row]:
        frame = self._snapshot.tables["communities"]
        entities = self._ids["entities"]
        rows = frame.select("id", "level", "parent_id", "entity_ids").iter_rows()
        return {
            key: {
                "level": level,
                "parent": self._to("communities", parent),
                "members": [self._prefix + member for member in members if member in entities],
            }
            for key, level, parent, members in rows
        }


def _source(row: Row) -> str:
    return str(row["source"])


def _by_source(rows: list[Row]) -> list[Row]:
    """Sorted edges as one row for each source."""
    return [
        {
            "source": source,
            "edges": [{"target": edge["target"], **cast(Row, edge["props"])} for edge in edges],
        }
        for source, edges in groupby(rows, key=_source)
    ]


def _with_list(row: Row) -> Row:
    vector = cast("NDArray[np.float32] | list[float] | None", row["vector"])
    if vector is None or isinstance(vector, list):
        return row
    return row | {"vector": cast("list[float]", vector.tolist())}


def _embedded(snapshot: Snapshot, table: str) -> dict[str, str]:
    frame = snapshot.embedded.get(cast(SearchTable, table))
    return {} if frame is None else dict(frame.select("id", "key").iter_rows())


def _properties(table: str, row: Row) -> Row:
    """The node properties of one row."""
    match table:
        case "documents":
            return row | _metadata(str(row["metadata"] or "{}"))
        case "entities":
            return row | {"type_label": type_label(str(row["type"] or ""))}
        case "reports":
            findings = None if row["findings"] is None else json.dumps(row["findings"])
            kept = {name: value for name, value in row.items() if name != "community_id"}
            return kept | {"findings": findings}
        case _:
            return row


def _metadata(text: str) -> Row:
    """The `meta_` properties of a document's metadata, a JSON object."""
    try:
        data: object = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(data, dict):
        return {}
    found: Row = {}
    for name, value in cast(dict[str, object], data).items():
        if isinstance(value, int) and not -_MAX_INTEGER <= value < _MAX_INTEGER:
            found[f"meta_{name}"] = float(value)
        elif isinstance(value, str | int | float):
            found[f"meta_{name}"] = value
        elif value is not None:
            found[f"meta_{name}"] = json.dumps(value, ensure_ascii=False)
    return found


def _hash_rows(frame: pl.DataFrame) -> list[str]:
    lines = frame.write_ndjson().encode().split(b"\n")
    return [_digest(line) for line in lines[: frame.height]]


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12, person=_ANALYSIS).hexdigest()
