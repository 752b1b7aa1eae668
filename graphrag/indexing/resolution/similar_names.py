"""Find names that an embedding model holds to be similar, for a verdict.

The names alone are embedded, without what is said of them, so the pairs depend on nothing but the
set of names. They are kept under the hash of that set: an unchanged set is embedded once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from graphrag.core.errors import ModelAuthError, ModelError
from graphrag.core.settings import ResolutionSettings
from graphrag.core.tables import stable_id
from graphrag.indexing.resolution.pairs import MEANING, NameProfile, Pair, make_pair
from graphrag.indexing.run import Run
from graphrag.stores import GraphStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NEAREST = 3  # names that one name may be alike to
_EXACT = 4096  # names that are all compared with one another
_BUCKET = 256  # names that are compared with one another where there are more
_TABLES = 4  # divisions into buckets: who is alike shares one of them
_SEED = 20
_MEANING_WEIGHT = 0.7

_KEPT_PAIRS: TypeAdapter[list[tuple[str, str, float]]] = TypeAdapter(list[tuple[str, str, float]])


@dataclass(frozen=True, slots=True)
class SimilarNames:
    """`reply_keys` is where the store keeps the pairs; `failure` why there are none."""

    pairs: Sequence[Pair] = ()
    reply_keys: frozenset[str] = frozenset()
    failure: str = ""


async def find_similar(run: Run, profiles: Mapping[str, NameProfile]) -> SimilarNames:
    """Pairs of the proper names in `profiles` whose vectors are similar, for a chat model to judge.

    None without an embedding model, or with an `embedding_threshold` of 1. Raises ModelAuthError;
    any other failure of the model stands in the result.
    """
    embedder, settings = run.models.embedder, run.settings.resolution
    if embedder is None or settings.embedding_threshold >= 1:
        return SimilarNames()
    key = similar_key(profiles, model=embedder.name, settings=settings)
    kept = await read_kept(run.store, key, profiles)
    if kept is not None:
        return SimilarNames(kept, frozenset((key,)))
    names = _proper(profiles)
    texts = [name.spelling for name in names]
    try:
        vectors = await run.models.embed(texts, kind="embed_names")
    except ModelAuthError:
        raise
    except ModelError as error:
        return SimilarNames(failure=f"names were not embedded: {error}")
    rows = [
        (names[one].norm, names[other].norm, round(score, 3))
        for one, other, score in nearest(vectors, threshold=settings.embedding_threshold)
    ]
    await run.store.put_replies({key: json.dumps(rows, ensure_ascii=False)})
    return SimilarNames(_pairs(rows, profiles), frozenset((key,)))


def similar_key(
    profiles: Mapping[str, NameProfile], *, model: str, settings: ResolutionSettings
) -> str:
    """Under which the pairs of these names are kept."""
    spelled = (name.spelling for name in _proper(profiles))
    return stable_id("alike", model, str(settings.embedding_threshold), *spelled)


async def read_kept(
    store: GraphStore, key: str, profiles: Mapping[str, NameProfile]
) -> Sequence[Pair] | None:
    """The pairs that the store keeps under `key`; None where it has none."""
    text = (await store.replies([key])).get(key)
    if text is None:
        return None
    try:
        return _pairs(_KEPT_PAIRS.validate_json(text), profiles)
    except ValidationError:
        return None  # damaged, so it is made again


def nearest(vectors: NDArray[np.float32], *, threshold: float) -> list[tuple[int, int, float]]:
    """Rows that are alike by cosine, each pair once, sorted: the nearest few of each row.

    Many rows are compared inside buckets of random hyperplanes only, so a pair may be missed;
    equal vectors give equal pairs.
    """
    import numpy as np

    sizes = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, sizes, out=np.zeros_like(vectors), where=sizes > 0)
    best: dict[tuple[int, int], float] = {}
    for rows in _buckets(unit):
        block = unit[rows]
        scores = block @ block.T
        np.fill_diagonal(scores, -1.0)
        count = min(_NEAREST, len(rows) - 1)
        near = np.flatnonzero(scores.max(axis=1, initial=-1.0) >= threshold)
        if count < 1 or not len(near):
            continue
        close = np.argpartition(-scores[near], count - 1, axis=1)[:, :count]
        for at, others in zip(near.tolist(), close.tolist(), strict=True):
            for other in others:
                score = float(scores[at, other])
                if score >= threshold:
                    one, two = sorted((int(rows[at]), int(rows[other])))
                    best[one, two] = max(score, best.get((one, two), 0.0))
    return [(one, other, score) for (one, other), score in sorted(best.items())]


def _buckets(unit: NDArray[np.float32]) -> Iterator[NDArray[np.int64]]:
    import numpy as np

    rows = len(unit)
    if rows <= _EXACT:
        yield np.arange(rows)
        return
    bits = max(1, (rows // _BUCKET).bit_length())
    planes = np.random.default_rng(_SEED).standard_normal((_TABLES, unit.shape[1], bits))
    for table in planes.astype(np.float32):
        codes = ((unit @ table) > 0) @ (1 << np.arange(bits))
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order])) + 1
        for bucket in np.split(order, starts):
            # Names of one kind crowd together; a full bucket is cut, never squared.
            for at in range(0, len(bucket), _EXACT):
                yield bucket[at : at + _EXACT]


def _proper(profiles: Mapping[str, NameProfile]) -> list[NameProfile]:
    return [profiles[norm] for norm in sorted(profiles) if profiles[norm].is_proper]


def _pairs(
    found: Iterable[tuple[str, str, float]], profiles: Mapping[str, NameProfile]
) -> list[Pair]:
    pairs = {
        (one, other): score for one, other, score in found if one in profiles and other in profiles
    }
    return [
        # Likeness of meaning says less than one of form.
        make_pair(profiles[one], profiles[other], MEANING, score * _MEANING_WEIGHT, decision="ask")
        for (one, other), score in sorted(pairs.items())
    ]
