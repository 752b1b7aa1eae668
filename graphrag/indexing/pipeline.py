"""What was given in, an up-to-date index out: decide what changed, build it, commit it."""

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
from graphrag.core.concurrency import Progress, Silent
from graphrag.core.errors import SettingsError, UsageError
from graphrag.core.settings import WORK_FOLDER, Settings
from graphrag.core.tables import SCHEMA_VERSION, stable_id
from graphrag.indexing.corpus import staleness
from graphrag.indexing.corpus.changes import Corpus, Input, read_corpus
from graphrag.indexing.extraction import extract as extraction
from graphrag.indexing.resolution import pairs as candidates
from graphrag.indexing.resolution import resolve as resolution
from graphrag.indexing.run import Failure, IndexResult, Plan, Run, estimate
from graphrag.indexing.runners import HERE, Runner
from graphrag.indexing.text_units import chunks
from graphrag.models.models import Models
from graphrag.stores import GraphStore, Snapshot

Method = Literal["auto", "standard", "fast"]


async def index(
    given: Input,
    *,
    method: Method | None,
    retry_failed: bool,
    store: GraphStore,
    models: Models,
    settings: Settings,
    root: Path,
    progress: Progress,
    runner: Runner = HERE,
) -> IndexResult:
    """Bring the index up to date with what was given.

    Raises UsageError and SettingsError before any work, ModelAuthError and
    ModelUnreachableError before any paid work, LockedError when another process writes.
    """
    started = time.perf_counter()
    async with store.writing():
        if given.delete:  # not a reason to extract the rest in another way
            method = await _method_so_far(store)
        run, corpus, fingerprint = await _open_run(
            given, method=method, store=store, models=models, settings=settings, root=root
        )
        run.progress, run.runner = progress, runner
        tracing.by(run.method)
        if _is_current(run, corpus, fingerprint) and not retry_failed:
            counts = await store.counts()
            failures = cast(list[list[str]], json.loads(run.meta.get("failures", "[]")))
            run.failures = [Failure(*pair) for pair in failures]
            return _result(run, corpus, counts, started=started, changed=False)
        _check_model(run, method)
        # The steps and their libraries are loaded only when there is something to do.
        from graphrag.indexing.build import build

        run.files = staleness.note(run.meta, corpus.documents, given)
        snapshot, cut_edges = await build(run, corpus, fingerprint, retry_failed=retry_failed)
        progress.start("write")
        await store.commit(snapshot)
        progress.finish("write")
        if corpus.removed - corpus.changed.keys():
            run.models.forget_replies()
        _discard(run, snapshot)
    counts = {name: frame.height for name, frame in snapshot.tables.items()}
    return _result(run, corpus, counts, started=started, changed=True, cut_edges=cut_edges)


async def import_folder(
    folder: Path,
    *,
    store: GraphStore,
    models: Models,
    settings: Settings,
    root: Path,
    progress: Progress,
) -> IndexResult:
    """Add an output folder of Microsoft's graphrag to the index; see `importing`.

    Raises UsageError when the folder does not hold one, LockedError.
    """
    from graphrag.indexing.build import build
    from graphrag.indexing.corpus.microsoft import read_microsoft

    started = time.perf_counter()
    imported = read_microsoft(folder)
    async with store.writing():
        run, corpus, fingerprint = await _open_run(
            Input(is_empty=False),
            method=await _method_so_far(store),
            store=store,
            models=models,
            settings=settings,
            root=root,
        )
        _check_model(run, None)
        run.progress, run.imported = progress, imported
        tracing.by(run.method)
        known = imported.documents["id"].to_list()
        await store.put_evidence(imported.evidence)
        corpus = replace(
            corpus,
            documents=pl.concat(
                [corpus.documents.filter(~pl.col("id").is_in(known)), imported.documents]
            ).sort("id"),
            kept_units=pl.concat(
                [corpus.kept_units.filter(~pl.col("document_id").is_in(known)), imported.text_units]
            ),
        )
        objects = frozenset(imported.documents["source"])
        run.files = staleness.note(run.meta, corpus.documents, Input(objects=objects))
        snapshot, cut_edges = await build(run, corpus, fingerprint, retry_failed=False)
        await store.commit(snapshot)
        _discard(run, snapshot)
    counts = {name: frame.height for name, frame in snapshot.tables.items()}
    return _result(run, corpus, counts, started=started, changed=True, cut_edges=cut_edges)


