"""Say what a model was asked for, and whether its answer serves another schema.

The schema is no part of the key of evidence: each piece records what it was asked for, and serves
every schema that asks for no more, so a narrower one costs nothing. What is asked anew takes the
place of the answer before, which is put aside and comes back with its schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import polars as pl

from graphrag.core.columns import stable_id
from graphrag.core.schema import ANY, Schema, folded
from graphrag.indexing.runners import EvidenceStore

Folded = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Ask:
    """Types with their attributes and triples, folded; `prompt` is the hash of what told them."""

    strict: bool = False
    types: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    triples: frozenset[Folded] = frozenset()
    prompt: str = ""  # empty where types were asked for by name alone

    @classmethod
    def of(cls, schema: Schema, *, prompt: str = "") -> Ask:
        return cls(
            schema.is_strict,
            {
                folded(name): frozenset(map(folded, kind.attributes))
                for name, kind in schema.types.items()
            },
            frozenset(
                (_end(one.source), folded(one.relation), _end(one.target)) for one in schema.triples
            ),
            prompt,
        )

    @classmethod
    def read(cls, text: str) -> Ask:
        """The ask that the column `asked` of evidence holds."""
        data = cast("dict[str, object]", json.loads(text))
        types = cast("dict[str, list[str]]", data["types"])
        triples = cast("list[tuple[str, str, str]]", data["triples"])
        return cls(
            data["mode"] == "strict",
            {name: frozenset(names) for name, names in types.items()},
            frozenset((first, relation, last) for first, relation, last in triples),
            cast(str, data["prompt"]),
        )

    def written(self) -> str:
        return json.dumps(
            {
                "mode": "strict" if self.strict else "open",
                "types": {name: sorted(names) for name, names in sorted(self.types.items())},
                "triples": sorted(self.triples),
                "prompt": self.prompt,
            },
            ensure_ascii=False,
        )

    @property
    def size(self) -> int:
        return sum(1 + len(names) for names in self.types.values()) + len(self.triples)

    def serves(self, wanted: Ask) -> bool:
        """Whether the answer holds all that `wanted` asks for: the merge leaves out the rest.

        Who was asked for some types alone did not look for others; who was not told a relation
        had no word for it.
        """
        if self.strict and not wanted.strict:
            return False
        if self.prompt not in ("", wanted.prompt) and wanted.prompt:
            return False
        types = all(
            name in self.types and names <= self.types[name] for name, names in wanted.types.items()
        )
        if not wanted.triples:
            return types and not (self.strict and self.triples)
        return types and all(
            any(_within(one, known) for known in self.triples) for one in wanted.triples
        )


@dataclass(frozen=True, slots=True)
class Answers:
    """Where the answers to what is asked stand in the evidence, by the keys of text units."""

    elsewhere: Mapping[str, str] = field(default_factory=dict[str, str])
    """By key: that of a row that serves, where the row under the key itself does not."""
    unasked: frozenset[str] = frozenset()
    """Keys of rows that do not serve, as none does."""
    aside: Mapping[str, str] = field(default_factory=dict[str, str])
    """By key: under which its row is kept, before another takes its place."""


def find_answers(
    kept: pl.DataFrame, hashes: Mapping[str, str], *, wanted: Ask, asks: Mapping[str, Ask]
) -> Answers:
    """The answers to `wanted` in the evidence `kept`; `hashes` are of the texts by key.

    `asks` are by extractor what evidence was asked for that does not record it. That which was
    asked for just this comes first, then the narrowest, then what has the place already.
    """
    good = kept.filter((pl.col("status") == "ok") & pl.col("extractor").is_in(list(asks))).select(
        "key", "text_hash", "extractor", "asked"
    )
    best: dict[str, tuple[bool, int, bool, str]] = {}
    own: dict[str, str] = {}
    read: dict[str, Ask] = {}
    for key, text_hash, extractor, asked in good.iter_rows():
        if asked is not None and asked not in read:
            read[asked] = Ask.read(asked)
        ask = asks[extractor] if asked is None else read[asked]
        if key in hashes:
            own[key] = stable_id("evidence", text_hash, extractor, asked or "")
        if ask.serves(wanted):
            found = (ask != wanted, ask.size, key not in hashes, key)
            best[text_hash] = min(best.get(text_hash, found), found)
    elsewhere = {
        key: best[text_hash][-1]
        for key, text_hash in hashes.items()
        if text_hash in best and best[text_hash][-1] != key
    }
    unasked = frozenset(key for key in own if hashes[key] not in best)
    moved = {key: own[key] for key in own if key in unasked or key in elsewhere}
    return Answers(elsewhere, unasked, moved)


def unanswered(evidence: pl.DataFrame, *, wanted: Ask, asks: Mapping[str, Ask]) -> pl.DataFrame:
    """Good rows that answer less than is `wanted`, as failures: another call could not be made.

    Such an answer stays in the graph, and the next run asks again.
    """
    good = evidence.filter((pl.col("status") == "ok") & pl.col("extractor").is_in(list(asks)))
    rows = good.select("extractor", "asked").unique()
    lacking = [
        row
        for row in rows.iter_rows()
        if not (asks[row[0]] if row[1] is None else Ask.read(row[1])).serves(wanted)
    ]
    of_less = pl.DataFrame(lacking, schema=rows.schema, orient="row")
    return good.join(of_less, on=["extractor", "asked"], how="semi", nulls_equal=True).with_columns(
        pl.lit("not asked yet for all that the schema has").alias("error"),
        pl.lit(value=True).alias("transient"),
    )


async def move_answers(
    store: EvidenceStore, answers: Answers, *, extractor: str, asks: Mapping[str, Ask]
) -> None:
    """Put aside the rows that give their place up, and answers in the places they are looked for.

    A run that is stopped in between has lost nothing: what is put aside is written first.
    """
    sources = sorted({*answers.aside, *answers.elsewhere.values()})
    if not sources:
        return
    rows = await store.read("evidence", where=("key", sources))
    said = {name: ask.written() for name, ask in asks.items()}
    asked = pl.col("extractor").replace_strict(said, default=None, return_dtype=pl.String)
    recorded = rows.with_columns(pl.coalesce("asked", asked), pl.lit(extractor).alias("extractor"))
    for moved, origin in ((answers.aside, rows), (answers.elsewhere, recorded)):
        # By the key that a row gets: that of the row it is made of.
        made = {new: old for old, new in moved.items()} if moved is answers.aside else moved
        places = pl.DataFrame(
            {"place": [*made], "key": [*made.values()]},
            schema={"place": pl.String, "key": pl.String},
        )
        frame = places.join(origin, on="key").with_columns(pl.col("place").alias("key"))
        if not frame.is_empty():
            await store.put_evidence(frame.select(rows.columns))


def _end(name: str) -> str:
    return ANY if name == ANY else folded(name)


def _within(one: Folded, known: Folded) -> bool:
    """Whether a triple is one that `known` allows."""
    return all(part == other or other == ANY for part, other in zip(one, known, strict=True))
