"""Run `graphrag eval retrieval` and keep its result under the root."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphrag.core.concurrency import Progress
from graphrag.engine.sync import AsyncGraphRAG
from graphrag.evaluation.html_report import render
from graphrag.evaluation.intervals import SEED
from graphrag.evaluation.questions import read_questions
from graphrag.evaluation.results import Finished, keep
from graphrag.evaluation.retrieval import report
from graphrag.evaluation.retrieval.evaluate import MODEL_FREE, evaluate_retrieval
from graphrag.evaluation.targets import Target


@dataclass(frozen=True, slots=True)
class RetrievalOptions:
    """Without `methods`: those that need no chat model, and none is asked."""

    methods: Sequence[str] = ()
    ks: Sequence[int] = (5, 8)
    limit: int | None = None
    seed: int = SEED
    name: str | None = None


async def run_retrieval(
    file: Path, target: Target, options: RetrievalOptions, *, progress: Progress
) -> Finished:
    """Score the methods on the questions of `file`; the result is kept under the target's root.

    Raises as `evaluate_retrieval` and `read_questions` do.
    """
    questions = read_questions(file, limit=options.limit)
    with target.opened(chat=bool(options.methods)) as engine:
        async with engine as rag:
            scores = await evaluate_retrieval(
                questions,
                rag,
                methods=options.methods or MODEL_FREE,
                ks=tuple(sorted(set(options.ks))),
                progress=progress,
                seed=options.seed,
            )
            about = {"questions": file.name, **await describe(rag)}
    result = report.as_result(scores, about=about, seed=options.seed)
    html = render(
        "Retrieval",
        f"{about['documents']} documents, {about['text_units']} text units; {file.name}",
        report.parts(scores),
    )
    return Finished(
        result, keep(target.root, result, html=html, name=options.name), scores.is_partial
    )


async def describe(rag: AsyncGraphRAG) -> dict[str, object]:
    """The index and the settings that a result holds for: enough to tell two results apart."""
    overview = await rag.status()
    query = rag.settings.query.model_dump(by_alias=True)
    return {
        "documents": overview["counts"].get("documents", 0),
        "text_units": overview["counts"].get("text_units", 0),
        "entities": overview["counts"].get("entities", 0),
        "chat_model": rag.settings.chat.model if rag.settings.has_chat else None,
        "embedding_model": overview["embedding_model"],
        "namespace": rag.settings.namespace,
        "query": _plain(query),
        "rerank": rag.settings.rerank.method,
    }


def _plain(tree: Mapping[str, object]) -> object:
    return json.loads(json.dumps(tree, default=str))
