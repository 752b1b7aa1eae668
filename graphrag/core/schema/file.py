"""Read a schema from YAML, and write one.

The file is read as YAML's nodes, not as values: they know their lines, keep a key that is there
twice, and a file that contains itself is followed no deeper than a schema goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from graphrag.core.errors import SettingsError
from graphrag.core.schema.values import Attribute, AttributeType, EntityType, Mode, Schema, Triple

if TYPE_CHECKING:
    from yaml import Node

FILE_NAME = "schema.yaml"
_HINT = "docs/schema.md shows a file with everything in it; `graphrag schema discover` writes one."
_MAX_PROBLEMS = 30  # that an error lists
Place = tuple[str | int, ...]


def load_schema(path: Path) -> Schema:
    """The schema in the file at `path`. Raises SettingsError, naming the file and the lines."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"schema {path} cannot be read: {error}", hint="Correct the file or its name."
        ) from error
    return parse_schema(text, str(path))


def find_schema(root: Path, name: str | None) -> Schema | None:
    """The schema of the index under `root`: in the file `name`, else `schema.yaml`; None without.

    Raises SettingsError, also where a file that is named is not there.
    """
    path = root / (name or FILE_NAME)
    return load_schema(path) if name or path.is_file() else None


def parse_schema(text: str, name: str = FILE_NAME) -> Schema:
    """The schema that `text` holds; `name` stands for it in errors."""
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"schema {name} is no YAML: {error}", hint=_HINT) from error
    reader = _Reader()
    schema = reader.read(node)
    reader.add_problems_of(schema)
    check(schema, name, problems=reader.problems, lines=reader.lines)
    return schema


def check(
    schema: Schema,
    name: str,
    *,
    problems: list[tuple[Place, str]] | None = None,
    lines: dict[Place, int] | None = None,
) -> None:
    """Raises SettingsError where something is wrong with `schema`."""
    found = list(schema.problems()) if problems is None else problems
    if not found:
        return
    told = [
        f"{_written(where)}{_line_of(where, lines or {})}: {what}"
        for where, what in found[:_MAX_PROBLEMS]
    ]
    more = [f"and {len(found) - _MAX_PROBLEMS} more"] if len(found) > _MAX_PROBLEMS else []
    raise SettingsError(f"schema {name}: {'; '.join([*told, *more])}", hint=_HINT)


def render_schema(schema: Schema) -> str:
    """The file of `schema`."""
    import yaml

    dump = cast(
        "Callable[..., str]",
        yaml.safe_dump,  # pyright: ignore[reportUnknownMemberType]
    )
    return dump(schema.to_dict(), sort_keys=False, allow_unicode=True, width=100)


