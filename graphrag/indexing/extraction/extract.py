"""Text units in, evidence out: what a model or the NLP rules find, committed as it arrives."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl
from pydantic import BaseModel, Field, field_validator

from graphrag import prompts
from graphrag.core.answers import Usage
from graphrag.core.concurrency import Progress, as_batches, batching_writer
from graphrag.core.errors import ContextTooLongError, CostLimitError, ModelAuthError, ModelError
from graphrag.core.logs import about, get_log, reason
from graphrag.core.settings import Settings
from graphrag.core.tables import EVIDENCE, evidence_key, stable_id
from graphrag.indexing.extraction import rules as nlp
from graphrag.indexing.runners import HERE, Runner, Tools
from graphrag.models.models import Models
from graphrag.prompts import Message, Prompt
from graphrag.stores import GraphStore

log = get_log(__name__, told=True)

STEP = "extract"
IMPORT_EXTRACTOR = "import"
NLP_BATCH = 64  # units between two commits
SLICE_ROUNDS = 4  # of calls at once, or of such batches, that a remote worker is handed
MAX_STRENGTH = 100.0  # ten times what the prompt asks for at most
MAX_DIVISIONS = 4  # a unit that does not fit the model is halved at most so often


class FoundEntity(BaseModel):
    name: str
    type: str = ""
    description: str = ""


class FoundRelationship(BaseModel):
    source: str
    target: str
    type: str = ""
    description: str = ""
    strength: float = 1.0

    @field_validator("strength")
    @classmethod
    def _bounded(cls, value: float) -> float:
        """A number that no weight can be summed with says nothing."""
        return min(max(value, 0.0), MAX_STRENGTH) if math.isfinite(value) else 1.0


class FoundClaim(BaseModel):
    subject: str
    object: str = ""
    type: str = ""
    status: str = ""
    start: str = ""
    end: str = ""
    description: str = ""


class Extraction(BaseModel):
    entities: list[FoundEntity] = Field(default_factory=list[FoundEntity])
    relationships: list[FoundRelationship] = Field(default_factory=list[FoundRelationship])


class ExtractionWithClaims(Extraction):
    claims: list[FoundClaim] = Field(default_factory=list[FoundClaim])


@dataclass(frozen=True, slots=True)
class Extractor:
    """How units become evidence. `name` identifies method, model, prompts and version."""

    name: str
    prompt: Prompt | None = None  # None: the NLP rules
    glean: Prompt | None = None
    entity_types: str = ""
    max_gleanings: int = 0
    claims: bool = False

    @property
    def uses_model(self) -> bool:
        return self.prompt is not None


@dataclass(frozen=True, slots=True)
class Unit:
    """One distinct text to extract from, with what the NLP rules may know about its place."""

    id: str  # of the first text unit that has it
    key: str
    text_hash: str
    text: str
    title: str
    headings: tuple[str, ...]
    language: str


@dataclass(slots=True)
class Outcome:
    """What `run` did. `stopped` is the reason why units were left without evidence, if any."""

    done: int = 0
    failed: int = 0
    stopped: str = ""
    last_error: ModelError | None = None
    evidence: list[pl.DataFrame] = field(default_factory=list[pl.DataFrame])
    """What was committed, in parts."""

    def add(self, other: Outcome) -> None:
        self.done += other.done
        self.failed += other.failed
        self.stopped = self.stopped or other.stopped
        self.last_error = other.last_error or self.last_error
        self.evidence += other.evidence


def make_extractor(settings: Settings, *, models: Models, method: str, root: Path) -> Extractor:
    """The extractor of a `standard` or `fast` run."""
    if method == "fast" or models.chat is None:
        return Extractor(nlp.EXTRACTOR)
    extraction = settings.extraction
    name = "indexing/extract_claims" if extraction.claims else "indexing/extract"
    prompt = prompts.load(name, root=root)
    glean = prompts.load("indexing/glean", root=root)
    types = ", ".join(extraction.entity_types)
    parts = [models.chat.name, prompt.hash, types]
    if extraction.max_gleanings:
        parts += [glean.hash, str(extraction.max_gleanings)]
    return Extractor(
        f"model:{stable_id(*parts)}",
        prompt,
        glean,
        types,
        extraction.max_gleanings,
        extraction.claims,
    )


def key_units(
    text_units: pl.DataFrame, documents: pl.DataFrame, extractor: Extractor
) -> tuple[pl.DataFrame, list[Unit]]:
    """`text_units` with their evidence keys, and the distinct texts behind those keys.

    A model sees headings and text, so a renamed file keeps its evidence; the rules also see the
    title, which costs nothing to see again.
    """
    described = text_units.select("id", "document_id", "headings", "text").join(
        documents.select(pl.col("id").alias("document_id"), "title", "language"),
        on="document_id",
        how="left",
        maintain_order="left",
    )
    units: dict[str, Unit] = {}
    keys: list[str] = []
    for unit, _, headings, text, title, language in described.iter_rows():
        path = tuple(headings or ())
        place = () if extractor.uses_model else (title or "", language or "")
        text_hash = stable_id(*path, text, *place)
        key = evidence_key(text_hash, extractor.name)
        keys.append(key)
        if key not in units:
            units[key] = Unit(unit, key, text_hash, text, title or "", path, language or "und")
    keyed = text_units.with_columns(pl.Series("evidence_key", keys, dtype=pl.String))
    return keyed, list(units.values())


def text_hashes(text_units: pl.DataFrame) -> list[str]:
    """By unit: the hash of the text that a model is sent."""
    return [
        stable_id(*(headings or ()), text)
        for headings, text in text_units.select("headings", "text").iter_rows()
    ]


def keep_imported(
    text_units: pl.DataFrame, hashes: Sequence[str], kept: pl.DataFrame
) -> pl.DataFrame:
    """`text_units`, those whose evidence came with an import keeping it.

    `hashes` are their `text_hashes`, `kept` the evidence that the store holds.
    """
    keys = pl.Series([evidence_key(one, IMPORT_EXTRACTOR) for one in hashes], dtype=pl.String)
    is_imported = keys.is_in(kept["key"].to_list())
    return text_units.with_columns(
        pl.when(is_imported).then(keys).otherwise(pl.col("evidence_key")).alias("evidence_key")
    )


async def run(
    units: Sequence[Unit],
    extractor: Extractor,
    *,
    models: Models,
    store: GraphStore,
    settings: Settings,
    progress: Progress,
    runner: Runner = HERE,
) -> Outcome:
    """Extract from `units` and commit each piece of evidence as it arrives.

    A unit that fails is committed as failed. When a whole first round fails the rest is left
    for the next run. Raises ModelAuthError.
    """
    progress.start(STEP, len(units))
    outcome = Outcome()
    size = SLICE_ROUNDS * (settings.chat.concurrency if extractor.uses_model else NLP_BATCH)
    tools = Tools(models, store, settings, progress)
    work = partial(extract, extractor=extractor)
    async with aclosing(runner.slices(STEP, units, work, tools=tools, size=size)) as slices:
        async for _, part in slices:
            outcome.add(part)
            if outcome.stopped and not outcome.done:
                break
    progress.finish(STEP)
    return outcome


async def extract(units: Sequence[Unit], tools: Tools, *, extractor: Extractor) -> Outcome:
    """Extract from `units` where this runs; see `run`."""
    given = len(units)
    if tools.may_repeat:
        where = ("key", [unit.key for unit in units])
        known = await tools.store.read("evidence", where=where, columns=["key", "status"])
        done = set(known.filter(pl.col("status") == "ok")["key"])
        units = [unit for unit in units if unit.key not in done]
    work = _run_model if extractor.uses_model else _run_rules
    outcome = await work(units, extractor, tools)
    outcome.done += given - len(units)
    return outcome


async def _run_rules(units: Sequence[Unit], extractor: Extractor, tools: Tools) -> Outcome:
    outcome = Outcome(done=len(units))
    for start in range(0, len(units), NLP_BATCH):
        batch = units[start : start + NLP_BATCH]
        rows: list[dict[str, object]] = []
        for unit in batch:
            found = nlp.extract(
                unit.text, title=unit.title, headings=unit.headings, language=unit.language
            )
            rows.append(
                _row(unit, extractor, found.entities, found.relationships, found.claims, Usage())
            )
        await _put(rows, outcome, tools)
        tools.progress.advance(STEP, len(batch))
    return outcome


async def _run_model(units: Sequence[Unit], extractor: Extractor, tools: Tools) -> Outcome:
    outcome = Outcome()
    models = tools.models
    limit = tools.settings.chat.concurrency

    async def attempt(unit: Unit) -> dict[str, object] | ModelError:
        metered = models.metered()
        with about(unit.id):
            try:
                found = await _ask(unit.headings, unit.text, extractor, metered, MAX_DIVISIONS)
            except ModelError as error:
                return error
            return _found_row(unit, extractor, found, metered.usage)

    async def save(rows: list[dict[str, object]]) -> None:
        await _put(rows, outcome, tools)

    async with (
        batching_writer(save, most=limit) as saving,
        aclosing(as_batches(units, attempt, limit=limit)) as batches,
    ):
        async for batch in batches:
            rows = _settle(batch, extractor, outcome)
            await saving.add(rows)
            tools.progress.advance(STEP, len(rows))
            for _, result in batch:
                if isinstance(result, ModelAuthError):
                    raise result
            if not outcome.done and outcome.failed >= limit:
                last = outcome.last_error
                outcome.stopped = f"none of the first {limit} calls came through: {last}"
            if outcome.stopped:
                break
    return outcome


async def _put(rows: Sequence[Mapping[str, object]], outcome: Outcome, tools: Tools) -> None:
    evidence = pl.DataFrame(rows, schema=EVIDENCE)
    await tools.store.put_evidence(evidence)
    outcome.evidence.append(evidence)


def _settle(
    batch: Sequence[tuple[Unit, dict[str, object] | ModelError]],
    extractor: Extractor,
    outcome: Outcome,
) -> list[dict[str, object]]:
    """Rows of evidence, of what was found and of what failed, counted in `outcome`."""
    rows: list[dict[str, object]] = []
    for unit, result in batch:
        match result:
            case ModelAuthError():
                continue
            case CostLimitError():
                outcome.stopped = str(result)
            case ModelError():
                outcome.failed += 1
                outcome.last_error = result
                told = {"unit": unit.id, "error": reason(result)}
                log.warning("text unit %s failed: %s", unit.id, told["error"], extra=told)
                rows.append(_failure(unit, extractor, result))
            case _:
                outcome.done += 1
                rows.append(result)
    return rows


def _found_row(
    unit: Unit, extractor: Extractor, found: Extraction, usage: Usage
) -> dict[str, object]:
    claims = found.claims if isinstance(found, ExtractionWithClaims) else []
    return _row(
        unit,
        extractor,
        [entity.model_dump() for entity in found.entities if entity.name.strip()],
        [
            relationship.model_dump()
            for relationship in found.relationships
            if relationship.source.strip() and relationship.target.strip()
        ],
        [claim.model_dump() for claim in claims if claim.subject.strip()],
        usage,
    )


async def _ask(
    headings: tuple[str, ...],
    text: str,
    extractor: Extractor,
    models: Models,
    divisions: int,
) -> Extraction:
    assert extractor.prompt is not None
    shown = "\n".join([" > ".join(headings), text]) if headings else text
    messages = extractor.prompt.fill({"entity_types": extractor.entity_types, "text": shown})
    reply = ExtractionWithClaims if extractor.claims else Extraction
    try:
        found: Extraction = await models.json(messages, reply, kind="extract", cache=False)
        for _ in range(extractor.max_gleanings):
            more = await _glean(messages, found, extractor, models, reply)
            if not more.entities and not more.relationships:
                break
            found = _joined(found, more)
        return found
    except ContextTooLongError:
        if divisions == 0 or len(text) < 2:
            raise
        middle = _division(text)
        parts = [
            await _ask(headings, part, extractor, models, divisions - 1)
            for part in (text[:middle], text[middle:])
        ]
        return _joined(parts[0], parts[1])


async def _glean(
    messages: Sequence[Message],
    found: Extraction,
    extractor: Extractor,
    models: Models,
    reply: type[Extraction],
) -> Extraction:
    assert extractor.glean is not None
    further = [
        *messages,
        Message("assistant", found.model_dump_json()),
        *(Message("user", message.content) for message in extractor.glean.fill({})),
    ]
    return await models.json(further, reply, kind="glean", cache=False)


def _joined(first: Extraction, second: Extraction) -> Extraction:
    merged = {
        name: [*getattr(first, name), *getattr(second, name)] for name in type(first).model_fields
    }
    return type(first).model_validate(merged)


def _division(text: str) -> int:
    """The paragraph, line or word boundary nearest to the middle."""
    middle = len(text) // 2
    for mark in ("\n\n", "\n", ". ", " "):
        found = text.rfind(mark, len(text) // 4, middle)
        if found > 0:
            return found + len(mark)
    return middle


def _row(
    unit: Unit,
    extractor: Extractor,
    entities: Sequence[Mapping[str, object]],
    relationships: Sequence[Mapping[str, object]],
    claims: Sequence[Mapping[str, object]],
    usage: Usage,
) -> dict[str, object]:
    return {
        "key": unit.key,
        "text_hash": unit.text_hash,
        "extractor": extractor.name,
        "entities": json.dumps(entities, ensure_ascii=False),
        "relationships": json.dumps(relationships, ensure_ascii=False),
        "claims": json.dumps(claims, ensure_ascii=False),
        "status": "ok",
        "error": None,
        "transient": False,
        "usage": json.dumps(
            {
                "calls": usage.chat_calls,
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
            }
        ),
    }


def _failure(unit: Unit, extractor: Extractor, error: ModelError) -> dict[str, object]:
    return _row(unit, extractor, [], [], [], Usage()) | {
        "status": "failed",
        "error": str(error),
        "transient": error.transient,
    }
