"""Read what one plan needs beside the graph: mentions, documents, and sentences with its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from graphrag.query.table.graph import OWN_KEYS, Graph, Refusal, is_year
from graphrag.query.table.plan import Condition, Group, Plan
from graphrag.stores import Filter, GraphStore
from graphrag.text import fold, sentences, terms

_MARKS = "[\u0300-\u036f]"  # accents, where they stand apart from their letters
_IDS = 5000  # of entities whose mentions are looked up one by one; of more, all are read


@dataclass(frozen=True, slots=True)
class Data:
    """What `run` works on beside the graph; everything is of the documents that pass the filters.

    `mentions`: `id` (entity), `unit`, `sentences`. `documents`: `unit`, `document`. `stated`:
    `edge`, `unit`; None where every edge counts. `said`: by the words of a link, the sentences
    (`unit`, `sentence`) in which they all stand. `groups`: `document`, `key`.
    """

    mentions: pl.DataFrame
    documents: pl.DataFrame
    n_documents: int
    filters: tuple[Filter, ...]
    passing: tuple[str, ...] | None
    stated: pl.DataFrame | None
    said: dict[tuple[str, ...], pl.DataFrame]
    groups: pl.DataFrame | None


async def read(plan: Plan, graph: Graph, store: GraphStore, filters: Sequence[Filter]) -> Data:
    """Raises Refusal on a metadata key that no document has, and a word that no sentence has."""
    filters = (*filters, *_filters(plan, graph))
    units = await store.read("text_units", columns=("id", "document_id"))
    units = units.rename({"id": "unit", "document_id": "document"})
    passing: tuple[str, ...] | None = None
    if filters:
        passing = tuple(await store.matching_documents(filters))
        units = units.filter(pl.col("document").is_in(passing))
    mentions = (await _mentions(plan, graph, store)).join(units, on="unit", how="semi")
    counts = await store.counts()
    return Data(
        mentions=mentions,
        documents=units,
        n_documents=len(passing) if passing is not None else counts["documents"],
        filters=tuple(filters),
        passing=passing,
        stated=await _stated(plan, store, units) if filters else None,
        said=await _said(plan, mentions, store),
        groups=await _groups(plan.group, graph, store),
    )


def _filters(plan: Plan, graph: Graph) -> list[Filter]:
    """The plan's conditions on metadata as filters on documents."""
    found: list[Filter] = []
    for one in plan.conditions:
        if one.of == "metadata":
            found += _as_filters(replace(one, key=_filter_key(graph, one.key)))
    if any(one.of == "metadata" for hop in plan.all_hops for one in hop.conditions):
        raise Refusal("metadata is of documents, and a hop leads from entities to entities")
    return found


def _filter_key(graph: Graph, key: str) -> str:
    known = graph.key_named(key)
    return known if known in graph.keys else f"doc.{known}"


def _as_filters(one: Condition) -> list[Filter]:
    """A year stands for all its days: "in 1866", "before 1866", "after 1866"."""
    if not one.values:
        raise Refusal(f"a condition on {one.key!r} has no value")
    value = one.values[0]
    following = str(int(value) + 1) if is_year(value) else ""
    match one.operator:
        case "=" if following and len(one.values) == 1:
            below = [Filter(one.key, "<=", (following,)), Filter(one.key, "!=", (following,))]
            return [Filter(one.key, ">=", (value,)), *below]
        case "=" | "!=":
            return [Filter(one.key, one.operator, one.values)]
        case ">" if following:
            return [Filter(one.key, ">=", (following,))]
        case "<=" if following:
            return [Filter(one.key, "<=", (following,)), Filter(one.key, "!=", (following,))]
        case ">" | ">=":
            strict = [Filter(one.key, "!=", (value,))] if one.operator == ">" else []
            return [Filter(one.key, ">=", (value,)), *strict]
        case "<" | "<=":
            strict = [Filter(one.key, "!=", (value,))] if one.operator == "<" else []
            return [Filter(one.key, "<=", (value,)), *strict]
        case "present" | "missing":
            raise Refusal(f"whether documents have the key {one.key!r} cannot be asked")


