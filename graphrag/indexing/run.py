"""One indexing run: what its steps share, what it did, what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from graphrag.core.answers import Usage
from graphrag.core.concurrency import Progress
from graphrag.core.settings import ExtractionSettings, Settings
from graphrag.indexing.runners import HERE, Runner, Tools

if TYPE_CHECKING:
    from graphrag.indexing.corpus.microsoft import Imported
    from graphrag.indexing.extraction.extract import Extractor
    from graphrag.models.models import Models
    from graphrag.stores import GraphStore

PROMPT_TOKENS = 500  # of the instructions of one extraction call
LATER_TOKENS = 1500  # of one summary or report call
REPLY_TOKENS = 700  # of one reply, on average


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be done: a document, a unit of it, or a step."""

    source: str
    reason: str


@dataclass(slots=True)
class Run:
    """What the steps of one run share."""

    store: GraphStore
    models: Models
    settings: Settings
    root: Path
    progress: Progress
    extractor: Extractor
    meta: Mapping[str, str]  # of the index as it was
    failures: list[Failure] = field(default_factory=list[Failure])
    warnings: list[str] = field(default_factory=list[str])
    incomplete: bool = False  # the next run has something left to do
    reply_keys: set[str] = field(default_factory=set[str])
    imported: Imported | None = None
    files: dict[str, str] = field(default_factory=dict[str, str])  # of `staleness.note`
    runner: Runner = HERE

    @property
    def method(self) -> str:
        return "standard" if self.extractor.uses_model else "fast"

    @property
    def tools(self) -> Tools:
        return Tools(self.models, self.store, self.settings, self.progress)

    def fail(self, source: str, reason: str) -> None:
        self.failures.append(Failure(source, reason))
        self.incomplete = True


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


def estimate(unit_tokens: pl.Series, settings: ExtractionSettings) -> tuple[int, int, int]:
    """Calls, prompt tokens and completion tokens of extracting these units and what follows.

    Extraction is counted; summaries and reports are taken as one call each a unit, as measured
    on prose.
    """
    rounds = 1 + settings.max_gleanings
    n_units = unit_tokens.len()
    calls = rounds * n_units + 2 * n_units
    prompt_tokens = rounds * (int(unit_tokens.sum()) + PROMPT_TOKENS * n_units)
    return calls, prompt_tokens + 2 * LATER_TOKENS * n_units, REPLY_TOKENS * calls
