"""Convert our tables to those of Microsoft's graphrag, for notebooks made for it.

Its ids of communities are numbers, its relationships name their ends by title, and every row has
a `human_readable_id`; all of these follow from the order of our keys, those of text units from
their order in the documents.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import cast

import polars as pl

from graphrag.stores.contract.hierarchy import render_report

_IDS = pl.List(pl.String)
_FINDINGS = pl.List(pl.Struct({"explanation": pl.String, "summary": pl.String}))
_MIN_SHARED = 16  # characters; less is chance, not the overlap of two text units
_MAX_SHARED = 8000
_NO_DATE = pl.lit(None, pl.String)  # an export holds no clock


def microsoft_tables(tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The tables by the name of their file; `covariates` only where there are claims."""
    numbered = _numbered_communities(tables["communities"])
    links = _links(tables)
    text_units = tables["text_units"].sort("document_id", "ordinal")
    result = {
        "documents": _documents(tables["documents"], tables["text_units"]),
        "text_units": _text_units(text_units, links),
        "entities": _entities(tables["entities"], links),
        "relationships": _relationships(tables["relationships"], tables["entities"]),
        "communities": _communities(numbered, tables["relationships"]),
        "community_reports": _reports(tables["reports"], numbered, list(text_units["id"])),
    }
    if tables["claims"].height:
        result["covariates"] = _covariates(tables["claims"])
    return result


