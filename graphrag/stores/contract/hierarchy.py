"""Read the community hierarchy: the cover of a level, the text of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, cast


class CommunityPlace(NamedTuple):
    """Where a community stands; columns of `communities`."""

    id: str
    level: int
    parent_id: str | None


def cover(communities: Iterable[CommunityPlace], level: int) -> list[CommunityPlace]:
    """The communities that stand for the whole graph at `level`, each entity in exactly one.

    Those of `level`, and coarser ones that were not divided so far. A level deeper than the
    hierarchy gives its leaves.
    """
    places = sorted(communities)
    divided = {place.parent_id for place in places}
    return [
        place
        for place in places
        if place.level == level or (place.level < level and place.id not in divided)
    ]


def render_report(report: Mapping[str, object]) -> str:
    """A row of `reports` as Markdown: title, summary, and a section for each finding."""
    parts = [f"# {report['title']}", str(report["summary"])]
    findings = cast("list[Mapping[str, object]]", report["findings"] or [])
    for finding in findings:
        parts.append(f"## {finding['summary']}")
        if finding["explanation"]:
            parts.append(str(finding["explanation"]))
    return "\n\n".join(part for part in parts if part)
