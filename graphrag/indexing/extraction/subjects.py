"""Say which entities a text unit is about: by its document's title, its heading, its opening.

A unit is about the entity that its document's title names (1.0, also without a parenthesis), the
name that the document opens with (0.7) and its short forms (0.5), the part of the title before
a comma and the unit's last heading (0.6).
"""

from __future__ import annotations

from pathlib import PurePosixPath

import polars as pl

from graphrag.text import normalise
from graphrag.text.subjects import HEADING, heading_topic, opening_names, title_names

OWNERS = pl.Schema({"text_unit_id": pl.String, "norm": pl.String, "owner": pl.Float64})


def find_subjects(documents: pl.DataFrame, text_units: pl.DataFrame) -> pl.DataFrame:
    """By unit: normalised names that it is about, with a weight from 0 to 1.

    `text_units` has text_unit_id, document_id, ordinal, headings and text.
    """
    found = [
        text_units.select("text_unit_id", "document_id").join(
            title_owners(documents), on="document_id"
        ),
        _heading_names(text_units),
        _opening_names(documents, text_units),
    ]
    return (
        pl.concat([frame.select(OWNERS.names()) for frame in found])
        .filter(pl.col("norm") != "")
        .group_by("text_unit_id", "norm")
        .agg(pl.col("owner").max())
        .sort("text_unit_id", "norm")
    )


def title_owners(documents: pl.DataFrame) -> pl.DataFrame:
    """By document: normalised names that its title gives what it is about, with a weight."""
    rows = [
        (document_id, name, weight)
        for document_id, title in documents.select("id", "title").iter_rows()
        for name, weight in title_names(title or "", key=normalise).items()
    ]
    schema = {"document_id": pl.String, "norm": pl.String, "owner": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _heading_names(text_units: pl.DataFrame) -> pl.DataFrame:
    last = text_units.select("text_unit_id", pl.col("headings").list.last().alias("heading"))
    distinct = last["heading"].drop_nulls().unique().sort().to_list()
    norms = pl.DataFrame(
        {"heading": distinct, "norm": [normalise(heading_topic(name)) for name in distinct]},
        schema={"heading": pl.String, "norm": pl.String},
    )
    return last.join(norms, on="heading").with_columns(pl.lit(HEADING).alias("owner"))


def _opening_names(documents: pl.DataFrame, text_units: pl.DataFrame) -> pl.DataFrame:
    titled = documents.select(pl.col("id").alias("document_id"), "title", "source")
    opening = text_units.filter(pl.col("ordinal") == 0).join(titled, on="document_id")
    rows = [
        (unit, name, weight)
        for unit, text, title, source in opening.select(
            "text_unit_id", "text", "title", "source"
        ).iter_rows()
        for name, weight in opening_names(
            text, title=_spoken_title(title or "", source or ""), key=normalise
        ).items()
    ]
    return pl.DataFrame(rows, schema=OWNERS, orient="row")


def _spoken_title(title: str, source: str) -> str:
    """A title made of the file's name says nothing about what the text says."""
    return "" if title == PurePosixPath(source.partition("#")[0]).stem else title
