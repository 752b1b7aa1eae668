"""Plan the statements, with their rows, that turn what the server holds into a snapshot.

Nothing here talks to a server. A row carries a hash of its content and of what it is linked to,
so only what differs is written. Where a node and its links are written apart, the hash comes with
the links: a commit that was cut off in between is completed by the next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, LiteralString, TypeAlias, cast

import polars as pl

from graphrag.core.columns import WINDOW_MARK, window_id
from graphrag.core.errors import IncompatibleIndexError
from graphrag.core.tables import CO_OCCURS, EMBEDDED, SEARCH_TABLES, VECTOR_TABLES, stable_id
from graphrag.stores.contract.frames import check_table
from graphrag.stores.contract.protocol import SearchTable, Snapshot, VectorTable
from graphrag.stores.neo4j import cypher
from graphrag.stores.neo4j.cypher import key_prefix, namespace_label, type_label
from graphrag.stores.neo4j.rows import attribute_properties, metadata_property
from graphrag.stores.neo4j.steps import Row, Step
from graphrag.text import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Raise it when `text.terms` or what is written of a row changes: the next run of `index`, also one
# that finds nothing new, then writes all again.
WRITTEN = "2"
_HASHED = 100_000  # rows that are spelled out at one time
_COMMUNITIES = 100  # in one statement: one of the top level may have each entity as a member
# In one statement, which the server holds with each number as an object: 2,000 vectors of 384.
_VECTOR_NUMBERS = 768_000
# A search looks into each part of a vector index, each transaction adds a part, and larger parts
# take longer to make: with as many of them as this a search takes twice as long as with one.
_VECTOR_PARTS = 4
_PART_NUMBERS = 9_600_000
_MAX_INTEGER = 2**63
_MAX_TYPES = 500  # of relationships; a server keeps each for ever, and has room for 65,000
# Nodes whose links are written after them; their hash comes with the links.
_LINKS: dict[str, LiteralString] = {
    "text_units": cypher.LINK_CHUNKS,
    "windows": cypher.LINK_WINDOWS,
    "claims": cypher.LINK_CLAIMS,
    "communities": cypher.LINK_COMMUNITIES,
}
# Beside the columns of a report.
_OF_REPORTS = (
    "z_report_hash",
    "z_report_terms",
    "z_report_embedding",
    "z_terms_hash",
    "z_vector_key",
)
_NODE_TABLES = (
    "documents",
    "text_units",
    "windows",
    "entities",
    "claims",
    "communities",
    "reports",
)


# The id of a relationship ("" for a mention), its ends, and its type in the server.
Edge: TypeAlias = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a stored node says of itself. `own`: the names of its `meta_` or `attr_` properties."""

    row_hash: str | None
    terms_hash: str | None = None
    vector_key: str | None = None
    own: tuple[str, ...] = ()


@dataclass(slots=True)
class Stored:
    """What the server holds of one namespace: nodes by table and id, and the hashes of edges."""

    nodes: dict[str, dict[str, NodeState]] = field(default_factory=dict[str, dict[str, NodeState]])
    edges: dict[str, dict[Edge, str | None]] = field(
        default_factory=dict[str, dict[Edge, "str | None"]]
    )
    evidence: set[str] = field(default_factory=set[str])
    replies: set[str] = field(default_factory=set[str])

    def vector_key(self, table: str, key: str) -> str | None:
        """Which vector the row has, without the namespace."""
        state = self.nodes[table].get(key)
        return None if state is None else state.vector_key


def plan(
    snapshot: Snapshot,
    stored: Stored,
    vectors: Mapping[str, NDArray[np.float32]],
    *,
    namespace: str,
    typed_from: int,
) -> list[Step]:
    """The steps that turn what is stored into `snapshot`; deletions come last.

    `vectors` are those of the snapshot and those of `moved_vectors`. `typed_from`: relationships
    with a type of its own in the server. Raises ValueError on frames
    that are not of our schemas or name what is not there.
    """
    for table, frame in snapshot.tables.items():
        check_table(table, frame)
    planner = _Planner(snapshot, stored, key_prefix(namespace), namespace_label(namespace))
    return [
        planner.lost_reports(),
        *(planner.nodes(table) for table in _NODE_TABLES),
        *(planner.links(table) for table in _LINKS),
        *(step for table in VECTOR_TABLES for step in planner.vectors(table, vectors)),
        *planner.edges("relationships", _kinds(snapshot.tables["relationships"], typed_from)),
        *planner.edges("mentions", pl.lit("MENTIONS")),
        *planner.removals(),
    ]


