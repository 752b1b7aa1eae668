"""Divide texts into embedding requests, and check and assemble the vectors that come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from graphrag.core.errors import BadReplyError
from graphrag.core.settings import EmbeddingSettings
from graphrag.models.spending import upper_estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def batches(texts: Mapping[str, str], settings: EmbeddingSettings) -> Iterator[dict[str, str]]:
    """`texts` by key in requests, each as full as the settings allow."""
    batch: dict[str, str] = {}
    tokens = 0
    for key, text in texts.items():
        count = upper_estimate(text)
        if batch and (len(batch) == settings.batch_size or tokens + count > settings.batch_tokens):
            yield batch
            batch, tokens = {}, 0
        batch[key] = text
        tokens += count
    if batch:
        yield batch


def checked_vectors(rows: object, *, n_texts: int, name: str) -> NDArray[np.float32]:
    """What an embedder gave, as one row for each text. Raises BadReplyError."""
    import numpy as np

    try:
        found = np.asarray(rows, dtype="<f4")
    except (TypeError, ValueError) as error:
        raise BadReplyError(f"{name} returned no array of numbers: {error}") from error
    if found.ndim != 2 or len(found) != n_texts or not found.shape[1]:
        raise BadReplyError(f"{name} returned an array of shape {found.shape} for {n_texts} texts")
    if not np.isfinite(found).all():
        raise BadReplyError(f"{name} returned vectors with numbers that are not finite")
    return found


def as_matrix(
    vectors: Mapping[str, bytes], keys: Sequence[str], *, name: str
) -> NDArray[np.float32]:
    """float32 bytes by key as a matrix, shape (len(keys), dimensions).

    Raises BadReplyError where their sizes differ.
    """
    sizes = {len(vector) for vector in vectors.values()}
    if len(sizes) > 1:
        raise BadReplyError(
            f"model {name!r} made vectors of sizes {sorted(size // 4 for size in sizes)}",
            hint="It was replaced by another model: delete the response cache and the index.",
        )
    import numpy as np

    matrix = np.empty((len(keys), max(sizes, default=0) // 4), dtype=np.float32)
    for row, key in enumerate(keys):
        matrix[row] = np.frombuffer(vectors[key], dtype=np.float32)
    return matrix
