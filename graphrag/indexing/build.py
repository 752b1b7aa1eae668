"""Build every table of the new index: the steps of one run, in order.

`build` is the table of contents. Evidence and replies are committed as they arrive; the graph
derived from them is committed once, by the caller. Steps that need numpy are imported where they
begin: by then the first calls are on their way.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from graphrag.core.concurrency import together
from graphrag.core.schema import Schema
from graphrag.core.settings import WORK_FOLDER, ChatSettings
from graphrag.core.tables import COMMUNITIES, SCHEMA_VERSION, empty
from graphrag.indexing.corpus.changes import Changes, Corpus
from graphrag.indexing.corpus.microsoft import IMPORTED, Imported
from graphrag.indexing.extraction.asked import Answers, find_answers, move_answers, unanswered
from graphrag.indexing.extraction.evidence import decode_evidence
from graphrag.indexing.extraction.extract import (
    Extractor,
    UniqueText,
    gather_evidence,
    keep_imported,
    key_units,
    text_hashes,
)
from graphrag.indexing.graph.embeddings import SearchVectors, embed
from graphrag.indexing.graph.fitting import describe_fit
from graphrag.indexing.graph.merging import Graph, merge_names
from graphrag.indexing.graph.summaries import summarise
from graphrag.indexing.reports.write import write as write_reports
from graphrag.indexing.resolution.corrections import Corrections, warnings
from graphrag.indexing.resolution.names import Names, read_names
from graphrag.indexing.resolution.verdicts import decide
from graphrag.indexing.run import Run
from graphrag.indexing.runners import in_order
from graphrag.indexing.text_units import chunks
from graphrag.indexing.text_units.context_lines import add_context_lines
from graphrag.indexing.text_units.windows import divide
from graphrag.models.replies.completion import was_cut_off
from graphrag.stores import Snapshot
from graphrag.stores.contract import search_texts

if TYPE_CHECKING:
    from graphrag.stores.arrays.unit_words import UnitWords

MIXED = "mixed"  # equals no settings, so that whatever is given is cut anew
DOCUMENTS = 64  # to split, that a remote worker is handed


async def build(
    run: Run, changes: Changes, *, corrections: Corrections, retry_failed: bool
) -> tuple[Snapshot, int]:
    """Every table of the new index; and the number of edges that no report had room for."""
    corpus, extractor = changes.corpus, changes.extractor
    cut = await split(run, changes)
    todo = missing(cut, run.settings.chat, retry_failed=retry_failed)
    await move_answers(run.store, cut.answers, extractor=extractor.name, asks=extractor.unrecorded)
    if (todo and extractor.uses_model) or run.models.embedder is not None:
        await run.models.preflight()
    text_units = await _situate(run, corpus, cut.text_units)
    keys = text_units["evidence_key"].unique()
    unit_texts = search_texts.unit_texts(text_units, corpus.documents)
    language = search_texts.main_language(corpus.documents)
    async with together() as beside:
        # What nobody waits for goes on beside the model's calls.
        reading = beside.create_task(_read_words(run, text_units))
        windowed = beside.create_task(_embed_windows(run, text_units, unit_texts))
        documents, graph = await _merge(
            run,
            corpus,
            text_units,
            # Evidence and names are larger than the graph, and nothing here holds them.
            await decide(
                run,
                await _names(
                    run,
                    changes,
                    text_units,
                    await gather_evidence(run, keys, todo, extractor),
                    corrections=corrections,
                ),
                by_model=extractor.uses_model,
            ),
            read=await reading,
        )
        words, sentences = reading.result()
        if extractor.uses_model:
            graph = await summarise(run, graph)
        paths = beside.create_task(_paths(run, text_units, documents, graph, words))
        entity_texts = search_texts.entity_texts(graph.entities, language)
        entity_vectors = beside.create_task(embed(run, "entities", entity_texts))
        communities, graph_hash = await _communities(run, changes, graph)
        imported = await _imported_reports(run, changes.imported, communities, graph)
        written, cut_edges = await write_reports(
            run,
            communities.filter(~pl.col("id").is_in(imported["community_id"].to_list())),
            graph=graph,
            sentences=sentences,
            by_model=extractor.uses_model,
        )
        reports = pl.concat([imported, written]).sort("community_id")
        report_texts = search_texts.report_texts(reports, language)
        report_vectors = beside.create_task(embed(run, "reports", report_texts))
    embedded = SearchVectors()
    windows, window_vectors = windowed.result()
    for vectors in (window_vectors, entity_vectors.result(), report_vectors.result()):
        embedded.add(vectors)
    for table, reason in embedded.failures:
        run.fail(table, reason)
    snapshot = Snapshot(
        tables={
            "documents": documents,
            "text_units": text_units,
            "windows": windows,
            "entities": graph.entities,
            "relationships": graph.relationships,
            "mentions": graph.mentions,
            "claims": graph.claims,
            "communities": communities,
            "reports": reports,
        },
        searchable={"text_units": unit_texts, "entities": entity_texts, "reports": report_texts},
        embedded=embedded.rows,
        vectors=embedded.vectors,
        evidence_keys=cut.evidence_keys,
        reply_keys=_current_replies(run, changes),
        meta=_meta(run, changes, embedded.dimensions)
        | {"corrections": corrections.record}
        | {"graph_hash": graph_hash, "language": language, "content_hash": paths.result()}
        | {"chunks": _chunking(run, changes, cut)}
        | _schema(run, graph)
        | {"joined_names": str(graph.joins.height), "self_loops": str(graph.dropped_self_loops)}
        | dict(changes.files),
    )
    return snapshot, cut_edges


@dataclass(frozen=True, slots=True)
class Cut:
    """The current text units, and the evidence that the store held of whatever text before."""

    text_units: pl.DataFrame
    unique_texts: list[UniqueText]
    kept: pl.DataFrame  # key, text_hash, extractor, asked, status, transient, error
    evidence_keys: frozenset[str]
    """Of current text, by whatever extractor: a change of method or model loses nothing."""
    imported: frozenset[str]  # documents whose text units came with an import
    answers: Answers


async def split(run: Run, changes: Changes) -> Cut:
    corpus = changes.corpus
    changed = list(corpus.changed.values())
    run.progress.start("split", len(changed) or None)
    columns = ["key", "text_hash", "extractor", "asked", "status", "transient", "error"]
    async with together() as beside:
        reading = beside.create_task(run.store.read("evidence", columns=columns))
        frames = await in_order(
            run.runner, "split", changed, chunks.split_here, tools=run, size=DOCUMENTS
        )
    kept = reading.result()
    text_units = corpus.with_units(pl.concat([empty("text_units"), *frames]))
    keyed, unique_texts = key_units(text_units, corpus.documents, changes.extractor)
    run.progress.finish("split", f"{text_units.height} text units")
    hashes = text_hashes(text_units)
    ours = keyed["evidence_key"]
    keyed = keep_imported(keyed, hashes, kept)
    imported = frozenset(keyed.filter(pl.col("evidence_key") != ours)["document_id"])
    answers = answers_of(keyed, unique_texts, kept, changes.extractor)
    of_current_text = kept.filter(pl.col("text_hash").is_in(hashes))
    current = frozenset(of_current_text["key"]) | frozenset(keyed["evidence_key"])
    current |= frozenset(answers.aside.values())
    return Cut(keyed, unique_texts, kept, current, imported, answers)


def answers_of(
    text_units: pl.DataFrame,
    unique_texts: list[UniqueText],
    kept: pl.DataFrame,
    extractor: Extractor,
) -> Answers:
    """Which evidence answers what the extractor asks of the texts of `text_units`."""
    if extractor.asked is None:
        return Answers()
    wanted = set(text_units["evidence_key"])
    hashes = {unit.key: unit.text_hash for unit in unique_texts if unit.key in wanted}
    return find_answers(kept, hashes, wanted=extractor.asked, asks=extractor.unrecorded)


def missing(cut: Cut, chat: ChatSettings, *, retry_failed: bool) -> list[UniqueText]:
    """Texts without evidence, and those whose failure is worth another try.

    A reply that was cut off is, where replies may have more tokens now.
    """
    settled = pl.col("status") == "ok"
    if not retry_failed:
        errors = cut.kept["error"].drop_nulls().unique()
        longer = [error for error in errors if was_cut_off(error, chat)]
        settled = settled | ~(pl.col("transient") | pl.col("error").is_in(longer))
    wanted = set(cut.text_units["evidence_key"])
    done = set(cut.kept.filter(settled)["key"]) - cut.answers.unasked | cut.answers.elsewhere.keys()
    return [unit for unit in cut.unique_texts if unit.key in wanted and unit.key not in done]


async def _situate(run: Run, corpus: Corpus, text_units: pl.DataFrame) -> pl.DataFrame:
    text_units, failures = await add_context_lines(run, text_units)
    for unit_id, reason in failures:
        run.fail(corpus.source_of_unit(text_units, unit_id), f"context line: {reason}")
    return text_units


async def _names(
    run: Run,
    changes: Changes,
    text_units: pl.DataFrame,
    evidence: pl.DataFrame,
    *,
    corrections: Corrections,
) -> Names:
    """The names of all current units, with the pairs of them that may be one entity."""
    failed, extractor = evidence.filter(pl.col("status") == "failed"), changes.extractor
    if extractor.asked is not None:
        left = unanswered(evidence, wanted=extractor.asked, asks=extractor.unrecorded)
        failed = pl.concat([failed, left])
    for source, ordinal, error, transient in changes.corpus.describe_failures(text_units, failed):
        run.fail(source, f"text unit {ordinal}: {error}", transient=transient)
    current = await asyncio.to_thread(decode_evidence, text_units, evidence)
    names = await asyncio.to_thread(
        read_names,
        current,
        run.settings.resolution,
        corrections=corrections,
        documents=changes.corpus.documents,
        schema=run.declared,
    )
    notes = corrections.notes(current, changes.corpus.documents, names.profiles)
    run.warnings.extend(warnings(notes))
    return names


async def _embed_windows(
    run: Run, text_units: pl.DataFrame, unit_texts: pl.DataFrame
) -> tuple[pl.DataFrame, SearchVectors]:
    """The windows of all text units and their vectors; none without an embedding model."""
    if run.models.embedder is None:
        return empty("windows"), SearchVectors()
    size = run.settings.embedding.window_tokens
    windows = await asyncio.to_thread(divide, text_units, size=size)
    texts = search_texts.window_texts(windows, unit_texts, text_units["context"])
    return windows.drop("text"), await embed(run, "windows", texts)


async def _read_words(run: Run, text_units: pl.DataFrame) -> tuple[UnitWords, pl.DataFrame]:
    """The words of all current units, and their sentences; only units that are new are read."""
    from graphrag.stores.arrays import unit_words

    folder = run.root / WORK_FOLDER

    def read() -> tuple[UnitWords, pl.DataFrame]:
        words = unit_words.read(text_units, known=unit_words.load(folder)).save(folder)
        return words, unit_words.sentences(text_units, words)

    return await asyncio.to_thread(read)


async def _merge(
    run: Run,
    corpus: Corpus,
    text_units: pl.DataFrame,
    names: Names,
    *,
    read: tuple[UnitWords, pl.DataFrame],
) -> tuple[pl.DataFrame, Graph]:
    """The documents with their status, and the graph."""
    run.progress.start("merge")
    graph = await asyncio.to_thread(
        merge_names,
        names.evidence,
        names.pairs,
        words=read[0],
        sentences=read[1],
        documents=corpus.documents,
        settings=run.settings,
        corrections=names.corrections,
        schema=run.declared or Schema(),
    )
    found = f"{graph.entities.height} entities, {graph.relationships.height} relationships"
    if corrected := len(names.corrections.items):
        found += f", {corrected} correction{'s' if corrected > 1 else ''} read"
    run.progress.finish("merge", found)
    return corpus.with_status(text_units, names.evidence.units), graph


async def _communities(run: Run, changes: Changes, graph: Graph) -> tuple[pl.DataFrame, str]:
    from graphrag.indexing.graph import communities

    settings, imported = run.settings.communities, changes.imported
    digest = communities.graph_hash(graph.relationships, settings)
    adopted = COMMUNITIES.to_frame()
    relationships = graph.relationships
    if imported is not None and not imported.communities.is_empty():
        adopted = imported.adopt(graph.entities)[0]
        theirs = imported.entity_ids(graph.entities)
        inside = pl.col("source_id").is_in(theirs) | pl.col("target_id").is_in(theirs)
        relationships = relationships.filter(~inside)  # the others are found as ever
    previous = await run.store.read("communities")
    if adopted.is_empty() and changes.meta.get("graph_hash") == digest:
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


async def _imported_reports(
    run: Run, imported: Imported | None, communities: pl.DataFrame, graph: Graph
) -> pl.DataFrame:
    """Reports that came with an import and whose community is still there."""
    stored = await run.store.read("reports")
    reports = stored.filter(pl.col("input_hash") == IMPORTED)
    if imported is not None:
        new = imported.adopt(graph.entities)[1]
        is_new = pl.col("community_id").is_in(new["community_id"].implode())
        reports = pl.concat([new, reports.filter(~is_new)])
    return reports.filter(pl.col("community_id").is_in(communities["id"].to_list()))


async def _paths(
    run: Run,
    text_units: pl.DataFrame,
    documents: pl.DataFrame,
    graph: Graph,
    words: UnitWords,
) -> str:
    """Write the arrays of path search for this content; returns the hash that names them."""
    from graphrag.stores.arrays import building
    from graphrag.stores.arrays.facts import find_facts
    from graphrag.stores.arrays.path_index import folder_of

    parts = text_units, documents, graph.entities
    facts = find_facts(graph.relationships, graph.entities)
    digest = building.content_hash(*parts, facts=facts)
    folder = folder_of(run.root / WORK_FOLDER, {"content_hash": digest})
    if not folder.exists():
        run.progress.start("path arrays")
        arrays = await asyncio.to_thread(building.build, *parts, facts=facts, words=words)
        await asyncio.to_thread(arrays.save, folder)
        run.progress.finish("path arrays")
    return digest


def _current_replies(run: Run, changes: Changes) -> frozenset[str] | None:
    """Replies about text that is gone go with it; nothing else that was paid for is dropped."""
    if changes.corpus.removed and changes.extractor.uses_model and not run.unfinished:
        return frozenset(run.reply_keys)
    return None


def _chunking(run: Run, changes: Changes, cut: Cut) -> str:
    """The settings that all text units were cut by; MIXED while some are of earlier ones."""
    own = chunks.fingerprint(run.settings.chunks)
    left = set(changes.corpus.kept_units["document_id"]) - cut.imported
    if changes.meta.get("chunks", own) == own or not left:
        return own
    run.warnings.append(
        f"{len(left)} documents keep the text units they had before `chunks` changed, for they "
        "were not given this time: index their files again"
    )
    return MIXED


def _schema(run: Run, graph: Graph) -> dict[str, str]:
    if run.declared is None:
        return {}
    fit = describe_fit(run.declared, graph.entities, graph.left_out)
    return {"schema": json.dumps(fit, ensure_ascii=False)}


def _meta(run: Run, changes: Changes, dimensions: int) -> dict[str, str]:
    chat, embedder = run.models.chat, run.models.embedder
    return {
        "schema_version": SCHEMA_VERSION,
        "fingerprint": changes.fingerprint,
        "method": changes.extractor.method,
        "chat_model": chat.name if chat and changes.extractor.uses_model else "",
        "embedding_model": embedder.name if embedder else "",
        "window_tokens": str(run.settings.embedding.window_tokens) if embedder else "0",
        "dimensions": str(dimensions or changes.meta.get("dimensions", "0")) if embedder else "0",
        "incomplete": "yes" if run.unfinished else "no",
        "failures": json.dumps([[item.source, item.reason] for item in run.failures]),
        "last_run": datetime.now(UTC).isoformat(timespec="seconds"),
    }
