"""Tell what a schema does to an index before anything is paid: check, compare, propose one."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import cast

import polars as pl
from typing_extensions import TypedDict  # pydantic describes no other before Python 3.12

from graphrag.core.columns import CO_OCCURS
from graphrag.core.errors import NoIndexError
from graphrag.core.schema import Schema
from graphrag.core.settings import WORK_FOLDER
from graphrag.indexing.build import Cut, answers_of, missing
from graphrag.indexing.extraction.extract import (
    Extractor,
    keep_imported,
    key_units,
    make_extractor,
    text_hashes,
)
from graphrag.indexing.graph.merging import Graph, merge_names
from graphrag.indexing.pipeline import resolve_method
from graphrag.indexing.resolution.explain import kept_names
from graphrag.indexing.run import OutOfSchema, Run, estimate
from graphrag.stores import GraphStore
from graphrag.text import is_stop_word
from graphrag.text.stopwords import ARTICLES

_SOURCES = 20  # documents with text to extract that are named
_OFTEN = 2  # relationships of one triple from which it is proposed
_UNTYPED = ("", "name")
_WORD = re.compile(r"[^\W\d_]+|[^\w\s]|\n\s*\n")
_SHORTEST = 3  # letters of a word that may be a type
_SHARED = 3  # names that have it
_CANDIDATES = 20  # such words


class Fit(TypedDict):
    """How many rows of the graph a schema has a place for."""

    fit: int
    other: int


class SchemaCheck(TypedDict):
    """A schema that holds together, and how the graph at hand fits it (None without an index)."""

    mode: str
    types: list[str]
    triples: int
    entities: Fit | None
    relationships: Fit | None
    by_type: dict[str, int]
    """Entities by type of the schema; 0 where there is none."""
    other_types: dict[str, int]
    """Entities by type that the schema lacks."""


class Change(TypedDict):
    now: int
    then: int
    added: int
    dropped: int


class ToExtract(TypedDict):
    """What the model has not been asked for yet. `reports`: calls for reports, at most."""

    text_units: int
    calls: int
    """Of extraction, exactly: one for each distinct text and round."""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    sources: list[str]
    """Documents of these text units, the first ones."""
    reports: int


class SchemaDiff(TypedDict):
    """What the schema would add, drop and leave to extract.

    The graph is made of the evidence at hand: what is to be extracted comes on top of it.
    """

    mode: str
    entities: Change
    relationships: Change
    retyped: int
    types: dict[str, dict[str, int]]
    """By type: entities `now` and `then`."""
    left_out: OutOfSchema
    extract: ToExtract


class ProposedTriple(TypedDict):
    source: str
    relation: str
    target: str
    count: int


class Proposal(TypedDict):
    """A schema made of what the index holds. `yaml` is its file, with the counts."""

    types: dict[str, int]
    attributes: dict[str, dict[str, int]]
    triples: list[ProposedTriple]
    candidates: dict[str, int]
    """Where no model read: words in and before names, by how many; each may be a type or alias."""
    yaml: str


async def check(store: GraphStore | None, schema: Schema) -> SchemaCheck:
    """How the graph in `store` fits `schema`."""
    found = SchemaCheck(
        mode=schema.mode,
        types=[*schema.types],
        triples=len(schema.triples),
        entities=None,
        relationships=None,
        by_type={},
        other_types={},
    )
    if store is None:
        return found
    typed, triples = await _graph(store)
    known = {kind: schema.type_of(kind) for kind in set(typed.values())}
    counts = Counter(typed.values())
    for kind, count in counts.most_common():
        name = known[kind]
        of_kind = found["other_types"] if name is None else found["by_type"]
        of_kind[name or kind] = of_kind.get(name or kind, 0) + count
    for name in schema.types:
        found["by_type"].setdefault(name, 0)
    allowed = sum(
        count
        for (source, relation, target), count in triples.items()
        if relation == CO_OCCURS
        or schema.allows(known[source] or source, relation, known[target] or target)
    )
    fit = sum(found["by_type"].values())
    found["entities"] = Fit(fit=fit, other=len(typed) - fit)
    found["relationships"] = Fit(fit=allowed, other=triples.total() - allowed)
    return found


async def diff(run: Run) -> SchemaDiff:
    """What the next run would do under `run.declared`; calls no model and writes nothing.

    Raises NoIndexError.
    """
    meta = await run.store.meta()
    if not meta:
        raise NoIndexError("nothing is indexed here yet", hint="Run `graphrag index` first.")
    schema = run.declared or Schema()
    method = "fast" if meta.get("method") == "fast" else None
    extractor = make_extractor(
        run.settings,
        models=run.models,
        method=resolve_method(method, run.settings, run.models),
        root=run.root,
        schema=run.declared,
    )
    documents = await run.store.read("documents")
    cut, stored = await _cut(run, documents, extractor)
    todo = missing(cut, run.settings.chat, retry_failed=False) if extractor.uses_model else []
    keys = {unit.key for unit in todo}
    elsewhere, known = cut.answers.elsewhere, set(cut.kept["key"])
    at_hand = [
        elsewhere.get(key, key if key in known else before)
        for key, before in zip(cut.text_units["evidence_key"], stored, strict=True)
    ]
    units = cut.text_units.with_columns(pl.Series("evidence_key", at_hand, dtype=pl.String))
    graph = await _merged(run, meta, units, documents, schema)
    wanted = cut.text_units.filter(pl.col("evidence_key").is_in(keys))
    now = {table: await run.store.read(table) for table in ("entities", "relationships")}
    found = _compare(now, graph, schema)
    changed = bool(keys) or not all(
        now[table].drop("description").equals(made.drop("description"))
        for table, made in (("entities", graph.entities), ("relationships", graph.relationships))
    )
    found["extract"] = await _extraction(run, extractor, wanted, documents, changed=changed)
    return found


async def discover(store: GraphStore) -> Proposal:
    """A schema of the types, attributes and triples that the graph has, the most frequent first."""
    typed, triples = await _graph(store)
    counts = Counter(kind for kind in typed.values() if kind not in _UNTYPED)
    attributes: dict[str, Counter[str]] = {}
    stated = await store.read("entities", columns=["type", "attributes"])
    for kind, text in stated.filter(pl.col("attributes") != "[]").iter_rows():
        names = {str(one["name"]) for one in cast("list[dict[str, object]]", json.loads(text))}
        attributes.setdefault(kind, Counter()).update(names)
    listed = [
        ProposedTriple(source=source, relation=relation, target=target, count=count)
        for (source, relation, target), count in sorted(
            triples.items(), key=lambda one: (-one[1], one[0])
        )
        if relation not in ("", CO_OCCURS)
        and count >= _OFTEN
        and source in counts
        and target in counts
    ]
    types = dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))
    of_types = {kind: dict(sorted(found.items())) for kind, found in sorted(attributes.items())}
    yaml, candidates = _yaml(types, of_types, listed), dict[str, int]()
    if (await store.meta()).get("method") == "fast":
        texts = await store.read("text_units", columns=["text"])
        candidates = await asyncio.to_thread(_candidates, texts["text"].to_list())
        yaml += _yaml_comment(candidates)
    return Proposal(
        types=types, attributes=of_types, triples=listed, candidates=candidates, yaml=yaml
    )


def _candidates(texts: Iterable[str]) -> dict[str, int]:
    """Words in and before names ("Harrow Bridge", "the steamer Faraday"), by how many have each."""
    small: set[str] = set()
    beside: defaultdict[str, set[str]] = defaultdict(set)
    for text in texts:
        opening, before = "", ""
        for word in _WORD.findall(text):
            if word.islower():
                small.add(word)
            elif word.istitle() and before.istitle():
                beside[word.lower()].add(before)
                beside[before.lower()].add(word)
            elif word.istitle() and before.islower() and opening.lower() in ARTICLES:
                beside[before].add(word)
            opening, before = before, word
    counted = Counter(
        {
            word: len(names)
            for word, names in sorted(beside.items())
            if len(names) >= _SHARED
            and len(word) >= _SHORTEST
            and word in small
            and not is_stop_word(word)
        }
    )
    return dict(counted.most_common(_CANDIDATES))


async def _graph(store: GraphStore) -> tuple[dict[str, str], Counter[tuple[str, str, str]]]:
    """The types of all entities by id, and how often each triple is there."""
    entities = await store.read("entities", columns=["id", "type"])
    typed = {key: kind or "" for key, kind in entities.iter_rows()}
    columns = ["source_id", "type", "target_id"]
    edges = await store.read("relationships", columns=columns)
    return typed, Counter(
        (typed[source], kind or "", typed[target])
        for source, kind, target in edges.select(columns).iter_rows()
    )


async def _cut(run: Run, documents: pl.DataFrame, extractor: Extractor) -> tuple[Cut, pl.Series]:
    """The text units of the store under the keys that are wanted, and under those they have."""
    units = await run.store.read("text_units")
    columns = ["key", "text_hash", "extractor", "asked", "status", "transient", "error"]
    kept = await run.store.read("evidence", columns=columns)
    keyed, unique_texts = key_units(units, documents, extractor)
    keyed = keep_imported(keyed, text_hashes(units), kept)
    answers = answers_of(keyed, unique_texts, kept, extractor)
    return Cut(keyed, unique_texts, kept, frozenset(), frozenset(), answers), units["evidence_key"]


async def _merged(
    run: Run,
    meta: Mapping[str, str],
    units: pl.DataFrame,
    documents: pl.DataFrame,
    schema: Schema,
) -> Graph:
    """The graph that the evidence at hand gives under `schema`."""
    from graphrag.stores.arrays import unit_words

    names = await kept_names(
        run.store, meta, units, settings=run.settings, root=run.root, schema=schema
    )

    def merge() -> Graph:
        words = unit_words.read(units, known=unit_words.load(run.root / WORK_FOLDER))
        return merge_names(
            names.evidence,
            names.pairs,
            words=words,
            sentences=unit_words.sentences(units, words),
            documents=documents,
            settings=run.settings,
            corrections=names.corrections,
            schema=schema,
        )

    return await asyncio.to_thread(merge)


def _compare(now: Mapping[str, pl.DataFrame], graph: Graph, schema: Schema) -> SchemaDiff:
    before = dict(now["entities"].select("id", "type").iter_rows())
    after = dict(graph.entities.select("id", "type").iter_rows())
    first, second = Counter(before.values()), Counter(after.values())
    return SchemaDiff(
        mode=schema.mode,
        entities=_change(before, after),
        relationships=_change(now["relationships"]["id"], graph.relationships["id"]),
        retyped=sum(after[key] != kind for key, kind in before.items() if key in after),
        types={
            kind or "": {"now": first[kind], "then": second[kind]}
            for kind in sorted({*first, *second}, key=lambda kind: (-second[kind], kind or ""))
        },
        left_out=cast(OutOfSchema, asdict(graph.left_out)),
        extract=ToExtract(
            text_units=0,
            calls=0,
            prompt_tokens=0,
            completion_tokens=0,
            cost_usd=0.0,
            sources=[],
            reports=0,
        ),
    )


def _change(before: Iterable[str], after: Iterable[str]) -> Change:
    one, other = set(before), set(after)
    return Change(now=len(one), then=len(other), added=len(other - one), dropped=len(one - other))


async def _extraction(
    run: Run,
    extractor: Extractor,
    wanted: pl.DataFrame,
    documents: pl.DataFrame,
    *,
    changed: bool,
) -> ToExtract:
    """Calls and cost of the text units `wanted`; texts that are equal are asked about once."""
    texts = wanted.group_by("evidence_key").agg(pl.col("n_tokens").first())["n_tokens"]
    _, prompt_tokens, completion_tokens = estimate(
        texts, run.settings.extraction, instructions=extractor.instruction_tokens
    )
    sources = documents.join(wanted, left_on="id", right_on="document_id", how="semi")["source"]
    reports = (await run.store.counts())["communities"] if extractor.uses_model and changed else 0
    return ToExtract(
        text_units=wanted.height,
        calls=texts.len() * (1 + extractor.max_gleanings),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost_usd=run.models.chat_cost(prompt_tokens, completion_tokens),
        sources=sources.sort().head(_SOURCES).to_list(),
        reports=reports,
    )


def _yaml(
    types: Mapping[str, int],
    attributes: Mapping[str, Mapping[str, int]],
    triples: Iterable[ProposedTriple],
) -> str:
    """The file, its texts as JSON writes them, which is YAML, too."""
    lines = ["mode: open", "types:" if types else "types: {}"]
    for name, count in types.items():
        lines.append(f"  {_text(name)}:  # {count} entities")
        names = attributes.get(name, {})
        lines.append('    description: ""')
        lines += ["    attributes:"] if names else []
        lines += [f"      {_text(one)}: text  # of {of} entities" for one, of in names.items()]
    rows = [
        f"  - [{_text(one['source'])}, {_text(one['relation'])}, {_text(one['target'])}]"
        f"  # {one['count']} relationships"
        for one in triples
    ]
    return "\n".join([*lines, *(["triples:", *rows] if rows else [])]) + "\n"


def _yaml_comment(candidates: Mapping[str, int]) -> str:
    lines = [
        "# No model read the documents: the rules know few types. A schema of your own words, or a",
        "# chat model, gives more (docs/schema.md).",
        *(["# Words in and before names that may be types or aliases:"] if candidates else []),
        *(f"#   {word}: {count} names" for word, count in candidates.items()),
    ]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
