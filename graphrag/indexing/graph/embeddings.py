"""Embed the texts of the graph that are searched by vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from graphrag.core.errors import BadReplyError, CostLimitError, ModelAuthError, ModelError
from graphrag.indexing.run import Run
from graphrag.indexing.runners import Tools
from graphrag.models.local.prefixes import prefix
from graphrag.stores import VectorTable
from graphrag.stores.contract.search_texts import embedded_texts, vector_keys

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(slots=True)
class SearchVectors:
    """`rows`: by table `id` and `key` of each vector; `vectors`: those the store lacks, by key."""

    rows: dict[VectorTable, pl.DataFrame] = field(default_factory=dict[VectorTable, pl.DataFrame])
    vectors: dict[str, NDArray[np.float32]] = field(
        default_factory=dict[str, "NDArray[np.float32]"]
    )
    failures: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    dimensions: int = 0

    def add(self, other: SearchVectors) -> None:
        self.rows.update(other.rows)
        self.vectors.update(other.vectors)
        self.failures.extend(other.failures)
        self.dimensions = self.dimensions or other.dimensions


async def embed(run: Run, table: VectorTable, texts: pl.DataFrame) -> SearchVectors:
    """Vectors for `texts` (`id`, `title`, `body`): title and body in one text.

    A model that fails is reported in `failures`; those rows stay without a vector until the
    next run. Raises ModelAuthError.
    """
    result = SearchVectors()
    models = run.models
    if models.embedder is None or texts.is_empty():
        return result
    before = prefix("passage", run.settings.embedding)
    contents = [before + text for text in embedded_texts(table, texts)]
    keys = vector_keys(models.embedder.name, contents)
    rows = texts.select("id").with_columns(pl.Series("key", keys, dtype=pl.String))
    by_key: Mapping[str, str] = dict(zip(keys, contents, strict=True))
    stored = await run.store.known_vectors(list(by_key))
    missing = sorted(by_key.keys() - stored)
    told = "text_units" if table == "windows" else table
    step = f"embed {told}"
    if missing:
        new, kind = [by_key[key] for key in missing], step.replace(" ", "_")
        run.progress.start(step, len(missing))
        try:
            if run.runner.is_remote:
                vectors = await _embed_elsewhere(run, new, step, kind)
            elif run.settings.embedding.is_local:
                vectors = await _embed_in_parts(run, new, step, kind)
            else:
                vectors = await models.embed(new, kind=kind)
        except ModelAuthError:
            raise
        except ModelError as error:
            limited = isinstance(error, CostLimitError)
            reason = str(error) if limited else f"embedding failed: {error}"
            result.failures.append((told, reason))
            came = models.kept_vectors(new)
            result.vectors = {key: came[by_key[key]] for key in missing if by_key[key] in came}
            rows = rows.filter(pl.col("key").is_in(sorted(stored | result.vectors.keys())))
        else:
            result.vectors = dict(zip(missing, vectors, strict=True))
        result.dimensions = max((row.size for row in result.vectors.values()), default=0)
        run.progress.finish(step)
    result.rows[table] = rows
    return result


async def _embed_in_parts(
    run: Run, texts: Sequence[str], step: str, kind: str
) -> NDArray[np.float32]:
    """Shape (len(texts), dimensions). A model in this process is slow: progress is told."""
    import numpy as np

    size = run.settings.embedding.batch_size
    parts: list[NDArray[np.float32]] = []
    for start in range(0, len(texts), size):
        part = texts[start : start + size]
        parts.append(await run.models.embed(part, kind=kind))
        run.progress.advance(step, len(part))
    return np.concatenate(parts)


async def _embed_elsewhere(
    run: Run, texts: Sequence[str], step: str, kind: str
) -> NDArray[np.float32]:
    """Shape (len(texts), dimensions). Vectors are kept here as they come."""
    import numpy as np

    found = run.models.kept_vectors(texts)
    todo = [text for text in dict.fromkeys(texts) if text not in found]
    work = partial(embed_texts, kind=kind)
    size = run.settings.embedding.batch_size
    async with aclosing(run.runner.slices(step, todo, work, tools=run, size=size)) as slices:
        async for start, coming in slices:
            rows = await coming
            part = todo[start : start + len(rows)]
            run.models.keep_vectors(part, rows)
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
