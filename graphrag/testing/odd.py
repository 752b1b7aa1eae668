"""Spoil the JSON of a reply as small models do."""

from __future__ import annotations

import json
from typing import cast


def odd(text: str, fault: str) -> str:
    """`text` with an unreadable item in each list, or with values of other types.

    A text that is no JSON object stays as it is.
    """
    try:
        data = cast(object, json.loads(text))
    except ValueError:
        return text
    if not isinstance(data, dict):
        return text
    for value in cast(dict[str, object], data).values():
        if not isinstance(value, list) or not value:
            continue
        items = cast(list[object], value)
        if fault == "odd_item":
            items.append({"unknown": None})
        elif isinstance(items[0], dict):
            items[0] = {name: _odd(one) for name, one in cast(dict[str, object], items[0]).items()}
    return json.dumps(data)


def _odd(value: object) -> object:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"about {value}"
        case str():
            return [value]
        case _:
            return value