@dataclass(frozen=True, slots=True)
class UnitMeans:
    """The vectors of text units, for those who search by them: the means of their windows'."""

    windows: Mapping[str, Sequence[str]]
    """By the key of a mean the keys of its vectors."""
    units: pl.DataFrame  # as in `Snapshot.embedded`

    @classmethod
    def of(cls, snapshot: Snapshot) -> UnitMeans:
        keys: dict[str, list[str]] = {}
        for window, key in sorted(_embedded(snapshot, "windows").items()):
            keys.setdefault(window.rpartition(WINDOW_MARK)[0], []).append(key)
        means = {unit: stable_id("mean", *of_unit) for unit, of_unit in keys.items()}
        return cls(
            {means[unit]: of_unit for unit, of_unit in keys.items()},
            pl.DataFrame({"id": [*means], "key": [*means.values()]}, schema=EMBEDDED),
        )

    def add(self, vectors: dict[str, NDArray[np.float32]]) -> None:
        """Put the means of length one to those of `vectors`, where it has all that they are of."""
        import numpy as np

        for mean, keys in self.windows.items():
            if vectors.keys() >= {*keys}:
                total = np.stack([vectors[key] for key in keys]).sum(axis=0)
                vectors[mean] = total / max(float(np.linalg.norm(total)), 1e-12)


def moved_vectors(snapshot: Snapshot, stored: Stored, means: UnitMeans) -> set[str]:
    """Keys of vectors that another row of the store has, for rows that lack them."""
    wanted = {
        vector_key
        for table in VECTOR_TABLES
        for key, vector_key in _embedded(snapshot, table).items()
        if stored.vector_key(table, key) != vector_key
    }
    parts = {key for mean in wanted for key in means.windows.get(mean, ())}
    return (wanted - means.windows.keys() | parts) - snapshot.vectors.keys()


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
    """By searchable table: its rows and the languages that they were analysed in.

    And the number of windows that have a vector.
    """
    found: dict[str, tuple[int, list[str]]] = {
        table: (frame.height, sorted(set(frame["language"].fill_null("").to_list())))
        for table, frame in snapshot.searchable.items()
    }
    return found | {"windows": (len(_embedded(snapshot, "windows")), [])}


