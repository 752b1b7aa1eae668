"""Random plans: both stores give the same, Cypher gives it too, and nothing is written."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphrag.core.tables import CO_OCCURS, TABLES
from graphrag.query.context import Question, Resources
from graphrag.query.router import answer as ask
from graphrag.query.table import cypher
from graphrag.query.table.data import read
from graphrag.query.table.graph import Graph, Refusal, load
from graphrag.query.table.plan import Condition, Group, Link, Plan
from graphrag.query.table.run import Result, run
from graphrag.stores import Filter, GraphStore, open_store
from graphrag.stores.neo4j.connection import Connection
from graphrag.stores.sqlite.store import SQLiteStore
from tests.conftest import VERSIONS
from tests.integration.conftest import PREFIX
from tests.integration.graphs import snapshot
from tests.integration.neo4j_server import Servers, connect, empty
from tests.integration.test_table import MOST, cells, in_store, world
from tests.tables import World, fleet, snapshot_rows

if TYPE_CHECKING:
    from tests.integration.conftest import Place

__all__ = ["world"]  # a fixture


INJECTED = (
    "x' OR 1=1 --",
    "'; DROP TABLE entities_1; --",
    "`}) DETACH DELETE n //",
    '"] RETURN 1 UNION MATCH (n) DETACH DELETE n //',
    "$a",
    "{{question}}",
)
_VALUES = st.sampled_from(["90", "110", "Danish", "1870", "modern", "60", "x", *INJECTED])
_NAMES = st.sampled_from(["", "", "", "Altair", "Line Amber", "Torvik", "Adler", "Haus Lenz", "?"])


def plans(world: World, *, typed: bool = True) -> st.SearchStrategy[Plan]:
    """Any plan over the words of a collection's graph, sensible or not."""
    types = [*world.schema.types]
    attributes = sorted({name for one in world.schema.types.values() for name in one.attributes})
    relations = sorted({one.relation for one in world.schema.triples}) if typed else []
    words = st.sampled_from([(), ("laid",), ("lands",), ("malte",), ("zeigt",), ("ship", "laid")])
    conditions = st.builds(
        Condition,
        of=st.just("attribute"),
        key=st.sampled_from(attributes),
        operator=st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "present", "missing"]),
        values=st.lists(_VALUES, min_size=1, max_size=2).map(tuple),
    )
    on_documents = st.builds(
        Condition,
        of=st.just("metadata"),
        key=st.sampled_from(["year", "language", "title"]),
        operator=st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        values=st.sampled_from(["1900", "1901", "en", *INJECTED]).map(lambda one: (one,)),
    )
    hops = st.builds(
        Link,
        relation=st.sampled_from(["", *relations]),
        direction=st.sampled_from(["out", "in", "any"]),
        type=st.sampled_from(["", *types]),
        name=_NAMES,
        words=st.just(()) if typed else words,
        conditions=st.lists(conditions, max_size=1).map(tuple),
    )
    links = st.builds(
        further,
        hops,
        st.none() | hops,
        far=st.booleans(),
        at_least=st.integers(0, 2),
        at_most=st.none() | st.integers(1, 3),
    )
    groups = st.one_of(
        st.builds(Group, st.just("attribute"), st.sampled_from(attributes)),
        st.builds(Group, st.just("metadata"), st.sampled_from(["year", "language"])),
        st.builds(Group, st.just("link"), st.just(""), links),
    )
    return st.builds(
        Plan,
        type=st.sampled_from(types),
        measure=st.sampled_from(["count", "list", "sum", "min", "max"]),
        attribute=st.sampled_from(["", *attributes]),
        conditions=st.lists(conditions | on_documents, max_size=2).map(tuple),
        links=st.lists(links, max_size=2).map(tuple),
        without=st.lists(links, max_size=1).map(tuple),
        counted=st.none() | links,
        group=st.none() | groups,
        order=st.sampled_from(["", "most", "fewest"]),
        limit=st.none() | st.integers(1, 4),
    )


