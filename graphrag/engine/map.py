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
_WITHIN = 0.92  # of the radius of a community's disc
_EVEN = 0.85  # how far the distance from the middle is that of an even spread
_PACKED = 150  # discs that are laid side by side; the others lie around them
_SIDES = 16  # of a disc, on which another is tried
_GAP = 1.06  # between discs, in radii
_GOLDEN = math.pi * (3 - math.sqrt(5))

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
    """Each of the coarsest communities on a disc of its own, its members by force within it."""
    if not ids:
        return []
    tops = [path[0] if path else own for path, own in zip(paths, ids, strict=True)]
    members: dict[str, list[int]] = {}
    for number, top in enumerate(tops):
        members.setdefault(top, []).append(number)
    order = sorted(members, key=lambda top: (-len(members[top]), top))
    pulls: dict[str, dict[str, float]] = {top: {} for top in order}
    inner: dict[str, list[MapEdge]] = {top: [] for top in order}
    for edge in edges:
        one, other = tops[edge.source], tops[edge.target]
        if one == other:
            inner[one].append(edge)
        else:
            pulls[one][other] = pulls[one].get(other, 0.0) + edge.weight
            pulls[other][one] = pulls[other].get(one, 0.0) + edge.weight
    radii = {top: math.sqrt(len(members[top])) for top in order}
    centres = _packed(order, radii, pulls)
    edge_of_map = max(math.hypot(*centres[top]) + radii[top] for top in order)
    places: list[Place] = [(0.0, 0.0)] * len(ids)
    for top in order:
        found = _by_force([ids[one] for one in members[top]], members[top], inner[top], paths)
        for number, (x, y) in zip(members[top], found, strict=True):
            places[number] = (
                round((centres[top][0] + _WITHIN * radii[top] * x) / edge_of_map, 4),
                round((centres[top][1] + _WITHIN * radii[top] * y) / edge_of_map, 4),
            )
    return places


def _packed(
    order: Sequence[str], radii: Mapping[str, float], pulls: Mapping[str, Mapping[str, float]]
) -> dict[str, Place]:
    """Discs side by side, each as near as there is room to those that pull it.

    Those that nothing pulls, and the smallest of many, lie around the others.
    """
    import numpy as np

    packed = [top for top in order if pulls[top]][:_PACKED] or list(order[:1])
    angles = np.linspace(0, 2 * np.pi, _SIDES, endpoint=False)
    sides = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    at = np.zeros((len(packed), 2))
    radius = np.array([radii[top] for top in packed])
    numbers = {top: number for number, top in enumerate(packed)}
    for new, top in enumerate(packed[1:], start=1):
        reach = (radius[:new] + radius[new]) * _GAP
        spots = (at[:new, None] + sides[None] * reach[:, None, None]).reshape(-1, 2)
        apart = np.linalg.norm(spots[:, None] - at[None, :new], axis=2)
        free = spots[(apart >= reach[None] * 0.999).all(axis=1)]
        near = [
            (numbers[one], pull) for one, pull in pulls[top].items() if numbers.get(one, new) < new
        ]
        weight = sum(pull for _, pull in near)
        goal = sum((at[one] * pull for one, pull in near), np.zeros(2)) / (weight or 1.0)
        at[new] = free[np.linalg.norm(free - goal, axis=1).argmin()]
    at -= (at * radius[:, None] ** 2).sum(axis=0) / (radius**2).sum()
    centres: dict[str, Place] = {
        top: (float(x), float(y)) for top, (x, y) in zip(packed, at, strict=True)
    }
    outer = max(math.hypot(*centres[top]) + radii[top] for top in packed)
    area = (outer * _GAP) ** 2
    for number, top in enumerate(top for top in order if top not in centres):
        area += 1.5 * radii[top] ** 2
        distance, angle = math.sqrt(area) + radii[top], number * _GOLDEN
        centres[top] = (distance * math.cos(angle), distance * math.sin(angle))
    return centres


def _by_force(
    ids: Sequence[str],
    members: Sequence[int],
    edges: Sequence[MapEdge],
    paths: Sequence[tuple[str, ...]],
) -> list[Place]:
    """On the unit disc by the forces of Fruchterman and Reingold, from places that the ids give."""
    import igraph

    if len(ids) < 2:
        return [(0.0, 0.0) for _ in ids]
    at = {number: place for place, number in enumerate(members)}
    spread = math.sqrt(len(ids))
    graph = igraph.Graph(len(ids), [(at[edge.source], at[edge.target]) for edge in edges])
    # igraph draws from one generator for the whole process: lend it ours, then give it back.
    igraph.set_random_number_generator(random.Random(0))
    try:
        found = graph.layout_fruchterman_reingold(
            weights=[
                math.log1p(edge.weight)
                * (_TOGETHER if paths[edge.source][-1] == paths[edge.target][-1] else 1)
                for edge in edges
            ],
            seed=[tuple(spread * part for part in place_of(one)) for one in ids],
            niter=_ROUNDS,
            start_temp=spread / 10,
            grid="grid" if len(ids) > 1000 else "nogrid",
        )
    finally:
        igraph.set_random_number_generator(random)
    return _spread(found.coords)


def _spread(coordinates: Sequence[Sequence[float]]) -> list[Place]:
    """On the unit disc around their middle, nearly as dense at its edge as there."""
    count = len(coordinates)
    x, y = (sum(one[axis] for one in coordinates) / count for axis in (0, 1))
    moved = [(one[0] - x, one[1] - y) for one in coordinates]
    radii = [math.hypot(*one) for one in moved]
    furthest = max(radii) or 1.0
    places = moved
    for rank, number in enumerate(sorted(range(count), key=lambda number: (radii[number], number))):
        even = math.sqrt((rank + 0.5) / count)
        factor = _EVEN * even / (radii[number] or 1.0) + (1 - _EVEN) / furthest
        places[number] = (moved[number][0] * factor, moved[number][1] * factor)
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
