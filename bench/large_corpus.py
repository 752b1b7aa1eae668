"""A size in; documents, text units and evidence of a graph of that many entities out, as Parquet.

Planted communities of 5 to 200 entities, whose first members, and the first entities of all, are
named most: degrees are as uneven as in real text. Unit i is about entity i and names five others
one after the other, which makes five relationships a unit, nearly all of them different.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graphrag.core.tables import DOCUMENTS, EVIDENCE, TEXT_UNITS

NAMED = 6  # entities of a unit
STRANGERS = 0.15  # share of a unit's entities from anywhere
UNITS = 10  # of a document
VOCABULARY = 20_000
WORDS = 6  # between two names
SLICE = 50_000  # units that are Python objects at one time
LARGEST = 200  # entities of a planted community
_SYLLABLES = [first + vowel for first in "bdfgklmnprstvz" for vowel in "aeiou"]


def write(size: int, folder: Path) -> list[str]:
    """Write the tables into `folder`; returns questions, each about two entities of one unit."""
    draw = np.random.default_rng(1)
    names = [_name(number) for number in range(size)]
    members = _members(size, draw)
    parts: dict[str, list[pl.DataFrame]] = {"text_units": [], "evidence": []}
    for start in range(0, size, SLICE):
        rows = members[start : start + SLICE]
        lists = cast(list[list[int]], rows.tolist())
        named = [[names[at] for at in row] for row in lists]
        texts = list(_texts(named, draw))
        parts["text_units"].append(_units(start, texts))
        parts["evidence"].append(_evidence(start, named))
    for table, frames in parts.items():
        pl.concat(frames).write_parquet(folder / f"{table}.parquet")
    _documents(names).write_parquet(folder / "documents.parquet")
    asked = np.linspace(0, size - 1, 25, dtype=int)
    pairs = [(names[int(members[at, 0])], names[int(members[at, 3])]) for at in asked]
    return [f"What has {first} to do with {second}?" for first, second in pairs]


def _members(size: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """The entities of each unit; the further a draw is skewed, the fewer entities have it."""
    sizes = np.minimum(5 * (1 + draw.pareto(1.5, size)), LARGEST).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    own = np.arange(size)
    group = np.searchsorted(starts, own, side="right") - 1
    first, last = starts[group][:, None], np.minimum(starts[group + 1], size)[:, None]
    shape = (size, NAMED - 1)
    near = first + ((last - first) * draw.random(shape) ** 1.5).astype(np.int64)
    far = (size * draw.random(shape) ** 3).astype(np.int64)
    others = np.where(draw.random(shape) < STRANGERS, far, near)
    return np.concatenate([own[:, None], others], axis=1)


def _texts(named: Sequence[Sequence[str]], draw: np.random.Generator) -> Iterator[str]:
    lexicon = [_word(number) for number in range(VOCABULARY)]
    ranks = 1 / np.arange(20, 20 + VOCABULARY)  # Zipf's law without the commonest words
    shape = (len(named), NAMED * WORDS)
    picked = draw.choice(VOCABULARY, size=shape, p=ranks / ranks.sum())
    for names, row in zip(named, cast(list[list[int]], picked.tolist()), strict=True):
        words = [lexicon[at] for at in row]
        parts: list[str] = []
        for place, name in enumerate(names):
            between = " ".join(words[place * WORDS : (place + 1) * WORDS])
            parts.append(f"{name} {between}{'.' if place % 2 else ' with'}")
        yield " ".join(parts)


def _units(start: int, texts: Sequence[str]) -> pl.DataFrame:
    rows = [
        {
            "id": f"u{at:07}",
            "document_id": f"d{at // UNITS:07}",
            "ordinal": at % UNITS,
            "headings": list[str](),
            "text": text,
            "n_tokens": 90,
            "evidence_key": f"e{at:07}",
        }
        for at, text in enumerate(texts, start)
    ]
    return pl.DataFrame(rows, schema=TEXT_UNITS)


def _evidence(start: int, named: Sequence[Sequence[str]]) -> pl.DataFrame:
    rows: list[tuple[str, str, str, str, str, str, str, None, bool, str, None]] = []
    for at, names in enumerate(named, start):
        entities = [
            {"name": name, "type": "thing", "description": f"{name} is seen in scene {at}."}
            for name in names
        ]
        related = [
            {
                "source": first,
                "target": second,
                "type": "meets",
                "description": f"{first} meets {second}.",
                "strength": 3.0,
            }
            for first, second in pairwise(names)
        ]
        key = f"e{at:07}"
        found = json.dumps(entities), json.dumps(related), "[]"
        rows.append((key, key, "bench", *found, "ok", None, False, "{}", None))
    return pl.DataFrame(rows, schema=EVIDENCE, orient="row")


def _documents(names: Sequence[str]) -> pl.DataFrame:
    rows = [
        (f"d{at:07}", f"{at}.txt", names[at * UNITS], None, f"{at}", "en", "{}", 900, "ok", None)
        for at in range(-(-len(names) // UNITS))
    ]
    return pl.DataFrame(rows, schema=DOCUMENTS, orient="row")


def _name(number: int) -> str:
    """Two words; both change from one name to the next, so few names look alike."""
    lap, at = divmod(number, len(_SYLLABLES) ** 3)  # so many words there are
    more = _SYLLABLES[lap] if lap else ""
    return f"{_word(at * 7919).capitalize()}{more}en {_word(at * 104_729 + 13).capitalize()}"


def _word(number: int) -> str:
    base = len(_SYLLABLES)
    places = (number % base, number // base % base, number // base**2 % base)
    return "".join(_SYLLABLES[place] for place in places)
