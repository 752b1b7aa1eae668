"""Measure the packaged and the tuned prompt on held-out text units.

Both are asked twice about every unit, in exactly the way indexing asks. No figure needs a right
answer: each is a check of an extraction against its text or against a second one of its kind.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from graphrag.core.concurrency import Progress
from graphrag.core.errors import ModelError
from graphrag.indexing.extraction.extract import Extraction, ExtractionWithClaims
from graphrag.models.asking import FATAL_OR_UNREACHABLE, ask_each
from graphrag.models.models import Models
from graphrag.prompts import Message, Prompt
from graphrag.text import normalise, tokens
from graphrag.tuning.grounding import SourceText
from graphrag.tuning.sampling import SourceUnit

STEP = "prove"
RUNS = ("tune_prove", "tune_prove_again")  # the kinds of the two calls about one unit
SHARE_TOLERANCE = 0.02  # a smaller difference between two shares is none
RATE_TOLERANCE = 0.1  # and between two rates, of the larger one
MAX_LOST_SHARE = 0.1  # of names that the text holds: to lose more is to lose

Side = Literal["packaged", "tuned", "equal"]


@dataclass(frozen=True, slots=True)
class Contender:
    """An extraction prompt with the entity types that it asks for."""

    prompt: Prompt
    entity_types: tuple[str, ...]

    def messages(self, unit: SourceUnit) -> list[Message]:
        values = {"entity_types": ", ".join(self.entity_types), "text": unit.shown}
        return self.prompt.fill(values)


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares are of 1, rates per 1,000 tokens of text; None where there was nothing to count."""

    parse_failures: int
    entities: int
    entities_per_1k: float
    relationships_per_1k: float
    named_share: float | None
    """Of the entities, those whose name the text holds."""
    named_per_1k: float
    together_share: float | None
    """Of the relationships, those whose ends stand in one sentence or in two in a row."""
    together_per_1k: float
    type_coverage: float | None
    """Of the types asked for, those that were used."""
    type_entropy: float | None
    """In bits, of the types that were given."""
    agreement: float | None
    """Of the names found in either of two runs, those found in both."""
    tokens_per_unit: float
    """Of prompt and reply."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison; `better` is "" where neither side is."""

    name: str
    packaged: float | None
    tuned: float | None
    better: Side | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class Measured:
    figures: Figures
    first: tuple[Extraction | None, ...]
    """By unit: what the first run found, None where no reply could be read."""


async def measure(
    contender: Contender,
    units: Sequence[SourceUnit],
    *,
    claims: bool,
    models: Models,
    concurrency: int,
    progress: Progress,
) -> Measured:
    """Extract from `units` twice. Raises ModelAuthError, ModelUnreachableError, CostLimitError."""
    reply: type[Extraction] = ExtractionWithClaims if claims else Extraction
    extractions = await ask_each(
        # Another kind is another cache key: the second run is a call of its own.
        [(unit, kind) for kind in RUNS for unit in units],
        lambda one: models.json(contender.messages(one[0]), reply, kind=one[1]),
        limit=concurrency,
        fatal=FATAL_OR_UNREACHABLE,
        on_reply=lambda: progress.advance(STEP),
    )
    replies = [None if isinstance(one, ModelError) else one for one in extractions]
    runs = replies[: len(units)], replies[len(units) :]
    return Measured(figures(contender, units, runs), tuple(runs[0]))


