"""Exports: every table and row, the same bytes for the same graph, nothing half-written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from graphrag.core.errors import StoreError, UsageError
from graphrag.core.tables import KEYS, TABLES, empty
from graphrag.stores import Snapshot
from graphrag.stores.exchange.export import Format, export
from graphrag.stores.exchange.microsoft import microsoft_tables
from graphrag.stores.sqlite.store import SQLiteStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

ODD = 'a,"b"\r\n\x00\x0b\x1f <&> ]]> \ufffe 東京 𝒳 \'\t'

MICROSOFT = {
    "documents": "id human_readable_id title text text_unit_ids creation_date raw_data",
    "text_units": "id human_readable_id text n_tokens document_id entity_ids relationship_ids "
    "covariate_ids",
    "entities": "id human_readable_id title type description text_unit_ids frequency degree",
    "relationships": "id human_readable_id source target description weight combined_degree "
    "text_unit_ids",
    "communities": "id human_readable_id community level parent children title entity_ids "
    "relationship_ids text_unit_ids period size",
    "community_reports": "id human_readable_id community level parent children title summary "
    "full_content rank rating_explanation findings full_content_json period size",
    "covariates": "id human_readable_id covariate_type type description subject_id object_id "
    "status start_date end_date source_text text_unit_id",
}

Rows = list[dict[str, object]]


def frame(table: str, rows: Rows) -> pl.DataFrame:
    schema = TABLES[table]
    full = [{name: row.get(name) for name in schema} for row in rows]
    return pl.DataFrame(full, schema=schema) if full else empty(table)


def tables() -> dict[str, pl.DataFrame]:
    """Two units that overlap, three entities, two levels of communities."""
    shared = " and the ice was thick that year."
    documents: Rows = [
        {"id": "d1", "source": "a.txt", "title": "A", "metadata": '{"year": 1893}'},
        {"id": "d2", "source": "b.txt", "title": ODD, "metadata": "{}", "status": "failed"},
    ]
    units: Rows = [
        {"id": "u1", "document_id": "d1", "ordinal": 1, "text": shared + " They went on."},
        {"id": "u2", "document_id": "d1", "ordinal": 0, "text": "It was cold" + shared},
        {"id": "u3", "document_id": "d1", "ordinal": 2, "text": ODD, "headings": ["H", ODD]},
    ]
    entities: Rows = [
        {"id": "e1", "name": "Nansen", "type": "person", "degree": 2, "n_mentions": 2},
        {"id": "e2", "name": "Sverdrup", "type": ODD, "degree": 1, "n_mentions": 1},
        {"id": "e3", "name": ODD, "type": "", "description": ODD, "degree": 1, "aliases": [ODD]},
    ]
    relationships: Rows = [
        {
            "id": "r1",
            "source_id": "e1",
            "target_id": "e2",
            "type": "knows",
            "description": ODD,
            "weight": 0.1 + 0.2,
            "text_unit_ids": ["u1", "u2"],
        },
        {
            "id": "r2",
            "source_id": "e3",
            "target_id": "e1",
            "type": "",
            "weight": 1e300,
            "text_unit_ids": [],
        },
    ]
    mentions: Rows = [
        {"text_unit_id": "u1", "entity_id": "e1", "owner": 1 / 3, "sentences": [0, 2]},
        {"text_unit_id": "u2", "entity_id": "e1", "sentences": []},
        {"text_unit_id": "u2", "entity_id": "e2", "owner": 0.0},
    ]
    communities: Rows = [
        {"id": "c9", "level": 0, "size": 3, "entity_ids": ["e1", "e2", "e3"]},
        {"id": "c1", "level": 1, "size": 2, "entity_ids": ["e1", "e2"], "parent_id": "c9"},
    ]
    finding = {"summary": "cold", "explanation": ODD, "text_unit_ids": ["u2"]}
    reports: Rows = [
        {"community_id": "c1", "title": "Pair", "summary": "Two", "findings": [finding, finding]},
        {"community_id": "c9", "title": ODD, "summary": "All", "findings": [], "rating": 7.5},
    ]
    windows: Rows = [
        {"text_unit_id": "u1", "ordinal": 1, "start": 4, "end": 9},
        {"text_unit_id": "u1", "ordinal": 0, "start": 0, "end": 4},
        {"text_unit_id": "u2", "ordinal": 0},
    ]
    rows: dict[str, Rows] = {
        "documents": documents,
        "text_units": units,
        "windows": windows,
        "entities": entities,
        "relationships": relationships,
        "mentions": mentions,
        "claims": [{"id": "x", "subject": "e1", "text_unit_id": "u2", "start": "1893"}],
        "communities": communities,
        "reports": reports,
    }
    return {table: frame(table, rows[table]).sort(KEYS[table]) for table in rows}


def evidence(usage: str) -> pl.DataFrame:
    row: dict[str, object] = {"key": "k", "entities": "[]", "status": "ok", "usage": usage}
    return frame("evidence", [row])


async def exported(
    root: Path,
    format: Format,
    *,
    content: Mapping[str, pl.DataFrame] | None = None,
    usage: str = "{}",
    vectors: Mapping[str, NDArray[np.float32]] | None = None,
) -> dict[str, bytes]:
    """The files of an export by name."""
    store = await SQLiteStore.open(root / "graph.db", namespace="default")
    vectors = vectors or {}
    ids = pl.DataFrame(
        {"id": [*vectors], "key": [*vectors]}, schema=dict.fromkeys(["id", "key"], pl.String)
    )
    await store.put_evidence(evidence(usage))
    await store.commit(
        Snapshot(
            tables=content or tables(),
            searchable={},
            embedded={"entities": ids},
            vectors=vectors,
            evidence_keys=frozenset(["k"]),
            reply_keys=None,
            meta={"finished": usage},
        )
    )
    files = await export(store, root / "out", format=format)
    await store.close()
    assert sorted(files) == sorted((root / "out").iterdir())
    return {file.name: file.read_bytes() for file in files}


def test_csv_holds_every_row_as_it_was(tmp_path: Path) -> None:
    files = asyncio.run(exported(tmp_path, "csv"))
    assert list(files) == [f"{table}.csv" for table in TABLES]
    for table, expected in tables().items():
        flat_schema = {
            name: pl.String if dtype.is_nested() else dtype for name, dtype in TABLES[table].items()
        }
        read = pl.read_csv(files[f"{table}.csv"], schema=flat_schema)
        nested = [name for name, dtype in TABLES[table].items() if dtype.is_nested()]
        for row, row_expected in zip(read.to_dicts(), expected.to_dicts(), strict=True):
            decoded = {name: row[name] and json.loads(row[name]) for name in nested}
            assert row | decoded == row_expected
    assert files["entities.csv"].count(b"\r") == ODD.count("\r") * 3  # of the text, not of lines
    assert files["claims.csv"].endswith(b"\n")


def test_equal_graphs_give_equal_csv_bytes(tmp_path: Path) -> None:
    mixed = {name: content.reverse() for name, content in tables().items()}
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    first = asyncio.run(exported(tmp_path / "one", "csv", usage='{"calls":1}'))
    second = asyncio.run(exported(tmp_path / "two", "csv", content=mixed, usage='{"calls":2}'))
    assert first == second
    assert b"usage" not in first["evidence.csv"]


def test_parquet_holds_every_row_and_the_vectors(tmp_path: Path) -> None:
    vectors = {key: np.array([n, 0.1], dtype=np.float32) for n, key in enumerate(["e1", "e3"])}
    files = asyncio.run(exported(tmp_path, "parquet", vectors=vectors))
    assert list(files) == [f"{table}.parquet" for table in TABLES]
    for table, expected in tables().items():
        read = pl.read_parquet(files[f"{table}.parquet"])
        if table == "entities":
            assert read.schema["embedding"] == pl.List(pl.Float32)
            held = [row and np.array(row, dtype=np.float32) for row in read["embedding"].to_list()]
            assert held[1] is None
            assert np.array_equal(np.array([held[0], held[2]]), np.stack([*vectors.values()]))
            read = read.drop("embedding")
        assert read.schema == TABLES[table]
        assert read.to_dicts() == expected.to_dicts()


def test_microsoft_files_have_its_columns(tmp_path: Path) -> None:
    files = asyncio.run(exported(tmp_path, "microsoft"))
    assert {name: pl.read_parquet(data).columns for name, data in files.items()} == {
        f"{table}.parquet": columns.split() for table, columns in MICROSOFT.items()
    }
    without_claims = tables() | {"claims": empty("claims")}
    assert "covariates" not in microsoft_tables(without_claims)


@pytest.mark.data
def test_microsoft_types_are_those_of_its_own_files(test_data: Path) -> None:
    ours = microsoft_tables(tables())
    for file in sorted((test_data / "dulce").glob("*.parquet")):
        theirs = pl.read_parquet_schema(file)
        for name, dtype in ours[file.stem].schema.items():
            # Their older files call raw_data metadata, and hold nothing in it.
            if name != "raw_data":
                assert theirs[name] == dtype, f"{file.stem}.{name}"


def test_microsoft_tables_say_what_ours_say() -> None:
    made = microsoft_tables(tables())
    (document,) = made["documents"].to_dicts()
    shared = " and the ice was thick that year."
    assert document["text"] == f"It was cold{shared} They went on.\n\n{ODD}"
    assert document["text_unit_ids"] == ["u2", "u1", "u3"]
    units = {row["id"]: row for row in made["text_units"].to_dicts()}
    assert units["u2"]["entity_ids"] == ["e1", "e2"]
    assert units["u2"]["relationship_ids"] == ["r1"]
    assert units["u2"]["covariate_ids"] == ["x"]
    assert units["u3"]["entity_ids"] == []
    entities = {row["id"]: row for row in made["entities"].to_dicts()}
    assert entities["e1"]["text_unit_ids"] == ["u1", "u2"]
    assert entities["e1"]["frequency"] == 2
    first, second = made["relationships"].to_dicts()
    assert (first["source"], first["target"], first["combined_degree"]) == ("Nansen", "Sverdrup", 3)
    assert second["source"] == ODD
    whole, pair = made["communities"].to_dicts()
    assert (whole["community"], whole["parent"], whole["children"]) == (0, -1, [1])
    assert (pair["community"], pair["parent"], pair["children"]) == (1, 0, [])
    assert whole["relationship_ids"] == ["r1", "r2"]
    assert pair["relationship_ids"] == ["r1"]
    assert pair["text_unit_ids"] == ["u1", "u2"]
    assert pair["title"] == "Community 1"
    report = made["community_reports"].to_dicts()[1]
    assert report["community"] == 1
    assert report["full_content"].startswith("# Pair\n")
    # The unit that it cites is the first of its document.
    cited = f"{ODD} [Data: Sources (0)]"
    assert report["findings"] == [{"explanation": cited, "summary": "cold"}] * 2
    assert json.loads(report["full_content_json"])["summary"] == "Two"


def test_an_empty_index_is_exported_as_empty_tables(tmp_path: Path) -> None:
    nothing = {table: empty(table) for table in TABLES if table != "evidence"}
    for format in ("csv", "parquet", "microsoft", "graphml"):
        root = tmp_path / format
        root.mkdir()
        files = asyncio.run(exported(root, format, content=nothing))
        assert all(files.values())
    assert microsoft_tables(nothing)["communities"].is_empty()


def test_graphml_is_valid_xml_with_every_node_and_edge(tmp_path: Path) -> None:
    files = asyncio.run(exported(tmp_path, "graphml"))
    space = "{http://graphml.graphdrawing.org/xmlns}"
    root = ElementTree.fromstring(files["graph.graphml"])

    def data(kind: str) -> dict[str | None, dict[str, str | None]]:
        return {
            item.get("id"): {
                str(entry.get("key")): entry.text for entry in item.iter(f"{space}data")
            }
            for item in root.iter(f"{space}{kind}")
        }

    nodes, edges = data("node"), data("edge")
    declared = {key.get("id") for key in root.iter(f"{space}key")}
    used = {key for row in [*nodes.values(), *edges.values()] for key in row}
    assert used <= declared
    assert list(nodes) == ["e1", "e2", "e3"]
    assert nodes["e1"]["node_community_0"] == "c9"
    assert nodes["e1"]["node_community_1"] == "c1"
    assert "node_community_1" not in nodes["e3"]
    assert nodes["e3"]["node_name"] == "".join(c for c in ODD if c not in "\x00\x0b\x1f\ufffe")
    assert nodes["e1"]["node_degree"] == "2"
    assert list(edges) == ["r1", "r2"]
    assert edges["r1"]["edge_weight"] == repr(0.1 + 0.2)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("precious")
    with pytest.raises(UsageError, match="out"):
        asyncio.run(exported(tmp_path, "csv"))
    assert (tmp_path / "out").read_text() == "precious"


def test_a_failed_write_leaves_the_file_before(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "documents.csv").write_text("before")
    (out / ".documents.csv.part").symlink_to("/dev/full")
    with pytest.raises(StoreError, match=r"documents\.csv") as caught:
        asyncio.run(exported(tmp_path, "csv"))
    assert caught.value.hint
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [
        ("documents.csv", "before")
    ]


def test_an_export_replaces_the_one_before(tmp_path: Path) -> None:
    asyncio.run(exported(tmp_path, "csv"))
    fewer = tables() | {"relationships": empty("relationships")}
    files = asyncio.run(exported(tmp_path, "csv", content=fewer))
    assert files["relationships.csv"].count(b"\n") == 1
