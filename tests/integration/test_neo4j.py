"""What only Neo4j can do wrong: passwords, other people's data, labels, servers that go away."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

import numpy as np
import polars as pl
import pytest

from graphrag import Document, GraphRAG
from graphrag.core.columns import CO_OCCURS, stable_id
from graphrag.core.errors import GraphRAGError, StoreError, UsageError
from graphrag.core.settings import Neo4jSettings
from graphrag.stores import GraphStore, VectorTable, open_store, parse_filter
from graphrag.stores.neo4j import cypher
from graphrag.stores.neo4j import search as neo4j_search
from graphrag.stores.neo4j.address import Target
from graphrag.stores.neo4j.connection import Connection
from graphrag.stores.neo4j.cypher import namespace_label
from graphrag.stores.neo4j.rows import Values, utf8
from graphrag.stores.neo4j.schema import check_version, drop_indexes
from graphrag.stores.neo4j.steps import Step
from graphrag.stores.neo4j.store import CommitOptions, Neo4jStore
from graphrag.stores.neo4j_server import server as local_neo4j
from graphrag.testing import FakeEmbedder
from tests.conftest import VERSIONS
from tests.hostile import HOSTILE as HOSTILE_TEXTS
from tests.integration.graphs import (
    Rows,
    all_vectors,
    assert_holds,
    document,
    entity,
    many,
    relationship,
    snapshot,
    unit,
    voyages,
)
from tests.integration.neo4j_server import (
    Servers,
    assert_spoiled,
    connect,
    empty,
    spoil,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = [pytest.mark.neo4j, pytest.mark.newest]


@pytest.fixture(params=VERSIONS)
def root(request: pytest.FixtureRequest, neo4j_servers: Servers) -> Generator[Path]:
    """The root of a running server; the namespaces of the test are emptied after it."""
    root = neo4j_servers.root(cast(str, request.param))
    yield root
    empty(root, "main", "second")


@pytest.fixture
def one_root(neo4j_servers: Servers) -> Generator[Path]:
    """The same, for what does not depend on the server's version."""
    root = neo4j_servers.root(VERSIONS[0])
    yield root
    empty(root, "main", "second")


async def open_local(
    root: Path, namespace: str = "main", *, options: CommitOptions | None = None
) -> GraphStore:
    return await Neo4jStore.open("local", root=root, namespace=namespace, options=options)


async def open_error(url: str, root: Path, settings: Neo4jSettings | None = None) -> GraphRAGError:
    with pytest.raises(GraphRAGError) as caught:
        await open_store(url, root=root, namespace="main", neo4j=settings)
    assert caught.value.hint
    return caught.value


# --- connecting -----------------------------------------------------------------------------


def test_a_wrong_password_is_named_and_not_shown(one_root: Path, tmp_path: Path) -> None:
    url = str(local_neo4j.status(one_root).url)
    settings = Neo4jSettings.model_validate({"username": "neo4j", "password": "wrong-secret"})
    error = asyncio.run(open_error(url, tmp_path, settings))
    assert isinstance(error, StoreError)
    assert "password" in str(error)
    assert "NEO4J_PASSWORD" in error.hint
    with_password = url.replace("://", "://neo4j:wrong-secret@")
    for shown in (error, asyncio.run(open_error(with_password, tmp_path))):
        assert "wrong-secret" not in str(shown) + shown.hint + repr(shown)
        assert url in str(shown)


def test_without_a_password_the_hint_says_where_it_goes(one_root: Path, tmp_path: Path) -> None:
    error = asyncio.run(open_error(str(local_neo4j.status(one_root).url), tmp_path))
    assert "NEO4J_USERNAME" in error.hint


def test_no_server_is_a_store_error(tmp_path: Path) -> None:
    error = asyncio.run(open_error("bolt://127.0.0.1:9", tmp_path))
    assert isinstance(error, StoreError)
    assert "bolt://127.0.0.1:9" in str(error)
    assert "graphrag neo4j start" in error.hint
    error = asyncio.run(open_error("local", tmp_path))
    assert "graphrag neo4j start" in error.hint