async def plan(
    given: Input,
    *,
    method: Method | None,
    retry_failed: bool,
    store: GraphStore,
    models: Models,
    settings: Settings,
    root: Path,
) -> Plan:
    """Calls, tokens and cost that `index` would need; calls no model and writes nothing."""
    run, corpus, _ = await _open_run(
        given, method=method, store=store, models=models, settings=settings, root=root
    )
    from graphrag.indexing.build import missing, split

    cut = await split(run, corpus)
    todo = missing(cut, retry_failed=retry_failed)
    sizes = cut.text_units.group_by("evidence_key").agg(pl.col("n_tokens").first())
    wanted = sizes.filter(pl.col("evidence_key").is_in([unit.key for unit in todo]))
    calls, prompt_tokens, completion_tokens = (
        estimate(wanted["n_tokens"], settings.extraction) if run.extractor.uses_model else (0, 0, 0)
    )
    return Plan(
        method=run.method,
        documents=corpus.n_readable,
        text_units=cut.text_units.height,
        to_extract=len(todo),
        calls=calls,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost_usd=models.chat_cost(prompt_tokens, completion_tokens),
    )


def _discard(run: Run, snapshot: Snapshot) -> None:
    """Remove the files that were made of an earlier content."""
    from graphrag.stores.arrays import building, unit_words

    folder = run.root / WORK_FOLDER
    building.discard(folder, before=run.meta, now=snapshot.meta)
    unit_words.keep_only(folder, snapshot.tables["text_units"])


async def _open_run(
    given: Input,
    *,
    method: Method | None,
    store: GraphStore,
    models: Models,
    settings: Settings,
    root: Path,
) -> tuple[Run, Corpus, str]:
    meta = await store.meta()
    resolution.check_settings(settings.resolution)
    extractor = extraction.make_extractor(
        settings, models=models, method=_resolve(method, settings, models), root=root
    )
    run = Run(store, models, settings, root, Silent(), extractor, meta)
    fingerprint = _fingerprint(run)
    same_rules = meta.get("fingerprint") == fingerprint
    skips = settings.input.near_duplicates == "skip"
    with tracing.step("compare"):
        corpus = await read_corpus(
            given,
            store=store,
            same_chunks=meta.get("chunks") == chunks.fingerprint(settings.chunks),
            # What was skipped before is read again once nothing is to be skipped.
            same_rules=same_rules and skips,
            not_files=frozenset(staleness.not_files(meta)),
        )
    if skips and (corpus.is_changed or not same_rules):
        from graphrag.indexing.corpus import near_duplicates

        corpus = near_duplicates.skip(corpus, chunks=settings.chunks, settings=settings.input)
    return run, corpus, fingerprint


def _resolve(method: Method | None, settings: Settings, models: Models) -> Method:
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


def _check_model(run: Run, method: Method | None) -> None:
    """Refuse to turn an index that a model wrote into one without, unless asked to."""
    before = run.meta.get("chat_model")
    wanted = method or run.settings.extraction.method
    if before and not run.extractor.uses_model and wanted != "fast":
        raise SettingsError(
            f"this index was extracted by {before!r}, and no chat model is set now",
            hint="Set its key or server again, or extract without a model: index --method fast.",
        )


def _fingerprint(run: Run) -> str:
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
        run.extractor.name,
        chat.name if chat and run.extractor.uses_model else "",
        embedder.name if embedder else "",
        settings,
        candidates.RULES,
        settings_of_input.near_duplicates,
        str(settings_of_input.near_duplicate_similarity),
        *hashes,
    )


def _is_current(run: Run, corpus: Corpus, fingerprint: str) -> bool:
    return (
        not corpus.is_changed
        and run.meta.get("fingerprint") == fingerprint
        and run.meta.get("incomplete") == "no"
    )


def _result(
    run: Run,
    corpus: Corpus,
    counts: Mapping[str, int],
    *,
    started: float,
    changed: bool,
    cut_edges: int = 0,
) -> IndexResult:
    unread = {Failure(failure.source, failure.reason) for failure in corpus.failures}
    failed = sorted({*unread, *run.failures}, key=lambda item: (item.source, item.reason))
    return IndexResult(
        documents=corpus.n_readable,
        text_units=counts["text_units"],
        entities=counts["entities"],
        relationships=counts["relationships"],
        communities=counts["communities"],
        reports=counts["reports"],
        failed=tuple(failed),
        warnings=(*corpus.warnings, *run.warnings),
        usage=run.models.usage,
        usage_by_step=run.models.usage_by_kind(),
        seconds=time.perf_counter() - started,
        method=run.method,
        changed=changed,
        cut_edges=cut_edges,
        skipped=tuple(Failure(item.source, item.reason) for item in corpus.skipped),
    )
