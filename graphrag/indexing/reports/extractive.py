"""Write reports without a model, of the sentences that name most of a community's members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from graphrag.core.settings import ReportSettings
from graphrag.core.tables import stable_id
from graphrag.indexing.graph.merging import Graph
from graphrag.indexing.reports.context import FindingRow, ReportRow

METHOD = "extractive"
MIN_LENGTH, MAX_LENGTH = 40, 600  # characters of a sentence that can stand alone
CANDIDATES = 5  # sentences looked at for each that is taken
MEMBERS = 200_000  # of the communities looked at together, which bounds the memory
TITLE_NAMES = 3
SUMMARY_LENGTH = 300  # characters
RATING_EXPLANATION = (
    "No model wrote this report: the findings are sentences of the texts, and the rating is 10 "
    "times the square root of the community's share of all entities."
)


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    text_unit_id: str
    entities: tuple[str, ...]


def extract_reports(
    communities: pl.DataFrame,
    *,
    graph: Graph,
    sentences: pl.DataFrame,
    settings: ReportSettings,
    together: int = MEMBERS,
) -> list[ReportRow]:
    """One report for each community of two entities or more, sorted by community.

    `sentences` are those of the text units, as `unit_words` gives them. Communities of
    `together` members are looked at in one go.

    Titles are the best connected members; findings are sentences ranked by how many members
    they name and how well connected those are, each with its text unit. Where no sentence names
    a member, the descriptions of the relationships stand in.
    """
    chosen = communities.filter(pl.col("size") > 1).sort("id")
    if chosen.is_empty():
        return []
    entities: dict[str, tuple[str, int]] = {
        key: (name, degree)
        for key, name, degree in graph.entities.select("id", "name", "degree").rows()
    }
    candidates = _candidates(chosen, graph, sentences, settings.extractive_findings, together)
    without = chosen.filter(~pl.col("id").is_in(list(candidates)))
    described = _described(_members(without), graph, settings)
    return [
        _report(
            key,
            sorted(ids, key=lambda entity: (-entities[entity][1], entities[entity][0], entity)),
            entities,
            _pick(candidates.get(key, ()), settings.extractive_findings) or described.get(key, []),
        )
        for key, ids in chosen.select("id", "entity_ids").rows()
    ]


def _report(
    community: str,
    ranked: Sequence[str],
    entities: Mapping[str, tuple[str, int]],
    sentences: Sequence[_Sentence],
) -> ReportRow:
    names = [entities[entity][0] for entity in ranked[:TITLE_NAMES]]
    title = ", ".join(names)
    order = {entity: place for place, entity in enumerate(ranked)}
    findings = tuple(
        FindingRow(
            ", ".join(
                entities[entity][0]
                for entity in sorted(sentence.entities, key=order.__getitem__)[:TITLE_NAMES]
            ),
            sentence.text,
            (sentence.text_unit_id,),
        )
        for sentence in sentences
    )
    summary = _shortened(findings[0].explanation) if findings else title
    parts = [part for finding in findings for part in (finding.summary, finding.explanation)]
    return ReportRow(
        community,
        title,
        summary,
        findings,
        round(10 * (len(ranked) / len(entities)) ** 0.5, 1),
        RATING_EXPLANATION,
        METHOD,
        stable_id(METHOD, title, *parts),
    )


def _candidates(
    chosen: pl.DataFrame, graph: Graph, sentences: pl.DataFrame, findings: int, together: int
) -> dict[str, list[_Sentence]]:
    """By community: its best sentences, best first."""
    of_interest = chosen["entity_ids"].explode().unique()
    named = (
        graph.mentions.filter(
            pl.col("entity_id").is_in(of_interest.implode()),
            pl.col("sentences").list.len() > 0,
        )
        .select("entity_id", "text_unit_id", pl.col("sentences").alias("ordinal"))
        .explode("ordinal")
        .join(
            graph.entities.select(pl.col("id").alias("entity_id"), "degree"),
            on="entity_id",
        )
    )
    sentences = _standing_alone(sentences, named)
    part = ((pl.col("size").cum_sum() - 1) // together).alias("part")
    found: dict[str, list[_Sentence]] = {}
    for communities in chosen.with_columns(part).partition_by("part", maintain_order=True):
        best = _best(_members(communities), named, sentences, count=findings * CANDIDATES)
        for community, sentence, unit, entity_ids in best.iter_rows():
            found.setdefault(community, []).append(_Sentence(sentence, unit, tuple(entity_ids)))
    return found


def _best(
    members: pl.DataFrame, named: pl.DataFrame, sentences: pl.DataFrame, *, count: int
) -> pl.DataFrame:
    """id, sentence, text_unit_id and the entities named, by community and the best first."""
    place = ["text_unit_id", "ordinal"]
    return (
        named.join(members, on="entity_id")
        .join(sentences.select(place), on=place, how="semi")
        .sort("entity_id")
        .group_by("id", *place)
        .agg("entity_id", (pl.len() * (pl.col("degree").sum() + 1)).alias("score"))
        .sort("id", "score", *place, descending=[False, True, False, False])
        .group_by("id", maintain_order=True)
        .head(count)
        .join(sentences, on=place, maintain_order="left")
        .select("id", "sentence", "text_unit_id", "entity_id")
    )


def _members(communities: pl.DataFrame) -> pl.DataFrame:
    return communities.select("id", pl.col("entity_ids").alias("entity_id")).explode("entity_id")


def _standing_alone(sentences: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """The sentences of the units in `named` that need no other to be understood."""
    lengths = pl.col("sentence").str.len_chars()
    return (
        sentences.join(named, on="text_unit_id", how="semi", maintain_order="left")
        .filter(lengths.is_between(MIN_LENGTH, MAX_LENGTH))
        .with_columns(pl.col("sentence").str.replace_all(r"\s+", " "))
    )


def _pick(candidates: Sequence[_Sentence], count: int) -> list[_Sentence]:
    """Different sentences; first those that name a member which none before them named."""
    distinct: dict[str, _Sentence] = {}
    for sentence in candidates:
        distinct.setdefault(sentence.text.casefold(), sentence)
    covered: set[str] = set()
    new: list[_Sentence] = []
    rest: list[_Sentence] = []
    for sentence in distinct.values():
        (rest if covered.issuperset(sentence.entities) else new).append(sentence)
        covered.update(sentence.entities)
    return (new + rest)[:count]


def _described(
    members: pl.DataFrame, graph: Graph, settings: ReportSettings
) -> dict[str, list[_Sentence]]:
    """By community: the descriptions of its heaviest relationships."""
    if members.is_empty():
        return {}
    ends = members.rename({"entity_id": "end"})
    inside = (
        graph.relationships.join(ends, left_on="source_id", right_on="end", suffix="_community")
        .join(ends, left_on=["target_id", "id_community"], right_on=["end", "id"])
        .filter(pl.col("text_unit_ids").list.len() > 0, pl.col("description") != "")
        .sort(["id_community", "weight", "id"], descending=[False, True, False])
        .group_by("id_community", maintain_order=True)
        .head(settings.extractive_findings)
        .select(
            "id_community",
            "description",
            pl.col("text_unit_ids").list.first(),
            "source_id",
            "target_id",
        )
    )
    found: dict[str, list[_Sentence]] = {}
    for community, description, unit, source, target in inside.iter_rows():
        sentence = _Sentence(_shortened(description), unit, (source, target))
        found.setdefault(community, []).append(sentence)
    return found


def _shortened(sentence: str) -> str:
    whole = " ".join(sentence.split())
    if len(whole) <= SUMMARY_LENGTH:
        return whole
    cut = whole[: SUMMARY_LENGTH - 1]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut else cut}…"
