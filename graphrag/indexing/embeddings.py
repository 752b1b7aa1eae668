"""Rows of the graph in, what is searched of them out: plain text and one vector each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from graphrag.concurrency import Progress
from graphrag.errors import CostLimitError, ModelAuthError, ModelError
from graphrag.llm import Models
from graphrag.searchable import embedded_texts, vector_keys
from graphrag.stores import GraphStore, SearchTable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(slots=True)
class Embedded:
    """`rows`: by table `id` and `key` of each vector; `vectors`: those the store lacks, by key."""

    rows: dict[SearchTable, pl.DataFrame] = field(default_factory=dict[SearchTable, pl.DataFrame])
    vectors: dict[str, NDArray[np.float32]] = field(
        default_factory=dict[str, "NDArray[np.float32]"]
    )
    failures: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    dimensions: int = 0

    def add(self, other: Embedded) -> None:
        self.rows.update(other.rows)
        self.vectors.update(other.vectors)
        self.failures.extend(other.failures)
        self.dimensions = self.dimensions or other.dimensions


async def embed(
    table: SearchTable,
    texts: pl.DataFrame,
    *,
    models: Models,
    store: GraphStore,
    progress: Progress,
) -> Embedded:
    """Vectors for `texts` (`id`, `title`, `body`): title and body in one text.

    A model that fails is reported in `failures`; those rows stay without a vector until the
    next run. Raises ModelAuthError.
    """
    result = Embedded()
    if models.embedder is None or texts.is_empty():
        return result
    name = models.embedder.name
    contents = embedded_texts(table, texts)
    keys = vector_keys(name, contents)
    rows = texts.select("id").with_columns(pl.Series("key", keys, dtype=pl.String))
    by_key: Mapping[str, str] = dict(zip(keys, contents, strict=True))
    known = await store.known_vectors(list(by_key))
    missing = sorted(by_key.keys() - known)
    step = f"embed {table}"
    if missing:
        progress.start(step, len(missing))
        try:
            vectors = await models.embed([by_key[key] for key in missing], kind=f"embed_{table}")
        except ModelAuthError:
            raise
        except ModelError as error:
            limited = isinstance(error, CostLimitError)
            reason = str(error) if limited else f"embedding failed: {error}"
            result.failures.append((table, reason))
            rows = rows.filter(pl.col("key").is_in(sorted(known)))
        else:
            result.vectors = dict(zip(missing, vectors, strict=True))
            result.dimensions = int(vectors.shape[1])
        progress.finish(step)
    result.rows[table] = rows
    return result
