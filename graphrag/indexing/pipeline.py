"""Bring an index up to date: decide what changed, build it, commit it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast, get_args

import polars as pl

from graphrag import prompts
from graphrag.core import tracing
from graphrag.core.errors import SettingsError, UsageError
from graphrag.core.settings import WORK_FOLDER, Settings
from graphrag.core.tables import SCHEMA_VERSION, stable_id
from graphrag.indexing.corpus import staleness
from graphrag.indexing.corpus.changes import Changes, Input, read_corpus
from graphrag.indexing.documents.files import Failure
from graphrag.indexing.extraction.extract import Extractor, make_extractor
from graphrag.indexing.resolution import pairs
from graphrag.indexing.resolution.corrections import Corrections, read_corrections
from graphrag.indexing.resolution.resolve import check_settings
from graphrag.indexing.run import IndexResult, Plan, Run, estimate, read_fit
from graphrag.indexing.text_units import chunks
from graphrag.models.models import Models
from graphrag.models.replies.completion import was_cut_off
from graphrag.stores import GraphStore, Snapshot

Method = Literal["auto", "standard", "fast"]


async def index(
    run: Run, given: Input, *, method: Method | None, retry_failed: bool
) -> IndexResult:
    """Bring the index up to date with what was given.

    Raises UsageError and SettingsError before any work, ModelAuthError and
    ModelUnreachableError before any paid work, LockedError when another process writes.
    """
    started = time.perf_counter() if given.started is None else given.started
    corrections = read_corrections(run.root)
    async with run.store.writing():
        if given.delete:  # not a reason to extract the rest in another way
            method = await _method_so_far(run.store)
        changes = await _find_changes(run, given, method, corrections)
        failures = cast(list[list[str]], json.loads(changes.meta.get("failures", "[]")))
        had_room = not any(was_cut_off(why, run.settings.chat) for _, why in failures)
        if _is_current(changes) and had_room and not retry_failed:
            counts = await run.store.counts()
            run.failures.extend(Failure(*pair) for pair in failures)
            _remember(changes, given)
            return _result(run, changes, counts, started=started, changed=False)
        _check_model(run, changes, method)
        files = staleness.note(changes.meta, changes.corpus.documents, given)
        changes = replace(changes, files=files)
        # The steps and their libraries are loaded only when there is something to do.
        from graphrag.indexing.build import build

        snapshot, cut_edges = await build(
            run, changes, corrections=corrections, retry_failed=retry_failed
        )
        counts = await _commit(run, changes, snapshot)
        _remember(changes, given)
    return _result(
        run,
        changes,
        counts,
        started=started,
        changed=True,
        cut_edges=cut_edges,
        meta=snapshot.meta,
    )


async def import_folder(run: Run, folder: Path) -> IndexResult:
    """Add an output folder of Microsoft's graphrag to the index; see `corpus.microsoft`.

    Raises UsageError when the folder does not hold one, LockedError.
    """
    from graphrag.indexing.build import build
    from graphrag.indexing.corpus.microsoft import read_microsoft

    started = time.perf_counter()
    imported = read_microsoft(folder)
    corrections = read_corrections(run.root)
    async with run.store.writing():
        method = await _method_so_far(run.store)
        changes = await _find_changes(run, Input(is_empty=False), method, corrections)
        _check_model(run, changes, None)
        replaced = imported.documents["id"].to_list()
        await run.store.put_evidence(imported.evidence)
        stored, kept = changes.corpus.documents, changes.corpus.kept_units
        corpus = replace(
            changes.corpus,
            documents=pl.concat(
                [stored.filter(~pl.col("id").is_in(replaced)), imported.documents]
            ).sort("id"),
            kept_units=pl.concat(
                [kept.filter(~pl.col("document_id").is_in(replaced)), imported.text_units]
            ),
        )
        objects = frozenset(imported.documents["source"])
        files = staleness.note(changes.meta, corpus.documents, Input(objects=objects))
        changes = replace(changes, corpus=corpus, files=files, imported=imported)
        snapshot, cut_edges = await build(run, changes, corrections=corrections, retry_failed=False)
        counts = await _commit(run, changes, snapshot)
    return _result(
        run,
        changes,
        counts,
        started=started,
        changed=True,
        cut_edges=cut_edges,
        meta=snapshot.meta,
    )


async def plan(run: Run, given: Input, *, method: Method | None, retry_failed: bool) -> Plan:
    """Calls, tokens and cost that `index` would need; calls no model and writes nothing."""
    changes = await _find_changes(run, given, method, read_corrections(run.root))
    from graphrag.indexing.build import missing, split

    cut = await split(run, changes)
    todo = missing(cut, run.settings.chat, retry_failed=retry_failed)
    sizes = cut.text_units.group_by("evidence_key").agg(pl.col("n_tokens").first())
    wanted = sizes.filter(pl.col("evidence_key").is_in([unit.key for unit in todo]))
    calls, prompt_tokens, completion_tokens = (
        estimate(
            wanted["n_tokens"],
            run.settings.extraction,
            instructions=changes.extractor.instruction_tokens,
        )
        if changes.extractor.uses_model
        else (0, 0, 0)
    )
    return Plan(
        method=changes.extractor.method,
        documents=changes.corpus.n_readable,
        text_units=cut.text_units.height,
        to_extract=len(todo),
        calls=calls,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost_usd=run.models.chat_cost(prompt_tokens, completion_tokens),
    )


def _remember(changes: Changes, given: Input) -> None:
    """Note what was read, so that the next run need not read it."""
    if given.manifest:
        given.manifest.write(given.loaded.contents, changes.corpus.documents["source"].to_list())


async def _commit(run: Run, changes: Changes, snapshot: Snapshot) -> dict[str, int]:
    """Write the new index; returns its rows by table."""
    from graphrag.stores.arrays import building, unit_words

    corpus = changes.corpus
    run.progress.start("write")
    await run.store.commit(snapshot)
    run.progress.finish("write")
    if corpus.removed - corpus.changed.keys():
        run.models.forget_replies()
    # The files that were made of an earlier content go.
    folder = run.root / WORK_FOLDER
    building.discard(folder, before=changes.meta, now=snapshot.meta)
    unit_words.keep_only(folder, snapshot.tables["text_units"])
    return {name: frame.height for name, frame in snapshot.tables.items()}


async def _find_changes(
    run: Run, given: Input, method: Method | None, corrections: Corrections
) -> Changes:
    settings = run.settings
    meta = await run.store.meta()
    check_settings(settings.resolution)
    method = resolve_method(method, settings, run.models)
    extractor = make_extractor(
        settings, models=run.models, method=method, root=run.root, schema=run.declared
    )
    tracing.by(extractor.method)
    fingerprint = _fingerprint(run, extractor, corrections)
    same_rules = meta.get("fingerprint") == fingerprint
    skips = settings.input.near_duplicates == "skip"
    with tracing.step("compare"):
        corpus = await read_corpus(
            given,
            store=run.store,
            same_chunks=meta.get("chunks") == chunks.fingerprint(settings.chunks),
            # What was skipped before is read again once nothing is to be skipped.
            same_rules=same_rules and skips,
            not_files=frozenset(staleness.not_files(meta)),
        )
    if skips and (corpus.is_changed or not same_rules):
        from graphrag.indexing.corpus import near_duplicates

        corpus = near_duplicates.skip(corpus, chunks=settings.chunks, settings=settings.input)
    return Changes(corpus, extractor, meta, fingerprint)


def resolve_method(method: Method | None, settings: Settings, models: Models) -> Method:
    """standard or fast. Raises UsageError, and SettingsError where a model is missing."""
    method = method or settings.extraction.method
    if method not in get_args(Method):
        known = ", ".join(get_args(Method))
        raise UsageError(f"no method {method!r} of indexing", hint=f"There are: {known}.")
    if method == "auto":
        return "standard" if models.chat is not None else "fast"
    if method == "standard" and models.chat is None:
        raise SettingsError(
            "method standard needs a chat model, and none is set",
            hint="Set OPENAI_API_KEY or chat.base_url, or use --method fast.",
        )
    return method


async def _method_so_far(store: GraphStore) -> Method | None:
    method = (await store.meta()).get("method")
    return "fast" if method == "fast" else None


def _check_model(run: Run, changes: Changes, method: Method | None) -> None:
    """Refuse to turn an index that a model wrote into one without, unless asked to."""
    before = changes.meta.get("chat_model")
    wanted = method or run.settings.extraction.method
    if before and not changes.extractor.uses_model and wanted != "fast":
        raise SettingsError(
            f"this index was extracted by {before!r}, and no chat model is set now",
            hint="Set its key or server again, or extract without a model: index --method fast.",
        )


def _fingerprint(run: Run, extractor: Extractor, corrections: Corrections) -> str:
    """Of everything but the documents that the index depends on."""
    settings = run.settings.model_dump_json(
        include={"chunks", "extraction", "resolution", "communities", "reports"}
    )
    hashes = [
        prompts.load(f"indexing/{name}", root=run.root).hash
        for name in ("summarise", "report", "context", "join")
    ]
    settings_of_input = run.settings.input
    embedder, chat = run.models.embedder, run.models.chat
    return stable_id(
        SCHEMA_VERSION,
        extractor.name,
        chat.name if chat and extractor.uses_model else "",
        embedder.name if embedder else "",
        *([f"windows of {run.settings.embedding.window_tokens}"] if embedder else []),
        settings,
        pairs.RULES,
        settings_of_input.near_duplicates,
        str(settings_of_input.near_duplicate_similarity),
        *hashes,
        *([json.dumps(run.declared.to_dict())] if run.declared else []),
        *([corrections.record] if corrections.items else []),  # none changes no earlier index
    )


def _is_current(changes: Changes) -> bool:
    return (
        not changes.corpus.is_changed
        and changes.meta.get("fingerprint") == changes.fingerprint
        and changes.meta.get("incomplete") == "no"
    )


def _result(
    run: Run,
    changes: Changes,
    counts: Mapping[str, int],
    *,
    started: float,
    changed: bool,
    cut_edges: int = 0,
    meta: Mapping[str, str] | None = None,
) -> IndexResult:
    corpus = changes.corpus
    failed = sorted({*corpus.failures, *run.failures}, key=lambda item: (item.source, item.reason))
    return IndexResult(
        documents=corpus.n_readable,
        text_units=counts["text_units"],
        entities=counts["entities"],
        relationships=counts["relationships"],
        communities=counts["communities"],
        reports=counts["reports"],
        failed=tuple(failed),
        warnings=(*corpus.warnings, *run.warnings, *run.models.notes),
        usage=run.models.usage,
        usage_by_step=run.models.usage_by_kind(),
        seconds=time.perf_counter() - started,
        method=changes.extractor.method,
        changed=changed,
        cut_edges=cut_edges,
        skipped=corpus.skipped,
        schema=read_fit(changes.meta if meta is None else meta),
    )
