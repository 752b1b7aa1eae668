"""Read what questions can be made from: units, paths of the graph, communities.

Every list takes turns: over documents, over communities, over bridges. So its beginning, however
short, is balanced. Which comes first within a document is drawn by hash, with a seed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple, TypedDict, TypeVar

from graphrag.core.tables import stable_id
from graphrag.stores import GraphStore
from graphrag.stores.contract.hierarchy import CommunityPlace, cover

MIN_TOKENS = 25  # a shorter text unit hardly holds a fact
MAX_UNITS_OF_NAME = 40  # a name in more units bridges nothing in particular
PATHS_A_BRIDGE = 3
REPORTS_A_QUESTION = 4

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class TextUnit:
    id: str
    document: str
    title: str
    text: str
    n_tokens: int


@dataclass(frozen=True, slots=True)
class GraphPath:
    """Two relationships that meet in `bridge`, each said by a unit of its own."""

    names: tuple[str, str, str]  # the bridge is in the middle
    first: TextUnit
    second: TextUnit


class FindingItem(TypedDict):
    summary: str
    explanation: str
    text_unit_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Community:
    id: str
    title: str
    summary: str
    rating: float
    findings: tuple[FindingItem, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """What the index offers, each list in the order in which it should be used."""

    units: tuple[TextUnit, ...]
    paths: tuple[GraphPath, ...]
    communities: tuple[Community, ...]
    by_id: Mapping[str, TextUnit] = field(repr=False)


class _Unit(NamedTuple):
    id: str
    document_id: str
    text: str
    n_tokens: int


class _Document(NamedTuple):
    id: str
    source: str
    title: str


class _Entity(NamedTuple):
    id: str
    name: str


class _Relationship(NamedTuple):
    source_id: str
    target_id: str
    text_unit_ids: Sequence[str]


class _Mention(NamedTuple):
    text_unit_id: str
    entity_id: str


class _Members(NamedTuple):
    id: str
    level: int
    entity_ids: Sequence[str]


class _Report(NamedTuple):
    community_id: str
    title: str
    summary: str
    rating: float | None
    findings: Sequence[FindingItem]


async def read_material(store: GraphStore, *, level: int, seed: int) -> Material:
    """Everything that questions can be made from; `level` of the communities."""
    documents = {row.id: row for row in await store.rows("documents", _Document)}
    units = {
        row.id: TextUnit(
            row.id,
            documents[row.document_id].source,
            documents[row.document_id].title,
            row.text,
            row.n_tokens,
        )
        for row in await store.rows("text_units", _Unit)
    }
    long_enough = [unit for unit in units.values() if unit.n_tokens >= MIN_TOKENS]
    by_document = take_turns(long_enough, lambda unit: unit.document, _draw(seed))
    return Material(
        units=tuple(by_document),
        paths=tuple(await _paths(store, units, seed=seed)),
        communities=tuple(await _communities(store, level=level)),
        by_id=units,
    )


def take_turns(
    items: Iterable[Item], group: Callable[[Item], str], order: Callable[[str], str]
) -> Iterator[Item]:
    """One item of each group, then the next of each; groups and items in the order of `order`."""
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[group(item)].append(item)
    for members in groups.values():
        members.sort(key=lambda item: order(repr(item)))
    turns = (groups[name] for name in sorted(groups, key=order))
    for turn in zip_longest(*turns):
        yield from (item for item in turn if item is not None)


def _draw(seed: int) -> Callable[[str], str]:
    return lambda text: stable_id(str(seed), text)


async def _paths(store: GraphStore, units: Mapping[str, TextUnit], *, seed: int) -> list[GraphPath]:
    names = {row.id: row.name for row in await store.rows("entities", _Entity)}
    of_unit: dict[str, set[str]] = defaultdict(set)
    units_of: dict[str, int] = defaultdict(int)
    for row in await store.rows("mentions", _Mention):
        of_unit[row.text_unit_id].add(row.entity_id)
        units_of[row.entity_id] += 1
    ends: dict[str, list[tuple[str, Sequence[str]]]] = defaultdict(list)
    for row in await store.rows("relationships", _Relationship):
        ends[row.source_id].append((row.target_id, row.text_unit_ids))
        ends[row.target_id].append((row.source_id, row.text_unit_ids))
    draw = _draw(seed)
    paths: list[tuple[str, GraphPath]] = []
    for bridge in sorted(ends, key=draw):
        if 2 <= units_of[bridge] <= MAX_UNITS_OF_NAME:
            found = _paths_over(sorted(ends[bridge], key=lambda end: draw(end[0])), of_unit)
            for (first, second), (one, other) in found:
                path = (names[first], names[bridge], names[second])
                paths.append((bridge, GraphPath(path, units[one], units[other])))
    community = await _community_of(store)
    ordered = take_turns(paths, lambda pair: community.get(pair[0], ""), draw)
    return [path for _, path in ordered]


def _paths_over(
    ends: Sequence[tuple[str, Sequence[str]]], of_unit: Mapping[str, set[str]]
) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Pairs of neighbours, with a unit for each that does not name the other."""
    count = 0
    for place, (first, first_units) in enumerate(ends):
        for second, second_units in ends[place + 1 :]:
            one = _unit_without(first_units, second, of_unit)
            other = _unit_without(second_units, first, of_unit)
            if first != second and one and other and one != other:
                yield (first, second), (one, other)
                count += 1
                break
        if count == PATHS_A_BRIDGE:
            return


def _unit_without(
    unit_ids: Sequence[str], entity: str, of_unit: Mapping[str, set[str]]
) -> str | None:
    return next((unit for unit in sorted(unit_ids) if entity not in of_unit[unit]), None)


async def _community_of(store: GraphStore) -> dict[str, str]:
    """The coarsest community of each entity."""
    rows = await store.rows("communities", _Members, where=("level", [0]))
    return {entity: row.id for row in rows for entity in row.entity_ids}


async def _communities(store: GraphStore, *, level: int) -> list[Community]:
    """The communities of the level's cover that have a report, the most important first."""
    places = cover(await store.rows("communities", CommunityPlace), level)
    ids = {place.id for place in places}
    rows = [row for row in await store.rows("reports", _Report) if row.community_id in ids]
    rows.sort(key=lambda row: (-(row.rating or 0.0), row.community_id))
    return [
        Community(row.community_id, row.title, row.summary, row.rating or 0.0, tuple(row.findings))
        for row in rows
        if row.findings
    ]


def groups_of_reports(communities: Sequence[Community]) -> Iterator[tuple[Community, ...]]:
    """Some communities for each question, so that all take their turn, the important ones first."""
    size = min(REPORTS_A_QUESTION, len(communities))
    start = 0
    while size:
        yield tuple(communities[(start + step) % len(communities)] for step in range(size))
        start += size
