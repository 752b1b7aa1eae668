"""Read a reply item by item, so that one odd value costs one item and not the reply."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

Reply = TypeVar("Reply", bound=BaseModel)
Place = tuple[int | str, ...]

MOST_LOST = 0.2  # share of the items; above it the model is asked once more
TOLD = 5  # problems that are named
# What models write in the place of a number, as shares of the scale.
WORDS = {
    "none": 0.0,
    "very low": 0.1,
    "low": 0.2,
    "weak": 0.2,
    "medium": 0.5,
    "moderate": 0.5,
    "high": 0.8,
    "strong": 0.8,
    "very high": 0.9,
    "very strong": 0.9,
}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:/|of|out of)\s*(\d+(?:\.\d+)?)")
_OPTION = re.compile(r"'([^']*)'")


@dataclass(frozen=True, slots=True)
class Scale:
    """Stands in `Annotated` by a number: `most` is what the prompt asks for at most."""

    most: float


@dataclass(frozen=True, slots=True)
class ParsedReply(Generic[Reply]):
    """A reply, and what of it could not be read: how many items, by the list they stood in."""

    value: Reply
    lost: Counter[str] = field(default_factory=Counter[str])
    n_items: int = 0
    problems: str = ""

    @property
    def lost_much(self) -> bool:
        return self.lost.total() > MOST_LOST * self.n_items


def read_items(data: dict[str, object], reply: type[Reply]) -> ParsedReply[Reply]:
    """`data` as a `reply`: values read as they must have been meant, unreadable items left out.

    `data` is changed. Raises ValidationError where what is wrong stands in no list, or where
    nothing of all lists is left.
    """
    tried = set[tuple[Place, str]]()
    while True:
        try:
            return ParsedReply(reply.model_validate(data))
        except ValidationError as error:
            problems = error.errors(include_url=False)
            new = [one for one in problems if (one["loc"], one["type"]) not in tried]
            tried.update((one["loc"], one["type"]) for one in new)
            for one in reversed(new):  # an inner place before what it stands in
                _mend(one, data, reply)
            if not new:
                return _without([_item(one["loc"]) for one in problems], data, reply, error)


def describe(error: ValidationError) -> str:
    """What was wrong, for the model and for the log."""
    found = error.errors(include_input=False, include_url=False)
    return "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'reply'}: {one['msg'][:100]}" for one in found[:TOLD]
    )


def _without(
    unread: Sequence[Place], data: dict[str, object], reply: type[Reply], error: ValidationError
) -> ParsedReply[Reply]:
    """The rest of `data`, as a `reply`. Raises `error` where nothing is left."""
    items = set(unread)
    outer = {(name,) for name, value in data.items() if isinstance(value, list)}
    lists = {item[:-1] for item in items if item}
    sizes = {one: len(cast(list[object], _at(data, one))) for one in outer | lists}
    if () in items or sum(sizes[one] for one in outer) == sum(item[:-1] in outer for item in items):
        raise error
    for item in sorted(items, reverse=True):  # the later ones first: their places stay true
        cast(list[object], _at(data, item[:-1])).pop(cast(int, item[-1]))
    lost = Counter(str(item[-2]) for item in items)
    return ParsedReply(reply.model_validate(data), lost, sum(sizes.values()), describe(error))


def _item(place: Place) -> Place:
    """The innermost item of a list that holds `place`; nothing where it stands in no list."""
    inner = max((at for at, part in enumerate(place) if isinstance(part, int)), default=-1)
    return place[: inner + 1]


def _mend(problem: ErrorDetails, data: dict[str, object], reply: type[BaseModel]) -> None:
    place, kind = problem["loc"], problem["type"]
    if kind == "missing" or not place:
        return
    holder, key = cast(dict[int | str, object], _at(data, place[:-1])), place[-1]
    field_, model = _expected(place, reply)
    value = cast(object, problem["input"])
    if kind != "list_type" and _is_list(value) and value:
        value = _one_of(cast(list[object], value))
    if value is None and kind != "list_type":
        if isinstance(key, str):
            del holder[key]  # its default, where it has one
        return
    match kind:
        case "string_type":
            meant = str(value) if isinstance(value, str | int | float) else None
        case "float_type" | "float_parsing" | "finite_number":
            meant = _number(value, field_)
        case "int_type" | "int_parsing" | "int_from_float":
            number = _number(value, field_)
            meant = None if number is None else round(number)
        case "bool_parsing" | "bool_type":
            meant = _truth(value)
        case "literal_error":
            meant = _option(value, str(problem.get("ctx", {}).get("expected", "")))
        case "list_type":
            meant = _list(value, model)
        case "model_type" | "model_attributes_type" if model is not None:
            meant = {next(iter(model.model_fields)): value} if isinstance(value, str) else None
        case _:
            meant = None
    if meant is not None:
        holder[key] = meant


def _one_of(values: Sequence[object]) -> object:
    """Sentences in one text, of other lists the first."""
    texts = [value for value in values if isinstance(value, str)]
    whole = len(texts) == len(values) and texts[0].rstrip()[-1:] in (".", "!", "?", "。")
    return " ".join(texts) if whole else values[0]


def _number(value: object, field_: FieldInfo | None) -> float | None:
    if isinstance(value, int | float):
        return value if abs(value) < float("inf") else None
    if not isinstance(value, str):
        return None
    text = value.strip().strip(".").lower()
    scales = [one.most for one in field_.metadata if isinstance(one, Scale)] if field_ else []
    scale = scales[0] if scales else None
    if scale is not None and text in WORDS:
        return WORDS[text] * scale
    if share := _SHARE.search(text):
        most = float(share[2]) or 1.0
        return float(share[1]) * (scale / most if scale is not None else 1.0)
    numbers = _NUMBER.findall(text)
    if len(numbers) != 1:
        return None
    number = float(numbers[0])
    return number * scale / 100 if scale is not None and f"{numbers[0]}%" in text else number


def _truth(value: object) -> bool | None:
    word = re.match(r"\W*(true|yes|false|no)\b", str(value).lower())
    return word[1] in ("true", "yes") if word else None


def _option(value: object, expected: str) -> str | None:
    options = {option.lower(): option for option in _OPTION.findall(expected)}
    said = re.findall(r"[\w-]+", str(value).lower())
    meant = [options[word] for word in said if word in options]
    return meant[0] if len(set(meant)) == 1 else None


def _list(value: object, model: type[BaseModel] | None) -> list[object] | None:
    if value is None:
        return []
    if isinstance(value, dict):
        inner = [*cast(dict[str, object], value).values()]
        return inner if inner and all(isinstance(one, dict) for one in inner) else [value]
    return [value] if model is None else None


def _expected(
    place: Place, reply: type[BaseModel]
) -> tuple[FieldInfo | None, type[BaseModel] | None]:
    """The field that stands at `place`, and the model that it or its items are, if they are."""
    field_: FieldInfo | None = None
    model: type[BaseModel] | None = reply
    for part in place:
        if isinstance(part, int):
            continue
        field_ = model.model_fields.get(part) if model else None
        kinds = (field_.annotation, *get_args(field_.annotation)) if field_ else ()
        model = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
    return field_, model


def _at(data: object, place: Place) -> object:
    for part in place:
        data = cast(dict[int | str, object], data)[part]
    return data


def _is_list(value: object) -> bool:
    return isinstance(value, list)
