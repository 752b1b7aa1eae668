"""Describe the JSON that is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from pydantic import BaseModel

Schema = Mapping[str, object]

# What OpenAI's strict mode does not take, or what only repeats the name of a field.
DROPPED_KEYWORDS = frozenset({"default", "title", "minLength", "maxLength", "examples"})


def reply_schema(reply: type[BaseModel], *, title: str) -> dict[str, object]:
    """The JSON schema of `reply`, every object closed and every property required."""
    schema = cast(dict[str, object], _closed(reply.model_json_schema()))
    return {"title": title, **schema}


def is_strict(schema: object) -> bool:
    """Whether OpenAI's strict mode takes `schema`: all objects closed, all properties required."""
    if isinstance(schema, list):
        return all(is_strict(item) for item in cast(list[object], schema))
    if not isinstance(schema, Mapping):
        return True
    node = cast(Mapping[str, object], schema)
    if node.get("type") == "object":
        properties = cast(Mapping[str, object], node.get("properties") or {})
        required = cast(list[str], node.get("required") or [])
        if node.get("additionalProperties") is not False or set(required) != set(properties):
            return False
    return all(is_strict(value) for value in node.values())


def schema_as_text(schema: Schema) -> str:
    """What the prompt says where the server cannot be given the schema."""
    definitions = cast(Mapping[str, Schema], schema.get("$defs") or {})
    shape = _shape(schema, definitions, depth=0)
    return f"Reply with one JSON object and nothing else, with exactly these fields:\n{shape}"


def _closed(node: object) -> object:
    if isinstance(node, list):
        return [_closed(item) for item in cast(list[object], node)]
    if not isinstance(node, dict):
        return node
    out: dict[str, object] = {}
    for key, value in cast(dict[str, object], node).items():
        if key in ("properties", "$defs"):
            named = cast(dict[str, object], value)
            out[key] = {name: _closed(inner) for name, inner in named.items()}
        elif key not in DROPPED_KEYWORDS:
            out[key] = _closed(value)
    if "properties" in out:
        out["additionalProperties"] = False
        out["required"] = list(cast(dict[str, object], out["properties"]))
    return out


def _shape(schema: Schema, definitions: Mapping[str, Schema], *, depth: int) -> str:
    """`{"name": string, "items": [{…}]}`."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and depth < 8:
        inner = definitions[reference.rpartition("/")[2]]
        return _shape(inner, definitions, depth=depth + 1)
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in cast(list[object], schema["enum"]))
    if "anyOf" in schema:
        options = cast(list[Schema], schema["anyOf"])
        return " | ".join(_shape(option, definitions, depth=depth) for option in options)
    if schema.get("type") == "array":
        items = cast(Schema, schema.get("items") or {})
        return f"[{_shape(items, definitions, depth=depth)}, …]"
    if "properties" in schema:
        fields = cast(Mapping[str, Schema], schema["properties"]).items()
        pairs = [
            f"{json.dumps(name)}: {_shape(inner, definitions, depth=depth)}"
            for name, inner in fields
        ]
        return "{" + ", ".join(pairs) + "}"
    return str(schema.get("type", "any value"))
