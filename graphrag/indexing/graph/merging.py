"""Merge the evidence of the current text units into the graph.

A function of the current evidence and the settings alone. What a model found is taken as it is;
what the rules found is pruned (a phrase needs company in other units) and weighted by how much
oftener two names meet than chance would have it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from graphrag.core.schema import Schema
from graphrag.core.settings import Settings
from graphrag.core.tables import CLAIMS, ENTITIES, MENTIONS, RELATIONSHIPS, stable_id
from graphrag.indexing.extraction.capitals import common_words
from graphrag.indexing.extraction.evidence import (
    CurrentEvidence,
    decode_evidence,
    find_in_sentences,
    mention_counts,
    sentence_rows,
)
from graphrag.indexing.extraction.lexicon import CAPITAL_NOUNS
from graphrag.indexing.extraction.subjects import find_subjects, title_owners
from graphrag.indexing.extraction.type_words import find_types
from graphrag.indexing.graph.attributes import add_attributes
from graphrag.indexing.graph.fitting import (
    LeftOut,
    fit_entities,
    fit_relationships,
    fit_types,
    left_out,
)
from graphrag.indexing.resolution.corrections import NO_CORRECTIONS, Corrections
from graphrag.indexing.resolution.names import VAGUE_TYPES, read_names
from graphrag.indexing.resolution.pairs import Pair
from graphrag.indexing.resolution.resolve import Resolution, resolve
from graphrag.text import normalise

if TYPE_CHECKING:
    from graphrag.stores.arrays.unit_words import UnitWords

_MIN_ASSOCIATION = 0.05  # of a pair that meets no oftener than chance
_RULE_DESCRIPTIONS = 3  # sentences that describe what the rules found
_GOOD_LENGTH = 160  # characters; a longer sentence says no more about its entity
_PART = 250_000  # descriptions that are compared at one time
_COMPARED = 50  # longest descriptions of an item that are searched for one inside another
_TELLING = 4  # units without a guess that one unit with a guess outweighs
_UNSURE = ("phrase", "hint")
# What is known of a type, from nothing to what a model said.
_UNKNOWN, _VAGUE, _GUESSED, _SAID = range(4)
_NO_SCHEMA = Schema()
_MET = 2  # units in which the rules must see a phrase and another entity together


@dataclass(frozen=True, slots=True)
class Graph:
    """The graph's tables, sorted by key, and what became of names on the way."""

    entities: pl.DataFrame
    relationships: pl.DataFrame
    mentions: pl.DataFrame
    claims: pl.DataFrame
    joins: pl.DataFrame  # the columns of resolution.JOINS
    dropped_self_loops: int = 0
    left_out: LeftOut = field(default_factory=LeftOut)


def merge(
    *,
    documents: pl.DataFrame,
    text_units: pl.DataFrame,
    evidence: pl.DataFrame,
    settings: Settings,
    schema: Schema = _NO_SCHEMA,
) -> Graph:
    """Merge the good evidence of `text_units`; evidence of other units does not count."""
    from graphrag.stores.arrays import unit_words

    current = decode_evidence(text_units, evidence)
    words = unit_words.read(text_units)
    sentences = unit_words.sentences(text_units, words)
    del text_units, evidence  # larger than what was read of them
    names = read_names(current, settings.resolution, schema=schema)
    return merge_names(
        names.evidence,
        names.pairs,
        words=words,
        sentences=sentences,
        documents=documents,
        settings=settings,
        schema=schema,
    )


