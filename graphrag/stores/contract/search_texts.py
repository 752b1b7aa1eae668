"""Write the plain text of each row that full-text search and embeddings cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from graphrag.core.columns import WINDOW_MARK
from graphrag.core.tables import stable_id
from graphrag.stores.contract.protocol import SearchTable

# Characters of a body that are embedded; a vector of more says less about what a row is.
LONGEST: Mapping[str, int] = {"entities": 600, "reports": 1200}


def searchable_texts(tables: Mapping[str, pl.DataFrame]) -> dict[SearchTable, pl.DataFrame]:
    """By searched table: `id`, `title`, `body`, `language` of each row."""
    language = main_language(tables["documents"])
    return {
        "text_units": unit_texts(tables["text_units"], tables["documents"]),
        "entities": entity_texts(tables["entities"], language),
        "reports": report_texts(tables["reports"], language),
    }


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


def window_texts(windows: pl.DataFrame, units: pl.DataFrame, context: pl.Series) -> pl.DataFrame:
    """`id`, `title`, `body` of each of `windows`, which have their `text`.

    `units`: the texts of all text units; `context`: the line of each, where it has one.
    """
    of_units = units.select(pl.col("id").alias("text_unit_id"), "title", context.alias("context"))
    return windows.join(of_units, on="text_unit_id", how="left", maintain_order="left").select(
        pl.concat_str("text_unit_id", pl.lit(WINDOW_MARK), "ordinal").alias("id"),
        "title",
        pl.concat_str("context", "text", separator="\n", ignore_nulls=True).alias("body"),
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


def embedded_texts(table: str, texts: pl.DataFrame) -> list[str]:
    """What is embedded of each row of a searched table: its title, then its body."""
    body = pl.col("body").str.slice(0, LONGEST.get(table))
    return texts.select(pl.concat_str("title", body, separator="\n")).to_series().to_list()


def vector_keys(model: str, texts: Sequence[str]) -> list[str]:
    """By text: the key of the vector that `model` gives it."""
    return [stable_id("vector", model, text) for text in texts]