async def _mentions(plan: Plan, graph: Graph, store: GraphStore) -> pl.DataFrame:
    """Of the entities of the plan's types; with sentences asked, of all at a hop's other end."""
    kinds = {graph.type_named(name) for name in (plan.type, *plan.also)}
    asked = [*plan.all_hops] if graph.by_sentences else []
    kinds |= {graph.type_named(hop.type) for hop in asked if hop.type}
    ids = graph.entities.filter(pl.col("kind").is_in(sorted(kinds)))["id"].to_list()
    for hop in asked:
        ids += graph.ids_named(hop.name) if hop.name else []
    columns = ("text_unit_id", "entity_id", "sentences")
    wanted = sorted(set(ids))
    where = ("entity_id", wanted) if len(wanted) <= _IDS else None
    read = await store.read("mentions", where=where, columns=columns)
    return read.select(
        pl.col("entity_id").alias("id"), pl.col("text_unit_id").alias("unit"), "sentences"
    ).filter(pl.col("id").is_in(wanted))


async def _stated(plan: Plan, store: GraphStore, units: pl.DataFrame) -> pl.DataFrame | None:
    if not any(plan.all_links):
        return None
    read = await store.read("relationships", columns=("id", "text_unit_ids"))
    return (
        read.select(pl.col("id").alias("edge"), pl.col("text_unit_ids").alias("unit"))
        .explode("unit")
        .join(units, on="unit", how="semi")
    )


async def _said(
    plan: Plan, mentions: pl.DataFrame, store: GraphStore
) -> dict[tuple[str, ...], pl.DataFrame]:
    wanted = {hop.words for hop in plan.all_hops if hop.words}
    if not wanted:
        return {}
    ids = mentions["unit"].unique().sort().to_list()
    texts = await store.read("text_units", where=("id", ids), columns=("id", "document_id", "text"))
    languages = await store.read("documents", columns=("id", "language"))
    texts = texts.join(languages.rename({"id": "document_id"}), on="document_id", how="left")
    said = {words: _sentences_with(words, texts) for words in sorted(wanted)}
    if any(found.is_empty() for found in said.values()):
        every = await store.read("text_units", columns=("id", "document_id", "text"))
        every = every.join(languages.rename({"id": "document_id"}), on="document_id", how="left")
        doubted = {word for words, found in said.items() if found.is_empty() for word in words}
        unsaid = [one for one in sorted(doubted) if _sentences_with((one,), every).is_empty()]
        if unsaid:
            raise Refusal(
                f"no sentence of these documents has {', '.join(f'“{one}”' for one in unsaid)}",
                hint="The relations of this graph have no types, so sentences are asked for the "
                "word; irregular forms of a verb are apart.",
            )
    return said


def _sentences_with(words: tuple[str, ...], texts: pl.DataFrame) -> pl.DataFrame:
    """The sentences in which a form of each word stands; only units that may have them are read."""
    found: list[tuple[str, int]] = []
    for (language,), part in texts.group_by(pl.col("language").fill_null("und")):
        known = str(language)
        stems = {stem for word in words for stem in terms(word, known) or [fold(word.lower())]}
        bare = pl.col("text").str.to_lowercase().str.normalize("NFD").str.replace_all(_MARKS, "")
        heads = [_head(word, known) for word in words]
        likely = part.filter(*(bare.str.contains(head, literal=True) for head in heads))
        for unit, text in likely.select("id", "text").iter_rows():
            for place, (start, end) in enumerate(sentences(text)):
                if stems.issubset(terms(text[start:end], known)):
                    found.append((unit, place))
    schema = {"unit": pl.String, "sentence": pl.Int64}
    return pl.DataFrame(found, schema=schema, orient="row").sort("unit", "sentence")


def _head(word: str, language: str) -> str:
    """What all forms of the word begin with: what it has in common with its stem."""
    bare = fold(word.lower())
    stem = "".join(terms(word, language)) or bare
    same = (n for n, (one, other) in enumerate(zip(bare, stem, strict=False)) if one != other)
    return bare[: next(same, min(len(bare), len(stem)))]


async def _groups(group: Group | None, graph: Graph, store: GraphStore) -> pl.DataFrame | None:
    if group is None or group.of != "metadata":
        return None
    key = graph.key_named(group.key)
    if key in graph.keys:
        read = await store.read("documents", columns=("id", "metadata"))
        value = pl.col("metadata").str.json_decode(pl.Struct({key: pl.String})).struct.field(key)
    else:
        assert key in OWN_KEYS
        read = await store.read("documents", columns=("id", key))
        value = pl.col(key)
    return read.select(pl.col("id").alias("document"), value.alias("key")).drop_nulls()