def merge_names(
    evidence: CurrentEvidence,
    decided: Sequence[Pair],
    *,
    words: UnitWords,
    sentences: pl.DataFrame,
    documents: pl.DataFrame,
    settings: Settings,
    corrections: Corrections = NO_CORRECTIONS,
    schema: Schema = _NO_SCHEMA,
) -> Graph:
    """Merge what the current units say, with the pairs of their names that were decided.

    `words` and `sentences` are those of all units, as `unit_words` gives them.
    """
    resolution = resolve(
        mention_counts(evidence),
        aliases=evidence.aliases,
        settings=settings.resolution,
        pairs=decided,
        corrections=corrections,
    )
    entity_of = pl.DataFrame(
        list(resolution.canonical.items()),
        schema={"norm": pl.String, "entity": pl.String},
        orient="row",
    )
    hidden = [resolution.canonical.get(norm, norm) for norm in sorted(corrections.hidden)]
    common = _common(evidence, words, documents)
    found = _sceptical(evidence, common).join(entity_of, on="norm")
    found = found.filter(~pl.col("entity").is_in(hidden))
    by_rules = evidence.units.filter(pl.col("rules")).select("text_unit_id")
    lines = sentence_rows(sentences.join(by_rules, on="text_unit_id", how="semi"))
    by_words = find_types(
        evidence, entity_of, sentences, schema, documents=documents, common=common
    )
    kept = _kept(
        found, lines, by_words, min_phrase_mentions=settings.extraction.min_phrase_mentions
    )
    found = fit_types(found.join(kept, on="entity", how="semi"), schema, by_words)
    types = {resolution.canonical.get(norm, norm): kind for norm, kind in corrections.types.items()}
    found, types, other_types = fit_entities(found, schema, types)
    kept = found.select("entity").unique().sort("entity")
    typed, other_attributes = add_attributes(_types(found, types, schema), found, schema)
    mentions = _mentions(
        evidence, found, entity_of, lines, sentences=sentences, documents=documents
    )
    pairs, loops = _pairs(evidence, entity_of, kept, lines)
    pairs, other_triples = fit_relationships(pairs, typed, schema)
    del lines
    relationships = _relationships(pairs, found, n_units=int(evidence.units["rules"].sum()))
    del pairs
    return Graph(
        entities=_entities(typed, mentions, relationships, resolution),
        relationships=relationships.select(RELATIONSHIPS.names()).cast(RELATIONSHIPS),
        mentions=mentions.select(MENTIONS.names()).cast(MENTIONS),
        claims=_claims(evidence, resolution),
        joins=_joins_of(resolution, kept),
        dropped_self_loops=loops,
        left_out=left_out(other_types, other_triples, other_attributes),
    )


def _joins_of(resolution: Resolution, kept: pl.DataFrame) -> pl.DataFrame:
    """The joins of entities that are in the graph."""
    names = [resolution.names[entity] for entity in kept["entity"].to_list()]
    return resolution.joins.filter(pl.col("canonical").is_in(names))


def _common(evidence: CurrentEvidence, words: UnitWords, documents: pl.DataFrame) -> frozenset[str]:
    """What the corpus uses as common words, by norm, for what the rules found.

    Unless a document is about it: "Young, New South Wales".
    """
    if not evidence.units["rules"].any():
        return frozenset()
    capital_nouns = documents.filter(pl.col("language").is_in(CAPITAL_NOUNS)).select("id")
    units = evidence.units.join(
        capital_nouns, left_on="document_id", right_on="id", how="semi"
    ).get_column("text_unit_id")
    titles = frozenset(title_owners(documents)["norm"])
    return frozenset(common_words(words, frozenset(units))) - titles


def _sceptical(evidence: CurrentEvidence, common: Collection[str]) -> pl.DataFrame:
    """The entities of the evidence; of the rules', `common` words are but hints."""
    doubted = pl.col("rules") & pl.col("norm").is_in(sorted(common))
    return evidence.entities.with_columns(
        pl.when(doubted).then(pl.lit("hint")).otherwise("kind").alias("kind")
    )


def _kept(
    found: pl.DataFrame,
    lines: pl.DataFrame,
    by_words: Collection[str],
    *,
    min_phrase_mentions: int,
) -> pl.DataFrame:
    """Entities that something supports: a name does, a phrase only in several units.

    So do the words beside it that tell its type (`by_words`).

    A sentence that two units repeat, for they overlap, is one occurrence.
    """
    kind = pl.col("kind").fill_null("name")
    sure = ~kind.is_in(_UNSURE) | pl.col("entity").is_in(sorted(by_words))
    doubtful = found.filter(sure.any().over("entity").not_())
    often = (
        doubtful.explode("sentences")
        .join(
            lines,
            left_on=["text_unit_id", "sentences"],
            right_on=["text_unit_id", "ordinal"],
            how="left",
        )
        .group_by("entity")
        .agg(
            pl.min_horizontal(pl.col("text_unit_id").n_unique(), pl.col("ending").n_unique()).alias(
                "often"
            ),
            (kind == "phrase").any().alias("phrase"),
        )
    )
    enough = pl.col("phrase") & (pl.col("often") >= min_phrase_mentions)
    unsupported = often.filter(~enough)
    return found.select("entity").unique().join(unsupported, on="entity", how="anti").sort("entity")


