"""Read the JSON that was asked for out of what a model sends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import BaseModel, ValidationError

from graphrag.core.errors import BadReplyError
from graphrag.models.replies.items import ParsedReply, describe, read_items
from graphrag.text.tokens import encodable

if TYPE_CHECKING:
    from graphrag.prompts import Message

Reply = TypeVar("Reply", bound=BaseModel)

# Opens the user turn that asks for a reply once more.
CORRECTION = "That reply cannot be used:"
MAX_OPENINGS = 20  # braces that are tried as the start of an object; a reply may be full of them
AROUND = re.compile(r"```\w*\n(.*)\n```", re.DOTALL)
FENCE = re.compile(r"^```(\w*)[ \t]*$", re.MULTILINE)
# One as an escape or as it is; two that make a whole one match, too.
HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def correction(messages: Sequence[Message], text: str, problem: str) -> list[Message]:
    """The request once more, with the reply `text` and what was wrong with it."""
    from graphrag.prompts import Message

    return [
        *messages,
        Message("assistant", text),
        Message("user", f"{CORRECTION} {problem}. Send the whole JSON object again, corrected."),
    ]


def unfenced(text: str) -> str:
    """`text` without the fence that some models put around all they write.

    Inside it may be others, each opened with the name of a language. Raises BadReplyError where
    there is nothing inside.
    """
    if not FENCE.sub("", text).strip():
        raise BadReplyError(
            "the model sent an empty reply: a fence around nothing", hint="Use another model."
        )
    around = AROUND.fullmatch(text.strip())
    if around is None:
        return text
    fences: list[str] = FENCE.findall(around[1])
    opened, closed = fences[::2], fences[1::2]
    in_pairs = len(opened) == len(closed) and all(opened) and not any(closed)
    return around[1] if in_pairs else text


class Opening:
    """Hold a reply that comes in pieces back, while it may have a fence around it."""

    def __init__(self) -> None:
        self._held = ""
        self._is_open = False
        self.is_fenced = False

    def feed(self, piece: str) -> str:
        """What of the reply so far can be shown: nothing where it begins with a fence."""
        if self._is_open or self.is_fenced:
            return piece if self._is_open else ""
        self._held += piece
        begins = self._held.lstrip()[:3]
        self.is_fenced = begins == "```"
        self._is_open = not "```".startswith(begins)
        return self._held if self._is_open else ""

    def close(self, rest: str) -> str:
        """What was held back, with what is left."""
        return rest if self._is_open else self._held + rest


def parse_reply(text: str, reply: type[Reply]) -> ParsedReply[Reply]:
    """`text` as a `reply`: plain JSON, or JSON inside a fence or prose, trailing commas allowed.

    An odd item of a list costs that item. Raises BadReplyError. A list or object that is not
    closed is never accepted.
    """
    try:
        value = reply.model_validate_json(text)
        if value.model_fields_set:
            return ParsedReply(value)
        problem = "it has none of the fields"
    except ValidationError as error:
        problem = describe(error)
    for found in sorted(_objects(text), key=len, reverse=True)[:1]:
        try:
            parsed = read_items(found, reply)
            # Replies may give all fields a default; an object of another shape is no reply.
            if parsed.value.model_fields_set:
                return parsed
        except ValidationError as error:
            problem = describe(error)
    said = f"{problem}; it begins {text[:120]!r}"
    raise BadReplyError(
        f"the reply is not the JSON asked for: {said}",
        hint="Use a model that follows JSON schemas; small models often do not.",
        quoted=said,
    )


def complete_items(text: str, reply: type[Reply]) -> Reply | None:
    """Of a `text` that was cut off: what its lists hold up to there, None for nothing.

    A model that goes round in circles says the same again; it counts once.
    """
    start = text.find("{")
    closers: list[str] = []
    whole = ""
    for match in _OPEN_TOKEN.finditer(text, max(start, 0)):
        sign = match[0]
        if sign in CLOSERS:
            closers.append(CLOSERS[sign])
        elif sign in CLOSERS.values():
            if not closers or closers.pop() != sign:
                break
            if closers in (["}", "]"], ["}"]):  # an item of a list, or a list, is closed
                whole = text[start : match.end()] + "".join(reversed(closers))
        elif sign == '"':  # the text that was being written
            break
    value = _loads(whole) if whole else None
    if not isinstance(value, dict):
        return None
    fields = cast(dict[str, object], value)
    for name, items in fields.items():
        if isinstance(items, list):
            once = {json.dumps(item, sort_keys=True): item for item in cast(list[object], items)}
            fields[name] = [*once.values()]
    try:
        parsed = read_items(fields, reply)
    except ValidationError:
        return None
    return parsed.value if parsed.value.model_fields_set else None


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


_STRING = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(_STRING + r"|[{}\[\]]", re.DOTALL)
_OPEN_TOKEN = re.compile(_STRING + r'|["{}\[\]]', re.DOTALL)
CLOSERS = {"{": "}", "[": "]"}


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
