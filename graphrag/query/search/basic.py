"""Rank text units by full text and vectors, fused.

Full-text search brings candidates; their order comes from the share of the question's weight
that each one holds, rare words counting more: in the whole unit, and in its best passage where it
has several. With an embedding model the units that are nearest by vectors are candidates too, and
nearness counts beside words.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from graphrag.core.concurrency import together
from graphrag.query.context import (
    Evidence,
    Question,
    Resources,
    Unit,
    earlier_questions,
    load_units,
    pack,
)
from graphrag.query.context.words import TITLE_WEIGHT, QuestionWords, weigh
from graphrag.query.search.rerank import rerank
from graphrag.query.search.rewriting import rewrite
from graphrag.stores import SearchTable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_CANDIDATES = 50
RANK_CONSTANT = 60  # as in the paper, for rankings of like worth
# Of the nearest unit, beside the share of the question's weight that its words hold. Shares say how
# sure the words are, which their ranks do not: where few units have much of the question, words
# decide, else vectors. On seven labelled sets .35 to .5 are as good; by ranks each of them lost.
NEARNESS = 0.45
HISTORY_TURNS = 1
PASSAGE = 600  # characters that answer one question
PASSAGE_SHARE = 0.7  # of the score of a unit that holds more than two of them, for the best one
PASSAGE_RARITY = 1.0  # exponent: of the words that a unit has, more need to stand together
PASSAGE_LENGTH = 2 / 3  # of a usual text: there a word that stands once counts half
REPEATED = 0.9  # of its score, for each better unit of the same document
TITLE_IN_PASSAGE = 0.5  # of a word that stands once
LONGEST_WORD = 40  # characters

_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Ranking:
    """Text units by how well their words and vectors fit, best first."""

    units: tuple[tuple[Unit, float], ...]
    words: QuestionWords
    lexical: Mapping[str, float]  # by unit: how well its words alone fit
    usual_tokens: float  # of a unit
    warnings: tuple[str, ...]
    searches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Embedded:
    """What vector searches for one text start from; `warnings` say why there is no vector."""

    vector: NDArray[np.float32] | None
    warnings: tuple[str, ...] = ()


class _Place(NamedTuple):
    id: str
    document_id: str
    ordinal: int


async def retrieve(question: Question, resources: Resources) -> Evidence:
    settings = resources.settings.query.basic
    k = question.k or settings.k
    rewritten = await rewrite(question, resources)
    ranking = await rank(rewritten.question, resources, k=k, turns=HISTORY_TURNS)
    reranked = await rerank(rewritten.question, spread_documents(ranking.units), resources)
    chosen = pack(
        _capped(reranked.units, most=settings.max_per_document),
        k=k,
        max_tokens=settings.max_context_tokens,
    )
    if settings.neighbours:
        chosen = await _with_neighbours(
            chosen, resources, around=settings.neighbours, max_tokens=settings.max_context_tokens
        )
    return Evidence(
        units=chosen,
        words=ranking.words,
        candidates=tuple(unit for unit, _ in ranking.units),
        warnings=(*rewritten.warnings, *ranking.warnings, *reranked.warnings),
        trace={
            "searches": list(ranking.searches),
            "candidates": len(ranking.units),
            **rewritten.trace,
            **reranked.trace,
        },
    )


async def search(question: Question, resources: Resources, *, k: int, max_tokens: int) -> Evidence:
    """The units that fit best, without rewriting, reranking or neighbours."""
    ranking = await rank(question, resources, k=k, turns=HISTORY_TURNS)
    return Evidence(
        units=pack(spread_documents(ranking.units), k=k, max_tokens=max_tokens),
        words=ranking.words,
        warnings=ranking.warnings,
        trace={"searches": list(ranking.searches), "candidates": len(ranking.units)},
    )


async def rank(
    question: Question,
    resources: Resources,
    *,
    k: int,
    turns: int,
    embedded: Awaitable[Embedded] | None = None,
) -> Ranking:
    """Every candidate for the question, which may refer to the last `turns`, best first."""
    store = resources.store
    text = asked_text(question, turns=turns)
    n_candidates = max(MIN_CANDIDATES, 4 * k)
    async with together() as tasks:
        by_text = tasks.create_task(
            store.search_text("text_units", text, k=n_candidates, filters=question.filters)
        )
        if embedded is None:
            embedded = tasks.create_task(embed_text(text, question=question, resources=resources))
        by_vector = tasks.create_task(
            search_vectors(
                "text_units",
                text,
                question=question,
                resources=resources,
                k=n_candidates,
                embedded=embedded,
            )
        )
    hits, (near, warnings) = by_text.result(), by_vector.result()
    found = [hit.id for hit in hits]
    units = await load_units(store, [*found, *near])
    language = main_language(units.values())
    words = await weigh(
        question.text, store, language=language, earlier=earlier_questions(question, turns=turns)
    )
    usual = math.fsum(unit.n_tokens for unit in units.values()) / max(1, len(units)) or 1.0
    lexical = relevance(units.values(), words, usual_tokens=usual)
    scores = with_nearness(lexical, near)
    order = sorted(scores, key=lambda key: (-scores[key], key))
    return Ranking(
        tuple((units[key], scores[key]) for key in order),
        words,
        lexical,
        usual,
        tuple(warnings),
        ("text", "vectors") if near else ("text",),
    )


def spread_documents(ranked: Sequence[tuple[Unit, float]]) -> list[tuple[Unit, float]]:
    """Each further unit of a document for less: the next one may say what this one does not."""
    better: Counter[str] = Counter()
    spread: list[tuple[Unit, float]] = []
    for unit, score in ranked:
        spread.append((unit, round(score * REPEATED ** better[unit.document_id], 9)))
        better[unit.document_id] += 1
    return sorted(spread, key=lambda pair: (-pair[1], pair[0].id))


def with_nearness(lexical: Mapping[str, float], near: Mapping[str, float]) -> dict[str, float]:
    """The share of words and, by how far a unit is nearer than the last of the nearest, vectors."""
    low, high = min(near.values(), default=0.0), max(near.values(), default=0.0)
    share = NEARNESS / ((high - low) or 1.0)
    return {
        key: round(words + share * (near[key] - low if key in near else 0.0), 9)
        for key, words in lexical.items()
    }


def _capped(
    ranked: Sequence[tuple[Unit, float]], *, most: int | None
) -> Sequence[tuple[Unit, float]]:
    """The best `most` units of each document."""
    if most is None:
        return ranked
    seen: Counter[str] = Counter()
    kept: list[tuple[Unit, float]] = []
    for unit, score in ranked:
        seen[unit.document_id] += 1
        if seen[unit.document_id] <= most:
            kept.append((unit, score))
    return kept


def relevance(
    units: Iterable[Unit], words: QuestionWords, *, usual_tokens: float
) -> dict[str, float]:
    """How well each unit's title and text fit the question, 0 to 1.

    Words all over a long text say less of it than a passage that has them together.
    """
    scores: dict[str, float] = {}
    titles: dict[tuple[str, str], Counter[str]] = {}  # units share those of their documents
    for unit in units:
        counts = words.counts(unit.text, unit.language)
        title = (unit.title, unit.language)
        if title not in titles:
            titles[title] = words.counts(*title)
        for term, count in titles[title].items():
            counts[term] += TITLE_WEIGHT * count
        score = words.relevance(counts, length=unit.n_tokens / usual_tokens)
        if len(unit.text) > 2 * PASSAGE:
            best = _best_passage(unit, words, titles[title])
            score = (1 - PASSAGE_SHARE) * score + PASSAGE_SHARE * best
        scores[unit.id] = round(score, 9)
    return scores


def _best_passage(unit: Unit, words: QuestionWords, title: Iterable[str]) -> float:
    """How well the best passage of `unit` fits, 0 to 1. `title`: words of its title."""
    spoken_of = dict.fromkeys(title, TITLE_IN_PASSAGE)
    best = 0.0
    for one, other in pairwise(words.counts(half, unit.language) for half in _halves(unit.text)):
        counts: dict[str, float] = {**spoken_of}
        for term, count in (*one.items(), *other.items()):
            counts[term] = counts.get(term, 0.0) + count
        fit = words.relevance(counts, length=PASSAGE_LENGTH, rarity=PASSAGE_RARITY)
        best = max(best, fit)
    return best


def _halves(text: str) -> Iterator[str]:
    """Parts of half a passage's length; any two that follow one another are a passage."""
    start = 0
    while start < len(text):
        end = start + PASSAGE // 2
        space = _SPACE.search(text, end, end + LONGEST_WORD)
        end = space.start() if space else end
        yield text[start:end]
        start = end


