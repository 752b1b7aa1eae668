"""Lay the whole graph out as a map: each entity at one place, near what it is related to."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from graphrag.engine.contents import Contents, place_of
from graphrag.query.context.rows import RelationshipRow

MAX_ENTITIES = 5000
MAX_RELATIONSHIPS = 20_000
_ROUNDS = 300
_TOGETHER = 4.0  # times as strong: what joins members of one community
_ROOM = 0.6  # share of the radius in which most of the entities are

Place = tuple[float, float]


class _Community(NamedTuple):
    id: str
    level: int
    parent_id: str | None
    size: int


@dataclass(frozen=True, slots=True)
class MapNode:
    """An entity; `communities`: those it is in, the coarsest first."""

    id: str
    name: str
    type: str
    degree: int
    x: float
    y: float
    communities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MapEdge:
    """`source` and `target` are places in the list of nodes."""

    source: int
    target: int
    weight: float


@dataclass(frozen=True, slots=True)
class MapCommunity:
    """In the middle of its members."""

    id: str
    level: int
    parent_id: str | None
    size: int
    title: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class GraphMap:
    """Places are within -1 and 1, and the same until the graph changes.

    `left_out`: entities for which there was no room, those with the fewest relationships.
    """

    nodes: tuple[MapNode, ...]
    edges: tuple[MapEdge, ...]
    communities: tuple[MapCommunity, ...]
    left_out: int


async def read_map(contents: Contents) -> GraphMap:
    """The map of the entities with the most relationships. Raises NoIndexError."""
    import polars as pl

    await contents.version()
    entities = await contents.store.read("entities", columns=["id", "name", "type", "degree"])
    shown = entities.sort([pl.col("degree"), pl.col("id")], descending=[True, False]).head(
        MAX_ENTITIES
    )
    ids = cast("list[str]", shown["id"].to_list())
    at = {one: number for number, one in enumerate(ids)}
    rows = (
        await contents.store.relationships_of(ids, RelationshipRow, most=MAX_RELATIONSHIPS)
        if ids
        else []
    )
    edges = [
        MapEdge(at[row.source_id], at[row.target_id], row.weight)
        for row in rows
        if row.source_id in at and row.target_id in at
    ]
    communities = await _communities(contents)
    members: dict[str, list[str]] = {}
    for one in await contents.store.memberships_of(ids) if ids else []:
        members.setdefault(one.entity_id, []).append(one.community_id)
    paths = [
        tuple(sorted(members.get(one, ()), key=lambda c: (communities[c][0].level, c)))
        for one in ids
    ]
    places = await asyncio.to_thread(_lay_out, ids, edges, paths)
    nodes = tuple(
        MapNode(one, name, kind or "", degree, *place, path)
        for (one, name, kind, degree), place, path in zip(
            shown.iter_rows(), places, paths, strict=True
        )
    )
    return GraphMap(
        nodes, tuple(edges), _in_the_middle(nodes, communities), len(entities) - len(ids)
    )


async def _communities(contents: Contents) -> Mapping[str, tuple[_Community, str]]:
    rows = await contents.store.rows("communities", _Community)
    titles = await contents.titles([row.id for row in rows])
    return {row.id: (row, titles.get(row.id, "")) for row in rows}


def _lay_out(
    ids: Sequence[str], edges: Sequence[MapEdge], paths: Sequence[tuple[str, ...]]
) -> list[Place]:
    """By the forces of Fruchterman and Reingold, from places that the ids give."""
    import igraph

    if len(ids) < 2:
        return [(0.0, 0.0) for _ in ids]
    spread = math.sqrt(len(ids))
    weights = [
        math.log1p(edge.weight)
        * (
            _TOGETHER
            if paths[edge.source] and paths[edge.source][-1:] == paths[edge.target][-1:]
            else 1
        )
        for edge in edges
    ]
    graph = igraph.Graph(len(ids), [(edge.source, edge.target) for edge in edges])
    # igraph draws from one generator for the whole process: lend it ours, then give it back.
    igraph.set_random_number_generator(random.Random(0))
    try:
        found = graph.layout_fruchterman_reingold(
            weights=weights,
            seed=[tuple(spread * part for part in place_of(one)) for one in ids],
            niter=_ROUNDS,
            start_temp=spread / 10,
            grid="grid" if len(ids) > 1000 else "nogrid",
        )
    finally:
        igraph.set_random_number_generator(random)
    return _scaled(found.coords)


def _scaled(coordinates: Sequence[Sequence[float]]) -> list[Place]:
    """On the unit disc; what lies far out is drawn in, so that the rest is not a dot."""
    count = len(coordinates)
    centre = [sum(one[axis] for one in coordinates) / count for axis in (0, 1)]
    moved = [(one[0] - centre[0], one[1] - centre[1]) for one in coordinates]
    radii = sorted(math.hypot(*one) for one in moved)
    usual = radii[int(0.9 * (count - 1))] or 1.0
    places: list[Place] = []
    for x, y in moved:
        radius = math.hypot(x, y) / usual
        factor = _ROOM if radius <= 1 else (1 - (1 - _ROOM) / radius) / radius
        places.append((round(x / usual * factor, 4), round(y / usual * factor, 4)))
    return places


def _in_the_middle(
    nodes: Sequence[MapNode], communities: Mapping[str, tuple[_Community, str]]
) -> tuple[MapCommunity, ...]:
    places: dict[str, list[MapNode]] = {}
    for node in nodes:
        for one in node.communities:
            places.setdefault(one, []).append(node)
    found = [
        MapCommunity(
            *communities[one][0],
            communities[one][1],
            round(sum(node.x for node in members) / len(members), 4),
            round(sum(node.y for node in members) / len(members), 4),
        )
        for one, members in places.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.level, -one.size, one.id)))
