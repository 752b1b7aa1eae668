"""A size in; documents, units and a graph with a known structure out. Seeded, so always the same.

Planted: entities in groups that mostly meet one another. Scale-free: how often an entity is named
falls with its rank, as in real text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graphrag.core.tables import (
    DOCUMENTS,
    ENTITIES,
    EVIDENCE,
    MENTIONS,
    RELATIONSHIPS,
    TEXT_UNITS,
    WINDOWS,
    empty,
)

Kind = Literal["planted", "scale-free"]
KINDS: tuple[Kind, ...] = ("planted", "scale-free")

NAMED = 10  # entities in a unit
GROUP = 25
STRANGERS = 0.1  # share of a unit's entities from other groups
VOCABULARY = 20_000
WORDS_BETWEEN = 6
_SYLLABLES = [first + vowel for first in "bdfgklmnprstvz" for vowel in "aeiou"]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Unit i is about entity i and names nine others; `members[i]` are the entities it names."""

    names: list[str]
    texts: list[str]
    members: list[list[int]]

    @property
    def size(self) -> int:
        return len(self.names)

    def questions(self, count: int) -> list[str]:
        """Each names one entity and asks with words of the unit about another that it names."""
        chosen = np.linspace(0, self.size - 1, count, dtype=int)
        return [
            f"Which {' '.join(self.texts[self.members[at][4]].split()[3:6])} has"
            f" {self.names[at]} to do with {self.names[self.members[at][7]]}?"
            for at in map(int, chosen)
        ]

    def edges(self) -> list[tuple[int, int]]:
        """Entities named one after the other, once each way."""
        steps = {(min(a, b), max(a, b)) for row in self.members for a, b in pairwise(row) if a != b}
        return sorted(steps)


def make(size: int, kind: Kind, *, seed: int = 1) -> Corpus:
    draw = np.random.default_rng(seed)
    names = [_name(number) for number in range(size)]
    lexicon = [_word(number) for number in range(VOCABULARY)]
    met = _planted(size, draw) if kind == "planted" else _scale_free(size, draw)
    members = cast(list[list[int]], met.tolist())
    # Zipf's law, without the few words that would be in every unit.
    ranks = 1 / np.arange(20, 20 + VOCABULARY)
    picked = draw.choice(VOCABULARY, size=(size, NAMED * WORDS_BETWEEN), p=ranks / ranks.sum())
    texts = [
        _text([names[at] for at in row], [lexicon[at] for at in words])
        for row, words in zip(members, cast(list[list[int]], picked.tolist()), strict=True)
    ]
    return Corpus(names, texts, members)


def tables(corpus: Corpus) -> dict[str, pl.DataFrame]:
    """Documents, text units, evidence (two entities and a relationship for each step) and graph."""
    ids = [f"{number:07}" for number in range(corpus.size)]
    units = [
        (f"u{key}", f"d{key}", 0, 0, len(text), list[str](), None, None, text, 90, f"e{key}")
        for key, text in zip(ids, corpus.texts, strict=True)
    ]
    documents = [
        (f"d{key}", f"{key}.txt", name, text, key, "en", "{}", 90, "ok", None)
        for key, name, text in zip(ids, corpus.names, corpus.texts, strict=True)
    ]
    named = Counter(entity for row in corpus.members for entity in set(row))
    met = Counter(end for edge in corpus.edges() for end in edge)
    entities = [
        (f"n{key}", name, "thing", list[str](), f"{name} is one of them.", named[at], met[at], "[]")
        for at, (key, name) in enumerate(zip(ids, corpus.names, strict=True))
    ]
    edges = [
        (f"r{a:07}-{b:07}", f"n{a:07}", f"n{b:07}", "meets", "They meet.", 1.0, 1, [f"u{a:07}"])
        for a, b in corpus.edges()
    ]
    mentions = [
        (f"u{ids[unit]}", f"n{ids[entity]}", "", float(unit == entity), [0])
        for unit, row in enumerate(corpus.members)
        for entity in sorted(set(row))
    ]
    windows = [(f"u{key}", 0, 0, len(text)) for key, text in zip(ids, corpus.texts, strict=True)]
    return {
        "documents": pl.DataFrame(documents, schema=DOCUMENTS, orient="row"),
        "text_units": pl.DataFrame(units, schema=TEXT_UNITS, orient="row"),
        "windows": pl.DataFrame(windows, schema=WINDOWS, orient="row"),
        "entities": pl.DataFrame(entities, schema=ENTITIES, orient="row"),
        "relationships": pl.DataFrame(edges, schema=RELATIONSHIPS, orient="row").sort("id"),
        "mentions": pl.DataFrame(mentions, schema=MENTIONS, orient="row"),
        **{name: empty(name) for name in ("claims", "communities", "reports")},
    }


def evidence(corpus: Corpus) -> pl.DataFrame:
    """What a model would have found: each unit's entities, and those named in turn related."""
    rows: list[tuple[str, ...]] = []
    for number, row in enumerate(corpus.members):
        names = [corpus.names[at] for at in row]
        found = [{"name": name, "type": "thing", "description": f"{name} acts."} for name in names]
        pairs = [
            {"source": a, "target": b, "type": "meets", "description": "Met.", "strength": 3.0}
            for a, b in pairwise(names)
        ]
        rows.append((f"e{number:07}", json.dumps(found), json.dumps(pairs)))
    made = pl.DataFrame(rows, schema=["key", "entities", "relationships"], orient="row")
    return made.with_columns(
        pl.col("key").alias("text_hash"),
        pl.lit("bench").alias("extractor"),
        pl.lit("[]").alias("claims"),
        pl.lit("ok").alias("status"),
        pl.lit(None, pl.String).alias("error"),
        pl.lit(False).alias("transient"),
        pl.lit("{}").alias("usage"),
        pl.lit(None, pl.String).alias("asked"),
    ).select(EVIDENCE.names())


def _planted(size: int, draw: np.random.Generator) -> NDArray[np.int64]:
    own = np.arange(size)[:, None]
    near = own - own % GROUP + draw.integers(0, GROUP, (size, NAMED - 1))
    far = draw.integers(0, size, (size, NAMED - 1))
    others = np.where(draw.random((size, NAMED - 1)) < STRANGERS, far, np.minimum(near, size - 1))
    return np.concatenate([own, others], axis=1)


def _scale_free(size: int, draw: np.random.Generator) -> NDArray[np.int64]:
    weights = 1 / np.arange(1, size + 1) ** 0.8
    others = draw.choice(size, size=(size, NAMED - 1), p=weights / weights.sum())
    return np.concatenate([np.arange(size)[:, None], others], axis=1)


def _text(names: Sequence[str], words: Sequence[str]) -> str:
    parts: list[str] = []
    for place, name in enumerate(names):
        between = " ".join(words[place * WORDS_BETWEEN : (place + 1) * WORDS_BETWEEN])
        parts.append(f"{name} {between}{'.' if place % 2 else ' with'}")
    return " ".join(parts)


def _name(number: int) -> str:
    return f"{_word(number % 400).capitalize()}en {_word(400 + number // 400).capitalize()}"


def _word(number: int) -> str:
    base = len(_SYLLABLES)
    places = (number % base, number // base % base, number // base**2)
    return "".join(_SYLLABLES[place] for place in places)
