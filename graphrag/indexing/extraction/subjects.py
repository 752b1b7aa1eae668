"""Find what a text unit is about: names of its title, heading and opening.

A unit is about the entity that its document's title names (1.0, also without a parenthesis), the
name that the document opens with (0.7) and its short forms (0.5), the part of the title before
a comma and the unit's last heading (0.6).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import polars as pl

from graphrag.indexing.extraction.lexicon import ARTICLES
from graphrag.text import is_stop_word, normalise, words

OWNERS = pl.Schema({"text_unit_id": pl.String, "norm": pl.String, "owner": pl.Float64})

_TITLE, _NO_ARTICLE, _OPENING, _BEFORE_COMMA, _HEADING, _SHORT = 1.0, 0.9, 0.7, 0.6, 0.6, 0.5
_MAX_HEADING_WORDS = 10
_OPENING_CHARACTERS = 120
_CAPITAL = r"(?:\p{Lu}[\w'’.\-]*|\d+(?:st|nd|rd|th)?)"
_LINK = r"(?:of|the|de|la|le|von|van|der|du|del|della|di|da|al|bin|ibn|mac|and|&|in|for|a)"
_NAME = rf"({_CAPITAL}(?:\s+(?:{_LINK}\s+){{0,2}}{_CAPITAL})*)"
_PARENTHESIS = re.compile(r"\s*\([^()]*\)")
_NUMBERING = re.compile(r"^[\W\d_]*(?:[IVXLC]+\.\s+)?")
_NO_TOPIC = re.compile(
    r"(?:chapter|part|section|appendix|book|volume|act)\b.{0,8}|[ivxlc]+|introduction|summary|"
    r"conclusions?|overview|references|bibliography|contents|table of contents|notes|background|"
    r"abstract|preface|foreword|index|see also|external links"
)


def find_subjects(documents: pl.DataFrame, text_units: pl.DataFrame) -> pl.DataFrame:
    """By unit: normalised names that it is about, with a weight from 0 to 1.

    `text_units` has text_unit_id, document_id, ordinal, headings and text.
    """
    found = [
        text_units.select("text_unit_id", "document_id").join(
            _title_names(documents), on="document_id"
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


def bare_title(title: str) -> str:
    """ "Blood Street" of "Blood Street (film)": what its own text calls it."""
    return " ".join(_PARENTHESIS.sub(" ", title).split())


def heading_topic(heading: str) -> str:
    """The heading without its number; empty when it only labels a part of the document."""
    topic = _NUMBERING.sub("", " ".join(heading.split())).strip(" .:#*")
    key = normalise(topic)
    if len(topic) < 2 or len(key.split()) > _MAX_HEADING_WORDS or _NO_TOPIC.fullmatch(key):
        return ""
    return topic


def _title_names(documents: pl.DataFrame) -> pl.DataFrame:
    rows: list[tuple[str, str, float]] = []
    for document_id, title in documents.select("id", "title").iter_rows():
        bare = bare_title(title or "")
        rows.append((document_id, normalise(title or ""), _TITLE))
        rows.append((document_id, normalise(bare), _TITLE))
        article, _, rest = bare.partition(" ")
        if article.lower() in ARTICLES:
            rows.append((document_id, normalise(rest), _NO_ARTICLE))
        head, comma, _ = bare.partition(",")
        if comma and len(normalise(head)) > 2:
            rows.append((document_id, normalise(head), _BEFORE_COMMA))
    schema = {"document_id": pl.String, "norm": pl.String, "owner": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _heading_names(text_units: pl.DataFrame) -> pl.DataFrame:
    last = text_units.select("text_unit_id", pl.col("headings").list.last().alias("heading"))
    distinct = last["heading"].drop_nulls().unique().sort().to_list()
    norms = pl.DataFrame(
        {"heading": distinct, "norm": [normalise(heading_topic(name)) for name in distinct]},
        schema={"heading": pl.String, "norm": pl.String},
    )
    return last.join(norms, on="heading").with_columns(pl.lit(_HEADING).alias("owner"))


def _opening_names(documents: pl.DataFrame, text_units: pl.DataFrame) -> pl.DataFrame:
    """The name that a document opens with, where its title does not speak of something else."""
    start = pl.col("text").str.slice(0, _OPENING_CHARACTERS).str.extract(_NAME)
    opening = (
        text_units.filter(pl.col("ordinal") == 0)
        .select("text_unit_id", "document_id", start.alias("opening"))
        .drop_nulls("opening")
        .join(
            documents.select(pl.col("id").alias("document_id"), "title", "source"), on="document_id"
        )
    )
    rows = [
        (unit, name, weight)
        for unit, name_written, title, source in opening.select(
            "text_unit_id", "opening", "title", "source"
        ).iter_rows()
        for name, weight in _forms_of_opening(name_written, title or "", source or "")
    ]
    return pl.DataFrame(rows, schema=OWNERS, orient="row")


def _forms_of_opening(opening: str, title: str, source: str) -> list[tuple[str, float]]:
    name = words(opening)
    while name and is_stop_word(name[0]):
        name = name[1:]
    key = normalise(" ".join(name))
    parts = key.split()
    # A title made of the file's name says nothing about what the text says.
    titled = bool(title) and title != PurePosixPath(source.partition("#")[0]).stem
    if titled and (len(parts) < 2 or not set(parts) & set(normalise(title).split())):
        return []
    forms = [(key, _OPENING)]
    if 3 <= len(parts) <= 6:
        forms += [
            (f"{part} {parts[-1]}", _SHORT)
            for part in parts[:-1]
            if not part.isdigit() and not is_stop_word(part)
        ]
    return forms