class _Planner:
    """The steps of one commit, by table."""

    def __init__(self, snapshot: Snapshot, stored: Stored, prefix: str, label: str) -> None:
        self._snapshot = snapshot
        self._stored = stored
        self._prefix = prefix
        self._label = label
        self._frames = {table: _nodes(snapshot, table) for table in _NODE_TABLES}
        self._ids: dict[str, set[str]] = {
            table: set(frame.to_series(0).to_list()) for table, frame in self._frames.items()
        }
        links: dict[str, Callable[[], dict[str, Row]]] = {
            "text_units": self._chunk_links,
            "windows": self._window_links,
            "claims": self._claim_links,
            "communities": self._community_links,
        }
        self._links = {table: find() for table, find in links.items()}
        self._hashes = {table: self._hash_nodes(table) for table in _NODE_TABLES}
        self._differing = {table: self._differ(table) for table in _NODE_TABLES}

    def nodes(self, table: str) -> Step:
        """Properties, labels and search terms of the nodes that differ."""
        stored, hashes = self._stored.nodes[table], self._hashes[table]
        terms_of, differing = self._terms(table), self._differing[table]
        frame = self._frames[table]
        written = [
            row
            for row, key in enumerate(frame.to_series(0).to_list())
            if key in differing or key in terms_of
        ]
        name = "z_report_hash" if table == "reports" else "z_row_hash"

        def make(start: int, stop: int) -> list[Row]:
            part = frame[written[start:stop]]
            found = self._term_properties(table, part.to_series(0).to_list(), terms_of)
            rows: list[Row] = []
            for row, terms_found in zip(part.iter_rows(named=True), found, strict=True):
                key = str(row["community_id" if table == "reports" else "id"])
                props = _properties(table, row) | terms_found
                if key in stored:
                    props |= {old: None for old in stored[key].own if old not in props}
                # A linked node must look unfinished until its links are written too.
                is_linked_next = table in _LINKS and key in differing
                props[name] = None if is_linked_next else hashes[key]
                rows.append({"key": self._prefix + key, "props": props})
                if table != "reports":
                    kind = props.get("z_type_label")
                    rows[-1]["labels"] = [self._label] if kind is None else [self._label, kind]
            return rows

        if table == "reports":
            return Step(cypher.SET_REPORTS, len(written), make)
        statement = cypher.UPSERT_ENTITIES if table == "entities" else cypher.UPSERT
        return Step(cypher.labelled(statement, table), len(written), make)

    def lost_reports(self) -> Step:
        """Communities that stay and lose their report: all its properties become null."""
        gone = self._stored.nodes["reports"].keys() - self._ids["reports"]
        names: tuple[str, ...] = (*cypher.PROPERTIES["reports"].values(), *_OF_REPORTS)
        nothing = dict[str, object].fromkeys(names)
        left = sorted(gone & self._ids["communities"])
        rows: list[Row] = [{"key": self._prefix + key, "props": nothing} for key in left]
        return Step.of(cypher.SET_REPORTS, rows)

    def links(self, table: str) -> Step:
        """The relationships that follow from a node's own columns, and the hash of both."""
        hashes, links = self._hashes[table], self._links[table]
        keys = sorted(self._differing[table])

        def make(start: int, stop: int) -> list[Row]:
            return [
                {"key": self._prefix + key, "hash": hashes[key], **links[key]}
                for key in keys[start:stop]
            ]

        statement = _LINKS[table]
        if table == "communities":
            return Step(statement, len(keys), make, _COMMUNITIES)
        return Step(statement, len(keys), make)

    def vectors(self, table: str, vectors: Mapping[str, NDArray[np.float32]]) -> list[Step]:
        embedded = _embedded(self._snapshot, table)
        longest = max((vector.size for vector in vectors.values()), default=1)
        written: list[tuple[str, str]] = []
        for key, vector_key in embedded.items():
            if self._stored.vector_key(table, key) == vector_key:
                continue
            if vector_key not in vectors or key not in self._ids[table]:
                raise ValueError(f"{table}: {key!r} has the key of a vector that is not there")
            written.append((key, vector_key))

        def make(start: int, stop: int) -> list[Row]:
            rows: list[Row] = []
            for key, vector_key in written[start:stop]:
                vector = vectors[vector_key]
                # Zero has no direction: no index takes it and no cosine is defined.
                numbers = cast("list[float]", vector.tolist()) if vector.any() else None
                rows.append(
                    {
                        "key": self._prefix + key,
                        "vector_key": self._prefix + vector_key,
                        "vector": numbers,
                    }
                )
            return rows

        cleared: list[Row] = [
            {"key": self._prefix + key}
            for key, state in self._stored.nodes[table].items()
            if state.vector_key is not None and key not in embedded and key in self._ids[table]
        ]
        return [
            Step.of(cypher.labelled(cypher.CLEAR_VECTORS, table), cleared),
            Step(
                cypher.labelled(cypher.WRITE_VECTORS, table),
                len(written),
                make,
                _VECTOR_NUMBERS // longest,
                together=min(-(-len(written) // _VECTOR_PARTS), _PART_NUMBERS // longest),
            ),
        ]

    def edges(self, table: str, kind: pl.Expr) -> list[Step]:
        """Relationships or mentions that differ, and those that are gone.

        One whose type in the server, `kind`, is another now is made anew.
        """
        frame, related = self._snapshot.tables[table], table == "relationships"
        ends = ("source_id", "target_id") if related else ("text_unit_id", "entity_id")
        first, second = ends
        self._check_ends(table, frame[first], frame[second])
        hashes, stored = _hash_rows(frame), self._stored.edges[table]
        hashed = frame.with_columns(pl.Series("z_row_hash", hashes, dtype=pl.String))
        if related:
            hashed = hashed.with_columns(kind.alias("kind"))
        own_id = pl.col("id") if related else pl.lit("").alias("id")
        named = hashed.select(own_id, first, second, kind.alias("kind"))
        edges = cast("list[Edge]", named.rows()) if stored else []
        new = [row for row, edge in enumerate(edges) if edge not in stored]
        again = [
            row for row, edge in enumerate(edges) if stored.get(edge, hashes[row]) != hashes[row]
        ]
        gone: list[Row] = [
            {
                "id": edge,
                "source": self._prefix + source,
                "target": self._prefix + target,
                "kind": old,
            }
            for edge, source, target, old in stored.keys() - set(edges)
        ]
        created = (hashed[new] if stored else hashed).sort(first, maintain_order=True)
        changed = hashed[again]

        def create(start: int, stop: int) -> list[Row]:
            """One row for all edges of one source."""
            return [
                {
                    "source": self._prefix + source,
                    "edges": [
                        {**_without(edge, ends), "target": self._prefix + edge[second]}
                        for edge in edges
                    ],
                }
                for source, edges in groupby(
                    created[start:stop].iter_rows(named=True), key=itemgetter(first)
                )
            ]

        def change(start: int, stop: int) -> list[Row]:
            return [
                {
                    "id": row.get("id", ""),
                    "source": self._prefix + row[first],
                    "target": self._prefix + row[second],
                    "kind": row.get("kind"),
                    "props": _without(row, (*ends, "kind")),
                }
                for row in changed[start:stop].iter_rows(named=True)
            ]

        return [
            Step(cypher.RELATE if related else cypher.MENTION, created.height, create),
            Step(cypher.RELATE_AGAIN if related else cypher.MENTION_AGAIN, len(again), change),
            Step.of(cypher.UNRELATE if related else cypher.UNMENTION, gone),
        ]

    def removals(self) -> Iterator[Step]:
        """Nodes, evidence and replies that the snapshot no longer has."""
        for table in _NODE_TABLES:
            if table != "reports":
                yield self._removal(table, self._stored.nodes[table].keys() - self._ids[table])
        yield self._removal("evidence", self._stored.evidence - self._snapshot.evidence_keys)
        if self._snapshot.reply_keys is not None:
            gone = self._stored.replies - self._snapshot.reply_keys
            rows: list[Row] = [{"key": self._prefix + key} for key in sorted(gone)]
            yield Step.of(cypher.DELETE_REPLIES, rows)

    def _removal(self, table: str, gone: set[str]) -> Step:
        rows: list[Row] = [{"key": self._prefix + key} for key in sorted(gone)]
        return Step.of(cypher.labelled(cypher.DELETE, table), rows)

    def _differ(self, table: str) -> set[str]:
        """Keys of the rows that the server holds otherwise, or not at all."""
        stored = self._stored.nodes[table]
        return {
            key
            for key, row_hash in self._hashes[table].items()
            if key not in stored or stored[key].row_hash != row_hash
        }

    def _hash_nodes(self, table: str) -> dict[str, str]:
        frame = self._frames[table]
        keys: list[str] = frame.to_series(0).to_list()
        hashes = dict(zip(keys, _hash_rows(frame), strict=True))
        links = self._links.get(table)
        if links is None:
            return hashes
        return {key: _digest(f"{value}{links[key]!r}".encode()) for key, value in hashes.items()}

    def _terms(self, table: str) -> dict[str, tuple[int, str] | None]:
        """By key, where the searchable text differs: its row and hash, None where it is gone."""
        frame = self._snapshot.searchable.get(cast(SearchTable, table))
        if table not in SEARCH_TABLES or frame is None:
            frame = pl.DataFrame({"id": []}, schema={"id": pl.String})
        stored, ids = self._stored.nodes[table], self._ids[table]
        keys: list[str] = frame["id"].to_list()
        differing: dict[str, tuple[int, str] | None] = {
            key: (row, row_hash)
            for row, (key, row_hash) in enumerate(zip(keys, _hash_rows(frame), strict=True))
            if key in ids and not (key in stored and stored[key].terms_hash == row_hash)
        }
        for key in (stored.keys() & ids).difference(keys):
            if stored[key].terms_hash is not None:
                differing[key] = None
        return differing

    def _term_properties(
        self, table: str, keys: Sequence[str], terms_of: Mapping[str, tuple[int, str] | None]
    ) -> Iterator[Row]:
        """The index terms of each of `keys` whose text differs; the title counts twice."""
        name = f"z_{cypher.PREFIXES.get(table)}_terms"
        rows = [found[0] for key in keys if (found := terms_of.get(key)) is not None]
        texts = self._snapshot.searchable[cast(SearchTable, table)][rows].rows() if rows else []
        next_text = iter(texts)
        for key in keys:
            if key not in terms_of:
                yield {}
            elif (found := terms_of[key]) is None:
                yield {name: None, "z_terms_hash": None}
            else:
                _, *parts = cast("tuple[str, str | None, str | None, str | None]", next(next_text))
                title, body, language = (part or "" for part in parts)
                title_terms, body_terms = terms(title, language), terms(body, language)
                text = " ".join([*title_terms, *title_terms, *body_terms])
                yield {name: text, "z_terms_hash": found[1]}

    def _check_ends(self, table: str, first: pl.Series, second: pl.Series) -> None:
        sources = self._ids["entities" if table == "relationships" else "text_units"]
        missing = set(first.unique()) - sources | set(second.unique()) - self._ids["entities"]
        if missing:
            raise ValueError(f"{table} have the ends {sorted(missing)[:3]}, which are not there")

    def _to(self, table: str, key: str | None) -> str | None:
        """The key to link to, or None where there is no such node."""
        known = self._snapshot.evidence_keys if table == "evidence" else self._ids[table]
        return None if key is None or key not in known else self._prefix + key

    def _chunk_links(self) -> dict[str, Row]:
        units = self._snapshot.tables["text_units"].sort("document_id", "ordinal", "id")
        units = units.with_columns(next=pl.col("id").shift(-1).over("document_id"))
        titles = dict(self._frames["documents"].select("id", "title").iter_rows())
        columns = units.select(
            "id", "document_id", "next", "evidence_key", "headings", "ordinal"
        ).iter_rows()
        return {
            key: {
                "name": _unit_name(titles.get(document), headings, ordinal),
                "document": self._to("documents", document),
                "next": self._to("text_units", following),
                "evidence": self._to("evidence", evidence),
            }
            for key, document, following, evidence, headings, ordinal in columns
        }

    def _window_links(self) -> dict[str, Row]:
        rows = self._frames["windows"].select("id", "text_unit_id").iter_rows()
        return {key: {"chunk": self._to("text_units", chunk)} for key, chunk in rows}

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
                "label": f"__Level{level}__",  # for a style to tell parents from children by
                "parent": self._to("communities", parent),
                "members": [self._prefix + member for member in members if member in entities],
            }
            for key, level, parent, members in rows
        }


