"""Hold a plan in the making, and the parts of a question that it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from graphrag.query.table.graph import Graph, Refusal
from graphrag.query.table.plan import Condition, Order, Plan
from graphrag.query.table.rules.forms import Language
from graphrag.query.table.rules.tokens import Token

Joined: TypeAlias = Literal["", "and", "but", "that"]


def check_measured(token: Token) -> None:
    """Raises Refusal where what is to be measured is of documents, and of no entity."""
    if "key" in token.means and "attribute" not in token.means:
        raise Refusal(
            f"{token.text!r} is metadata of documents, which is not measured",
            hint=f"It can be a condition or what is counted by: “per {token.text}”, "
            f"“with a {token.text} over 5”.",
        )


@dataclass(slots=True)
class Draft:
    """A plan in the making."""

    graph: Graph
    language: Language = "en"
    plan: Plan = field(default_factory=lambda: Plan(""))

    def set(self, **changes: object) -> None:
        self.plan = replace(self.plan, **changes)  # pyright: ignore[reportArgumentType] # fields

    def best(self, token: Token, named: Token | None) -> None:
        """Most or least of an attribute: the one that stands there, else what the word measures."""
        name = named.name("attribute") if named else self.measured(token, [self.plan.type])[0]
        more = token.degree.more if token.degree else token.kind == "max"
        self.set(attribute=name, order="most" if more else "fewest")
        if not self.plan.among:
            self.set(measure="max" if more else "min")

    def measured(self, token: Token, types: Sequence[str]) -> tuple[str, str]:
        """The attribute that "longest" is about, and the first of `types` that has it."""
        if token.degree is None:
            raise Refusal(f"the question does not say of what {token.text!r} is")
        wanted = token.degree.measures
        for type_ in types:
            fits = [
                one.name
                for one in self.graph.has.values()
                if type_ in one.types and (one.kind == "date" if wanted == "date" else any(
                    part.startswith(wanted) for part in one.name.lower().split("_")
                ))
            ]  # fmt: skip
            if len(fits) == 1:
                return fits[0], type_
            if fits:
                raise Refusal(
                    f"{token.text!r} may be about several attributes of {type_}",
                    hint=f"Name one of them: {', '.join(fits)}.",
                )
        there = [one.name for one in self.graph.has.values() if types[0] in one.types]
        raise Refusal(
            f"{token.text!r} is about no attribute of {types[0]}",
            hint=f"Its attributes are: {', '.join(there) or 'none'}.",
        )


@dataclass(slots=True)
class Chunk:
    """A part of a question about one relation: what stands at its other end, and how much.

    `of_end`: conditions on that other end; `conditions`: on the type that is asked for.
    """

    joined: Joined = ""
    relation: str = ""
    words: list[str] = field(default_factory=list[str])
    ends: list[Token] = field(default_factory=list[Token])
    conditions: list[Condition] = field(default_factory=list[Condition])
    of_end: list[Condition] = field(default_factory=list[Condition])
    negated: bool = False
    passive: bool = False
    relative: bool = False  # begins with a "that" which speaks of what stands before it
    inverted: bool = False  # its end stands before its words: "bridges that Pike designed"
    has: bool = False
    order: Order = ""
    at_least: int = 1
    at_most: int | None = None

    @property
    def is_link(self) -> bool:
        return bool(self.relation or self.words or self.ends)

    @property
    def is_empty(self) -> bool:
        return not (self.is_link or self.conditions or self.order)