def figures(
    contender: Contender,
    units: Sequence[SourceUnit],
    runs: tuple[Sequence[Extraction | None], Sequence[Extraction | None]],
) -> Figures:
    """The figures of two runs over `units`."""
    pairs = [
        (unit, SourceText(unit.shown), found)
        for run in runs
        for unit, found in zip(units, run, strict=True)
        if found is not None
    ]
    read = sum(unit.n_tokens for unit, _, _ in pairs) / 1000 or 1.0
    named = [passage.holds(item.name) for _, passage, found in pairs for item in found.entities]
    together = [
        passage.brings_together(item.source, item.target)
        for _, passage, found in pairs
        for item in found.relationships
    ]
    types = Counter(item.type.casefold() for _, _, found in pairs for item in found.entities)
    wanted = {name.casefold() for name in contender.entity_types}
    sizes = [
        sum(tokens.count(message.content) for message in contender.messages(unit))
        + tokens.count(found.model_dump_json())
        for unit, _, found in pairs
    ]
    return Figures(
        parse_failures=sum(found is None for run in runs for found in run),
        entities=len(named),
        entities_per_1k=round(len(named) / read, 2),
        relationships_per_1k=round(len(together) / read, 2),
        named_share=_share(sum(named), len(named)),
        named_per_1k=round(sum(named) / read, 2),
        together_share=_share(sum(together), len(together)),
        together_per_1k=round(sum(together) / read, 2),
        type_coverage=_share(len(wanted & set(types)), len(wanted)),
        type_entropy=_entropy(types),
        agreement=_agreement(*runs),
        tokens_per_unit=round(sum(sizes) / len(sizes), 1) if sizes else 0.0,
    )


def compare(packaged: Figures, tuned: Figures) -> list[Row]:
    """Every figure side by side. Counts of all that was found say neither good nor bad."""
    judged: Mapping[str, tuple[float, float]] = {  # by figure: its tolerance as share and as rate
        "named_share": (SHARE_TOLERANCE, 0.0),
        "named_per_1k": (0.0, RATE_TOLERANCE),
        "together_share": (SHARE_TOLERANCE, 0.0),
        "together_per_1k": (0.0, RATE_TOLERANCE),
        "type_coverage": (SHARE_TOLERANCE, 0.0),
        "agreement": (SHARE_TOLERANCE, 0.0),
    }
    rows: list[Row] = []
    first, second = asdict(packaged), asdict(tuned)
    for name in first:
        one, other = first[name], second[name]
        better: Side | Literal[""] = ""
        if name == "parse_failures":
            better = _better(-one, -other, 0.0)
        elif name in judged:
            absolute, relative = judged[name]
            values = one or 0.0, other or 0.0
            better = _better(*values, absolute + relative * max(values))
        rows.append(Row(name, one, other, better))
    return rows


def verdict(rows: Sequence[Row], judged: Side | Literal[""] = "") -> tuple[Side, str]:
    """Which side wins, and why. A judge's word counts like two figures."""
    by_name = {row.name: row for row in rows}
    failures, named = by_name["parse_failures"], by_name["named_share"]
    if (failures.tuned or 0) > (failures.packaged or 0):
        return "packaged", "more replies of the tuned prompt cannot be read"
    if (named.tuned or 0.0) < (named.packaged or 0.0) - MAX_LOST_SHARE:
        return "packaged", "more entities of the tuned prompt are not in the text"
    votes = Counter(row.better for row in rows)
    if judged:
        votes[judged] += 2
    tuned, packaged = votes["tuned"], votes["packaged"]
    said = f"better in {tuned}, worse in {packaged} of the figures"
    said += f", the judge finds {judged}" if judged else ""
    if tuned == packaged:
        return "equal", said
    return ("tuned" if tuned > packaged else "packaged"), said


def _better(packaged: float, tuned: float, tolerance: float) -> Side:
    if abs(tuned - packaged) <= tolerance:
        return "equal"
    return "tuned" if tuned > packaged else "packaged"


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _entropy(counts: Counter[str]) -> float | None:
    total = sum(counts.values())
    if not total:
        return None
    shares = sorted(count / total for count in counts.values())
    return round(-sum(share * math.log2(share) for share in shares), 4) + 0.0


def _agreement(
    first: Sequence[Extraction | None], second: Sequence[Extraction | None]
) -> float | None:
    both = either = 0
    for one, other in zip(first, second, strict=True):
        if one is not None and other is not None:
            names, again = _names(one), _names(other)
            both += len(names & again)
            either += len(names | again)
    return _share(both, either)


def _names(found: Extraction) -> set[str]:
    return {normalise(entity.name) for entity in found.entities}
