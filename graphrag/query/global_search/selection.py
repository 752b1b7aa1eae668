"""Select the communities whose reports are worth reading, rated from the root.

Dynamic community selection (Microsoft Research, 2024). The model rates the reports of level 0;
where one fits, those below it are rated, and take its place where they fit too. So a part of
the hierarchy that has nothing to say is left with one short call. Every verdict is one reply of
the response cache, so the same report is rated once for a question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, Field

from graphrag import prompts
from graphrag.core.errors import ModelError
from graphrag.models.asking import ask_each, raise_if_all_failed
from graphrag.models.replies.items import Scale
from graphrag.query.context import Question, Resources, estimate_tokens, one_line
from graphrag.query.context.rows import ReportRating
from graphrag.query.global_search.reports import (
    CitableReport,
    check_level,
    no_reports,
    read_reports,
    render_head,
)
from graphrag.stores.contract.hierarchy import CommunityPlace

MAX_CHARACTERS = 2400  # of a report that is rated: title, summary, what its findings are about


class RateReply(BaseModel):
    """What one rating replies. `rating`: 0 to 5."""

    rating: Annotated[float, Scale(5)] = Field(allow_inf_nan=False)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen communities with their levels."""

    levels: Mapping[str, int]
    warnings: tuple[str, ...]
    trace: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Hierarchy:
    levels: Mapping[str, int]
    children: Mapping[str, Sequence[str]]
    parents: Mapping[str, str]
    reported: frozenset[str]

    def with_reports(self, communities: Sequence[str]) -> list[str]:
        """These communities; for one without a report, those below it."""
        found: list[str] = []
        for key in communities:
            below = self.children.get(key, ())
            found += [key] if key in self.reported else self.with_reports(below)
        return found

    def at(self, level: int) -> list[str]:
        return [key for key, its in self.levels.items() if its == level]


@dataclass(slots=True)
class _Rated:
    """What was rated so far. `kept`: the communities to read."""

    kept: dict[str, None] = field(default_factory=dict[str, None])
    verdicts: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    warnings: list[str] = field(default_factory=list[str])
    tokens: int = 0


async def select(question: Question, resources: Resources) -> Selection:
    """The communities to read. `question.level` is the deepest level to open.

    A report that could not be rated is read, with a warning. Raises UsageError without reports
    or such a level, ModelError when the first ratings fail all.
    """
    settings = resources.settings.query.global_
    hierarchy = await _load(question, resources)
    deepest = max(hierarchy.levels.values(), default=0)
    limit = deepest if question.level is None else question.level
    rated = _Rated()
    level = 0
    waiting = hierarchy.with_reports(hierarchy.at(level))
    seen: set[str] = set()
    while True:
        opened = await _rate(waiting, hierarchy, question, resources, rated)
        seen.update(waiting)
        below = [child for key in opened for child in hierarchy.children.get(key, ())]
        waiting = [
            key
            for key in hierarchy.with_reports(below)
            if key not in seen and hierarchy.levels[key] <= limit
        ]
        while not waiting and not rated.kept and level < min(settings.max_level, limit):
            level += 1
            found = hierarchy.with_reports(hierarchy.at(level))
            waiting = [key for key in found if key not in seen]
        if not waiting:
            break
    return Selection(
        {key: hierarchy.levels[key] for key in sorted(rated.kept)},
        tuple(rated.warnings),
        {
            "ratings": len(rated.verdicts),
            "rating_tokens_estimated": rated.tokens,
            "communities": len(rated.kept),
            "verdicts": rated.verdicts,
        },
    )


async def _load(question: Question, resources: Resources) -> _Hierarchy:
    store = resources.store
    places = await store.rows("communities", CommunityPlace)
    if question.level is not None:
        check_level(question.level, places)
    reported = await store.rows("reports", ReportRating)
    if not reported:
        raise no_reports()
    levels: dict[str, int] = {}
    children: dict[str, list[str]] = {}
    parents: dict[str, str] = {}
    for key, level, parent in sorted(places):
        levels[key] = level
        if parent is not None:
            parents[key] = parent
            children.setdefault(parent, []).append(key)
    return _Hierarchy(levels, children, parents, frozenset(row.community_id for row in reported))


async def _rate(
    waiting: Sequence[str],
    hierarchy: _Hierarchy,
    question: Question,
    resources: Resources,
    rated: _Rated,
) -> list[str]:
    """Rate these communities at the same time, keep those that fit; returns them.

    Under filters a report without a finding of a matching document is not there; those below it
    are rated in its place, for nothing was decided about them.
    """
    settings = resources.settings.query.global_
    reports = await read_reports(
        {key: hierarchy.levels[key] for key in waiting}, question, resources
    )
    prompt = prompts.load("query/rate_report", root=resources.root)
    filled = [
        prompt.fill({"question": question.text, "report": _shown(report)}) for report in reports
    ]
    rated.tokens += sum(estimate_tokens(part.content) for one in filled for part in one)
    replies = await ask_each(
        filled,
        lambda messages: resources.models.json(messages, RateReply, kind="rate"),
        limit=resources.settings.chat.concurrency,
    )
    if not rated.verdicts:
        raise_if_all_failed(f"rate any of {len(replies)} reports", replies)
    opened: list[str] = []
    for report, reply in zip(reports, replies, strict=True):
        key = report.hit.community_id
        verdict: dict[str, object] = {"community_id": key, "title": report.hit.title}
        if isinstance(reply, ModelError):
            rated.warnings.append(
                f"the report {report.hit.title!r} could not be rated and is read: {reply}"
            )
            rated.verdicts.append(verdict | {"rating": None, "reason": str(reply)})
        else:
            rating = min(max(reply.rating, 0.0), 5.0)
            rated.verdicts.append(verdict | {"rating": rating, "reason": reply.reason})
            if rating < settings.threshold:
                continue
        opened.append(key)
        rated.kept[key] = None
        if not settings.keep_parent:
            _drop_above(key, hierarchy, rated)
    missing = set(waiting).difference(report.hit.community_id for report in reports)
    return [*opened, *sorted(missing)]


def _drop_above(key: str, hierarchy: _Hierarchy, rated: _Rated) -> None:
    above = hierarchy.parents.get(key)
    while above is not None:
        rated.kept.pop(above, None)
        above = hierarchy.parents.get(above)


def _shown(report: CitableReport) -> str:
    findings = [f"- {one_line(finding.summary)}" for finding in report.findings]
    return "\n".join([render_head(report), *findings])[:MAX_CHARACTERS]
