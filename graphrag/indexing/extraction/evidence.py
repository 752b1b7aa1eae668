"""Decode the evidence of the current text units into one row per unit and item."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

import polars as pl

from graphrag.text import normalise
from graphrag.text.scripts import UNSPACED

RULES = "nlp:"  # what the name of the extractor without a model starts with
# Of a reply that was cut off, which is a failure, what was whole counts all the same.
HOLDS_ITEMS = pl.any_horizontal(pl.col("entities", "relationships", "claims") != "[]")

_ENTITY = pl.Struct(
    {
        "name": pl.String,
        "type": pl.String,
        "description": pl.String,
        "sentences": pl.List(pl.Int64),
        "kind": pl.String,
        "aliases": pl.List(pl.String),
        "attributes": pl.List(
            pl.Struct({"name": pl.String, "value": pl.String, "unit": pl.String})
        ),
    }
)
_RELATIONSHIP = pl.Struct(
    {
        "source": pl.String,
        "target": pl.String,
        "type": pl.String,
        "description": pl.String,
        "strength": pl.Float64,
        "sentences": pl.List(pl.Int64),
    }
)
_CLAIM = pl.Struct(
    dict.fromkeys(("subject", "object", "type", "status", "start", "end", "description"), pl.String)
)
_PLACES = pl.List(pl.List(pl.Int64))
_NAMED = pl.Schema({"text_unit_id": pl.String, "entity": pl.String, "sentences": pl.List(pl.Int64)})
_MOVED = pl.Schema({"text_unit_id": pl.String, "norm": pl.String, "to_norm": pl.String})
_SLICE = 20_000  # rows that are decoded, or Python objects, at one time
_ENDING = 40  # characters
# Markdown, and what text files emphasise with: what marks a text up says nothing.
_MARKS = (
    (r"^\s*(?:(?:#{1,6}|[-*+>|•]|\d+(?:\.\d+)*[.)]?)\s+)+", ""),
    (r"!?\[([^\[\]]*)\](?:\([^()\s]*\)|\[[^\[\]]*\])", "$1"),
    (r"(^|[\s(\"'“‘\[])[*_`=~]+([^\s*_`=~])", "$1$2"),
    (r"([^\s*_`=~])[*_`=~]+($|[\s.,:;!?)\"'’”\]-])", "$1$2"),
    (r"\s*\|\s*", " "),
    (r"^\s+|\s+$", ""),
)
_MAX_SENTENCE = 240  # characters of a sentence that serves as a description


@dataclass(frozen=True, slots=True)
class CurrentEvidence:
    """What the current units say, not joined yet. Names come as written and normalised (`norm`)."""

    units: pl.DataFrame  # text_unit_id, document_id, ordinal, headings, text, rules
    entities: pl.DataFrame  # text_unit_id, rules, name, norm and the fields of an entity
    relationships: pl.DataFrame  # text_unit_id, rules, source_norm, target_norm and the fields
    claims: pl.DataFrame  # text_unit_id and the fields of a claim
    aliases: list[tuple[str, str]]  # alias, name
    moved: pl.DataFrame = field(default_factory=_MOVED.to_frame)
    """Names that corrections give another meaning in a unit."""


def decode_evidence(text_units: pl.DataFrame, evidence: pl.DataFrame) -> CurrentEvidence:
    """Decode the good evidence of `text_units`; units that share a text share its evidence."""
    good = evidence.filter((pl.col("status") == "ok") | HOLDS_ITEMS).select(
        "key",
        "entities",
        "relationships",
        "claims",
        pl.col("extractor").str.starts_with(RULES).alias("rules"),
    )
    units = (
        text_units.rename({"id": "text_unit_id"})
        .join(good.select("key", "rules"), left_on="evidence_key", right_on="key")
        .select(
            "text_unit_id", "document_id", "ordinal", "headings", "text", "rules", "evidence_key"
        )
        .sort("text_unit_id")
    )
    used = good.join(units, left_on="key", right_on="evidence_key", how="semi")
    of_unit = units.select("text_unit_id", pl.col("evidence_key").alias("key"))
    entities = _decode(used, "entities", _ENTITY)
    relationships = _decode(used, "relationships", _RELATIONSHIP)
    aliases = (
        entities.select(pl.col("aliases").alias("alias"), "name")
        .explode("alias")
        .drop_nulls()
        .unique()
        .sort("alias", "name")
    )
    norms = _norms([entities["name"], relationships["source"], relationships["target"]])
    entities = entities.drop("aliases").join(norms, on="name")
    for end in ("source", "target"):
        renamed = norms.rename({"name": end, "norm": f"{end}_norm"})
        relationships = relationships.join(renamed, on=end)
    entities = pl.concat([entities, _unlisted(entities, relationships)], how="diagonal")
    relationships = relationships.drop("source", "target")
    return CurrentEvidence(
        units=units.drop("evidence_key"),
        entities=entities.join(of_unit, on="key").drop("key"),
        relationships=relationships.join(of_unit, on="key").drop("key"),
        claims=_decode(used, "claims", _CLAIM).join(of_unit, on="key").drop("key"),
        aliases=[(alias, name) for alias, name in aliases.iter_rows() if alias.strip()],
    )


def sentence_rows(sentences: pl.DataFrame) -> pl.DataFrame:
    """`sentences` (of `unit_words`), each in one line, without marks, as long as a description.

    `ending` is the same for a sentence and what the overlap of two units repeats of it.
    """
    line = pl.col("sentence").str.replace_all(r"\s+", " ")
    for mark, instead in _MARKS:
        line = line.str.replace_all(mark, instead)
    short = line.str.slice(0, _MAX_SENTENCE).str.replace(r"\s+\S*$", "") + "…"
    return sentences.with_columns(
        pl.col("sentence").str.slice(-_ENDING).alias("ending"),
        pl.when(line.str.len_chars() > _MAX_SENTENCE).then(short).otherwise(line),
    )


def find_in_sentences(
    sentences: pl.DataFrame, wanted: pl.DataFrame, spellings: Mapping[str, Iterable[str]]
) -> pl.DataFrame:
    """Where the entities of `wanted` (text_unit_id, entity) are named: with `sentences`, sorted.

    `spellings` are the normalised names of each entity.
    """
    asked = wanted.group_by("text_unit_id").agg(pl.col("entity").unique().sort())
    parts = asked.sort("text_unit_id").iter_slices(_SLICE)
    return pl.concat(
        [_NAMED.to_frame(), *(_find_names(sentences, part, spellings) for part in parts)]
    )


def _find_names(
    sentences: pl.DataFrame, asked: pl.DataFrame, spellings: Mapping[str, Iterable[str]]
) -> pl.DataFrame:
    """The same for a few units, each with the entities to find."""
    of_units = sentences.join(asked, on="text_unit_id", how="semi", maintain_order="left")
    spoken = of_units.group_by("text_unit_id", maintain_order=True).agg("sentence")
    units = asked.join(spoken, on="text_unit_id", maintain_order="left")
    found: list[list[list[int]]] = []
    for lines, entities in units.select("sentence", "entity").iter_rows():
        text = _Lines(lines)
        found.append([text.find(spellings.get(entity, ())) for entity in entities])
    return (
        units.select("text_unit_id", "entity", pl.Series("sentences", found, dtype=_PLACES))
        .explode("entity", "sentences")
        .filter(pl.col("sentences").list.len() > 0)
    )


class _Lines:
    """The normalised sentences of a text."""

    def __init__(self, sentences: Iterable[str]) -> None:
        lines = [f" {normalise(sentence)} \n" for sentence in sentences]
        self._whole = "".join(lines)
        self._ends = list(accumulate(map(len, lines)))

    def find(self, norms: Iterable[str]) -> list[int]:
        """The lines with any of these names, in order."""
        found: set[int] = set()
        for pattern in map(_pattern, norms):
            at = self._whole.find(pattern)
            while at >= 0:
                line = bisect_right(self._ends, at)
                found.add(line)
                at = self._whole.find(pattern, self._ends[line])
        return sorted(found)


def _decode(evidence: pl.DataFrame, column: str, shape: pl.Struct) -> pl.DataFrame:
    """One row per item of a JSON list, with the key of its evidence; fields may be missing."""
    items = pl.col(column).fill_null("[]").str.json_decode(pl.List(shape))
    parts = [
        part.select("key", "rules", items.alias("item"))
        .explode("item")
        .drop_nulls("item")
        .unnest("item")
        for part in (evidence.head(0), *evidence.iter_slices(_SLICE))
    ]
    return pl.concat(parts)


def _norms(columns: Iterable[pl.Series]) -> pl.DataFrame:
    """Every name with its normalised form; blank names are left out."""
    names = pl.concat([column.rename("name") for column in columns]).drop_nulls().unique().sort()
    known = [(name, normalise(name)) for name in names.to_list()]
    rows = [(name, norm) for name, norm in known if norm]
    return pl.DataFrame(rows, schema={"name": pl.String, "norm": pl.String}, orient="row")


def _unlisted(entities: pl.DataFrame, relationships: pl.DataFrame) -> pl.DataFrame:
    """Ends of relationships that the same evidence does not list as entities."""
    ends = [
        relationships.select("key", "rules", name=pl.col(end), norm=pl.col(f"{end}_norm"))
        for end in ("source", "target")
    ]
    return (
        pl.concat(ends)
        .unique()
        .join(entities, on=["key", "norm"], how="anti")
        .sort("key", "norm", "name")
    )


def _pattern(norm: str) -> str:
    """Whole words, in scripts that set spaces between words and particles."""
    return norm if UNSPACED.search(norm) else f" {norm} "


def mention_counts(evidence: CurrentEvidence) -> dict[str, int]:
    """By name as written: the units that mention it."""
    counts = evidence.entities.group_by("name").agg(pl.col("text_unit_id").n_unique())
    return dict(counts.sort("name").iter_rows())
