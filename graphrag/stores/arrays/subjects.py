"""Say which names a unit is about, for path search: those its own text speaks of."""

from __future__ import annotations

import re
from collections.abc import Container

from graphrag.stores.arrays.path_index import fold, name_of
from graphrag.text import words
from graphrag.text.subjects import (
    FIRST_CHARACTERS,
    heading_topic,
    opening_names,
    split_heading,
    title_names,
)

_FILE_NUMBER = re.compile(r"^\d+[\W_]+(?=\w*_|\w*-\w)")
_FILE_ENDING = re.compile(r"\.(?:txt|md|html?|pdf|docx?|json|csv)$", re.IGNORECASE)


def owned_names(title: str, text: str, *, common: Container[str] = ()) -> dict[str, float]:
    """The names that a unit with this title and text is about, and how far (0-1).

    A `common` word names nothing by opening a text.
    """
    heading, below = split_heading(text)
    # A file name or a number is not what the text is about.
    titles = (_without_file_marks(title), heading_topic(heading))
    spoken = next((one for one in titles if _is_spoken(one, below)), "")
    owned = opening_names(text, title=spoken, key=name_of, common=common)
    for name, weight in title_names(spoken, key=name_of).items():
        owned[name] = max(weight, owned.get(name, 0.0))
    return owned


def _is_spoken(title: str, text: str) -> bool:
    """Whether `text` has a word of `title`; most have one near their beginning."""
    wanted = set(name_of(title).split())
    near = text[: max(0, text.rfind(" ", 0, FIRST_CHARACTERS))]
    return any(
        not wanted.isdisjoint(map(fold, words(part)))
        for part in (near, text)
        if not part.isascii() or any(map(part.lower().__contains__, wanted))
    )


def _without_file_marks(title: str) -> str:
    return _FILE_NUMBER.sub("", _FILE_ENDING.sub("", title)).replace("_", " ")
