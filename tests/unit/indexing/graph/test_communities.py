"""Hierarchical Leiden: what every backend must find, and what must stay as it was."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrag.core.settings import CommunitySettings
from graphrag.core.tables import COMMUNITIES, RELATIONSHIPS, stable_id
from graphrag.indexing.graph.communities import detect, graph_hash, modularity
from graphrag.stores.contract.hierarchy import CommunityPlace, cover
from tests.hostile import SOAK

Backend = Literal["graspologic", "leidenalg", "igraph"]
BACKENDS: tuple[Backend, ...] = ("graspologic", "leidenalg", "igraph")
Edge = tuple[str, str, float]


def relationships(edges: list[Edge]) -> pl.DataFrame:
    rows = [
        (stable_id(source, target, str(number)), source, target, "knows", "", weight, 1, ["u"])
        for number, (source, target, weight) in enumerate(edges)
    ]
    return pl.DataFrame(rows, schema=RELATIONSHIPS, orient="row")


def planted(groups: int, size: int, *, outside: int, seed: int = 7) -> list[Edge]:
    """Dense groups `g00n00…` with `outside` edges between them."""
    draw = random.Random(seed)
    names = [[f"g{group:02}n{node:02}" for node in range(size)] for group in range(groups)]
    edges = [
        (a, b, float(draw.randint(1, 9)))
        for members in names
        for a, b in combinations(members, 2)
        if draw.random() < 0.6
    ]
    for _ in range(outside):
        first, second = draw.sample(names, 2)
        edges.append((draw.choice(first), draw.choice(second), 1.0))
    return edges


def nested(seed: int = 7) -> list[Edge]:
    """Four groups, each of four cliques of six: two levels at resolution 0.7."""
    draw = random.Random(seed)
    names = [
        f"s{group}c{clique}n{node}"
        for group in range(4)
        for clique in range(4)
        for node in range(6)
    ]
    edges: list[Edge] = []
    for a, b in combinations(names, 2):
        if a[:4] == b[:4]:
            edges.append((a, b, 3.0))
        elif draw.random() < (0.3 if a[:2] == b[:2] else 0.004):
            edges.append((a, b, 1.0))
    return edges


NESTED = CommunitySettings(max_cluster_size=8, resolution=0.7)


def groups_at(communities: pl.DataFrame, level: int) -> set[frozenset[str]]:
    members = communities.filter(pl.col("level") == level)["entity_ids"].to_list()
    return {frozenset(group) for group in members}


edge_lists = st.lists(
    st.tuples(
        st.integers(0, 25).map(str),
        st.integers(0, 25).map(str),
        st.floats(0.1, 20, allow_nan=False),
    ),
    max_size=80,
)


@pytest.mark.parametrize("backend", BACKENDS)
def test_planted_groups_are_found(backend: Backend) -> None:
    graph = relationships(planted(6, 12, outside=20))
    found = detect(graph, settings=CommunitySettings(backend=backend))
    expected = {frozenset(f"g{group:02}n{node:02}" for node in range(12)) for group in range(6)}
    assert groups_at(found, 0) == expected


def test_backends_agree_on_modularity() -> None:
    graph = relationships(planted(20, 15, outside=900))
    values = [
        modularity(graph, detect(graph, settings=CommunitySettings(backend=backend)))
        for backend in BACKENDS
    ]
    assert min(values) > 0.3
    assert max(values) - min(values) < 0.02 * max(values)


@pytest.mark.parametrize("backend", BACKENDS)
@given(edges=edge_lists, data=st.data())
@settings(max_examples=25)
def test_hierarchy_is_sound_and_independent_of_order(
    backend: Backend, edges: list[Edge], data: st.DataObject
) -> None:
    options = CommunitySettings(backend=backend, max_cluster_size=4)
    found = detect(relationships(edges), settings=options)
    assert found.schema == COMMUNITIES
    connected = {node for a, b, _ in edges if a != b for node in (a, b)}
    rows = {row["id"]: row for row in found.iter_rows(named=True)}
    for row in rows.values():
        assert row["entity_ids"] == sorted(row["entity_ids"])
        assert row["size"] == len(row["entity_ids"])
        parent = rows.get(row["parent_id"])
        assert (parent is None) == (row["level"] == 0)
        if parent is not None:
            assert parent["level"] == row["level"] - 1
            assert parent["size"] > 4
            assert set(row["entity_ids"]) < set(parent["entity_ids"])
    for level in range(4):
        places = [CommunityPlace(*row) for row in found.select("id", "level", "parent_id").rows()]
        covered = [node for place in cover(places, level) for node in rows[place.id]["entity_ids"]]
        assert sorted(covered) == sorted(connected)
    shuffled = data.draw(st.permutations(edges))
    turned = [(b, a, weight) for a, b, weight in shuffled]
    assert detect(relationships(turned), settings=options).equals(found)


@settings(max_examples=500 if SOAK else 30)
@given(edges=edge_lists)
def test_communities_are_connected(edges: list[Edge]) -> None:
    found = detect(relationships(edges), settings=CommunitySettings(max_cluster_size=4))
    for members in found["entity_ids"].to_list():
        reached, open_ends = {members[0]}, [members[0]]
        while open_ends:
            node = open_ends.pop()
            for a, b, _ in edges:
                for here, there in ((a, b), (b, a)):
                    if here == node and there in members and there not in reached:
                        reached.add(there)
                        open_ends.append(there)
        assert reached == set(members)


def test_pairs_are_summed_over_directions_and_types() -> None:
    apart = [("a", "b", 1.0), ("b", "a", 2.0), ("b", "c", 0.5), ("a", "b", 0.25)]
    joined = [("a", "b", 3.25), ("c", "b", 0.5)]
    options = CommunitySettings()
    assert graph_hash(relationships(apart), options) == graph_hash(relationships(joined), options)


def test_hash_tells_what_detection_depends_on() -> None:
    graph = relationships([("a", "b", 1.0)])
    base = CommunitySettings()
    assert graph_hash(graph, base) != graph_hash(graph, CommunitySettings(resolution=2))
    assert graph_hash(graph, base) != graph_hash(relationships([("a", "b", 2.0)]), base)
    assert graph_hash(graph, base) == graph_hash(graph, CommunitySettings(update="exact"))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([], set[frozenset[str]]()),
        ([("a", "b", 1.0)], {frozenset("ab")}),
        ([("a", "a", 5.0), ("a", "b", 1.0)], {frozenset("ab")}),
        ([("a", "a", 5.0)], set[frozenset[str]]()),
        ([("a", "b", 0.0), ("c", "d", 1.0)], {frozenset("cd")}),
        ([("a", "b", float("nan")), ("c", "d", 1.0)], {frozenset("cd")}),
        ([("a", "b", 1.0), ("c", "d", 1.0)], {frozenset("ab"), frozenset("cd")}),
        ([("a", "b", 1e15), ("c", "d", 1e-9)], {frozenset("ab"), frozenset("cd")}),
    ],
)
def test_small_graphs(backend: Backend, edges: list[Edge], expected: set[frozenset[str]]) -> None:
    found = detect(relationships(edges), settings=CommunitySettings(backend=backend))
    assert groups_at(found, 0) == expected
    assert found.height == len(expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_unchanged_graph_keeps_every_community(backend: Backend) -> None:
    graph = relationships(nested())
    options = NESTED.model_copy(update={"backend": backend})
    found = detect(graph, settings=options)
    assert found.group_by("level").len().sort("level").rows() == [(0, 4), (1, 16)]
    assert detect(graph, settings=options, previous=found).equals(found)


@pytest.mark.parametrize("backend", BACKENDS)
def test_small_change_leaves_the_communities_elsewhere(backend: Backend) -> None:
    edges = planted(20, 12, outside=150)
    options = CommunitySettings(backend=backend)
    before = detect(relationships(edges), settings=options)
    # One is tied to a community more than to another, one to it alone, two to nothing old.
    added = [
        *[("new", "g00n00", 3.0), ("new", "g00n01", 3.0), ("new", "g07n01", 5.0)],
        *[("newer", "new", 1.0), ("apart", "alone", 2.0)],
    ]
    changed = relationships([*edges, *added])
    after = detect(changed, settings=options, previous=before)
    expected = {
        group | {"new", "newer"} if "g00n00" in group else group for group in groups_at(before, 0)
    }
    assert groups_at(after, 0) == expected | {frozenset({"apart", "alone"})}
    elsewhere = before.filter(~pl.col("entity_ids").list.contains("g00n00"))
    assert set(elsewhere["id"]) <= set(after["id"])
    fresh = detect(changed, settings=options)
    assert modularity(changed, after) >= 0.99 * modularity(changed, fresh)


@pytest.mark.parametrize("backend", BACKENDS)
def test_large_change_moves_communities(backend: Backend) -> None:
    """What the old communities no longer fit: half of the groups are new and tied to one old."""
    old = planted(4, 12, outside=10)
    new = [(f"x{a}", f"x{b}", weight) for a, b, weight in planted(4, 12, outside=10, seed=8)]
    ties = [(f"xg{group:02}n00", "g00n00", 1.0) for group in range(4)]
    options = CommunitySettings(backend=backend)
    before = detect(relationships(old), settings=options)
    changed = relationships([*old, *new, *ties])
    after = detect(changed, settings=options, previous=before)
    assert len(groups_at(after, 0)) >= 8
    fresh = detect(changed, settings=options)
    assert modularity(changed, after) >= 0.99 * modularity(changed, fresh)


def test_poor_old_partition_gives_way() -> None:
    graph = relationships(planted(6, 12, outside=20))
    names = sorted({*graph["source_id"], *graph["target_id"]})
    rows = [(f"old{part}", 0, None, len(names) // 8, names[part::8]) for part in range(8)]
    poor = pl.DataFrame(rows, schema=COMMUNITIES, orient="row")
    fresh = detect(graph, settings=CommunitySettings())
    found = detect(graph, settings=CommunitySettings(), previous=poor)
    assert modularity(graph, found) >= 0.99 * modularity(graph, fresh)


def test_old_community_that_fell_apart_is_divided() -> None:
    before = relationships([("a", "b", 1.0), ("b", "c", 1.0), ("c", "d", 1.0)])
    old = pl.DataFrame(
        [("old", 0, None, 4, ["a", "b", "c", "d"])], schema=COMMUNITIES, orient="row"
    )
    after = before.filter(pl.col("source_id") != "b")
    found = detect(after, settings=CommunitySettings(), previous=old)
    assert groups_at(found, 0) == {frozenset("ab"), frozenset("cd")}


def test_part_depends_on_its_own_edges_alone() -> None:
    edges = nested()
    found = detect(relationships(edges), settings=NESTED)
    draw = random.Random(1)
    changed = [edge for edge in edges if edge[0][:2] == "s0" or draw.random() < 0.8]
    after = detect(relationships(changed), settings=NESTED)
    first = {group for group in groups_at(found, 1) if any(node[:2] == "s0" for node in group)}
    assert len(first) == 4
    assert first <= groups_at(after, 1)


def test_potts_model_and_resolution() -> None:
    graph = relationships(planted(6, 12, outside=20))
    sizes = [
        detect(graph, settings=CommunitySettings(objective="cpm", resolution=value))
        .filter(pl.col("level") == 0)
        .height
        for value in (0.05, 6.0)
    ]
    assert sizes[0] < sizes[1]


def test_igraph_gives_the_process_its_random_numbers_back() -> None:
    random.seed(3)
    expected = random.random()
    random.seed(3)
    graph = relationships(planted(4, 8, outside=10))
    detect(graph, settings=CommunitySettings(backend="igraph"))
    assert random.random() == expected


@pytest.mark.data
def test_backends_agree_on_a_model_extracted_graph(test_data: Path) -> None:
    graph = pl.read_parquet(test_data / "dulce" / "relationships.parquet").rename(
        {"source": "source_id", "target": "target_id"}
    )
    values = [
        modularity(graph, detect(graph, settings=CommunitySettings(backend=backend)))
        for backend in BACKENDS
    ]
    assert max(values) - min(values) < 0.03 * max(values)
