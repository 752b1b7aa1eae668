"""Bound a reply by what its schema can hold, so that one that never ends costs seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

MOST = 4096  # tokens of a reply; more only where the prompt is longer than half of it
LEAST = 256
TEXT = 1024  # of a text that is no answer: a description, a line of context
THOUGHTS = 8192  # room of their own, for a model that sends them
# Of the values of a field, generously: three sentences in a script of many tokens.
STRING, OTHER, ITEMS, SCALARS = 150, 12, 24, 60


def reply_tokens(schema: Mapping[str, object] | None, *, prompt: int) -> int:
    """The most tokens that a reply by `schema` may have; `prompt` are those of the request."""
    if schema is None:
        return TEXT
    definitions = cast(Mapping[str, Mapping[str, object]], schema.get("$defs") or {})
    return max(LEAST, min(_size(schema, definitions, depth=0), max(MOST, 2 * prompt)))


def _size(
    schema: Mapping[str, object], definitions: Mapping[str, Mapping[str, object]], *, depth: int
) -> int:
    reference = schema.get("$ref")
    if isinstance(reference, str) and depth < 8:
        inner = definitions[reference.rpartition("/")[2]]
        return _size(inner, definitions, depth=depth + 1)
    if "properties" in schema:
        fields = cast(Mapping[str, Mapping[str, object]], schema["properties"]).values()
        return sum(OTHER + _size(field, definitions, depth=depth) for field in fields)
    if schema.get("type") == "array":
        item = _size(
            cast(Mapping[str, object], schema.get("items") or {}), definitions, depth=depth
        )
        return item * (ITEMS if item > OTHER else SCALARS)
    options = cast(Sequence[Mapping[str, object]], schema.get("anyOf") or ())
    if options:
        return max(_size(option, definitions, depth=depth) for option in options)
    return STRING if schema.get("type") == "string" and "enum" not in schema else OTHER
