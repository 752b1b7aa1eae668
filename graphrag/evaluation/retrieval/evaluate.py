"""Score how well each method finds the gold text units of questions.

Rankings are read as a model reads them: k counts text units, and a gold item counts once, where
its first text unit stands. What an earlier unit already gave is no gain, so a long document
cannot fill the first places with itself.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log2
from typing import Literal, cast

from graphrag.core.answers import Passage, Usage
from graphrag.core.concurrency import Progress
from graphrag.core.errors import CostLimitError, ModelAuthError, ModelError, UsageError
from graphrag.engine.options import QueryMethod
from graphrag.engine.sync import AsyncGraphRAG
from graphrag.evaluation.gold import Gold, find_gold
from graphrag.evaluation.intervals import Interval, mean_interval, too_few
from graphrag.evaluation.questions import EvalQuestion
from graphrag.models.asking import ask_each
from graphrag.models.spending import Ledger, counted_together
from graphrag.stores import opened_store

MODEL_FREE = ("basic", "local", "path", "lazy", "hybrid")
METHODS = ("auto", "basic", "local", "global", "drift", "path", "lazy", "hybrid")
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
class QuestionResult:
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
    by_method: Mapping[str, QuestionResult]


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
    async with opened_store(rag.settings, rag.root) as store:
        golds = await find_gold(questions, store)
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
    async def ask(pair: tuple[EvalQuestion, Gold]) -> Scored:
        by_method = {method: await _rank(*pair, rag, method=method, ks=ks) for method in methods}
        return Scored(pair[0], by_method)

    progress.start("questions", len(todo))
    replies = await ask_each(
        todo,
        ask,
        limit=AT_WORK,
        fatal=(ModelAuthError,),
        on_reply=lambda: progress.advance("questions"),
    )
    progress.finish("questions")
    return [
        _failed(question, reply) if isinstance(reply, ModelError) else reply
        for (question, _), reply in zip(todo, replies, strict=True)
    ]


def _failed(question: EvalQuestion, error: ModelError) -> Unscored:
    reason = "budget" if isinstance(error, CostLimitError) else "failed"
    return Unscored(question.line, question.text, reason, detail=str(error))


async def _rank(
    question: EvalQuestion, gold: Gold, rag: AsyncGraphRAG, *, method: str, ks: tuple[int, ...]
) -> QuestionResult:
    started = time.perf_counter()
    found = await rag.context(question.text, method=cast(QueryMethod, method), k=max(ks))
    seconds = time.perf_counter() - started
    ranking = [passage.id for passage in found.passages]
    scores = score(ranking, gold.items.values(), ks=ks)
    ranks = {label: first_rank(ranking, item) for label, item in gold.items.items()}
    return QuestionResult(scores, ranks, found.passages, seconds, found.warnings)


def _aggregate(
    ranked: Sequence[QuestionResult], *, ks: Sequence[int], seed: int
) -> dict[str, Interval]:
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


def metric_names(ks: Sequence[int]) -> list[str]:
    """In the order in which they are shown."""
    at_k = ("recall", "all-gold", "precision", "ndcg")
    return [*(f"{name}@{k}" for name in at_k for k in sorted(ks)), "mrr"]


def score(
    ranking: Sequence[str], items: Iterable[frozenset[str]], *, ks: Sequence[int]
) -> dict[str, float]:
    """Every metric of one ranking of unit ids, best first; `items`: the units of each gold item.

    recall: share of the items among the first k. all-gold: 1 when they are all there. precision:
    share of the first k that bring an item. ndcg: binary, against the best order. mrr: one by
    the rank of the first item.
    """
    ranks = [first_rank(ranking, item) for item in items]
    if not ranks:
        raise ValueError("a question without gold cannot be scored")
    gains = sorted({rank for rank in ranks if rank})
    values: dict[str, float] = {}
    for k in ks:
        found = sum(1 for rank in ranks if rank and rank <= k)
        gained = [rank for rank in gains if rank <= k]
        ideal = _discounted(range(1, min(k, len(ranks)) + 1))
        values[f"recall@{k}"] = found / len(ranks)
        values[f"all-gold@{k}"] = float(found == len(ranks))
        values[f"precision@{k}"] = len(gained) / k
        values[f"ndcg@{k}"] = _discounted(gained) / ideal
    values["mrr"] = 1 / gains[0] if gains else 0.0
    return {name: values[name] for name in metric_names(ks)}


def first_rank(ranking: Sequence[str], item: frozenset[str]) -> int | None:
    """Where the first unit of `item` stands, counted from 1."""
    return next((rank for rank, unit in enumerate(ranking, start=1) if unit in item), None)


def _discounted(ranks: Iterable[int]) -> float:
    return sum(1 / log2(1 + rank) for rank in ranks)
