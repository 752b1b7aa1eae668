"""Say which types, attributes and triples a graph may hold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["strict", "open"]
AttributeType: TypeAlias = Literal["text", "number", "date", "boolean"]

ANY = "*"  # any type, as an end of a triple
_MAX_NAME = 60  # characters
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Attribute:
    """What entities of a type have: a value of `type`, numbers in `unit`."""

    name: str
    type: AttributeType = "text"
    unit: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class EntityType:
    """A kind of entity; `aliases` are other words for it."""

    name: str
    description: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Triple:
    """A relation that entities of these types may have; `*` is any type."""

    source: str
    relation: str
    target: str


@dataclass(frozen=True, slots=True)
class Schema:
    """What the graph may hold.

    strict: nothing else is in the graph. open: it is what to look for first, and other types and
    relations stay. Without triples every relation is allowed.
    """

    mode: Mode = "open"
    types: Mapping[str, EntityType] = field(default_factory=dict[str, EntityType])
    triples: tuple[Triple, ...] = ()
    _names: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = {folded(word): name for name in self.types for word in self.types[name].aliases}
        names |= {folded(name): name for name in self.types}
        object.__setattr__(self, "_names", names)

    @property
    def is_strict(self) -> bool:
        return self.mode == "strict"

    def type_of(self, word: str) -> str | None:
        """The type that `word` names or is an alias of; None where the schema has none."""
        return self._names.get(folded(word))

    def attribute_of(self, type_: str, name: str) -> Attribute | None:
        """The attribute of entities of `type_` that `name` names."""
        found = self.types.get(type_)
        wanted = folded(name)
        for attribute in found.attributes.values() if found else ():
            if folded(attribute.name) == wanted:
                return attribute
        return None

    def allows(self, source: str, relation: str, target: str) -> bool:
        """Whether an entity of type `source` may have this relation to one of `target`."""
        wanted = folded(relation)
        return not self.triples or any(
            folded(triple.relation) == wanted
            and triple.source in (ANY, source)
            and triple.target in (ANY, target)
            for triple in self.triples
        )

    def to_dict(self) -> dict[str, object]:
        """The schema as JSON or YAML may hold it, in the form of the file."""
        types = {name: _type_dict(kind) for name, kind in self.types.items()}
        triples = [[one.source, one.relation, one.target] for one in self.triples]
        return {"mode": self.mode, "types": types, "triples": triples}

    def problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What is wrong with it: where (keys of the file's form), and what."""
        if self.mode not in ("strict", "open"):
            yield ("mode",), f"{self.mode!r} is no mode; there are strict and open"
        if not self.types:
            yield ("types",), "there is no type"
        for name, kind in self.types.items():
            yield from _check_name(("types", name), name)
            yield from _check_attributes(kind)
        yield from self._check_aliases()
        for place, triple in enumerate(self.triples):
            yield from _check_name(("triples", place), triple.relation)
            for end in (triple.source, triple.target):
                if end != ANY and end not in self.types:
                    known = self.type_of(end)
                    instead = f"; write {known!r}, which it stands for" if known else ""
                    yield ("triples", place), f"{end!r} is no type of this schema{instead}"
            if triple in self.triples[:place]:
                yield ("triples", place), f"{_line(triple)} is there twice"

    def _check_aliases(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Each word stands for one type; two types that are each other's alias are a cycle."""
        owners: dict[str, tuple[str, str]] = {}
        for name in self.types:
            key = folded(name)
            if key in owners:
                yield ("types", name), f"{name!r} and {owners[key][0]!r} are one name"
            owners[key] = (name, name)
        for name, kind in self.types.items():
            for place, alias in enumerate(kind.aliases):
                where = ("types", name, "aliases", place)
                yield from _check_name(where, alias)
                key = folded(alias)
                other, word = owners.get(key, ("", ""))
                if other and other != name:
                    back = {folded(one) for one in self.types[other].aliases}
                    if word == other and folded(name) in back:
                        yield where, f"aliases in a circle: {name} → {other} → {name}"
                    elif word == other:
                        yield where, f"{alias!r} is a type of its own"
                    else:
                        yield where, f"{alias!r} is an alias of {other!r}, too"
                owners.setdefault(key, (name, alias))


def folded(word: str) -> str:
    """`word` without case, marks and differences of form: what names are compared by."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", word).casefold()))


def of_types(names: Iterable[str]) -> Schema:
    """The schema of those who have none: types to look for, and nothing that is kept out."""
    return Schema("open", {name: EntityType(name) for name in names})


def _check_name(
    where: tuple[str | int, ...], name: str
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if not folded(name):
        yield where, f"{name!r} is no name: it has no letter or digit"
    elif len(name) > _MAX_NAME or not name.isprintable():
        yield where, f"{name[:_MAX_NAME]!r} is no name: one line of at most {_MAX_NAME} characters"


def _check_attributes(kind: EntityType) -> Iterator[tuple[tuple[str | int, ...], str]]:
    names: dict[str, str] = {}
    for name, attribute in kind.attributes.items():
        where = ("types", kind.name, "attributes", name)
        yield from _check_name(where, name)
        if attribute.type not in ("text", "number", "date", "boolean"):
            known = "text, number, date, boolean"
            yield where, f"{attribute.type!r} is no type of an attribute; there are {known}"
        elif attribute.unit and attribute.type != "number":
            yield where, f"a {attribute.type} has no unit ({attribute.unit!r})"
        if (other := names.setdefault(folded(name), name)) != name:
            yield where, f"{name!r} and {other!r} are one name"


def _line(triple: Triple) -> str:
    return f"{triple.source} {triple.relation} {triple.target}"


def _type_dict(kind: EntityType) -> dict[str, object]:
    attributes = {
        name: _without_nothing(type=one.type, unit=one.unit, description=one.description)
        for name, one in kind.attributes.items()
    }
    return _without_nothing(
        description=kind.description, aliases=list(kind.aliases), attributes=attributes
    )


def _without_nothing(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value}
