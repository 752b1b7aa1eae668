"""What readers of all formats give back: the documents of a file, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# What a parser raises that a damaged file led astray, besides errors of its own.
FAULTS = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """One document of a file. `where` is its place among the rows, "" for the whole file."""

    text: str
    title: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    id: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """`problems`: rows that could not be read, as place and reason."""

    items: list[Item] = field(default_factory=list[Item])
    problems: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    warnings: list[str] = field(default_factory=list[str])
