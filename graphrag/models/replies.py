"""Describe the JSON that is asked for, and read it out of what a model sends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import BaseModel, ValidationError

from graphrag.core.errors import BadReplyError, RefusedError
from graphrag.text.tokens import encodable

if TYPE_CHECKING:
    from graphrag.prompts import Message

Reply = TypeVar("Reply", bound=BaseModel)
Schema = Mapping[str, object]

# Opens the user turn that asks for a reply once more.
CORRECTION = "That reply cannot be used:"
MAX_OPENINGS = 20  # braces that are tried as the start of an object; a reply may be full of them
FENCED = re.compile(r"```\w*\n(.*?)\n?```", re.DOTALL)
# One as an escape or as it is; two that make a whole one match, too.
HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
# What OpenAI's strict mode does not take, or what only repeats the name of a field.
DROPPED_KEYWORDS = frozenset({"default", "title", "minLength", "maxLength", "examples"})


@dataclass(frozen=True, slots=True)
class Completion:
    """`finish`: stop, length (cut off), content_filter or refusal."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish: str = "stop"


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


def correction(messages: Sequence[Message], text: str, error: BadReplyError) -> list[Message]:
    """The request once more, with the reply `text` and what was wrong with it."""
    from graphrag.prompts import Message

    return [
        *messages,
        Message("assistant", text),
        Message("user", f"{CORRECTION} {error}. Send the whole JSON object again, corrected."),
    ]


def checked(completion: object, *, name: str) -> Completion:
    """What a model of the caller's gave. Raises BadReplyError where it is no Completion."""
    if not isinstance(completion, Completion):
        kind = type(completion).__name__
        raise BadReplyError(f"{name} returned an object of type {kind}, not a Completion")
    return completion


def check_finish(completion: Completion, *, kind: str) -> str:
    """The text of a completed reply. Raises RefusedError or BadReplyError where there is none."""
    if completion.finish in ("content_filter", "refusal"):
        said = repr(completion.text[:200])
        raise RefusedError(
            f"the model refused to answer ({kind}, {completion.finish}): {said}",
            hint="Take the text out of the corpus, or use a model with another filter.",
            quoted=said,
        )
    if completion.finish == "length":
        raise BadReplyError(
            f"the reply was cut off after {completion.completion_tokens} tokens ({kind})",
            hint="Raise chat.max_output_tokens, or lower chunks.max_tokens.",
        )
    if not completion.text.strip():
        raise BadReplyError(
            f"the model sent an empty reply ({kind})",
            hint="Try again (--retry-failed), or use another model.",
        )
    return encodable(completion.text)


def unfenced(text: str) -> str:
    """`text` without the fence that some models put around all they write."""
    fence = FENCED.fullmatch(text.strip())
    return fence[1] if fence and "```" not in fence[1] else text


def parse_reply(text: str, reply: type[Reply]) -> Reply:
    """`text` as a `reply`: plain JSON, or JSON inside a fence or prose, trailing commas allowed.

    Raises BadReplyError. A list or object that is not closed is never accepted.
    """
    try:
        value = reply.model_validate_json(text)
        if value.model_fields_set:
            return value
        problem = "it has none of the fields"
    except ValidationError as error:
        problem = _problems(error)
    for found in sorted(_objects(text), key=len, reverse=True)[:1]:
        try:
            value = reply.model_validate(found)
            # Replies may give all fields a default; an object of another shape is no reply.
            if value.model_fields_set:
                return value
        except ValidationError as error:
            problem = _problems(error)
    said = f"{problem}; it begins {text[:120]!r}"
    raise BadReplyError(
        f"the reply is not the JSON asked for: {said}",
        hint="Use a model that follows JSON schemas; small models often do not.",
        quoted=said,
    )


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


def _problems(error: ValidationError) -> str:
    items = error.errors(include_input=False, include_url=False)
    shown = [
        f"{'.'.join(map(str, item['loc'])) or 'reply'}: {item['msg'][:100]}" for item in items[:5]
    ]
    return "; ".join(shown)


def _objects(text: str) -> Iterator[dict[str, object]]:
    """The outermost JSON objects in `text`; none from the first that is not closed on."""
    text = text.rpartition("</think>")[2]
    position = text.find("{")
    for _ in range(MAX_OPENINGS):
        end = _closing(text, position) if position >= 0 else None
        if end is None:
            return
        value = _loads(text[position:end])
        if isinstance(value, dict):
            yield cast(dict[str, object], value)
            position = text.find("{", end)
        else:
            position = text.find("{", position + 1)


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)


def _closing(text: str, start: int) -> int | None:
    """Where the object that opens at `start` ends, or None when it does not."""
    depth = 0
    for match in _TOKEN.finditer(text, start):
        if match[0] in ("{", "["):
            depth += 1
        elif match[0] in ("}", "]"):
            depth -= 1
            if depth == 0:
                return match.end()
    return None


def _loads(text: str) -> object:
    for candidate in (text, _without_trailing_commas(text)):
        try:
            # Not strict: models put bare newlines into strings.
            value = cast(object, json.loads(candidate, strict=False))
            if not HALF_CHARACTER.search(candidate):
                return value
            # An escape may stand for half a character, which nothing can keep or print.
            return cast(object, json.loads(encodable(json.dumps(value, ensure_ascii=False))))
        except (ValueError, RecursionError):  # also a number of thousands of digits
            continue
    return None


def _without_trailing_commas(text: str) -> str:
    return re.sub(
        r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', lambda match: match[1] or "", text, flags=re.DOTALL
    )
