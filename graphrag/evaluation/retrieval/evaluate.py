"""Questions with gold and methods in, how well each method finds the gold out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from graphrag.core.answers import Passage, Usage
from graphrag.core.concurrency import Progress, as_done
from graphrag.core.errors import CostLimitError, ModelAuthError, ModelError, UsageError
from graphrag.engine.options import QueryMethod
from graphrag.engine.sync import AsyncGraphRAG
from graphrag.evaluation.gold import Gold, find_gold
from graphrag.evaluation.intervals import Interval, mean_interval, too_few
from graphrag.evaluation.questions import EvalQuestion
from graphrag.evaluation.retrieval.metrics import found_at, metric_names, score
from graphrag.models.spending import Ledger, counted_together
from graphrag.stores import open_store

MODEL_FREE = ("basic", "local", "path", "lazy", "hybrid")
METHODS = ("auto", "basic", "local", "global", "drift", "path", "lazy", "hybrid")
KS = (5, 8)
AT_WORK = 4  # questions asked at once

Reason = Literal["not in the corpus", "no gold", "failed", "budget"]


@dataclass(frozen=True, slots=True)
class Unscored:
    """A question that no method was scored on. `missing`: its gold that the index lacks."""

    line: int
    question: str
    reason: Reason
    missing: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """What one method found for one question."""

    scores: Mapping[str, float]
    found: Mapping[str, int | None]  # rank by gold item
    passages: tuple[Passage, ...]
    seconds: float
    warnings: tuple[str, ...] = ()  # of the engine, such as a model call that failed


@dataclass(frozen=True, slots=True)
class Scored:
    """One question, as every method answered it."""

    question: EvalQuestion
    by_method: Mapping[str, Ranked]


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """`methods`: by method and metric. Every method is scored on the same questions."""

    methods: Mapping[str, Mapping[str, Interval]]
    scored: tuple[Scored, ...]
    unscored: tuple[Unscored, ...]
    ks: tuple[int, ...]
    warnings: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)

    @property
    def is_partial(self) -> bool:
        """Whether a question failed or the budget ran out."""
        return any(one.reason in ("failed", "budget") for one in self.unscored)


async def evaluate_retrieval(
    questions: Sequence[EvalQuestion],
    rag: AsyncGraphRAG,
    *,
    methods: Sequence[str],
    ks: Sequence[int],
    progress: Progress,
    seed: int,
) -> RetrievalScores:
    """Ask `rag` every question by every method, and score what comes back.

    Raises UsageError on an unknown method and when no question can be scored, NoIndexError.
    """
    chosen = tuple(dict.fromkeys(methods))
    for method in chosen:
        if method not in METHODS:
            raise UsageError(f"no method {method!r}", hint=f"There are: {', '.join(METHODS)}.")
    golds = await _find_gold(questions, rag)
    unscored = [
        lacking
        for question, gold in zip(questions, golds, strict=True)
        if (lacking := _lacking(question, gold))
    ]
    todo = [pair for pair in zip(questions, golds, strict=True) if not _lacking(*pair)]
    if not todo:
        raise UsageError(
            f"none of the {len(questions)} questions can be scored: {_counted(unscored)}",
            hint="Compare the gold with the titles and sources of `graphrag export`; gold_titles "
            "are titles of documents, gold_documents their sources.",
        )
    ledger = Ledger(max_cost_usd=rag.settings.limits.max_cost_usd)
    with counted_together(ledger):
        asked = await _ask_all(todo, rag, methods=chosen, ks=tuple(ks), progress=progress)
    scored = tuple(one for one in asked if isinstance(one, Scored))
    unscored += [one for one in asked if isinstance(one, Unscored)]
    if not scored:
        first = next(one for one in unscored if one.reason in ("failed", "budget"))
        if first.reason == "budget":
            raise CostLimitError(first.detail, hint="Raise --max-cost.")
        said = first.detail
        raise ModelError(f"every question failed, the first with: {said}", quoted=said)
    return RetrievalScores(
        methods={
            method: _aggregate([one.by_method[method] for one in scored], ks=ks, seed=seed)
            for method in chosen
        },
        scored=scored,
        unscored=tuple(sorted(unscored, key=lambda one: one.line)),
        ks=tuple(ks),
        warnings=_warnings(scored, methods=chosen, ks=ks),
        usage=ledger.total,
    )


async def _find_gold(questions: Sequence[EvalQuestion], rag: AsyncGraphRAG) -> list[Gold]:
    settings = rag.settings
    store = await open_store(
        settings.store,
        root=rag.root,
        namespace=settings.namespace,
        create=False,
        neo4j=settings.neo4j,
    )
    try:
        return await find_gold(questions, store)
    finally:
        await store.close()


def _lacking(question: EvalQuestion, gold: Gold) -> Unscored | None:
    """Why the question cannot be scored. With a part of its gold gone no method could find all."""
    if not question.gold:
        return Unscored(question.line, question.text, "no gold")
    if gold.missing:
        return Unscored(question.line, question.text, "not in the corpus", gold.missing)
    return None


def _counted(unscored: Sequence[Unscored]) -> str:
    reasons = [one.reason for one in unscored]
    named = {"not in the corpus": "have gold that is not in the corpus", "no gold": "have no gold"}
    return ", ".join(
        f"{reasons.count(reason)} {text}" for reason, text in named.items() if reason in reasons
    )


async def _ask_all(
    todo: Sequence[tuple[EvalQuestion, Gold]],
    rag: AsyncGraphRAG,
    *,
    methods: Sequence[str],
    ks: tuple[int, ...],
    progress: Progress,
) -> list[Scored | Unscored]:
    async def ask(pair: tuple[EvalQuestion, Gold]) -> Scored | Unscored:
        question, gold = pair
        try:
            by_method = {
                method: await _rank(question, gold, rag, method=method, ks=ks) for method in methods
            }
        except ModelAuthError:
            raise
        except CostLimitError as error:
            return Unscored(question.line, question.text, "budget", detail=str(error))
        except ModelError as error:
            return Unscored(question.line, question.text, "failed", detail=str(error))
        return Scored(question, by_method)

    done: dict[int, Scored | Unscored] = {}
    progress.start("questions", len(todo))
    async for (question, _), result in as_done(todo, ask, limit=AT_WORK):
        done[question.line] = result
        progress.advance("questions")
    progress.finish("questions")
    return [done[question.line] for question, _ in todo]


async def _rank(
    question: EvalQuestion, gold: Gold, rag: AsyncGraphRAG, *, method: str, ks: tuple[int, ...]
) -> Ranked:
    started = time.perf_counter()
    found = await rag.context(question.text, method=cast(QueryMethod, method), k=max(ks))
    seconds = time.perf_counter() - started
    ranking = [passage.id for passage in found.passages]
    scores = score(ranking, gold.items.values(), ks=ks)
    ranks = found_at(ranking, gold.items)
    return Ranked(scores, ranks, found.passages, seconds, found.warnings)


def _aggregate(ranked: Sequence[Ranked], *, ks: Sequence[int], seed: int) -> dict[str, Interval]:
    return {
        name: mean_interval([one.scores[name] for one in ranked], seed=seed)
        for name in metric_names(ks)
    }


def _warnings(
    scored: Sequence[Scored], *, methods: Sequence[str], ks: Sequence[int]
) -> tuple[str, ...]:
    few = too_few(len(scored))
    warnings = [few] if few else []
    for method in methods:
        short = sum(len(one.by_method[method].passages) < max(ks) for one in scored)
        if short:
            warnings.append(
                f"{method} returned fewer than {max(ks)} text units for {short} of "
                f"{len(scored)} questions: nothing more fitted, or its budget of tokens was full"
            )
        # A method that goes on without its model is not the method that was meant.
        said = Counter(text for one in scored for text in set(one.by_method[method].warnings))
        warnings += [f"{method}, {count} questions: {text}" for text, count in sorted(said.items())]
    return tuple(warnings)