def test_a_server_that_is_gone_is_not_waited_for_twice() -> None:
    reached: list[int] = []

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(1)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(refuse, "127.0.0.1")
        port = cast(int, server.sockets[0].getsockname()[1])
        target = Target(f"bolt://127.0.0.1:{port}", ("neo4j", "secret"), None)
        connection = Connection(target, retry_s=0.5)
        try:
            tries: list[int] = []
            for _ in range(2):
                before = len(reached)
                with pytest.raises(StoreError, match="no Neo4j answers"):
                    await connection.execute("RETURN 1")
                tries.append(len(reached) - before)
            assert tries == [2, 1]
        finally:
            await connection.close()
            server.close()
            await server.wait_closed()

    asyncio.run(main())


@pytest.mark.parametrize("url", ["bolt://", "neo4j://host:x", "neo4j://u:secret@host:7687/path"])
def test_a_url_that_is_no_address_is_refused(url: str, tmp_path: Path) -> None:
    error = asyncio.run(open_error(url, tmp_path))
    assert isinstance(error, UsageError)
    assert "secret" not in str(error) + error.hint


def test_credentials_come_from_each_place(
    one_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = local_neo4j.status(one_root)
    password = Path(str(server.password_file)).read_text().strip()
    bare = str(server.url)
    with_credentials = bare.replace("://", f"://neo4j:{password}@")
    settings = Neo4jSettings.model_validate({"password": password, "database": "neo4j"})

    async def works(url: str, root: Path, given: Neo4jSettings | None = None) -> None:
        store = await open_store(url, root=root, namespace="main", neo4j=given)
        assert store.url == bare
        await store.close()

    asyncio.run(works(bare, one_root))
    asyncio.run(works(with_credentials, tmp_path))
    asyncio.run(works(bare, tmp_path, settings))
    with monkeypatch.context() as patch:
        patch.setenv("NEO4J_USERNAME", "neo4j")
        patch.setenv("NEO4J_PASSWORD", password)
        asyncio.run(works(bare, tmp_path))
        # Those of another server do not keep us from the one that was started here.
        patch.setenv("NEO4J_PASSWORD", "of-another-server")
        asyncio.run(works(bare, one_root))
        patch.setenv("NEO4J_DATABASE", "nowhere")
        error = asyncio.run(open_error(bare, one_root))
    assert "nowhere" in str(error)
    assert "NEO4J_DATABASE" in error.hint


def test_what_differs_in_size_between_calls_comes_in_a_map() -> None:
    """A text or list among the parameters has its statement planned by its order of magnitude."""
    fixed = {
        *("key", "prefix", "label", "namespace", "schema_version", "after", "end", "start"),
        *("token", "host", "pid", "expires", "name", "dimensions", "index", "vector"),
        *("page", "k", "limit", "most"),
    }
    found: list[object] = []
    for module in (cypher, neo4j_search):
        for value in vars(module).values():
            is_table = isinstance(value, dict)
            found += cast("dict[str, object]", value).values() if is_table else [value]
    texts = [text for text in found if isinstance(text, str)]
    used = {name for text in texts for name in re.findall(r"\$([a-z_]+)", text)}
    assert used - fixed == {"given"}


@pytest.mark.parametrize(
    ("found", "good"), [("5.25.1", False), ("4.4.40", False), ("5.26.0", True)]
)
def test_an_older_server_is_refused_by_name(found: str, good: bool) -> None:
    if good:
        check_version("bolt://x", found)
        return
    with pytest.raises(StoreError, match=re.escape(found)) as caught:
        check_version("bolt://x", found)
    assert "graphrag neo4j start" in caught.value.hint


# --- labels and other people's data ---------------------------------------------------------

HOSTILE = {
    "": "Untyped",
    "person": "Person",
    "legal entity": "LegalEntity",
    "x" * 300: "X" + "x" * 59,
    "`) DETACH DELETE n //": "DETACHDELETEN",
    "__Entity__": "Entity",
    "NS_main": "NSMain",
    "3d model": "T3dModel",
    "город": "Город",
    "\u202e'\"": "Untyped",
}


def test_attributes_are_properties_that_cypher_compares(one_root: Path) -> None:
    def stated(name: str, value: object, unit: str | None) -> dict[str, object]:
        return {"name": name, "value": value, "unit": unit, "text_unit_ids": ["u"]}

    first = [
        stated("length", 211, "m"),
        stated("length", 210.5, "m"),
        stated("speed", 14, "kn"),
        stated("speed", "slow", None),
        stated("`x`) //", True, None),
    ]
    seen: list[object] = []

    async def main() -> None:
        store, connection = await open_local(one_root), connect(one_root)
        try:
            for attributes in (first, first[:1], []):
                rows = {"entities": [entity("ship", attributes=json.dumps(attributes))]}
                await store.commit(snapshot(rows))
                (found,) = await connection.query(
                    "MATCH (n:__Entity__) WHERE n.key STARTS WITH 'main:'"
                    " RETURN any(x IN n.attr_length WHERE x > 211.0),"
                    " n {.attr_length, .attr_speed, .`attr_``x``) //`}"
                )
                seen.append(found)
        finally:
            await store.close()
            await connection.close()

    asyncio.run(main())
    nothing = {"attr_length": None, "attr_speed": None, "attr_`x`) //": None}
    texts = {"attr_speed": ["14 kn", "slow"], "attr_`x`) //": ["true"]}
    assert seen == [
        [False, {"attr_length": [211.0, 210.5]} | texts],
        [False, nothing | {"attr_length": [211.0]}],
        [None, nothing],
    ]


def test_types_become_labels_of_letters_and_digits(one_root: Path) -> None:
    rows: dict[str, Rows] = {
        "entities": [entity(f"e{n}", type=kind) for n, kind in enumerate(HOSTILE)]
    }

    async def main() -> None:
        store, connection = await open_local(one_root), connect(one_root)
        try:
            await store.commit(snapshot(rows))
            held = await connection.query(
                "MATCH (n:__Entity__) WHERE n.key STARTS WITH 'main:'"
                " RETURN n.type, labels(n), n.name ORDER BY n.name"
            )
            assert {str(kind) for kind, _, _ in held} == set(HOSTILE)
            for kind, labels, _ in held:
                own = {"__Entity__", namespace_label("main"), HOSTILE[str(kind)]}
                assert set(cast("list[str]", labels)) == own
            # Another type: the label of the old one goes.
            rows["entities"][1]["type"] = "legal entity"
            await store.commit(snapshot(rows))
            (labels,) = (
                await connection.query(
                    "MATCH (n:__Entity__) WHERE n.key STARTS WITH 'main:' AND n.name = 'e1'"
                    " RETURN labels(n)"
                )
            )[0]
            assert "Person" not in cast("list[str]", labels)
            assert "LegalEntity" in cast("list[str]", labels)
            # Another language of the text that is searched: the label of the type stays.
            german = snapshot(rows)
            texts = german.searchable["entities"].with_columns(pl.lit("de").alias("language"))
            searchable = {**german.searchable, "entities": texts}
            await store.commit(replace(german, searchable=searchable))
            unlabelled = await connection.query(
                "MATCH (n:__Entity__) WHERE n.key STARTS WITH 'main:' AND size(labels(n)) < 3"
                " RETURN n.name"
            )
            assert unlabelled == []
        finally:
            await store.close()
            await connection.close()

    asyncio.run(main())


_EDGES = """
MATCH (a:__Entity__)-[r]->(b:__Entity__)
WHERE a.key STARTS WITH 'main:' AND r.id IS NOT NULL
RETURN a.name, type(r), b.name, r.type ORDER BY a.name, b.name, r.type"""


def test_relationships_have_the_type_that_several_have(root: Path) -> None:
    names = [f"e{n}" for n in range(6)]
    edges = [
        *(relationship("e0", name, "works for") for name in names[1:4]),
        relationship("e0", "e4", "once said"),
        relationship("e1", "e2", "part of"),
        relationship("e1", "e3", "Part-of"),
        *(relationship("e2", name, CO_OCCURS) for name in names[3:]),
    ]
    rows: dict[str, list[dict[str, object]]] = {
        "entities": [entity(name) for name in names],
        "relationships": edges,
    }

    async def main() -> None:
        store, connection = await open_local(root), connect(root)
        try:
            await store.commit(snapshot(rows))
            await assert_holds(store, snapshot(rows))
            kinds = {(kind, name) for _, name, _, kind in await connection.query(_EDGES)}
            assert kinds == {
                ("works for", "WORKS_FOR"),
                ("once said", "RELATED"),
                ("part of", "REL_PART_OF"),
                ("Part-of", "REL_PART_OF"),
                (CO_OCCURS, "RELATED"),
            }
            # One drawn by hand is neither read nor deleted.
            await connection.execute(
                "MATCH (a {key: $a}), (b {key: $b}) CREATE (a)-[:SUSPECTS {note: 'mine'}]->(b)",
                a=f"main:{stable_id('entity', 'e4')}", b=f"main:{stable_id('entity', 'e5')}",
            )  # fmt: skip
            # Only one works for another now: it moves. A second one said something.
            rows["relationships"] = [edges[0], *edges[3:], relationship("e1", "e4", "once said")]
            await store.commit(snapshot(rows))
            await assert_holds(store, snapshot(rows))
            kinds = {(kind, name) for _, name, _, kind in await connection.query(_EDGES)}
            assert ("works for", "RELATED") in kinds
            assert ("once said", "ONCE_SAID") in kinds
            assert len(await connection.query(_EDGES)) == len(rows["relationships"])
            drawn = "MATCH (:__Entity__)-[r:SUSPECTS]->(:__Entity__) RETURN r.note"
            assert await connection.query(drawn) == [["mine"]]
        finally:
            await store.close()
            await connection.close()

    asyncio.run(main())


def test_an_index_with_one_type_for_all_is_read_and_gets_types(one_root: Path) -> None:
    rows: dict[str, list[dict[str, object]]] = {
        "entities": [entity(f"e{n}") for n in range(4)],
        "relationships": [relationship("e0", f"e{n}", "leads to") for n in (1, 2)],
    }

    async def main() -> None:
        store, connection = await open_local(one_root), connect(one_root)
        try:
            await store.commit(snapshot(rows))
            await connection.execute(
                "MATCH (a:__Entity__)-[r:LEADS_TO]->(b) CREATE (a)-[n:RELATED]->(b)"
                " SET n = properties(r) DELETE r"
            )
            await assert_holds(store, snapshot(rows))
            rows["relationships"].append(relationship("e1", "e3", "leads to"))
            await store.commit(snapshot(rows))
            await assert_holds(store, snapshot(rows))
            assert {name for _, name, _, _ in await connection.query(_EDGES)} == {"LEADS_TO"}
        finally:
            await store.close()
            await connection.close()

    asyncio.run(main())


def test_an_index_of_another_form_gets_this_one_though_nothing_is_new(one_root: Path) -> None:
    text = "Fridtjof Nansen drifted across the Arctic in the Fram. The Fram met Otto Sverdrup."

    async def run(statement: LiteralString) -> Values:
        connection = connect(one_root)
        try:
            return await connection.execute(statement)
        finally:
            await connection.close()

    with GraphRAG.open(one_root, store="local", namespace="main", chat=None, embed=None) as rag:
        rag.index(documents=[Document("db:1", text)])
        asyncio.run(
            run(
                "MATCH (m:__Meta__ {key: 'main:meta'}) REMOVE m.written WITH m"
                " MATCH (n) WHERE n.key STARTS WITH 'main:' AND n.z_row_hash IS NOT NULL"
                " SET n.z_row_hash = 'of before' REMOVE n.name REMOVE n:__Level0__"
            )
        )
        assert rag.index().changed
        [[named, levels]] = asyncio.run(
            run(
                "MATCH (c:__Chunk__|__Entity__) WHERE c.key STARTS WITH 'main:'"
                " WITH collect(c.name IS NOT NULL) AS named"
                " MATCH (l:__Level0__) WHERE l.key STARTS WITH 'main:' RETURN named, count(l)"
            )
        )
        assert set(cast("list[bool]", named)) == {True}
        assert levels
        assert not rag.index().changed


def test_any_number_of_types_makes_a_bounded_number_in_the_server(one_root: Path) -> None:
    texts = [text for text in HOSTILE_TEXTS.values() if utf8(text) == text]
    kinds = [f"{text[:50]} {n}" for n in range(150) for text in texts][:2000]
    rows: dict[str, list[dict[str, object]]] = {
        "entities": [entity(f"e{n}") for n in range(3)],
        "relationships": [
            relationship("e0", other, kind) for kind in kinds for other in ("e1", "e2")
        ],
    }

    async def main() -> None:
        store, connection = await open_local(one_root), connect(one_root)
        try:
            await store.commit(snapshot(rows))
            held = await connection.query(_EDGES)
            assert len(held) == len({row["id"] for row in rows["relationships"]})
            assert 400 < len({name for _, name, _, _ in held}) <= 501
        finally:
            await store.close()
            await connection.close()

    asyncio.run(main())


_FOREIGN = """
CREATE (a:Theirs:Person {name: 'Nansen', key: 'main:1'})
CREATE (b:Theirs:__Entity__ {id: 'x'})
CREATE (c:Theirs:__Chunk__:Doc {text: 'not yours'})
CREATE (d:Theirs:__Document__ {name: 'theirs'}), (e:Theirs:__Community__)
CREATE (:Theirs:__Meta__ {note: 'mine'}), (:Theirs:NS_main {name: 'like yours'})
CREATE (a)-[:RELATED {id: '1'}]->(b), (c)-[:PART_OF]->(d), (c)-[:MENTIONS]->(b)
CREATE (e)<-[:IN_COMMUNITY]-(b)"""
_SEE = """
MATCH (n:Theirs)
OPTIONAL MATCH (n)-[r]-()
RETURN elementId(n), labels(n), properties(n), count(r), collect(properties(r))
ORDER BY elementId(n)"""


def test_other_peoples_data_stays_as_it_was(root: Path) -> None:
    async def main() -> None:
        connection = connect(root)
        await connection.execute(_FOREIGN)
        await connection.execute(
            "CREATE CONSTRAINT theirs IF NOT EXISTS FOR (n:Doc) REQUIRE n.text IS UNIQUE"
        )
        before = await connection.query(_SEE)
        assert len(before) == 7
        store = await open_local(root)
        second = await open_local(root, "second")
        try:
            for rows in (voyages(), {}, voyages()):
                await store.commit(snapshot(rows))
                await second.commit(snapshot(voyages()))
                await assert_holds(store, snapshot(rows))
                assert await connection.query(_SEE) == before
            assert await store.search_text("text_units", "yours", k=5) == []
            await store.delete_all()
            await second.delete_all()
            assert await connection.query(_SEE) == before
            for name in ("main", "second"):
                start = namespace_label(name).lower()
                assert await connection.query(cypher.SHOW_INDEXES, start=start) == []
        finally:
            await connection.execute("MATCH (n:Theirs) DETACH DELETE n")
            await connection.execute("DROP CONSTRAINT theirs IF EXISTS")
            await store.close()
            await second.close()
            await connection.close()

    asyncio.run(main())


def test_namespaces_whose_names_begin_alike_do_not_meet(one_root: Path) -> None:
    async def main() -> None:
        stores = [await open_local(one_root, name) for name in ("a", "a:b", "a%3Ab", "a;", "A")]
        try:
            for number, store in enumerate(stores):
                rows = voyages()
                rows["documents"][0]["content_hash"] = str(number)
                await store.commit(snapshot(rows, meta={"number": str(number)}))
            for number, store in enumerate(stores):
                hashes = (await store.read("documents"))["content_hash"].to_list()
                assert str(number) in hashes
                assert await store.meta() == {"number": str(number)}
            await stores[0].delete_all()
            for store in stores[1:]:
                assert (await store.counts())["documents"] == 2
        finally:
            for store in stores:
                await store.delete_all()
                await store.close()

    asyncio.run(main())


# --- what Neo4j has and SQLite has not ------------------------------------------------------


def test_the_graph_is_linked_as_documented(root: Path) -> None:
    vectors: dict[VectorTable, dict[str, NDArray[np.float32]]] = {
        "entities": {
            str(row["id"]): np.eye(3, dtype=np.float32)[n]
            for n, row in enumerate(voyages()["entities"])
        }
    }
    rows = voyages()
    rows["claims"] = [
        {"id": "c1", "subject": "Nansen", "text_unit_id": rows["text_units"][0]["id"]}
    ]
    rows["communities"].append(
        rows["communities"][0]
        | {"id": "child", "level": 1, "parent_id": rows["communities"][0]["id"]}
    )

    async def main() -> None:
        async def unit_names() -> list[object]:
            found = await connection.query(
                "MATCH (c:__Chunk__) WHERE c.key STARTS WITH 'main:' RETURN c.name ORDER BY c.name"
            )
            return [name for (name,) in found]

        store, connection = await open_local(root), connect(root)
        try:
            await store.commit(snapshot(rows, vectors=vectors))
            found = await connection.query(
                "MATCH (a)-[r]->(b) WHERE a.key STARTS WITH 'main:'"
                " WITH a, type(r) AS kind, b"
                " RETURN DISTINCT [x IN labels(a) WHERE x IN $labels][0], kind,"
                " [x IN labels(b) WHERE x IN $labels][0]"
                " ORDER BY kind",
                labels=[*cypher.LABELS.values()],
            )
            assert [tuple(row) for row in found] == [
                ("__Chunk__", "HAS_CLAIM", "__Claim__"),
                ("__Entity__", "IN_COMMUNITY", "__Community__"),
                ("__Chunk__", "MENTIONS", "__Entity__"),
                ("__Chunk__", "NEXT_CHUNK", "__Chunk__"),
                ("__Window__", "OF", "__Chunk__"),
                ("__Community__", "PARENT_COMMUNITY", "__Community__"),
                ("__Chunk__", "PART_OF", "__Document__"),
                ("__Entity__", "RELATED", "__Entity__"),
            ]
            (year,) = (
                await connection.query(
                    "MATCH (d:__Document__ {title: 'Fram'}) WHERE d.key STARTS WITH 'main:'"
                    " RETURN d.meta_year"
                )
            )[0]
            assert year == 1893
            levels = await connection.query(
                "MATCH (c:__Community__) WHERE c.key STARTS WITH 'main:'"
                " RETURN DISTINCT c.level, [x IN labels(c) WHERE x STARTS WITH '__Level'] AS shown"
                " ORDER BY shown"
            )
            assert levels == [[0, ["__Level0__"]], [1, ["__Level1__"]]]
            assert await unit_names() == ["1 · Fram", "1 · Vega", "2 · Fram"]
            # A metadata key that is gone leaves no property behind.
            rows["documents"][0]["metadata"] = '{"shelf": "A"}'
            rows["documents"][1]["title"] = "The Vega"
            rows["text_units"][0]["headings"] = ["Fram", "Into the ice"]
            await store.commit(snapshot(rows))
            assert await connection.query(
                "MATCH (d:__Document__ {title: 'Fram'}) WHERE d.key STARTS WITH 'main:'"
                " RETURN d.meta_year, d.meta_shelf"
            ) == [[None, "A"]]
            assert await unit_names() == ["1 · Into the ice", "1 · The Vega", "2 · Fram"]
        finally:
            await store.close()
            await connection.close()

    asyncio.run(main())


def test_an_unchanged_commit_writes_no_row(one_root: Path) -> None:
    whole = snapshot(voyages(), vectors=all_vectors())

    async def main() -> None:
        store, connection = await open_local(one_root), connect(one_root)
        try:
            await store.commit(whole)
            await spoil(connection, "main")
            await store.commit(whole)
            await assert_spoiled(store)
        finally:
            await store.close()
            await connection.close()

    asyncio.run(main())


def test_a_commit_that_was_cut_off_is_completed_by_the_next(
    one_root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    options = CommitOptions(atomic=0, together=0, batch=50)
    wanted = many(200)
    write = Neo4jStore._commit_steps

    async def main() -> None:
        store, other = await open_local(one_root, options=options), await open_local(one_root)
        halt_at: list[str] = []
        halted = asyncio.Event()

        async def write_until(self: Neo4jStore, steps: list[Step]) -> None:
            await write(self, steps)
            if halt_at and (await other.counts())[halt_at[0]]:
                halted.set()
                await asyncio.Event().wait()  # until it is cancelled

        monkeypatch.setattr(Neo4jStore, "_commit_steps", write_until)
        try:
            for table in ("entities", "relationships", "mentions"):
                halt_at[:] = [table]
                halted.clear()
                writer = asyncio.create_task(store.commit(wanted))
                await halted.wait()
                writer.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await writer
                assert await other.meta() == {}  # nothing says that this is an index
                assert "may mix" in caplog.text
            halt_at.clear()
            await store.commit(wanted)
            await assert_holds(other, wanted)
            assert await other.meta() == {"graph_hash": "h"}
            assert len((await other.vectors("entities"))[0]) == 200
        finally:
            await store.close()
            await other.close()

    asyncio.run(main())


def test_a_hash_does_not_speak_for_a_commit_that_was_cut_off(one_root: Path) -> None:
    async def main() -> None:
        store, connection = await open_local(one_root), connect(one_root)
        try:
            meta = {"graph_hash": "1", "chunks": "c", "model": "m"}
            await store.commit(snapshot(voyages(), meta=meta))
            await connection.execute(
                "MATCH (m:__Meta__ {key: 'main:meta'}) SET m.state = 'committing'"
            )
            assert await store.meta() == {"model": "m"}
        finally:
            await store.close()
            await connection.close()

    asyncio.run(main())


def test_indexes_that_are_gone_are_made_by_the_next_run(root: Path) -> None:
    async def drop() -> None:
        connection = connect(root)
        await drop_indexes(connection, "main")
        await connection.close()

    given = [Document("db:1", "Fridtjof Nansen drifted across the Arctic in the Fram.")]
    with GraphRAG.open(
        root, store="local", namespace="main", chat=None, embed=FakeEmbedder()
    ) as rag:
        rag.index(documents=given)
        asyncio.run(drop())
        with pytest.raises(StoreError) as caught:
            rag.query("Who drifted across the Arctic?")
        assert "graphrag index" in str(caught.value.hint)
        assert not rag.index(documents=given).changed
        assert rag.query("Who drifted across the Arctic?").answered


def test_text_is_divided_anew_after_a_first_commit_that_was_cut_off(one_root: Path) -> None:
    text = " ".join(f"Fridtjof Nansen sailed in the year {1800 + n}." for n in range(60))

    def index(size: int, namespace: str) -> int:
        options: dict[str, object] = {"chunks.max_tokens": size, "chunks.overlap": 0}
        with GraphRAG.open(
            one_root, store="local", namespace=namespace, chat=None, embed=None, options=options
        ) as rag:
            return rag.index([], documents=[Document("log.txt", text)]).text_units

    wanted = index(50, "whole")
    assert index(100, "cut-off") < wanted

    async def cut_off() -> None:
        connection = connect(one_root)
        await connection.execute(
            "MATCH (m:__Meta__ {key: 'cut-off:meta'}) SET m.state = 'committing', m.entries = '{}'"
        )
        await connection.close()

    asyncio.run(cut_off())
    assert index(50, "cut-off") == wanted


# --- the same answers as SQLite -------------------------------------------------------------


def test_searches_overlap_with_those_of_sqlite(root: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    vocabulary = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "bdfgklmnprst"]
    weights = 1 / np.arange(1, len(vocabulary) + 1)
    weights /= weights.sum()
    rows: dict[str, Rows] = {"documents": [], "text_units": []}
    for number in range(400):
        title = " ".join(random.choice(vocabulary, 3, p=weights))
        rows["documents"].append(document(str(number), title=title, metadata={"n": number % 10}))
        body = " ".join(random.choice(vocabulary, int(random.integers(20, 200)), p=weights))
        rows["text_units"].append(unit(str(number), str(number), body))
    ids = [str(row["id"]) for row in rows["text_units"]]
    matrix = random.normal(size=(400, 32)).astype(np.float32)
    content = snapshot(rows, vectors={"text_units": dict(zip(ids, matrix, strict=True))})
    queries = [" ".join(random.choice(vocabulary, 4)) for _ in range(30)]
    questions = random.normal(size=(30, 32)).astype(np.float32)

    async def answers(url: str | None, folder: Path) -> tuple[list[set[str]], list[set[str]]]:
        store = await open_store(url, root=folder, namespace="main")
        try:
            await store.commit(content)
            by_text = [await store.search_text("text_units", text, k=10) for text in queries]
            by_vector = [await store.search_vectors("text_units", v, k=10) for v in questions]
        finally:
            await store.close()
        return (
            [{hit.id for hit in hits} for hits in by_text],
            [{hit.id for hit in hits} for hits in by_vector],
        )

    def overlap(ours: list[set[str]], theirs: list[set[str]]) -> float:
        pairs = zip(ours, theirs, strict=True)
        return float(np.mean([len(a & b) / len(b) for a, b in pairs if b]))

    text, vector = asyncio.run(answers("local", root))
    expected_text, expected_vector = asyncio.run(answers(None, tmp_path))
    assert overlap(text, expected_text) >= 0.9
    assert overlap(vector, expected_vector) >= 0.99


def test_filters_are_met_inside_the_vector_index_where_the_server_can(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on an index that an older server made: the next commit makes it anew."""
    random = np.random.default_rng(2)
    names = [f"u{number}" for number in range(120)]
    rows: dict[str, Rows] = {
        "documents": [document(str(n), metadata={"shelf": n}) for n in range(30)],
        "text_units": [
            unit(name, str(n % 30), name, ordinal=n // 30) for n, name in enumerate(names)
        ],
    }
    keys = [str(row["id"]) for row in rows["text_units"]]
    matrix = random.normal(size=(len(keys), 12)).astype(np.float32)
    content = snapshot(rows, vectors={"text_units": dict(zip(keys, matrix, strict=True))})
    question = matrix[0] / np.linalg.norm(matrix[0])
    cosines = dict(zip(keys, matrix @ question / np.linalg.norm(matrix, axis=1), strict=True))

    def best(shelves: range) -> list[str]:
        passing = [keys[n] for n in range(len(keys)) if n % 30 in shelves]
        return sorted(passing, key=lambda key: -cosines[key])[:4]

    async def assert_found(store: GraphStore) -> None:
        # Few documents: one search inside the index for each. Many: the nearest that pass.
        for condition, shelves in (("shelf<=2", range(3)), ("shelf<=24", range(25))):
            filters = [parse_filter(condition)]
            hits = await store.search_vectors("text_units", question, k=4, filters=filters)
            assert [hit.id for hit in hits] == best(shelves)
            assert hits[0].score == pytest.approx(cosines[hits[0].id], abs=1e-4)

    async def main() -> None:
        store, connection = await open_local(root), connect(root)
        older = await open_local(root, options=CommitOptions(filters_inside=False))

        async def filters_inside() -> bool:
            start = namespace_label("main").lower()
            indexes = await connection.query(cypher.SHOW_INDEXES, start=start)
            return any("document_id" in cast("list[str]", held) for _, _, held in indexes)

        try:
            await older.commit(content)
            assert not await filters_inside()
            await assert_found(store)
            await store.commit(content)
            version = await connection.server_version()
            assert await filters_inside() == (not version.startswith("5."))
            await assert_found(store)
        finally:
            await older.close()
            await store.close()
            await connection.close()

    asyncio.run(main())


def test_counts_of_words_are_those_of_the_last_commit(one_root: Path) -> None:
    async def main() -> None:
        reader, writer = await open_local(one_root), await open_local(one_root)
        try:
            for bodies in (["ship", "ship", "sea"], ["ship", "sea", "sea"]):
                rows = [unit(str(n), "d", body, ordinal=n) for n, body in enumerate(bodies)]
                await writer.commit(snapshot({"documents": [document("d")], "text_units": rows}))
                wanted = {word: bodies.count(word) for word in ("ship", "sea", "shore")}
                for asked in (["ship"], ["ship", "sea", "shore"], ["sea", "ship", "shore"]):
                    expected = {word: wanted[word] for word in asked}
                    assert await reader.document_frequencies(asked) == (3, expected)
        finally:
            await reader.close()
            await writer.close()

    asyncio.run(main())
