"""What steps and queries both read of the community hierarchy: a level's cover, a report's text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import polars as pl


def cover(communities: pl.DataFrame, level: int) -> pl.DataFrame:
    """The communities that stand for the whole graph at `level`, each entity in exactly one.

    Those of `level`, and coarser ones that were not divided so far. A level deeper than the
    hierarchy gives its leaves.
    """
    import polars as pl

    divided = communities["parent_id"].drop_nulls().unique()
    ended = ~pl.col("id").is_in(divided.to_list())
    here = pl.col("level") == level
    return communities.filter(here | ((pl.col("level") < level) & ended)).sort("id")


def render_report(report: Mapping[str, object]) -> str:
    """A row of `reports` as Markdown: title, summary, and a section for each finding."""
    parts = [f"# {report['title']}", str(report["summary"])]
    findings = cast("list[Mapping[str, object]]", report["findings"] or [])
    for finding in findings:
        parts.append(f"## {finding['summary']}")
        if finding["explanation"]:
            parts.append(str(finding["explanation"]))
    return "\n\n".join(part for part in parts if part)