def _mentions(
    evidence: CurrentEvidence,
    found: pl.DataFrame,
    entity_of: pl.DataFrame,
    lines: pl.DataFrame,
    *,
    sentences: pl.DataFrame,
    documents: pl.DataFrame,
) -> pl.DataFrame:
    """One row per unit and entity, with `entity_id` and `norm` of the entity beside its columns.

    A unit that is about an entity mentions it, whether the extractor noticed or not.
    """
    keys = ["text_unit_id", "entity"]
    named = found.group_by(keys).agg(
        pl.col("description").drop_nulls().str.strip_chars().unique().sort().alias("said"),
        pl.col("sentences").explode().drop_nulls().unique().sort(),
        pl.col("sentences").is_not_null().any().alias("searched"),
    )
    owners = (
        find_subjects(documents, evidence.units)
        .join(evidence.moved, on=["text_unit_id", "norm"], how="left")
        .with_columns(pl.coalesce("to_norm", "norm").alias("norm"))
        .join(entity_of, on="norm")
        .join(found.select("entity").unique(), on="entity", how="semi")
        .group_by(keys)
        .agg(pl.col("owner").max())
    )
    mentions = (
        named.join(owners, on=keys, how="full", coalesce=True)
        .with_columns(pl.col("owner").fill_null(0.0), pl.col("searched").fill_null(False))
        .join(evidence.units.select("text_unit_id", "ordinal", "rules"), on="text_unit_id")
        .sort(keys)
    )
    wanted = mentions.filter(~pl.col("searched"))
    located = find_in_sentences(sentences, wanted, _spellings(entity_of, evidence.moved))
    places = pl.coalesce("found_in", "sentences", pl.lit([], dtype=pl.List(pl.Int64)))
    mentions = mentions.join(
        located.rename({"sentences": "found_in"}), on=keys, how="left"
    ).with_columns(places.alias("sentences"))
    described = _with_sentences(mentions, lines).join(_ids(found), on="entity")
    return described.sort("text_unit_id", "entity_id")


