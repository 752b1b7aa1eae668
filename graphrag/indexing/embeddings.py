"""Rows of the graph in, what is searched of them out: plain text and one vector each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from graphrag.concurrency import Progress
from graphrag.errors import CostLimitError, ModelAuthError, ModelError
from graphrag.llm import Models
from graphrag.stores import GraphStore, SearchTable
from graphrag.tables import stable_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Characters of a body that are embedded; a vector of more says less about what a row is.
LONGEST: Mapping[SearchTable, int] = {"entities": 600, "reports": 1200}


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
    body = pl.col("body").str.slice(0, LONGEST.get(table))
    contents = texts.select(pl.concat_str("title", body, separator="\n")).to_series().to_list()
    keys = [stable_id("vector", name, text) for text in contents]
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


def unit_texts(text_units: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """`id`, `title`, `body`, `language` of each unit: title and headings, then context and text."""
    described = documents.select(
        pl.col("id").alias("document_id"), pl.col("title").alias("document"), "language"
    )
    headings = pl.col("headings").fill_null(pl.lit([], dtype=pl.List(pl.String)))
    return text_units.join(described, on="document_id", how="left", maintain_order="left").select(
        "id",
        pl.concat_list(pl.concat_list("document"), headings)
        .list.unique(maintain_order=True)
        .list.join(" > ", ignore_nulls=True)
        .alias("title"),
        pl.concat_str("context", "text", separator="\n", ignore_nulls=True).alias("body"),
        pl.col("language").fill_null("und"),
    )


def entity_texts(entities: pl.DataFrame, language: str) -> pl.DataFrame:
    return entities.select(
        "id",
        pl.concat_list(pl.concat_list("name"), "aliases").list.join(" | ").alias("title"),
        pl.col("description").fill_null("").alias("body"),
        pl.lit(language).alias("language"),
    )


def report_texts(reports: pl.DataFrame, language: str) -> pl.DataFrame:
    findings = pl.col("findings").list.eval(
        pl.concat_str(
            pl.element().struct.field("summary"),
            pl.element().struct.field("explanation"),
            separator=" ",
        )
    )
    return reports.select(
        pl.col("community_id").alias("id"),
        "title",
        pl.concat_str("summary", findings.list.join(" "), separator="\n").alias("body"),
        pl.lit(language).alias("language"),
    )


def main_language(documents: pl.DataFrame) -> str:
    """The language of most tokens; entities and reports are written across documents."""
    totals = (
        documents.filter(pl.col("n_tokens") > 0)
        .group_by(pl.col("language").fill_null("und"))
        .agg(pl.col("n_tokens").sum())
        .sort(["n_tokens", "language"], descending=[True, False])
    )
    return str(totals["language"][0]) if totals.height else "und"