def _unit_name(title: str | None, headings: list[str] | None, ordinal: int | None) -> str:
    """What Browser calls a text unit: its number in the document, and its heading or the title."""
    named = (headings[-1] if headings else None) or title or ""
    return f"{(ordinal or 0) + 1} · {named}"


def _kinds(relationships: pl.DataFrame, typed_from: int) -> pl.Expr:
    """The type in the server of each relationship; a model may write any number of types."""
    names = {kind: cypher.relationship_type(kind or "") for kind in relationships["type"].unique()}
    names[CO_OCCURS] = cypher.RELATED
    kind = pl.col("type").replace_strict(names, return_dtype=pl.String)
    often = relationships.group_by(kind).len().sort("len", "type", descending=[True, False])
    typed = often.filter(pl.col("len") >= typed_from)["type"].head(_MAX_TYPES).to_list()
    return pl.when(kind.is_in(typed)).then(kind).otherwise(pl.lit(cypher.RELATED))


def _without(row: Row, names: tuple[str, ...]) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _nodes(snapshot: Snapshot, table: str) -> pl.DataFrame:
    """The rows of `table`, their id first; a window with its document's, to filter by."""
    frame = snapshot.tables[table]
    if table != "windows":
        return frame
    ids = [window_id(*key) for key in frame.select("text_unit_id", "ordinal").iter_rows()]
    owners = snapshot.tables["text_units"].select(pl.col("id").alias("text_unit_id"), "document_id")
    return frame.select(pl.Series("id", ids, dtype=pl.String), pl.all()).join(
        owners, on="text_unit_id", how="left", maintain_order="left"
    )


