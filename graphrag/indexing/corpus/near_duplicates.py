"""Find texts that are nearly the same, and leave near-duplicates out of a corpus.

MinHash (Broder 1997) with locality-sensitive hashing finds the candidates, so no two texts are
compared that share little; the similarity of a candidate pair is then counted exactly: the
Jaccard index of their groups of words.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, cast

import polars as pl

from graphrag import text as analysis
from graphrag.core.settings import ChunkSettings, InputSettings

if TYPE_CHECKING:
    from graphrag.indexing.corpus.changes import Corpus

GROUP = 5  # words that are compared together
PERMUTATIONS = 128
SEED = 1
MARGIN = 0.1  # candidates may be estimated so much too low

SKIPPED = "skipped"
_REASON = re.compile(r"nearly the same as '(?P<source>.*)' \(similarity [\d.]+\)", re.DOTALL)

Groups = frozenset[bytes]


@dataclass(frozen=True, slots=True)
class SimilarTexts:
    """Two texts by their ids, `one` before `other` in sort order; `similarity` from 0 to 1."""

    one: str
    other: str
    similarity: float


class _Signature(Protocol):
    def update_batch(self, b: Iterable[bytes]) -> None: ...


class _Index(Protocol):
    def insert(self, key: str, minhash: _Signature) -> None: ...

    def query(self, minhash: _Signature) -> list[str]: ...


def word_groups(text: str) -> Groups:
    """The hashed groups of words of a text; a shorter text is one group, an empty one has none."""
    # Without a language: no stemming, no stop list, and bigrams for scripts without spaces.
    terms = analysis.terms(text, "und")
    size = min(GROUP, len(terms))
    return frozenset(
        hashlib.blake2b(" ".join(terms[at : at + size]).encode(), digest_size=8).digest()
        for at in range(len(terms) - size + 1 if size else 0)
    )


def document_groups(text_units: pl.DataFrame) -> dict[str, Groups]:
    """The groups of each document: those of its text units, which is all that an index keeps."""
    found: dict[str, set[bytes]] = defaultdict(set)
    for document, text in text_units.select("document_id", "text").iter_rows():
        found[document].update(word_groups(text))
    return {document: frozenset(groups) for document, groups in found.items()}


def similar_pairs(groups: Mapping[str, Groups], *, threshold: float) -> list[SimilarTexts]:
    """Pairs of at least that similarity, the most similar first, then by id."""
    from datasketch import MinHash, MinHashLSH

    index = cast(_Index, MinHashLSH(threshold=max(0.1, threshold - MARGIN), num_perm=PERMUTATIONS))
    pairs: list[SimilarTexts] = []
    for name in sorted(groups):
        if not groups[name]:
            continue
        signature = cast(_Signature, MinHash(num_perm=PERMUTATIONS, seed=SEED))
        signature.update_batch(sorted(groups[name]))
        for other in index.query(signature):
            value = _jaccard(groups[name], groups[other])
            if value >= threshold:
                pairs.append(SimilarTexts(other, name, value))
        index.insert(name, signature)
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.one, pair.other))


def skip(corpus: Corpus, *, chunks: ChunkSettings, settings: InputSettings) -> Corpus:
    """The corpus without documents that are nearly the same as one whose source sorts before.

    They stay in the documents table, as skipped and with the reason, and have no text units.
    """
    text_units = corpus.split(chunks)
    sources: dict[str, str] = dict(corpus.documents.select("id", "source").iter_rows())
    pairs = similar_pairs(document_groups(text_units), threshold=settings.near_duplicate_similarity)
    near: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for pair in pairs:
        near[pair.one].append((pair.similarity, pair.other))
        near[pair.other].append((pair.similarity, pair.one))
    reasons: dict[str, str] = {}
    for document in sorted(near, key=lambda key: sources[key]):
        kept = [
            (similarity, other)
            for similarity, other in near[document]
            if other not in reasons and sources[other] < sources[document]
        ]
        if kept:
            similarity, other = max(kept, key=lambda item: (item[0], sources[item[1]]))
            reasons[document] = (
                f"nearly the same as '{sources[other]}' (similarity {similarity:.2f})"
            )
    return _without(corpus, reasons, sources)


def _without(corpus: Corpus, reasons: Mapping[str, str], sources: Mapping[str, str]) -> Corpus:
    ids = [*reasons]
    is_skipped = pl.col("id").is_in(ids)
    documents = corpus.documents.with_columns(
        pl.when(is_skipped).then(pl.lit(SKIPPED)).otherwise(pl.col("status")).alias("status"),
        pl.when(is_skipped)
        .then(pl.col("id").replace_strict(reasons, default=None, return_dtype=pl.String))
        .otherwise(pl.col("error"))
        .alias("error"),
    )
    edited = {sources[key] for key in corpus.changed}
    old = documents.filter(~pl.col("id").is_in([*ids, *corpus.changed]))
    gone = {*documents.filter(pl.col("status") == SKIPPED)["source"]}
    orphans = _orphans(old, {*sources.values()} - gone - edited)
    return replace(
        corpus,
        # Without a hash they are new when they are given again.
        documents=documents.with_columns(
            pl.when(pl.col("source").is_in(orphans))
            .then(pl.lit(""))
            .otherwise(pl.col("content_hash"))
            .alias("content_hash")
        ),
        changed={key: item for key, item in corpus.changed.items() if key not in reasons},
        kept_units=corpus.kept_units.filter(~pl.col("document_id").is_in(ids)),
        removed=corpus.removed | frozenset(reasons),
        warnings=(*corpus.warnings, *_orphan_warnings(orphans)),
    )


def _orphans(documents: pl.DataFrame, current: set[str]) -> list[str]:
    """Skipped documents, not given this time, whose like is not among those that are `current`."""
    rows = documents.filter(pl.col("status") == SKIPPED).select("source", "error")
    return [
        source
        for source, reason in rows.iter_rows()
        if (match := _REASON.fullmatch(reason or "")) and match["source"] not in current
    ]


def _orphan_warnings(orphans: Sequence[str]) -> list[str]:
    if not orphans:
        return []
    named = ", ".join(orphans[:5])
    return [
        f"what {len(orphans)} skipped documents were like is gone or has changed ({named}): "
        "index their files again"
    ]


def _jaccard(one: Groups, other: Groups) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def clusters(pairs: Sequence[SimilarTexts]) -> list[list[str]]:
    """Ids that pairs join, directly or through others; each sorted, the largest first."""
    joined: dict[str, set[str]] = {}
    for pair in pairs:
        both = joined.get(pair.one, {pair.one}) | joined.get(pair.other, {pair.other})
        for name in both:
            joined[name] = both
    distinct = {id(group): sorted(group) for group in joined.values()}
    return sorted(distinct.values(), key=lambda group: (-len(group), group))
