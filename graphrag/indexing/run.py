"""Hold what the steps of one indexing run share, and say what it did or would do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl
from typing_extensions import TypedDict  # pydantic describes no other before Python 3.12

from graphrag.core.answers import Usage
from graphrag.core.schema import Schema, parse_schema
from graphrag.core.settings import ExtractionSettings
from graphrag.indexing.documents.files import Failure
from graphrag.indexing.runners import HERE, Runner, Tools

if TYPE_CHECKING:
    from graphrag.stores import GraphStore

PROMPT_TOKENS = 500  # of the instructions of one extraction call
LATER_TOKENS = 1500  # of one summary or report call
REPLY_TOKENS = 700  # of one reply, on average


@dataclass(frozen=True, slots=True)
class Run(Tools):
    """What the steps of one run work with, and what they note for its end."""

    store: GraphStore
    root: Path
    runner: Runner = HERE
    declared: Schema | None = None
    """The schema, where there is one; else the entity types of the settings are looked for."""
    failures: list[Failure] = field(default_factory=list[Failure])
    unfinished: set[str] = field(default_factory=set[str])
    """Sources of failures that the next run tries again."""
    warnings: list[str] = field(default_factory=list[str])
    reply_keys: set[str] = field(default_factory=set[str])
    """Of the replies that the new index rests on."""

    def fail(self, source: str, reason: str, *, transient: bool = True) -> None:
        self.failures.append(Failure(source, reason))
        if transient:
            self.unfinished.add(source)


class OutOfSchema(TypedDict):
    """What evidence holds and a strict schema keeps out of the graph."""

    entities: int
    relationships: int
    attributes: int  # statements
    types: dict[str, int]  # entities by the type they were given, the most frequent ones
    triples: dict[str, int]  # relationships by triple, likewise


class SchemaFit(TypedDict):
    """How the graph fits the schema that it was made under."""

    mode: str
    types: dict[str, int]  # entities in the graph
    left_out: OutOfSchema


def read_fit(meta: Mapping[str, str]) -> SchemaFit | None:
    """What the index in the store says of its schema; None where it was made without."""
    if "schema" not in meta:
        return None
    stored = cast(SchemaFit, json.loads(meta["schema"]))
    return SchemaFit(mode=stored["mode"], types=stored["types"], left_out=stored["left_out"])


def stored_schema(meta: Mapping[str, str]) -> Schema | None:
    """The schema that the index in the store was made under."""
    if "schema" not in meta:
        return None
    stored = cast("Mapping[str, object]", json.loads(meta["schema"]))
    return parse_schema(json.dumps(stored["declared"]), "of the index")


@dataclass(frozen=True, slots=True)
class IndexResult:
    """What the index holds after the run, and what could not be done. Numbers are totals."""

    documents: int
    """Documents that could be read."""
    text_units: int
    """Pieces that the documents were split into."""
    entities: int
    """Nodes of the graph, names that became one counted once."""
    relationships: int
    """Edges of the graph."""
    communities: int
    """Of all levels."""
    reports: int
    """Of communities."""
    failed: tuple[Failure, ...] = ()
    """What could not be done, with `source` and `reason`; a later run tries it again."""
    warnings: tuple[str, ...] = ()
    """What to know of the run, a sentence each."""
    usage: Usage = field(default_factory=Usage)
    """Calls, tokens and cost of this run alone."""
    usage_by_step: Mapping[str, Usage] = field(default_factory=dict[str, Usage])
    """The same by what the calls were for."""
    seconds: float = 0.0
    """Duration of this run."""
    method: str = ""
    """standard or fast."""
    changed: bool = True
    """False where there was nothing to do."""
    cut_edges: int = 0
    """Relationships that no report had room for."""
    skipped: tuple[Failure, ...] = ()
    """Near-duplicates of other documents."""
    schema: SchemaFit | None = None
    """How the graph fits its schema; None without one."""

    @property
    def numbers(self) -> dict[str, str | int | float]:
        """What stands in the record of the run."""
        return {
            "changed": int(self.changed),
            "documents": self.documents,
            "text_units": self.text_units,
            "entities": self.entities,
            "relationships": self.relationships,
            "communities": self.communities,
            "reports": self.reports,
            "failed": len(self.failed),
            **self.usage.numbers,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, before anything is spent. Reports and summaries are estimated."""

    method: str
    documents: int
    text_units: int
    to_extract: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


def estimate(
    unit_tokens: pl.Series, settings: ExtractionSettings, *, instructions: int = PROMPT_TOKENS
) -> tuple[int, int, int]:
    """Calls, prompt tokens and completion tokens of extracting these units and what follows.

    Extraction is counted; summaries and reports are taken as one call each a unit, as measured
    on prose.
    """
    rounds = 1 + settings.max_gleanings
    n_units = unit_tokens.len()
    calls = rounds * n_units + 2 * n_units
    prompt_tokens = rounds * (int(unit_tokens.sum()) + instructions * n_units)
    return calls, prompt_tokens + 2 * LATER_TOKENS * n_units, REPLY_TOKENS * calls