def _embedded(snapshot: Snapshot, table: str) -> dict[str, str]:
    frame = snapshot.embedded.get(cast(VectorTable, table))
    return {} if frame is None else dict(frame.select("id", "key").iter_rows())


def _properties(table: str, row: Row) -> Row:
    """The node properties of one row."""
    names = cypher.PROPERTIES[table]
    found = {names.get(column, column): value for column, value in row.items()}
    match table:
        case "documents":
            return found | _metadata(str(row["metadata"] or "{}"))
        case "entities":
            attributes = attribute_properties(str(row["attributes"] or "[]"))
            if row["attributes"] == "[]":
                found["z_attributes"] = None  # read as this
            return found | {"z_type_label": type_label(str(row["type"] or ""))} | attributes
        case "reports":
            findings = None if row["findings"] is None else json.dumps(row["findings"])
            del found["community_id"]
            return found | {"findings": findings}
        case _:
            return found


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
            found[metadata_property(name)] = float(value)
        elif isinstance(value, str | int | float):
            found[metadata_property(name)] = value
        elif value is not None:
            found[metadata_property(name)] = json.dumps(value, ensure_ascii=False)
    return found


def _hash_rows(frame: pl.DataFrame) -> list[str]:
    hashes: list[str] = []
    for part in frame.iter_slices(_HASHED):
        lines = part.write_ndjson().encode().split(b"\n")
        hashes += map(_digest, lines[: part.height])
    return hashes


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12, person=WRITTEN.encode()).hexdigest()
