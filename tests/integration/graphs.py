"""Small graphs and generated ones, and what the store tests ask of a store that holds them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from hypothesis import strategies as st

from graphrag.core.columns import window_id
from graphrag.core.tables import KEYS, TABLES, empty, stable_id
from graphrag.stores import GraphStore, SearchTable, Snapshot, VectorTable, parse_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.integration.conftest import Place

AWKWARD = [
    "",
    " ",
    "`backticks`) DETACH DELETE n //",
    "'; DROP TABLE documents_1; --",
    "quote \" and \\ and '",
    "MATCH (n) DETACH DELETE n",
    "${HOME} {{name}} {0} %s $1 :k ?1",
    "null",
    "line\r\nbreak\ttab\x0b\x1f\x7f\u2028\u0085",
    "e\u0301 é \ufeff \u200d",
    "東京 👩‍👩‍👧 𝒳 \U0010ffff",
    "[1, 2]",
    "word " * 50_000,
]


def run(place: Place, scenario: Callable[[GraphStore], Awaitable[None]]) -> None:
    """`scenario` on a new store of `place`."""

    async def main() -> None:
        async with place.open() as store:
            await scenario(store)

    asyncio.run(main())


def frames(rows: Mapping[str, list[dict[str, object]]]) -> dict[str, pl.DataFrame]:
    """Every table of a snapshot; absent columns are null, absent tables empty."""
    result: dict[str, pl.DataFrame] = {}
    for table, schema in TABLES.items():
        if table != "evidence":
            full = [{name: row.get(name) for name in schema} for row in rows.get(table, [])]
            result[table] = pl.DataFrame(full, schema=schema) if full else empty(table)
    return result


def snapshot(
    rows: Mapping[str, list[dict[str, object]]],
    *,
    vectors: Mapping[VectorTable, Mapping[str, NDArray[np.float32]]] | None = None,
    evidence_keys: frozenset[str] = frozenset(),
    reply_keys: frozenset[str] | None = frozenset(),
    meta: Mapping[str, str] | None = None,
) -> Snapshot:
    """A snapshot of `rows` whose searchable text is that of its rows."""
    tables = frames(rows)
    languages = tables["documents"].select(pl.col("id").alias("document_id"), "language")
    units = tables["text_units"].join(languages, on="document_id", how="left")
    titles = tables["documents"].select(pl.col("id").alias("document_id"), "title")
    searchable: dict[SearchTable, pl.DataFrame] = {
        "text_units": units.join(titles, on="document_id", how="left").select(
            "id", "title", pl.col("text").alias("body"), "language"
        ),
        "entities": tables["entities"].select(
            "id", pl.col("name").alias("title"), pl.col("description").alias("body")
        ),
        "reports": tables["reports"].select(
            pl.col("community_id").alias("id"), "title", pl.col("summary").alias("body")
        ),
    }
    for name, frame in searchable.items():
        language = pl.col("language") if "language" in frame.columns else pl.lit("en")
        searchable[name] = frame.select(
            "id",
            pl.col("title", "body").fill_null(""),
            language.fill_null("und").alias("language"),
        )
    embedded: dict[VectorTable, pl.DataFrame] = {}
    by_key: dict[str, NDArray[np.float32]] = {}
    for name, of_table in (vectors or {}).items():
        keys = [stable_id("vector", vector.tobytes().hex()) for vector in of_table.values()]
        by_key.update(zip(keys, of_table.values(), strict=True))
        embedded[name] = pl.DataFrame(
            {"id": list(of_table), "key": keys}, schema={"id": pl.String, "key": pl.String}
        )
    return Snapshot(
        tables=tables,
        searchable=searchable,
        embedded=embedded,
        vectors=by_key,
        evidence_keys=evidence_keys,
        reply_keys=reply_keys,
        meta=meta or {},
    )


def document(name: str, **columns: object) -> dict[str, object]:
    metadata = columns.pop("metadata", {})
    return {
        "id": stable_id("document", name),
        "source": f"{name}.txt",
        "title": name,
        "content_hash": name,
        "language": "en",
        "metadata": json.dumps(metadata, ensure_ascii=False, sort_keys=True),
        "n_tokens": 1,
        "status": "ok",
        **columns,
    }


def unit(name: str, of: str, text: str, **columns: object) -> dict[str, object]:
    return {
        "id": stable_id("unit", name),
        "document_id": stable_id("document", of),
        "ordinal": 0,
        "headings": [],
        "text": text,
        "n_tokens": 1,
        "evidence_key": name,
        **columns,
    }


def entity(key: str, **columns: object) -> dict[str, object]:
    return {
        "id": stable_id("entity", key),
        "name": key,
        "type": "person",
        "aliases": [],
        "description": "",
        "n_mentions": 1,
        "degree": 1,
        "attributes": "[]",
        **columns,
    }


def relationship(source: str, target: str, kind: str = "knows") -> dict[str, object]:
    ends = stable_id("entity", source), stable_id("entity", target)
    return {
        "id": stable_id(*ends, kind),
        "source_id": ends[0],
        "target_id": ends[1],
        "type": kind,
        "description": f"{source} {kind} {target}",
        "weight": 1.5,
        "n_mentions": 1,
        "text_unit_ids": [],
    }


def mention(of_unit: str, of_entity: str) -> dict[str, object]:
    return {
        "text_unit_id": stable_id("unit", of_unit),
        "entity_id": stable_id("entity", of_entity),
        "description": f"{of_entity} in {of_unit}",
        "owner": 0.5,
        "sentences": [0],
    }


def community(name: str, members: list[str], *, level: int = 0) -> dict[str, object]:
    return {
        "id": stable_id("community", name),
        "level": level,
        "size": len(members),
        "entity_ids": sorted(stable_id("entity", member) for member in members),
    }


def report(name: str, title: str, summary: str) -> dict[str, object]:
    return {
        "community_id": stable_id("community", name),
        "title": title,
        "summary": summary,
        "findings": [{"summary": "s", "explanation": "e", "text_unit_ids": ["1", "2"]}],
        "rating": 5.0,
        "method": "extractive",
        "n_tokens": 1,
        "input_hash": name,
    }


def window(of_unit: str, ordinal: int, **columns: object) -> dict[str, object]:
    return {"text_unit_id": of_unit, "ordinal": ordinal, **columns}


WINDOWS = tuple(
    (stable_id("unit", name), ordinal)
    for name, n in (("u1", 2), ("u2", 1), ("u3", 1))
    for ordinal in range(n)
)


def voyages() -> dict[str, list[dict[str, object]]]:
    """Two documents about two ships; each has its own people, community and report."""
    return {
        "documents": [
            document("Fram", metadata={"year": 1893, "shelf": "A"}),
            document("Vega", metadata={"year": 1878, "shelf": "B"}, language="sv"),
        ],
        "text_units": [
            unit("u1", "Fram", "Nansen let the ship freeze into the ice and drift north."),
            unit("u2", "Fram", "Sverdrup commanded the crew while the ice drifted.", ordinal=1),
            unit("u3", "Vega", "Nordenskiöld seglade genom Nordostpassagen."),
        ],
        "windows": [window(*place, start=7, end=9) for place in WINDOWS],
        "entities": [
            entity("Nansen", description="Explorer of the polar ice"),
            entity("Sverdrup", description="Captain"),
            entity("Nordenskiöld", description="Explorer of the passage"),
        ],
        "relationships": [relationship("Nansen", "Sverdrup")],
        "mentions": [
            mention("u1", "Nansen"),
            mention("u2", "Sverdrup"),
            mention("u3", "Nordenskiöld"),
        ],
        "communities": [
            community("fram", ["Nansen", "Sverdrup"]),
            community("vega", ["Nordenskiöld"]),
        ],
        "reports": [
            report("fram", "The drift of the Fram", "An expedition into the ice"),
            report("vega", "The voyage of the Vega", "An expedition through the passage"),
        ],
    }


def ids(kind: str, *names: str) -> list[str]:
    return [stable_id(kind, name) for name in names]


async def hit_ids(
    store: GraphStore, table: SearchTable, query: str, *filters: str, k: int = 10
) -> list[str]:
    hits = await store.search_text(
        table, query, k=k, filters=[parse_filter(text) for text in filters]
    )
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    return [hit.id for hit in hits]


async def assert_holds(store: GraphStore, expected: Snapshot) -> None:
    counts = await store.counts()
    for table, frame in expected.tables.items():
        held = await store.read(table)
        assert held.schema == TABLES[table]
        assert held.to_dicts() == frame.sort(KEYS[table]).to_dicts(), table
        assert counts[table] == frame.height


def evidence(key: str, **columns: object) -> dict[str, object]:
    return {
        "key": key,
        "text_hash": key,
        "extractor": "nlp:1",
        "entities": '[{"name":"`x`"}]',
        "relationships": "[]",
        "claims": "[]",
        "status": "ok",
        "transient": False,
        "usage": "{}",
        **{"error": None},
        **columns,
    }


def passages(*bodies: str, language: str = "en") -> dict[str, list[dict[str, object]]]:
    rows: dict[str, list[dict[str, object]]] = {"documents": [], "text_units": []}
    for number, body in enumerate(bodies):
        rows["documents"].append(document(str(number), title="", language=language))
        rows["text_units"].append(unit(str(number), str(number), body))
    return rows


def direction(axis: int, *, size: int = 8) -> NDArray[np.float32]:
    return np.eye(size, dtype=np.float32)[axis]


def all_vectors() -> dict[VectorTable, dict[str, NDArray[np.float32]]]:
    """A vector for each window, entity and report of `voyages`."""
    names = {
        "windows": [window_id(*place) for place in WINDOWS],
        "entities": ids("entity", "Nansen", "Sverdrup", "Nordenskiöld"),
        "reports": ids("community", "fram", "vega"),
    }
    generator = np.random.default_rng(7)
    tables: list[VectorTable] = ["windows", "entities", "reports"]
    return {
        table: {key: generator.standard_normal(8).astype(np.float32) for key in names[table]}
        for table in tables
    }


def people(count: int) -> dict[str, list[dict[str, object]]]:
    return {"entities": [entity(str(number)) for number in range(count)]}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(AWKWARD)
nullable = texts | st.none()
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
metadata_values = st.none() | st.booleans() | integers | floats | texts
few = st.integers(0, 2)
metadata = st.dictionaries(texts.filter(bool) | st.just("nul \0"), metadata_values, max_size=3)


Rows = list[dict[str, object]]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Rows]:
    """Rows of every table that fit together, with any text and number in them."""
    documents: Rows = [
        document(
            str(n),
            source=draw(texts) + str(n),
            title=draw(texts),
            text=draw(nullable),
            language=draw(nullable),
            error=draw(nullable),
            n_tokens=draw(integers),
            metadata=draw(metadata),
        )
        for n in range(draw(few))
    ]
    units: Rows = [
        unit(
            str(n),
            str(n % len(documents)),
            draw(texts),
            ordinal=n,
            start=draw(integers),
            end=draw(integers),
            page=draw(nullable),
            headings=draw(st.lists(texts, max_size=3)),
            context=draw(nullable),
        )
        for n in range(draw(few) if documents else 0)
    ]
    entities: Rows = [
        entity(
            str(n),
            name=draw(texts) + str(n),
            type=draw(texts),
            description=draw(nullable),
            aliases=draw(st.lists(texts, max_size=2)),
            degree=draw(integers),
            attributes=draw(attributes()),
        )
        for n in range(draw(few))
    ]
    return {
        "documents": documents,
        "text_units": units,
        "entities": entities,
        "relationships": draw(relationships(units, entities)),
        "mentions": draw(mentions(units, entities)),
        "claims": [
            {name: draw(nullable) for name in TABLES["claims"]}
            | {"id": stable_id("claim", str(n)), "text_unit_id": row["id"]}
            for n, row in enumerate(units)
        ],
        **draw(hierarchies(len(entities))),
    }


@st.composite
def attributes(draw: st.DrawFn) -> str:
    values = st.one_of(texts, integers, st.booleans(), st.floats(allow_nan=False, width=32))
    stated: Rows = [
        {"name": name, "value": draw(values), "unit": draw(st.none() | texts), "text_unit_ids": []}
        for name in draw(st.lists(texts, max_size=3))
    ]
    return json.dumps(stated, ensure_ascii=False)


@st.composite
def relationships(draw: st.DrawFn, units: Rows, entities: Rows) -> Rows:
    kinds = draw(st.lists(texts, unique=True, max_size=2)) if len(entities) > 1 else []
    return [
        relationship("0", "1", kind)
        | {"weight": draw(floats), "description": draw(nullable)}
        | {"text_unit_ids": [row["id"] for row in units]}
        for kind in kinds
    ]


@st.composite
def mentions(draw: st.DrawFn, units: Rows, entities: Rows) -> Rows:
    return [
        mention(str(u), str(e))
        | {"owner": draw(floats), "sentences": draw(st.lists(integers, max_size=2))}
        for u in range(len(units))
        for e in range(len(entities))
        if draw(st.booleans())
    ]


@st.composite
def hierarchies(draw: st.DrawFn, n_entities: int) -> dict[str, Rows]:
    members = [str(n) for n in range(n_entities)]
    communities: Rows = [community("all", members), community("first", members[:1], level=1)]
    communities[1]["parent_id"] = communities[0]["id"]
    communities = communities[:n_entities]
    findings = st.fixed_dictionaries(
        {"summary": texts, "explanation": texts, "text_unit_ids": st.lists(texts, max_size=2)}
    )
    reports: Rows = [
        report("", draw(texts), draw(texts))
        | {"community_id": row["id"], "rating": draw(floats | st.none())}
        | {"findings": draw(st.lists(findings, max_size=2))}
        for row in communities
    ]
    return {"communities": communities, "reports": reports}


def many(n_entities: int = 400) -> Snapshot:
    """A graph of several batches."""
    names = [f"p{number}" for number in range(n_entities)]
    rows: dict[str, Rows] = {
        "documents": [document("d")],
        "text_units": [unit(f"u{n}", "d", f"word{n % 7} text", ordinal=n) for n in range(20)],
        "entities": [entity(name, description=f"number {name}") for name in names],
        "relationships": [relationship(a, b) for a, b in pairwise(names)],
        "mentions": [mention(f"u{n % 20}", name) for n, name in enumerate(names)],
    }
    vector = np.random.default_rng(0).normal(size=(n_entities, 16)).astype(np.float32)
    vectors: dict[str, NDArray[np.float32]] = {
        str(row["id"]): vector[n] for n, row in enumerate(rows["entities"])
    }
    return snapshot(rows, vectors={"entities": vectors}, meta={"graph_hash": "h"})