def fuse(rankings: Sequence[Sequence[str]]) -> dict[str, float]:
    """Reciprocal rank fusion (Cormack et al. 2009)."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for place, key in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (RANK_CONSTANT + place)
    return {key: round(score, 9) for key, score in scores.items()}


def main_language(units: Iterable[Unit]) -> str:
    counts = Counter(unit.language for unit in units)
    return min(counts, key=lambda language: (-counts[language], language), default="en")


def asked_text(question: Question, *, turns: int) -> str:
    """The question, then those of the last `turns` that it may refer to."""
    return f"{question.text}\n{earlier_questions(question, turns=turns)}".strip()


async def embed_text(text: str, *, question: Question, resources: Resources) -> Embedded:
    """The vector to search for `text` by; none without a model or vectors."""
    if resources.models.embedder is None:
        return Embedded(None)
    meta = await resources.meta()
    if not int(meta.get("dimensions") or 0):
        missing = "the index has no vectors: run `graphrag index` with the embedding model set"
        return Embedded(None, (missing,))
    made_by, ours = meta.get("embedding_model", ""), resources.models.embedder.name
    other = f"the index was embedded by {made_by!r}, this question by {ours!r}"
    vector = question.vector
    if vector is None or text != question.text:
        vector = (await resources.models.embed([text], kind="query"))[0]
    warnings = [] if made_by == ours else [other]
    if "window_tokens" not in meta:
        warnings.append(
            "the index has one vector for each text unit, and not for each window of it: run "
            "`graphrag index` to find passages better"
        )
    return Embedded(vector, tuple(warnings))


async def search_vectors(
    table: SearchTable,
    text: str,
    *,
    question: Question,
    resources: Resources,
    k: int,
    embedded: Awaitable[Embedded] | None = None,
) -> tuple[dict[str, float], list[str]]:
    """Cosine similarity by id, best first, and warnings; empty without a model or vectors."""
    found = await (embedded or embed_text(text, question=question, resources=resources))
    if found.vector is None:
        return {}, [*found.warnings]
    hits = await resources.store.search_vectors(table, found.vector, k=k, filters=question.filters)
    return {hit.id: hit.score for hit in hits}, [*found.warnings]


async def _with_neighbours(
    chosen: Sequence[tuple[Unit, float]], resources: Resources, *, around: int, max_tokens: int
) -> tuple[tuple[Unit, float], ...]:
    """Each unit among those around it in its document, nearest first while the budget lasts."""
    documents = sorted({unit.document_id for unit, _ in chosen})
    rows = await resources.store.rows("text_units", _Place, where=("document_id", documents))
    at = {(document, ordinal): key for key, document, ordinal in rows}
    offsets = sorted(range(-around, around + 1), key=abs)[1:]
    places = [(unit.document_id, unit.ordinal + step) for unit, _ in chosen for step in offsets]
    extra = await load_units(resources.store, [at[place] for place in places if place in at])
    left = max_tokens - sum(unit.n_tokens for unit, _ in chosen)
    known = {unit.id for unit, _ in chosen}
    result: list[tuple[Unit, float]] = []
    for unit, score in chosen:
        group = [unit]
        for step in offsets:
            near = extra.get(at.get((unit.document_id, unit.ordinal + step), ""))
            if near and near.id not in known and near.n_tokens <= left:
                known.add(near.id)
                left -= near.n_tokens
                group.append(near)
        result.extend((one, score) for one in sorted(group, key=lambda one: one.ordinal))
    return tuple(result)