def further(
    hop: Link, then: Link | None, *, far: bool, at_least: int, at_most: int | None
) -> Link:  # fmt: skip
    return replace(hop, then=then, far=far, at_least=at_least, at_most=at_most)


@pytest.mark.neo4j
@pytest.mark.parametrize("typed", [True, False])
def test_any_plan_gives_the_same_on_both_stores_and_writes_nothing(
    neo4j_servers: Servers, tmp_path: Path, world: World, *, typed: bool
) -> None:
    root = neo4j_servers.root(VERSIONS[0])
    examples = 500 if "GRAPHRAG_SOAK" in os.environ else 50 if typed else 30

    async def compare(lite: GraphStore, neo: GraphStore, connection: Connection) -> None:
        before = [await contents(store) for store in (lite, neo)]
        graphs = [await load(store, world.schema) for store in (lite, neo)]
        for plan in draw(plans(world, typed=typed), examples):
            found = [
                await outcome(plan, graph, store)
                for store, graph in zip((lite, neo), graphs, strict=True)
            ]
            assert found[0] == found[1], plan
            if isinstance(found[0], str):
                continue
            data = await read(plan, graphs[1], neo, ())
            made = cypher.statement(plan, graphs[1], data, namespace=neo.namespace)
            assert made
            by_hand = await connection.query(made.text, **made.parameters)
            assert cells(by_hand) == cells(found[0][1]), f"{plan}\n{made}"
        assert [await contents(store) for store in (lite, neo)] == before

    async def main() -> None:
        tables = snapshot_rows(world)
        for edge in () if typed else tables["relationships"]:
            edge["type"] = CO_OCCURS
        rows = snapshot(tables)
        connection = connect(root)
        lite = await SQLiteStore.open(tmp_path / "graph.db", namespace="main")
        neo = await open_store("local", root=root, namespace=f"{PREFIX}main", create=True)
        for store in (lite, neo):
            await store.commit(rows)
        try:
            await compare(lite, neo, connection)
        finally:
            await connection.close()
            await lite.close()
            await neo.close()

    try:
        asyncio.run(main())
    finally:
        empty(root, PREFIX)


def draw(strategy: st.SearchStrategy[Plan], examples: int) -> list[Plan]:
    """What hypothesis makes of a strategy, to be tried in one loop."""
    drawn: list[Plan] = []

    @settings(
        max_examples=examples,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(strategy)
    def keep(plan: Plan) -> None:
        drawn.append(plan)

    keep()
    return drawn


async def outcome(
    plan: Plan, graph: Graph, store: GraphStore
) -> str | tuple[tuple[str, ...], tuple[tuple[object, ...], ...], object, int]:
    """What a plan gives, or why it is refused."""
    try:
        data = await read(plan, graph, store, ())
        result: Result = run(plan, graph, data, most_rows=MOST)
    except Refusal as refusal:
        return f"{refusal} {refusal.hint}"
    return result.columns, result.rows, result.value, result.total


async def contents(store: GraphStore) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: (await store.read(table)).rows() for table in TABLES if table != "evidence"
    }  # fmt: skip


def test_a_value_that_looks_like_a_statement_is_a_value(place: Place) -> None:
    world = fleet()

    async def work(store: GraphStore, resources: Resources) -> None:
        before = await contents(store)
        for text in INJECTED:
            for question in (
                f"How many ships have the flag {text}?",
                f'Which ships laid "{text}"?',
                f"List all {text}.",
                f"How many ships per {text}?",
            ):
                answer = await ask(Question(question, method="table"), resources)
                assert not answer.answered or not answer.table or answer.table.total <= 13
            filtered = Question(
                "How many ships are there?", method="table", filters=(Filter("year", "=", (text,)),)
            )
            answer = await ask(filtered, resources)
            assert answer.answered
            assert answer.answer.startswith("**None**")
        assert await contents(store) == before

    in_store(place, world, work)