def _with_sentences(mentions: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """The description of each mention: what a model said, or the first sentence that names it."""
    opening = pl.col("rules") & (pl.col("owner") == 1.0) & (pl.col("ordinal") == 0)
    first = pl.coalesce(pl.col("sentences").list.first(), pl.when(opening).then(0))
    said = pl.when(pl.col("said").list.len() > 0).then(pl.col("said").list.join("\n"))
    return (
        mentions.with_columns(
            first.alias("first"), pl.col("said").list.set_difference([""]).list.sort()
        )
        .join(
            lines,
            left_on=["text_unit_id", "first"],
            right_on=["text_unit_id", "ordinal"],
            how="left",
        )
        .with_columns(pl.coalesce(said, "sentence", pl.lit("")).alias("description"))
        .select(
            "text_unit_id",
            "entity",
            "description",
            "owner",
            "sentences",
            "rules",
            pl.when(pl.col("said").list.len() > 0)
            .then(pl.col("said"))
            .otherwise(pl.concat_list("description")),
        )
    )


def _pairs(
    evidence: CurrentEvidence, entity_of: pl.DataFrame, kept: pl.DataFrame, lines: pl.DataFrame
) -> tuple[pl.DataFrame, int]:
    """Every relationship of every unit between kept entities; and how many were self-loops."""
    source = entity_of.rename({"norm": "source_norm", "entity": "source_entity"})
    target = entity_of.rename({"norm": "target_norm", "entity": "target_entity"})
    rows = (
        evidence.relationships.join(source, on="source_norm")
        .join(target, on="target_norm")
        .join(kept, left_on="source_entity", right_on="entity", how="semi")
        .join(kept, left_on="target_entity", right_on="entity", how="semi")
    )
    pairs = rows.filter(pl.col("source_entity") != pl.col("target_entity"))
    types = pairs["type"].fill_null("").unique().sort().to_list()
    type_norms = pl.DataFrame(
        {"type": types, "type_norm": [normalise(name) for name in types]},
        schema={"type": pl.String, "type_norm": pl.String},
    )
    # What merely stands together has no direction.
    swap = pl.col("rules") & (pl.col("source_entity") > pl.col("target_entity"))
    first, second = pl.col("source_entity"), pl.col("target_entity")
    described = (
        pairs.with_columns(
            pl.col("type").fill_null(""),
            pl.col("strength").fill_null(1.0),
            pl.col("description").fill_null("").str.strip_chars(),
            pl.when(swap).then(second).otherwise(first).alias("source_entity"),
            pl.when(swap).then(first).otherwise(second).alias("target_entity"),
            pl.col("sentences").list.first().alias("first"),
        )
        .join(type_norms, on="type")
        .join(
            lines,
            left_on=["text_unit_id", "first"],
            right_on=["text_unit_id", "ordinal"],
            how="left",
        )
        .with_columns(
            pl.when(pl.col("description") == "")
            .then(pl.col("sentence").fill_null(""))
            .otherwise(pl.col("description"))
            .alias("description"),
            pl.lit(0.0).alias("owner"),
        )
    )
    return described, rows.height - pairs.height


def _relationships(pairs: pl.DataFrame, found: pl.DataFrame, *, n_units: int) -> pl.DataFrame:
    """The relationships table, with the entities' keys beside their ids."""
    keys = ["source_entity", "target_entity", "type_norm"]
    spelled = (
        pairs.group_by(*keys, "type")
        .agg(pl.len().alias("often"))
        .sort(*keys, "often", "type", descending=[False, False, False, True, False])
        .unique(keys, keep="first", maintain_order=True)
        .select(*keys, "type")
    )
    merged = (
        pairs.group_by(keys)
        .agg(
            pl.col("strength").sort().sum().alias("weight"),
            pl.col("text_unit_id").unique().sort().alias("text_unit_ids"),
            pl.col("rules").all(),
        )
        .with_columns(pl.col("text_unit_ids").list.len().cast(pl.Int64).alias("n_mentions"))
        .join(spelled, on=keys)
    )
    merged = (
        _supported(merged, found)
        .join(_described(pairs, keys), on=keys, how="left")
        .with_columns(pl.col("description").fill_null(""))
    )
    weighted = _weighted(merged, found, n_units=n_units)
    ids = _ids(found)
    named = (
        weighted.join(ids, left_on="source_entity", right_on="entity")
        .rename({"entity_id": "source_id"})
        .join(ids, left_on="target_entity", right_on="entity")
        .rename({"entity_id": "target_id"})
    )
    own_ids = [
        stable_id("relationship", *parts)
        for parts in named.select("source_id", "target_id", "type_norm").iter_rows()
    ]
    return named.with_columns(pl.Series("id", own_ids, dtype=pl.String)).sort("id")


def _supported(merged: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Without what the rules saw but once of a phrase: half of the units hold some phrase."""
    named = found.filter(~pl.col("kind").fill_null("name").is_in(_UNSURE))["entity"].unique()
    ends = [pl.col(end).is_in(named.implode()) for end in ("source_entity", "target_entity")]
    often = pl.col("n_mentions") >= _MET
    return merged.filter(~pl.col("rules") | pl.all_horizontal(ends) | often)


def _weighted(merged: pl.DataFrame, found: pl.DataFrame, *, n_units: int) -> pl.DataFrame:
    """Strengths of co-occurrence times normalised pointwise mutual information over units.

    Bouma 2009, "Normalized (pointwise) mutual information in collocation extraction". Pairs that
    meet no oftener than chance keep a floor, for they do meet.
    """
    units_with = (
        found.filter(pl.col("rules"))
        .group_by("entity")
        .agg(pl.col("text_unit_id").n_unique().alias("units"))
    )
    together = pl.col("n_mentions")
    pmi = (together * n_units / (pl.col("units") * pl.col("units_right"))).log()
    association = (
        pl.when(together >= n_units).then(1.0).otherwise(pmi / -(together / n_units).log())
    )
    return (
        merged.join(units_with, left_on="source_entity", right_on="entity", how="left")
        .join(units_with, left_on="target_entity", right_on="entity", how="left")
        .with_columns(
            pl.when(pl.col("rules"))
            .then((pl.col("weight") * association.clip(_MIN_ASSOCIATION, 1.0)).round(6))
            .otherwise(pl.col("weight"))
            .alias("weight")
        )
    )


def _entities(
    typed: pl.DataFrame,
    mentions: pl.DataFrame,
    relationships: pl.DataFrame,
    resolution: Resolution,
) -> pl.DataFrame:
    """The entities table; `typed` has the type and the attributes of each."""
    said = mentions.select("entity", "owner", "rules", description="said").explode("description")
    ends = relationships.select("source_entity", "target_entity")
    neighbours = pl.concat(
        [ends, ends.select(source_entity="target_entity", target_entity="source_entity")]
    )
    degrees = neighbours.group_by(pl.col("source_entity").alias("entity")).agg(
        pl.col("target_entity").n_unique().cast(pl.Int64).alias("degree")
    )
    counts = mentions.group_by("entity").agg(pl.len().cast(pl.Int64).alias("n_mentions"))
    entities = (
        _ids(typed)
        .rename({"entity_id": "id"})
        .join(typed, on="entity")
        .join(counts, on="entity")
        .join(_described(said, ["entity"]), on="entity", how="left")
        .join(degrees, on="entity", how="left")
        .with_columns(pl.col("description").fill_null(""), pl.col("degree").fill_null(0))
    )
    order = entities["entity"].to_list()
    return (
        entities.with_columns(
            pl.Series("name", [resolution.names[key] for key in order], dtype=pl.String),
            pl.Series(
                "aliases",
                [resolution.aliases[key] for key in order],
                dtype=pl.List(pl.String),
            ),
        )
        .select(ENTITIES.names())
        .cast(ENTITIES)
        .sort("id")
    )


def _types(found: pl.DataFrame, corrected: Mapping[str, str], schema: Schema) -> pl.DataFrame:
    """The type of each entity: what a model says, before what the rules guess, before none.

    Each of its names has the type that most units give; a guess of the rules that says something
    counts more. A name without a guess takes nothing from one that has one, and of types of one
    kind the most units count. `corrected` are types by entity that are as they are.
    """
    type_ = pl.col("type").fill_null("").str.strip_chars().str.to_lowercase()
    kind = (
        pl.when(pl.col("type") == "")
        .then(_UNKNOWN)
        .when(~pl.col("rules"))
        .then(_SAID)
        .when(pl.col("type").is_in(VAGUE_TYPES))
        .then(_VAGUE)
        .otherwise(_GUESSED)
    )
    votes = pl.col("often") * pl.when(pl.col("kind") == _GUESSED).then(_TELLING).otherwise(1)
    # Within one name many units without a guess outvote one with a guess, as elsewhere they do not.
    rank = pl.col("kind").replace({_VAGUE: _GUESSED})
    return (
        found.with_columns(type_.alias("type"))
        .group_by("entity", "norm", "type")
        .agg(pl.col("text_unit_id").n_unique().alias("often"), pl.col("rules").all())
        .with_columns(kind.alias("kind"))
        .with_columns(votes.alias("votes"), rank.alias("rank"))
        .sort(
            "entity", "norm", "rank", "votes", "type", descending=[False, False, True, True, False]
        )
        .unique(["entity", "norm"], keep="first", maintain_order=True)
        .group_by("entity", "kind", "type")
        .agg(pl.col("votes").sum())
        .sort("entity", "kind", "votes", "type", descending=[False, True, True, False])
        .unique("entity", keep="first", maintain_order=True)
        .with_columns(pl.col("type").replace({name.lower(): name for name in schema.types}))
        .select(
            "entity",
            pl.col("entity").replace_strict(corrected, default=pl.col("type")).alias("type")
            if corrected
            else "type",
        )
    )


def _described(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """By key: the distinct descriptions, one a line, the owner's first, then the longest.

    One that another holds word for word is left out. Of sentences that the rules found the best
    few are enough.
    """
    needed = rows.select(*keys, "description", "owner", "rules")
    return pl.concat([_described_part(part, keys) for part in _parts(needed, keys[0])])


def _parts(rows: pl.DataFrame, key: str) -> Iterator[pl.DataFrame]:
    """`rows` in parts that fit into memory several times; those of one key are together."""
    n_parts = 1 + rows.height // _PART
    place = rows[key].hash(seed=0) % n_parts
    for part in range(n_parts):
        yield rows.filter(place == part) if n_parts > 1 else rows


def _described_part(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    # Cut where two units overlap, or code.
    fragment = pl.col("description").str.contains(r"^\p{Ll}|^[$]|--|[{}<>=;|\\].*[{}<>=;|\\]")
    by_rank = (
        pl.when(pl.col("rules") & fragment)
        .then(0)
        .when(pl.col("rules"))
        .then(pl.min_horizontal("length", _GOOD_LENGTH))
    )
    distinct = (
        rows.filter(pl.col("description") != "")
        .group_by(*keys, "description")
        .agg(pl.col("owner").max(), pl.col("rules").all())
        .with_columns(pl.col("description").str.len_chars().alias("length"))
        .with_columns(by_rank.otherwise(pl.col("length")).alias("worth"))
        .sort(
            *keys,
            "owner",
            "worth",
            "description",
            descending=[*(False for _ in keys), True, True, False],
        )
        .with_columns(pl.int_range(pl.len()).over(keys).alias("place"))
    )
    compared = distinct.filter(~pl.col("rules") & (pl.col("place") < _COMPARED))
    repeated = (
        compared.join(compared, on=keys, suffix="_other")
        .filter(
            (pl.col("length_other") > pl.col("length"))
            & pl.col("description_other").str.contains(pl.col("description"), literal=True)
        )
        .select(*keys, "description")
    )
    return (
        distinct.filter(~pl.col("rules") | (pl.col("place") < _RULE_DESCRIPTIONS))
        .join(repeated, on=[*keys, "description"], how="anti", maintain_order="left")
        .group_by(keys, maintain_order=True)
        .agg(pl.col("description").str.join("\n"))
    )


def _claims(evidence: CurrentEvidence, resolution: Resolution) -> pl.DataFrame:
    """Claims under the names of their entities."""
    rows = evidence.claims.with_columns(
        pl.col("subject", "object", "type", "status", "start", "end", "description").fill_null("")
    )
    ends = pl.concat([rows["subject"], rows["object"]]).unique().sort().to_list()
    known = resolution.canonical
    names = {name: resolution.names.get(known.get(normalise(name), ""), name) for name in ends}
    named = rows.with_columns(
        pl.col("subject").replace(names), pl.col("object").replace(names)
    ).unique()
    parts = [column for column in CLAIMS.names() if column != "id"]
    ids = [stable_id("claim", *row) for row in named.select(parts).iter_rows()]
    return (
        named.with_columns(pl.Series("id", ids, dtype=pl.String))
        .select(CLAIMS.names())
        .cast(CLAIMS)
        .sort("id")
    )


def _ids(found: pl.DataFrame) -> pl.DataFrame:
    """The id of every entity."""
    entities = found["entity"].unique().sort()
    ids = [stable_id("entity", entity) for entity in entities.to_list()]
    return pl.DataFrame({"entity": entities, "entity_id": pl.Series(ids, dtype=pl.String)})


def _spellings(entity_of: pl.DataFrame, moved: pl.DataFrame) -> dict[str, list[str]]:
    """By entity: its names as texts have them."""
    spellings: defaultdict[str, list[str]] = defaultdict(list)
    written = (
        moved.select("norm", "to_norm").unique().join(entity_of, left_on="to_norm", right_on="norm")
    )
    for norm, entity in (*entity_of.iter_rows(), *written.select("norm", "entity").iter_rows()):
        spellings[entity].append(norm)
    return spellings