def _links(tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """By column: the ids that belong to each row, sorted."""
    mentions = tables["mentions"]
    of_relationships = tables["relationships"].select(
        pl.col("id").alias("relationship_id"), pl.col("text_unit_ids").alias("text_unit_id")
    )
    return {
        "entity_ids": _grouped(mentions, "text_unit_id", "entity_id"),
        "text_unit_ids": _grouped(mentions, "entity_id", "text_unit_id"),
        "relationship_ids": _grouped(
            of_relationships.explode("text_unit_id"), "text_unit_id", "relationship_id"
        ),
        "covariate_ids": _grouped(tables["claims"], "text_unit_id", "id"),
    }


def _grouped(pairs: pl.DataFrame, key: str, value: str) -> pl.DataFrame:
    return (
        pairs.select(pl.col(key).alias("id"), pl.col(value).alias("ids"))
        .drop_nulls()
        .group_by("id")
        .agg(pl.col("ids").unique().sort())
    )


def _with_ids(frame: pl.DataFrame, links: Mapping[str, pl.DataFrame], *names: str) -> pl.DataFrame:
    for name in names:
        frame = frame.join(
            links[name].rename({"ids": name}), on="id", how="left", maintain_order="left"
        ).with_columns(pl.col(name).fill_null(pl.lit([], _IDS)))
    return frame


def _documents(documents: pl.DataFrame, text_units: pl.DataFrame) -> pl.DataFrame:
    parts = (
        text_units.sort("document_id", "ordinal")
        .group_by("document_id", maintain_order=True)
        .agg(pl.col("id").alias("text_unit_ids"), pl.col("text").alias("texts"))
    )
    texts = [_joined(texts) for texts in parts["texts"]]
    whole = parts.select(
        pl.col("document_id").alias("id"),
        "text_unit_ids",
        pl.Series("text", texts, dtype=pl.String),
    )
    return (
        documents.drop("text")
        .join(whole, on="id", how="inner", maintain_order="left")
        .with_row_index("human_readable_id")
        .select(
            "id",
            pl.col("human_readable_id").cast(pl.Int64),
            "title",
            "text",
            "text_unit_ids",
            _NO_DATE.alias("creation_date"),
            pl.col("metadata").alias("raw_data"),
        )
    )


def _text_units(text_units: pl.DataFrame, links: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    linked = ("entity_ids", "relationship_ids", "covariate_ids")
    return _with_ids(text_units.with_row_index("human_readable_id"), links, *linked).select(
        "id",
        pl.col("human_readable_id").cast(pl.Int64),
        "text",
        "n_tokens",
        "document_id",
        *linked,
    )


def _entities(entities: pl.DataFrame, links: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return _with_ids(entities.with_row_index("human_readable_id"), links, "text_unit_ids").select(
        "id",
        pl.col("human_readable_id").cast(pl.Int64),
        pl.col("name").alias("title"),
        "type",
        "description",
        "text_unit_ids",
        pl.col("n_mentions").alias("frequency"),
        "degree",
    )


def _relationships(relationships: pl.DataFrame, entities: pl.DataFrame) -> pl.DataFrame:
    linked = relationships.with_row_index("human_readable_id")
    for end in ("source", "target"):
        ends = entities.select(
            pl.col("id").alias(f"{end}_id"),
            pl.col("name").alias(end),
            pl.col("degree").alias(f"{end}_degree"),
        )
        linked = linked.join(ends, on=f"{end}_id", how="left", maintain_order="left")
    return linked.select(
        "id",
        pl.col("human_readable_id").cast(pl.Int64),
        "source",
        "target",
        "description",
        "weight",
        (pl.col("source_degree") + pl.col("target_degree")).alias("combined_degree"),
        "text_unit_ids",
    )


def _numbered_communities(communities: pl.DataFrame) -> pl.DataFrame:
    """The communities with their number, that of the parent (-1: none) and of the children."""
    numbered = communities.sort("level", "id").with_row_index("community")
    numbered = numbered.with_columns(pl.col("community").cast(pl.Int64))
    numbers = numbered.select(pl.col("id").alias("parent_id"), pl.col("community").alias("parent"))
    numbered = numbered.join(
        numbers, on="parent_id", how="left", maintain_order="left"
    ).with_columns(pl.col("parent").fill_null(-1))
    children = numbered.group_by("parent").agg(pl.col("community").sort().alias("children"))
    return numbered.join(
        children, left_on="community", right_on="parent", how="left", maintain_order="left"
    ).with_columns(pl.col("children").fill_null(pl.lit([], pl.List(pl.Int64))))


def _communities(numbered: pl.DataFrame, relationships: pl.DataFrame) -> pl.DataFrame:
    members = numbered.select("id", pl.col("entity_ids").alias("member")).explode("member")
    inside = relationships.join(
        members.rename({"id": "community_id"}), left_on="source_id", right_on="member"
    ).join(
        members,
        left_on=["target_id", "community_id"],
        right_on=["member", "id"],
        how="semi",
    )
    links = {
        "relationship_ids": _grouped(inside, "community_id", "id"),
        "text_unit_ids": _grouped(
            inside.select("community_id", "text_unit_ids").explode("text_unit_ids"),
            "community_id",
            "text_unit_ids",
        ),
    }
    return _with_ids(numbered, links, *links).select(
        "id",
        pl.col("community").alias("human_readable_id"),
        "community",
        "level",
        "parent",
        "children",
        pl.format("Community {}", "community").alias("title"),
        "entity_ids",
        *links,
        _NO_DATE.alias("period"),
        "size",
    )


def _reports(
    reports: pl.DataFrame, numbered: pl.DataFrame, text_unit_ids: Sequence[str]
) -> pl.DataFrame:
    numbers = {key: number for number, key in enumerate(text_unit_ids)}
    rows = [{**row, "findings": _marked(row["findings"], numbers)} for row in reports.to_dicts()]
    content = pl.DataFrame(
        [(render_report(row), _as_json(row), row["findings"]) for row in rows],
        schema={"full_content": pl.String, "full_content_json": pl.String, "findings": _FINDINGS},
        orient="row",
    )
    return (
        pl.concat([reports.drop("findings"), content], how="horizontal")
        .join(numbered, left_on="community_id", right_on="id")
        .sort("community")
        .select(
            pl.col("community_id").alias("id"),
            pl.col("community").alias("human_readable_id"),
            "community",
            "level",
            "parent",
            "children",
            "title",
            "summary",
            "full_content",
            pl.col("rating").alias("rank"),
            "rating_explanation",
            "findings",
            "full_content_json",
            _NO_DATE.alias("period"),
            "size",
        )
    )


def _marked(
    findings: Sequence[Mapping[str, object]], numbers: Mapping[str, int]
) -> list[dict[str, str]]:
    """The findings with what each rests on, written as it is there: "[Data: Sources (0, 3)]"."""
    marked: list[dict[str, str]] = []
    for finding in findings:
        ids = cast("Sequence[str]", finding["text_unit_ids"] or ())
        cited = sorted(numbers[key] for key in ids if key in numbers)
        mark = f" [Data: Sources ({', '.join(map(str, cited))})]" if cited else ""
        summary, explanation = str(finding["summary"]), str(finding["explanation"])
        marked.append({"explanation": explanation + mark, "summary": summary})
    return marked


def _covariates(claims: pl.DataFrame) -> pl.DataFrame:
    return claims.with_row_index("human_readable_id").select(
        "id",
        pl.col("human_readable_id").cast(pl.Int64),
        pl.lit("claim").alias("covariate_type"),
        "type",
        "description",
        pl.col("subject").alias("subject_id"),
        pl.col("object").alias("object_id"),
        "status",
        pl.col("start").alias("start_date"),
        pl.col("end").alias("end_date"),
        pl.lit(None, pl.String).alias("source_text"),
        "text_unit_id",
    )


def _as_json(report: Mapping[str, object]) -> str:
    names = ("title", "summary", "rating", "rating_explanation", "findings")
    return json.dumps({name: report[name] for name in names}, ensure_ascii=False, indent=4)


def _joined(texts: Sequence[str]) -> str:
    """The text of a document from its units, what two units share only once."""
    pieces: list[str] = [*texts[:1]]
    for before, after in pairwise(texts):
        shared = _shared(before[-_MAX_SHARED:], after)
        pieces.append(after[shared:] if shared else f"\n\n{after}")
    return "".join(pieces)


def _shared(before: str, after: str) -> int:
    """How many characters end `before` and begin `after`."""
    start = before.find(after[:_MIN_SHARED])
    while start >= 0:
        length = len(before) - start
        if length >= _MIN_SHARED and after.startswith(before[start:]):
            return length
        start = before.find(after[:_MIN_SHARED], start + 1)
    return 0