class _Reader:
    """A schema from YAML's nodes; what is no part of one is a problem with its place."""

    def __init__(self) -> None:
        self.problems: list[tuple[Place, str]] = []
        self.lines: dict[Place, int] = {}
        self._triples: list[int] = []  # places of those that are triples

    def read(self, node: Node | None) -> Schema:
        found = dict(self._items(node, ("",), ("mode", "types", "triples")))
        types = {
            name: self._type(name, kind, ("types", name))
            for name, kind in self._items(found.get("types"), ("types",))
        }
        triples: list[Triple] = []
        for place, one in enumerate(self._list(found.get("triples"), ("triples",))):
            if (triple := self._triple(one, ("triples", place))) is not None:
                triples.append(triple)
                self._triples.append(place)
        mode = self._text(found.get("mode"), ("mode",)) or "open"
        return Schema(cast(Mode, mode), types, tuple(triples))

    def add_problems_of(self, schema: Schema) -> None:
        """What is wrong with `schema` itself, but for what follows from the file's own problems."""
        unread = {where for where, _ in self.problems}
        for place, what in schema.problems():
            where = place
            if place[0] == "triples":
                where = ("triples", self._triples[cast(int, place[1])], *place[2:])
                if not schema.types:
                    continue
            if not any(where[:size] in unread for size in range(1, len(where) + 1)):
                self.problems.append((where, what))
        self.problems.sort(key=lambda one: self.lines.get(one[0], 0))

    def _type(self, name: str, node: Node, where: Place) -> EntityType:
        """A type with all its parts, or its description alone."""
        if _kind(node) == "scalar":
            return EntityType(name, self._text(node, where))
        found = dict(self._items(node, where, ("description", "aliases", "attributes")))
        within = (*where, "attributes")
        attributes = {
            key: self._attribute(key, one, (*within, key))
            for key, one in self._items(found.get("attributes"), within)
        }
        listed = self._list(found.get("aliases"), (*where, "aliases"))
        aliases = [self._text(one, (*where, "aliases", place)) for place, one in enumerate(listed)]
        description = self._text(found.get("description"), (*where, "description"))
        return EntityType(name, description, attributes, tuple(aliases))

    def _attribute(self, name: str, node: Node, where: Place) -> Attribute:
        """An attribute with all its parts, or its type alone."""
        if _kind(node) == "scalar":
            return Attribute(name, cast(AttributeType, self._text(node, where) or "text"))
        found = dict(self._items(node, where, ("type", "unit", "description")))
        kind = self._text(found.get("type"), (*where, "type")) or "text"
        unit = self._text(found.get("unit"), (*where, "unit")) or None
        description = self._text(found.get("description"), (*where, "description"))
        return Attribute(name, cast(AttributeType, kind), unit, description)

    def _triple(self, node: Node, where: Place) -> Triple | None:
        self._note(where, node)
        if _kind(node) == "mapping":
            names = ("source", "relation", "target")
            found = dict(self._items(node, where, names))
            parts = [self._text(found.get(name), (*where, name)) for name in names]
        else:
            parts = [self._text(one, where) for one in self._list(node, where)]
        if len(parts) != 3 or not all(parts):
            if where not in dict(self.problems):
                self.problems.append((where, "a triple is [source, relation, target]"))
            return None
        return Triple(*parts)

    def _items(
        self, node: Node | None, where: Place, known: tuple[str, ...] | None = None
    ) -> Iterator[tuple[str, Node]]:
        """Keys and values of a map; each key once, and of those `known`."""
        if node is None or _is_nothing(node):
            return
        if _kind(node) != "mapping":
            self._note(where, node)
            self.problems.append((where, f"this is {_article(node)}, where keys belong"))
            return
        seen: set[str] = set()
        for key_node, value in cast("list[tuple[Node, Node]]", node.value):
            key = str(key_node.value) if _kind(key_node) == "scalar" else ""
            place = (*where, key) if where != ("",) else (key,)
            self._note(place, key_node)
            if not key:
                self.problems.append((where, "a key is no name"))
            elif key in seen:
                self.problems.append((place, "this key is there twice"))
            elif known is not None and key not in known:
                self.problems.append((place, f"no such key; there are {', '.join(known)}"))
            else:
                seen.add(key)
                yield key, value

    def _list(self, node: Node | None, where: Place) -> list[Node]:
        if node is None or _is_nothing(node):
            return []
        if _kind(node) != "sequence":
            self._note(where, node)
            self.problems.append((where, f"this is {_article(node)}, where a list belongs"))
            return []
        return cast("list[Node]", node.value)

    def _text(self, node: Node | None, where: Place) -> str:
        if node is None or _is_nothing(node):
            return ""
        self._note(where, node)
        if _kind(node) != "scalar":
            self.problems.append((where, f"this is {_article(node)}, where a text belongs"))
            return ""
        return str(node.value).strip()

    def _note(self, where: Place, node: Node) -> None:
        self.lines.setdefault(where, node.start_mark.line + 1)


def _kind(node: Node) -> str:
    return cast(str, getattr(node, "id", ""))


def _article(node: Node) -> str:
    return {"mapping": "a map", "sequence": "a list"}.get(_kind(node), "a text")


def _is_nothing(node: Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _written(where: Place) -> str:
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in where) or "file"


def _line_of(where: Place, lines: dict[Place, int]) -> str:
    """The line of the innermost part of `where` that has one."""
    for size in range(len(where), 0, -1):
        if (line := lines.get(where[:size])) is not None:
            return f" (line {line})"
    return ""
