"""The map of a graph: whose places are where."""

from __future__ import annotations

import math
from itertools import combinations

from graphrag.engine.map import MapEdge, _lay_out

SIZES = (40, 25, 10, 3)


def made() -> tuple[list[str], list[MapEdge], list[tuple[str, ...]]]:
    """Rings of these sizes, each joined to the next but for the last, and two entities alone."""
    ids: list[str] = []
    edges: list[MapEdge] = []
    paths: list[tuple[str, ...]] = []
    for community, size in enumerate(SIZES):
        first = len(ids)
        ids += [f"{community}-{number}" for number in range(size)]
        paths += [(f"c{community}",)] * size
        edges += [MapEdge(first + n, first + (n + 1) % size, 2.0) for n in range(size)]
        if community in (1, 2):
            edges.append(MapEdge(0, first, 1.0))
    return [*ids, "alone", "alone too"], edges, [*paths, (), ()]


def test_a_map_is_the_same_each_time_and_within_one() -> None:
    places = _lay_out(*made())
    assert places == _lay_out(*made())
    assert len(set(places)) == len(places)
    assert all(math.hypot(*place) <= 1 for place in places)


def test_communities_have_discs_of_their_own() -> None:
    ids, edges, paths = made()
    places = _lay_out(ids, edges, paths)
    discs: list[tuple[tuple[float, float], float]] = []
    for community, size in enumerate(SIZES):
        mine = [
            place for place, path in zip(places, paths, strict=True) if path == (f"c{community}",)
        ]
        assert len(mine) == size
        centre = (sum(x for x, _ in mine) / size, sum(y for _, y in mine) / size)
        discs.append((centre, max(math.dist(centre, place) for place in mine)))
    for (one, radius), (other, reach) in combinations(discs, 2):
        assert math.dist(one, other) > 0.9 * (radius + reach)
    # What is joined to nothing lies outside of what is.
    joined = max(math.hypot(*centre) for centre, _ in discs[:3])
    assert math.hypot(*discs[3][0]) > joined
    assert all(math.hypot(*place) > joined for place in places[-2:])


def test_larger_communities_have_more_room() -> None:
    ids, edges, paths = made()
    places = _lay_out(ids, edges, paths)
    spans = [
        max(math.dist(one, other) for one, other in combinations(mine, 2))
        for community in range(3)
        for mine in [
            [p for p, path in zip(places, paths, strict=True) if path == (f"c{community}",)]
        ]
    ]
    assert spans == sorted(spans, reverse=True)


def test_many_communities_have_places_too() -> None:
    count = 160  # more than are laid side by side
    ids = [str(number) for number in range(2 * count)]
    edges = [MapEdge(n, (n + 2) % len(ids), 1.0) for n in range(len(ids))]
    places = _lay_out(ids, edges, [(str(n // 2),) for n in range(len(ids))])
    assert len(set(places)) == len(ids)


def test_a_graph_of_nothing_and_of_one() -> None:
    assert _lay_out([], [], []) == []
    assert _lay_out(["one"], [], [()]) == [(0.0, 0.0)]
