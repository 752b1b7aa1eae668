"""Rows of the graph in, what is searched of them out: plain text and one vector each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from graphrag.core.concurrency import Progress
from graphrag.core.errors import BadReplyError, CostLimitError, ModelAuthError, ModelError
from graphrag.core.settings import Settings
from graphrag.indexing.runners import HERE, Runner, Tools
from graphrag.models.models import Models
from graphrag.stores import GraphStore, SearchTable
from graphrag.stores.contract.search_texts import embedded_texts, vector_keys

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
    settings: Settings,
    progress: Progress,
    runner: Runner = HERE,
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
            tools = Tools(models, store, settings, progress)
            vectors = await _vectors([by_key[key] for key in missing], step, tools, runner)
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


async def _vectors(
    texts: Sequence[str], step: str, tools: Tools, runner: Runner
) -> NDArray[np.float32]:
    """Shape (len(texts), dimensions). What was made elsewhere is kept here as it comes."""
    import numpy as np

    kind = step.replace(" ", "_")
    if not runner.is_remote:
        return await tools.models.embed(texts, kind=kind)
    found = tools.models.kept_vectors(texts)
    todo = [text for text in dict.fromkeys(texts) if text not in found]
    work = partial(embed_texts, kind=kind)
    size = tools.settings.embedding.batch_size
    async with aclosing(runner.slices(step, todo, work, tools=tools, size=size)) as slices:
        async for start, rows in slices:
            part = todo[start : start + len(rows)]
            tools.models.keep_vectors(part, rows)
            found.update(zip(part, rows, strict=True))
    if len({row.size for row in found.values()}) > 1:
        raise BadReplyError(
            "the embedding model made vectors of different sizes",
            hint="It was replaced by another model: delete the response cache and the index.",
        )
    return np.stack([found[text] for text in texts])


async def embed_texts(texts: Sequence[str], tools: Tools, *, kind: str) -> NDArray[np.float32]:
    """Vectors of `texts`, made where this runs."""
    return await tools.models.embed(texts, kind=kind)
