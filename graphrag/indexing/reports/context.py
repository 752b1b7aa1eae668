"""Choose the rows that a model reads to report on a community, within a token budget.

All relationships inside the community count, best first: by the degrees of their ends. Where
they do not fit, the reports of its largest sub-communities stand in for their members, one
after the other (Edge et al.: From Local to Global, 2024, section 3.1.4). What does not fit even
then is cut from the end and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from graphrag.indexing.graph.merging import Graph
from graphrag.text import tokens

ENTITY_TOKENS = 60  # of a description, where not all fit in full
RELATIONSHIP_TOKENS = 40
ROW_TOKENS = 6  # of a row's id, its marks and its line end, at most
REPORT_SHARE = 2 / 3  # of the budget, for sub-communities' reports beside relationships
MAX_UNITS = 10  # text units that one row stands for
FULL, BRIEF, BARE = 0, 1, 2  # forms of a row: whole, description cut, no description


@dataclass(frozen=True, slots=True)
class FindingRow:
    summary: str
    explanation: str
    text_unit_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One row of `reports`, but for its token count."""

    community_id: str
    title: str
    summary: str
    findings: tuple[FindingRow, ...]
    rating: float
    rating_explanation: str
    method: str
    input_hash: str

    @property
    def text_unit_ids(self) -> tuple[str, ...]:
        return most_cited(finding.text_unit_ids for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Context:
    """The rows as text; `units` are the text units behind each row id."""

    text: str
    units: Mapping[str, tuple[str, ...]]
    relationships: frozenset[str]  # shown themselves
    substituted: frozenset[str]  # sub-communities shown by their report
    cut: frozenset[str]  # relationships shown neither way


@dataclass(frozen=True, slots=True)
class _Row:
    """An entity or relationship in three forms, each with its tokens."""

    id: str
    ends: tuple[int, ...]  # of a relationship: the positions of its entities
    texts: tuple[str, str, str]
    tokens: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Part:
    """A sub-community's report: one row for the whole, one for each finding."""

    rows: tuple[tuple[str, tuple[str, ...]], ...]
    brief_tokens: int
    full_tokens: int


@dataclass(slots=True)
class _Selection:
    """What is shown so far, and what it costs."""

    budget: int
    relationships: dict[int, int]  # by position, best first: the form
    entities: dict[int, int]  # by position, best first: the form
    degrees: Counter[int]  # by entity: relationships shown
    used: int
    parts: dict[str, bool] = field(default_factory=dict[str, bool])  # sub-community: is it brief

    @property
    def too_big(self) -> bool:
        return self.used > self.budget


class Contexts:
    """The contexts of all communities of one graph."""

    def __init__(self, communities: pl.DataFrame, graph: Graph) -> None:
        self._entities = _entity_rows(graph.entities)
        self._relationships = _relationship_rows(graph)
        self._inside = _inside(communities, self._relationships, graph.entities)
        self._children: dict[str, list[str]] = {}
        for child, parent in communities.sort("id").select("id", "parent_id").rows():
            if parent is not None:
                self._children.setdefault(parent, []).append(child)
        self._entity_units = _entity_units(graph)
        self._relationship_units = {
            key: tuple(units[:MAX_UNITS])
            for key, units in graph.relationships.select("id", "text_unit_ids").rows()
        }
        self._parts: dict[str, _Part] = {}

    def fits(self, community: str, budget: int) -> bool:
        """Whether the community needs no report of a part of it."""
        return not self._all(community, budget, form=BRIEF).too_big

    def children(self, community: str) -> Sequence[str]:
        return self._children.get(community, ())

    def add_reports(self, reports: Iterable[ReportRow]) -> None:
        """Reports that may stand in for their communities."""
        found = list(reports)
        rows = [_part_rows(report) for report in found]
        counts = iter(tokens.counts([text for part in rows for text, _ in part]))
        for report, part in zip(found, rows, strict=True):
            sizes = [next(counts) + ROW_TOKENS for _ in part]
            self._parts[report.community_id] = _Part(part, sizes[0], sum(sizes))

    def build(self, community: str, budget: int) -> Context:
        """The rows of `community` in at most `budget` tokens."""
        shown = self._all(community, budget, form=FULL)
        if shown.too_big:
            shown = self._all(community, budget, form=BRIEF)
            self._substitute(community, shown)
            self._shorten(shown)
            self._cut(shown)
        return self._render(community, shown)

    def _all(self, community: str, budget: int, *, form: int) -> _Selection:
        positions = self._inside.get(community, [])
        degrees = Counter(end for row in positions for end in self._relationships[row].ends)
        used = sum(self._relationships[row].tokens[form] for row in positions)
        used += sum(self._entities[entity].tokens[form] for entity in degrees)
        return _Selection(
            budget, dict.fromkeys(positions, form), dict.fromkeys(degrees, form), degrees, used
        )

    def _substitute(self, community: str, shown: _Selection) -> None:
        """Put reports in the place of sub-communities, as few and as long as fit."""
        sizes = {
            child: self._all(child, shown.budget, form=BRIEF).used
            for child in self.children(community)
            if child in self._parts and child in self._inside
        }
        largest_first = sorted(sizes, key=lambda child: (-sizes[child], child))
        for child in largest_first:
            if shown.too_big:
                self._put_part(child, shown, brief=False)
        for child in reversed(largest_first):
            if shown.too_big:
                self._put_part(child, shown, brief=True)
        for child in reversed(largest_first):
            taken = sum(self._part_tokens(part, brief=b) for part, b in shown.parts.items())
            if shown.too_big and taken > REPORT_SHARE * shown.budget and child in shown.parts:
                shown.used -= self._part_tokens(child, brief=shown.parts.pop(child))

    def _put_part(self, child: str, shown: _Selection, *, brief: bool) -> None:
        """Show `child` by its report, where that is shorter than what is shown of it now."""
        cost = self._part_tokens(child, brief=brief)
        if child in shown.parts:
            shown.used += cost - self._part_tokens(child, brief=shown.parts[child])
            shown.parts[child] = brief
            return
        inner = self._inside[child]
        lost = Counter(end for row in inner for end in self._relationships[row].ends)
        gone = [entity for entity, count in lost.items() if shown.degrees[entity] == count]
        saved = sum(self._relationships[row].tokens[BRIEF] for row in inner)
        saved += sum(self._entities[entity].tokens[BRIEF] for entity in gone)
        if cost < saved:
            shown.parts[child] = brief
            shown.used += cost
            for row in inner:
                self._drop(row, shown)

    def _shorten(self, shown: _Selection) -> None:
        """Leave out descriptions, of the entities first, from the last row on."""
        for forms, rows in (
            (shown.entities, self._entities),
            (shown.relationships, self._relationships),
        ):
            for row in reversed(forms):
                if not shown.too_big:
                    return
                shown.used += rows[row].tokens[BARE] - rows[row].tokens[forms[row]]
                forms[row] = BARE

    def _cut(self, shown: _Selection) -> None:
        """Drop the last relationships until the rest fits."""
        while shown.too_big and shown.relationships:
            self._drop(next(reversed(shown.relationships)), shown)

    def _drop(self, row: int, shown: _Selection) -> None:
        """A relationship, and its ends where nothing else shows them."""
        relationship = self._relationships[row]
        shown.used -= relationship.tokens[shown.relationships.pop(row)]
        shown.degrees.subtract(relationship.ends)
        for entity in relationship.ends:
            if shown.degrees[entity] == 0:
                shown.used -= self._entities[entity].tokens[shown.entities.pop(entity)]

    def _part_tokens(self, child: str, *, brief: bool) -> int:
        part = self._parts[child]
        return part.brief_tokens if brief else part.full_tokens

    def _render(self, community: str, shown: _Selection) -> Context:
        lines: list[str] = []
        units: dict[str, tuple[str, ...]] = {}

        def add(name: str, text: str, unit_ids: tuple[str, ...]) -> None:
            lines.append(f"{name} | {text}")
            units[name] = unit_ids

        for number, (position, form) in enumerate(shown.entities.items(), start=1):
            row = self._entities[position]
            add(f"e{number}", row.texts[form], self._entity_units.get(row.id, ()))
        for number, (position, form) in enumerate(shown.relationships.items(), start=1):
            row = self._relationships[position]
            add(f"r{number}", row.texts[form], self._relationship_units[row.id])
        part_rows = [
            row
            for child, brief in shown.parts.items()
            for row in self._parts[child].rows[: 1 if brief else None]
        ]
        for number, (text, unit_ids) in enumerate(part_rows, start=1):
            add(f"f{number}", text, unit_ids)
        covered = [row for child in shown.parts for row in self._inside[child]]
        cut = set(self._inside.get(community, [])).difference(shown.relationships, covered)
        return Context(
            "\n".join(lines),
            units,
            self._ids(shown.relationships),
            frozenset(shown.parts),
            self._ids(cut),
        )

    def _ids(self, positions: Iterable[int]) -> frozenset[str]:
        return frozenset(self._relationships[row].id for row in positions)


def most_cited(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """The text units that most of `groups` name, ties in order of appearance; at most ten."""
    counts = Counter(unit for group in groups for unit in dict.fromkeys(group))
    return tuple(unit for unit, _ in counts.most_common(MAX_UNITS))


def _line(*columns: str) -> pl.Expr:
    """These columns as the fields of one line."""
    fields = [
        pl.col(name)
        .fill_null("")
        .str.replace_all(r"\s+", " ")
        .str.replace_all("|", "/", literal=True)
        for name in columns
    ]
    return pl.concat_str(fields, separator=" | ")


def _entity_rows(entities: pl.DataFrame) -> list[_Row]:
    lines = entities.select(
        "id",
        _line("name", "type").alias("head"),
        _line("description").alias("description"),
        pl.lit("").alias("tail"),
    )
    return _rows(lines, [()] * lines.height, ENTITY_TOKENS)


def _relationship_rows(graph: Graph) -> list[_Row]:
    """All relationships, best first."""
    ends = graph.entities.with_row_index("position").select("position", "id", "name", "degree")
    ranked = (
        graph.relationships.filter(pl.col("source_id") != pl.col("target_id"))
        .join(ends, left_on="source_id", right_on="id")
        .join(ends, left_on="target_id", right_on="id", suffix="_target")
        .with_columns(
            pl.when(pl.col("description").fill_null("") == "")
            .then("type")
            .otherwise("description")
            .alias("description"),
            pl.col("weight").round(1).cast(pl.String).str.strip_suffix(".0").alias("weight"),
        )
        .sort([-(pl.col("degree") + pl.col("degree_target")), pl.col("id")])
    )
    lines = ranked.select(
        "id",
        _line("name", "name_target").alias("head"),
        _line("description").alias("description"),
        pl.format(" | {}", "weight").alias("tail"),
    )
    ends_of = ranked.select("position", "position_target").rows()
    return _rows(lines, ends_of, RELATIONSHIP_TOKENS)


def _rows(lines: pl.DataFrame, ends: Sequence[tuple[int, ...]], limit: int) -> list[_Row]:
    """Rows in full, with a description of at most `limit` tokens, and without one."""
    parts = lines.rows()
    full = [f"{head} | {text}{tail}" for _, head, text, tail in parts]
    bare = [f"{head}{tail}" for _, head, _, tail in parts]
    counts = tokens.counts(full + bare)
    full_tokens, bare_tokens = counts[: len(parts)], counts[len(parts) :]
    brief, brief_tokens = list(full), list(full_tokens)
    long = [row for row, size in enumerate(full_tokens) if size > limit]
    for row in long:
        _, head, text, tail = parts[row]
        brief[row] = f"{head} | {tokens.truncate(text, limit)}{tail}"
    for row, size in zip(long, tokens.counts([brief[row] for row in long]), strict=True):
        brief_tokens[row] = size
    forms = zip(full, brief, bare, strict=True)
    sizes = zip(full_tokens, brief_tokens, bare_tokens, strict=True)
    return [
        _Row(part[0], end, texts, (full + ROW_TOKENS, brief + ROW_TOKENS, bare + ROW_TOKENS))
        for part, end, texts, (full, brief, bare) in zip(parts, ends, forms, sizes, strict=True)
    ]


def _inside(
    communities: pl.DataFrame, relationships: Sequence[_Row], entities: pl.DataFrame
) -> dict[str, list[int]]:
    """By community: the positions of the relationships with both ends in it, best first."""
    positions = entities.select(pl.col("id").alias("entity_ids")).with_row_index("entity")
    members = (
        communities.select("id", "entity_ids")
        .explode("entity_ids")
        .join(positions, on="entity_ids")
        .select("id", "entity")
    )
    ends = pl.DataFrame(
        [(row, *relationship.ends) for row, relationship in enumerate(relationships)],
        schema={"row": pl.Int64, "source": pl.UInt32, "target": pl.UInt32},
        orient="row",
    )
    pairs = (
        ends.join(members, left_on="source", right_on="entity")
        .join(members, left_on=["target", "id"], right_on=["entity", "id"])
        .group_by("id")
        .agg(pl.col("row").sort())
    )
    return dict(pairs.rows())


def _entity_units(graph: Graph) -> dict[str, tuple[str, ...]]:
    """By entity: the text units that are most about it."""
    units = (
        graph.mentions.sort([-pl.col("owner"), pl.col("text_unit_id")])
        .group_by("entity_id")
        .agg(pl.col("text_unit_id").head(MAX_UNITS))
    )
    return {entity: tuple(found) for entity, found in units.rows()}


def _part_rows(report: ReportRow) -> tuple[tuple[str, tuple[str, ...]], ...]:
    head = (_fields(report.title, report.summary), report.text_unit_ids)
    findings = [
        (_fields(finding.summary, finding.explanation), finding.text_unit_ids)
        for finding in report.findings
    ]
    return (head, *findings)


def _fields(*texts: str) -> str:
    return " | ".join(" ".join(text.split()).replace("|", "/") for text in texts if text)
