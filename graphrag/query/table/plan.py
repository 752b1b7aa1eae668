"""Say what a counting question asks, as a small value that can only read.

A plan names types, relations, attributes, metadata keys, entities and values in the words of the
graph. It has no field for a statement, so nothing that stands in it can write: `run` looks its
words up among the graph's own, and `cypher` hands them on as parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["out", "in", "any"]
Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">=", "present", "missing"]
Measure: TypeAlias = Literal["count", "list", "sum", "min", "max"]
Order: TypeAlias = Literal["", "most", "fewest"]


@dataclass(frozen=True, slots=True)
class Condition:
    """On an attribute of the entities, or on metadata of the documents that name them.

    `values`: for = any of them, for != none of them, for the others one.
    """

    of: Literal["attribute", "metadata"]
    key: str
    operator: Operator
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A hop over a relation to other entities; all that is empty may be any.

    `words`: in a graph without types of relations, what must stand in one sentence that names
    both ends. `then`: a second hop, from those others; `far`: the link stands for its end.
    """

    relation: str = ""
    direction: Direction = "any"
    type: str = ""
    name: str = ""
    words: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    then: Link | None = None
    far: bool = False
    at_least: int = 1  # different others
    at_most: int | None = None

    @property
    def hops(self) -> Iterator[Link]:
        """This one and those behind it."""
        yield self
        if self.then:
            yield from self.then.hops


@dataclass(frozen=True, slots=True)
class Group:
    """By what rows are counted: an attribute, a metadata key, a linked entity, the type."""

    of: Literal["attribute", "metadata", "link", "type"]
    key: str = ""
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Entities of `type` that meet all conditions and links and none of `without`.

    `counted`: how many of these each has is a column and the order. `attribute` likewise; it is
    what `sum`, `min` and `max` are of. `among`: only these, compared. `also`: types beside
    `type`, counted with it where the group is the type.
    """

    type: str
    measure: Measure = "list"
    attribute: str = ""
    conditions: tuple[Condition, ...] = ()
    links: tuple[Link, ...] = ()
    without: tuple[Link, ...] = ()
    counted: Link | None = None
    group: Group | None = None
    among: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    order: Order = ""
    limit: int | None = None

    @property
    def all_links(self) -> Iterator[Link]:
        """Every first hop of the plan, in order."""
        yield from (*self.links, *self.without)
        if self.counted:
            yield self.counted
        if self.group and self.group.link:
            yield self.group.link

    @property
    def all_hops(self) -> Iterator[Link]:
        """Every hop of the plan, in order."""
        for link in self.all_links:
            yield from link.hops
