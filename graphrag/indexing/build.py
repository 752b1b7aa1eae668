"""Live documents in, every table of the new index out: the steps of one run, in order.

`build` is the table of contents. Evidence and replies are committed as they arrive; the graph
derived from them is committed once, by the caller. Steps that need numpy are imported where they
begin: by then the first calls are on their way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from graphrag import prompts
from graphrag.core.concurrency import together
from graphrag.core.errors import ModelError
from graphrag.core.settings import WORK_FOLDER
from graphrag.core.tables import COMMUNITIES, SCHEMA_VERSION, empty
from graphrag.indexing.corpus.changes import Corpus
from graphrag.indexing.corpus.microsoft import IMPORTED
from graphrag.indexing.extraction import extract as extraction
from graphrag.indexing.extraction.evidence import read_live
from graphrag.indexing.extraction.extract import Unit
from graphrag.indexing.graph import embeddings, merging, summaries
from graphrag.indexing.graph.embeddings import Embedded
from graphrag.indexing.graph.merging import Graph
from graphrag.indexing.resolution import verdicts as joins
from graphrag.indexing.resolution.names import Names, read_names
from graphrag.indexing.run import Failure, Run
from graphrag.indexing.runners import in_order
from graphrag.indexing.text_units import chunks
from graphrag.indexing.text_units.context_lines import situate
from graphrag.stores import SearchTable, Snapshot
from graphrag.stores.contract import search_texts as searchable

if TYPE_CHECKING:
    from graphrag.indexing.reports import write as reports
    from graphrag.stores.arrays.unit_words import UnitWords

MIXED = "mixed"  # equals no settings, so that whatever is given is cut anew
DOCUMENTS = 64  # to split, that a remote worker is handed


async def build(
    run: Run, corpus: Corpus, fingerprint: str, *, retry_failed: bool
) -> tuple[Snapshot, int]:
    """Every table of the new index; and the number of edges that no report had room for."""
    cut = await split(run, corpus)
    todo = missing(cut, retry_failed=retry_failed)
    if (todo and run.extractor.uses_model) or run.models.embedder is not None:
        await run.models.preflight()
    text_units = await _situate(run, corpus, cut.text_units)
    unit_texts = searchable.unit_texts(text_units, corpus.documents)
    language = searchable.main_language(corpus.documents)
    async with together() as beside:
        # What nobody waits for goes on beside the model's calls.
        extracting = beside.create_task(_extract(run, corpus, text_units, todo))
        reading = beside.create_task(_read_words(run, text_units))
        unit_vectors = beside.create_task(_embed(run, "text_units", unit_texts))
        evidence = await extracting
        documents = corpus.with_status(text_units, evidence)
        names = await _names(run, text_units, evidence)
        words, sentences = await reading
        graph = await _merge(run, corpus, names, sentences=sentences)
        paths = beside.create_task(_paths(run, text_units, documents, graph.entities, words))
        graph = await _summarise(run, graph)
        entity_texts = searchable.entity_texts(graph.entities, language)
        entity_vectors = beside.create_task(_embed(run, "entities", entity_texts))
        communities, graph_hash = await _communities(run, graph)
        written = await _reports(run, communities, graph, sentences)
        report_texts = searchable.report_texts(written.reports, language)
        report_vectors = beside.create_task(_embed(run, "reports", report_texts))
    embedded = Embedded()
    for vectors in (unit_vectors, entity_vectors, report_vectors):
        embedded.add(vectors.result())
    for table, reason in embedded.failures:
        run.fail(table, reason)
    snapshot = Snapshot(
        tables={
            "documents": documents,
            "text_units": text_units,
            "entities": graph.entities,
            "relationships": graph.relationships,
            "mentions": graph.mentions,
            "claims": graph.claims,
            "communities": communities,
            "reports": written.reports,
        },
        searchable={"text_units": unit_texts, "entities": entity_texts, "reports": report_texts},
        embedded=embedded.rows,
        vectors=embedded.vectors,
        evidence_keys=cut.evidence_keys,
        reply_keys=_live_replies(run, corpus),
        meta=_meta(run, fingerprint, graph_hash, language, embedded.dimensions)
        | {"chunks": _chunking(run, corpus, cut)}
        | {"joined_names": str(graph.joins.height), "self_loops": str(graph.dropped_self_loops)}
        | {"content_hash": paths.result()}
        | run.files,
    )
    return snapshot, written.cut_edges


@dataclass(frozen=True, slots=True)
class Cut:
    """The live text units, and the evidence that the store held of whatever text before."""

    text_units: pl.DataFrame
    units: list[Unit]
    kept: pl.DataFrame  # key, text_hash, status, transient
    evidence_keys: frozenset[str]
    """Of live text, by whatever extractor: a change of method or model loses nothing."""
    imported: frozenset[str]  # documents whose text units came with an import


async def split(run: Run, corpus: Corpus) -> Cut:
    changed = list(corpus.changed.values())
    run.progress.start("split", len(changed) or None)
    columns = ["key", "text_hash", "status", "transient"]
    async with together() as beside:
        reading = beside.create_task(run.store.read("evidence", columns=columns))
        frames = await in_order(
            run.runner, "split", changed, chunks.split_here, tools=run.tools, size=DOCUMENTS
        )
    kept = reading.result()
    text_units = corpus.with_units(pl.concat([empty("text_units"), *frames]))
    keyed, units = extraction.key_units(text_units, corpus.documents, run.extractor)
    run.progress.finish("split", f"{text_units.height} text units")
    hashes = extraction.text_hashes(text_units)
    ours = keyed["evidence_key"]
    keyed = extraction.keep_imported(keyed, hashes, kept)
    imported = frozenset(keyed.filter(pl.col("evidence_key") != ours)["document_id"])
    of_live_text = kept.filter(pl.col("text_hash").is_in(hashes))
    live = frozenset(of_live_text["key"]) | frozenset(keyed["evidence_key"])
    return Cut(keyed, units, kept, live, imported)


def missing(cut: Cut, *, retry_failed: bool) -> list[Unit]:
    """Units without evidence, and those whose failure is worth another try."""
    settled = pl.col("status") == "ok"
    if not retry_failed:
        settled = settled | ~pl.col("transient")
    wanted = set(cut.text_units["evidence_key"])
    done = set(cut.kept.filter(settled)["key"])
    return [unit for unit in cut.units if unit.key in wanted and unit.key not in done]


async def _situate(run: Run, corpus: Corpus, text_units: pl.DataFrame) -> pl.DataFrame:
    if not run.settings.chunks.context or run.models.chat is None:
        return text_units
    situated = await situate(
        text_units,
        models=run.models,
        store=run.store,
        prompt=prompts.load("indexing/context", root=run.root),
        settings=run.settings,
        progress=run.progress,
        runner=run.runner,
    )
    run.reply_keys.update(situated.reply_keys)
    for unit_id, reason in situated.failures:
        run.fail(corpus.source_of_unit(text_units, unit_id), f"context line: {reason}")
    return situated.text_units


async def _extract(
    run: Run, corpus: Corpus, text_units: pl.DataFrame, todo: Sequence[Unit]
) -> pl.DataFrame:
    """The evidence of all live units."""
    new: list[pl.DataFrame] = []
    cause: ModelError | None = None
    if todo:
        outcome = await extraction.run(
            todo,
            run.extractor,
            models=run.models,
            store=run.store,
            settings=run.settings,
            progress=run.progress,
            runner=run.runner,
        )
        if outcome.stopped:
            left = len(todo) - outcome.done - outcome.failed
            run.fail("extraction", f"{left} text units are left: {outcome.stopped}")
        new, cause = outcome.evidence, outcome.last_error
    evidence = pl.concat([empty("evidence"), *new])
    keys = text_units["evidence_key"].unique()
    old = keys.filter(~keys.is_in(evidence["key"].to_list())).sort().to_list()
    if old:
        evidence = evidence.vstack(await run.store.read("evidence", where=("key", old)))
    evidence = evidence.sort("key")
    failed = evidence.filter(pl.col("status") == "failed")
    if failed.height == keys.len() > 0:
        again = "run the same command again" if failed["transient"].all() else "add --retry-failed"
        raise ModelError(
            f"every extraction call failed: {cause or failed['error'].first()}",
            hint=f"Nothing was lost; correct the cause and {again}.",
            transient=True,
        ) from cause
    for source, ordinal, error, transient in corpus.describe_failures(text_units, failed):
        run.failures.append(Failure(source, f"text unit {ordinal}: {error}"))
        run.incomplete = run.incomplete or transient
    return evidence


async def _names(run: Run, text_units: pl.DataFrame, evidence: pl.DataFrame) -> Names:
    """The names of all live units, with a decision on those that may be one entity."""
    live = await asyncio.to_thread(read_live, text_units, evidence)
    names = await asyncio.to_thread(read_names, live, run.settings.resolution)
    compared = await joins.compare(
        names,
        models=run.models if run.extractor.uses_model else run.models.without_chat(),
        store=run.store,
        prompt=prompts.load("indexing/join", root=run.root),
        settings=run.settings,
        progress=run.progress,
    )
    run.reply_keys.update(compared.reply_keys)
    run.warnings.extend(compared.warnings)
    for reason in compared.failures:
        run.fail("entity resolution", reason)
    return compared.names


async def _read_words(run: Run, text_units: pl.DataFrame) -> tuple[UnitWords, pl.DataFrame]:
    """The words of all live units, and their sentences; only units that are new are read."""
    from graphrag.stores.arrays import unit_words

    folder = run.root / WORK_FOLDER

    def read() -> tuple[UnitWords, pl.DataFrame]:
        words = unit_words.read(text_units, known=unit_words.load(folder)).save(folder)
        return words, unit_words.sentences(text_units, words)

    return await asyncio.to_thread(read)


async def _merge(run: Run, corpus: Corpus, names: Names, *, sentences: pl.DataFrame) -> Graph:
    run.progress.start("merge")
    graph = await asyncio.to_thread(
        merging.merge_names,
        names.live,
        names.pairs,
        sentences=sentences,
        documents=corpus.documents,
        settings=run.settings,
    )
    run.progress.finish(
        "merge", f"{graph.entities.height} entities, {graph.relationships.height} relationships"
    )
    return graph


async def _summarise(run: Run, graph: Graph) -> Graph:
    if not run.extractor.uses_model:
        return graph
    summarised = await summaries.summarise(
        graph,
        models=run.models,
        store=run.store,
        prompt=prompts.load("indexing/summarise", root=run.root),
        settings=run.settings,
        progress=run.progress,
    )
    run.reply_keys.update(summarised.reply_keys)
    for name, reason in summarised.failures:
        run.fail(name, f"description summary: {reason}")
    return summarised.graph


async def _communities(run: Run, graph: Graph) -> tuple[pl.DataFrame, str]:
    from graphrag.indexing.graph import communities

    settings = run.settings.communities
    digest = communities.graph_hash(graph.relationships, settings)
    adopted = COMMUNITIES.to_frame()
    relationships = graph.relationships
    if run.imported is not None and not run.imported.communities.is_empty():
        adopted = run.imported.adopt(graph.entities)[0]
        theirs = run.imported.entity_ids(graph.entities)
        inside = pl.col("source_id").is_in(theirs) | pl.col("target_id").is_in(theirs)
        relationships = relationships.filter(~inside)  # the others are found as ever
    previous = await run.store.read("communities")
    if adopted.is_empty() and run.meta.get("graph_hash") == digest:
        return previous, digest
    run.progress.start("communities")
    found = await asyncio.to_thread(
        communities.detect,
        relationships,
        settings=settings,
        previous=previous if settings.update == "stable" and previous.height else None,
    )
    found = pl.concat([adopted, found]).unique("id").sort("id")
    run.progress.finish("communities", f"{found.height} communities")
    return found, digest


async def _reports(
    run: Run, found: pl.DataFrame, graph: Graph, sentences: pl.DataFrame
) -> reports.Written:
    from graphrag.indexing.reports import write as reports
    from graphrag.indexing.text_units.token_counts import TokenCounts

    counts = TokenCounts(run.root / WORK_FOLDER)
    kept = await _imported_reports(run, found, graph)
    written = await reports.write(
        found.filter(~pl.col("id").is_in(kept["community_id"].to_list())),
        graph=graph,
        sentences=sentences,
        models=run.models if run.extractor.uses_model else run.models.without_chat(),
        store=run.store,
        prompt=prompts.load("indexing/report", root=run.root),
        settings=run.settings,
        progress=run.progress,
        runner=run.runner,
        count=counts.of,
    )
    counts.save()
    run.reply_keys.update(written.reply_keys)
    for community, reason in written.failures:
        run.fail(f"community {community}", f"report: {reason}")
    return replace(written, reports=pl.concat([kept, written.reports]).sort("community_id"))


async def _imported_reports(run: Run, found: pl.DataFrame, graph: Graph) -> pl.DataFrame:
    """Reports that came with an import and whose community is still there."""
    stored = await run.store.read("reports")
    reports = stored.filter(pl.col("input_hash") == IMPORTED)
    if run.imported is not None:
        new = run.imported.adopt(graph.entities)[1]
        known = new["community_id"].implode()
        reports = pl.concat([new, reports.filter(~pl.col("community_id").is_in(known))])
    return reports.filter(pl.col("community_id").is_in(found["id"].to_list()))


async def _paths(
    run: Run,
    text_units: pl.DataFrame,
    documents: pl.DataFrame,
    entities: pl.DataFrame,
    words: UnitWords,
) -> str:
    """Write the arrays of path search for this content; returns the hash that names them.

    They need the names of the entities and not their descriptions.
    """
    from graphrag.stores.arrays import building
    from graphrag.stores.arrays.path_index import folder_of

    parts = text_units, documents, entities
    digest = building.content_hash(*parts)
    folder = folder_of(run.root / WORK_FOLDER, {"content_hash": digest})
    if not folder.exists():
        run.progress.start("path arrays")
        arrays = await asyncio.to_thread(building.build, *parts, words=words)
        await asyncio.to_thread(arrays.save, folder)
        run.progress.finish("path arrays")
    return digest


async def _embed(run: Run, table: SearchTable, texts: pl.DataFrame) -> Embedded:
    return await embeddings.embed(
        table,
        texts,
        models=run.models,
        store=run.store,
        settings=run.settings,
        progress=run.progress,
        runner=run.runner,
    )


def _live_replies(run: Run, corpus: Corpus) -> frozenset[str] | None:
    """Replies about text that is gone go with it; nothing else that was paid for is dropped."""
    if corpus.removed and run.extractor.uses_model and not run.incomplete:
        return frozenset(run.reply_keys)
    return None


def _chunking(run: Run, corpus: Corpus, cut: Cut) -> str:
    """The settings that all text units were cut by; MIXED while some are of earlier ones."""
    own = chunks.fingerprint(run.settings.chunks)
    left = set(corpus.kept_units["document_id"]) - cut.imported
    if run.meta.get("chunks", own) == own or not left:
        return own
    run.warnings.append(
        f"{len(left)} documents keep the text units they had before `chunks` changed, for they "
        "were not given this time: index their files again"
    )
    return MIXED


def _meta(
    run: Run, fingerprint: str, graph_hash: str, language: str, dimensions: int
) -> dict[str, str]:
    chat, embedder = run.models.chat, run.models.embedder
    return {
        "schema_version": SCHEMA_VERSION,
        "fingerprint": fingerprint,
        "method": run.method,
        "chat_model": chat.name if chat and run.extractor.uses_model else "",
        "embedding_model": embedder.name if embedder else "",
        "dimensions": str(dimensions or run.meta.get("dimensions", "0")) if embedder else "0",
        "graph_hash": graph_hash,
        "language": language,
        "incomplete": "yes" if run.incomplete else "no",
        "failures": json.dumps([[item.source, item.reason] for item in run.failures]),
        "last_run": datetime.now(UTC).isoformat(timespec="seconds"),
    }
