"""Extract evidence from text units by a model or the rules, and commit it as it arrives."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial, reduce
from pathlib import Path
from types import GenericAlias
from typing import Annotated, TypeAlias, TypeVar, cast

import polars as pl
from pydantic import BaseModel, Field, create_model, field_validator

from graphrag import prompts
from graphrag.core.answers import Usage
from graphrag.core.errors import ContextTooLongError, ModelError
from graphrag.core.logs import get_log, reason
from graphrag.core.schema import Schema, of_types, render_schema
from graphrag.core.settings import Settings
from graphrag.core.settings_file import DEFAULT_TYPES
from graphrag.core.tables import EVIDENCE, empty, evidence_key, stable_id
from graphrag.indexing.extraction import rules
from graphrag.indexing.extraction.asked import Ask
from graphrag.indexing.extraction.evidence import HOLDS_ITEMS
from graphrag.indexing.run import PROMPT_TOKENS, Run
from graphrag.indexing.runners import Tools
from graphrag.indexing.runners.asking import ask_and_keep
from graphrag.models.models import Models
from graphrag.models.replies.completion import CutOffError
from graphrag.models.replies.items import Scale
from graphrag.models.replies.parsing import complete_items
from graphrag.prompts import Message, Prompt
from graphrag.text import tokens

log = get_log(__name__, told=True)

STEP = "extract"
IMPORT_EXTRACTOR = "import"
RULES_BATCH = 64  # units between two commits
SLICE_ROUNDS = 4  # of calls at once, or of such batches, that a remote worker is handed
MAX_STRENGTH = 100.0  # ten times what the prompt asks for at most
MAX_DIVISIONS = 4  # a unit that does not fit the model is halved at most so often

Row: TypeAlias = dict[str, object]  # of evidence
Model = TypeVar("Model", bound=BaseModel)


class FoundEntity(BaseModel):
    name: str
    type: str = ""
    description: str = ""


class FoundAttribute(BaseModel):
    name: str = ""
    value: str = ""
    unit: str = ""


class FoundRelationship(BaseModel):
    source: str
    target: str
    type: str = ""
    description: str = ""
    strength: Annotated[float, Scale(10)] = 1.0

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
    """How units become evidence. `name` identifies method, model, prompts and version.

    `asked` is what the model is asked for. `unrecorded` is what evidence that does not record it
    was asked for, by the name of its extractor.
    """

    name: str
    prompt: Prompt | None = None  # None: the rules
    glean: Prompt | None = None
    max_gleanings: int = 0
    claims: bool = False
    schema: Schema = field(default_factory=Schema)
    told: Prompt | None = None  # tells the model the schema; None: the names of its types alone
    asked: Ask | None = None
    unrecorded: Mapping[str, Ask] = field(default_factory=dict[str, Ask])

    @property
    def uses_model(self) -> bool:
        return self.prompt is not None

    @property
    def instruction_tokens(self) -> int:
        """Of one call, about: those of the prompt, and what tells the schema."""
        told = _told(self) if self.told else ""
        return PROMPT_TOKENS + (tokens.count(told) if told else 0)

    @property
    def method(self) -> str:
        return "standard" if self.uses_model else "fast"


@dataclass(frozen=True, slots=True)
class UniqueText:
    """One distinct text to extract from, with what the rules may know about its place."""

    id: str  # of the first text unit that has it
    key: str
    text_hash: str
    text: str
    title: str
    headings: tuple[str, ...]
    language: str


@dataclass(slots=True)
class Outcome:
    """What `extract` did. `stopped` is why units were left without evidence, if any were."""

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


def make_extractor(
    settings: Settings, *, models: Models, method: str, root: Path, schema: Schema | None = None
) -> Extractor:
    """The extractor of a `standard` or `fast` run; without a `schema` by the types of settings."""
    if method == "fast" or models.chat is None:
        return Extractor(rules.EXTRACTOR)
    extraction = settings.extraction
    name = "indexing/extract_claims" if extraction.claims else "indexing/extract"
    prompt = prompts.load(name, root=root)
    glean = prompts.load("indexing/glean", root=root)
    rounds = [glean.hash, str(extraction.max_gleanings)] if extraction.max_gleanings else []

    def name_of(types: Sequence[str]) -> str:
        parts = models.chat.name if models.chat else "", prompt.hash, ", ".join(types)
        return f"model:{stable_id(*parts, *rounds)}"

    told = prompts.load("indexing/schema", root=root) if schema else None
    of_settings = of_types(extraction.entity_types)
    name = name_of(DEFAULT_TYPES)  # whatever types are asked for; before, they were a part of it
    unrecorded = {name_of(extraction.entity_types): Ask.of(of_settings)}
    return Extractor(
        name,
        prompt,
        glean,
        extraction.max_gleanings,
        extraction.claims,
        schema or of_settings,
        told,
        Ask.of(schema or of_settings, prompt=told.hash if told else ""),
        unrecorded | {name: Ask.of(of_types(DEFAULT_TYPES))},
    )


def key_units(
    text_units: pl.DataFrame, documents: pl.DataFrame, extractor: Extractor
) -> tuple[pl.DataFrame, list[UniqueText]]:
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
    units: dict[str, UniqueText] = {}
    keys: list[str] = []
    for unit, _, headings, text, title, language in described.iter_rows():
        path = tuple(headings or ())
        place = () if extractor.uses_model else (title or "", language or "")
        text_hash = stable_id(*path, text, *place)
        key = evidence_key(text_hash, extractor.name)
        keys.append(key)
        if key not in units:
            units[key] = UniqueText(
                unit, key, text_hash, text, title or "", path, language or "und"
            )
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


async def gather_evidence(
    run: Run, keys: pl.Series, todo: Sequence[UniqueText], extractor: Extractor
) -> pl.DataFrame:
    """The evidence under `keys`, sorted by key, after extracting from `todo`.

    Each piece is committed as it arrives, a unit that fails as failed. When a whole first round
    fails the rest is left for the next run. Raises ModelAuthError, and ModelError when no unit has
    evidence.
    """
    outcome = Outcome()
    if todo:
        run.progress.start(STEP, len(todo))
        at_once = run.settings.chat.concurrency if extractor.uses_model else RULES_BATCH
        work, size = partial(extract, extractor=extractor), SLICE_ROUNDS * at_once
        async with aclosing(run.runner.slices(STEP, todo, work, tools=run, size=size)) as slices:
            async for _, coming in slices:
                outcome.add(await coming)
                if outcome.stopped and not outcome.done:
                    break
        run.progress.finish(STEP)
    if outcome.stopped:
        left = len(todo) - outcome.done - outcome.failed
        run.fail("extraction", f"{left} text units are left: {outcome.stopped}")
    evidence = pl.concat([empty("evidence"), *outcome.evidence])
    old = keys.filter(~keys.is_in(evidence["key"].to_list())).sort().to_list()
    if old:
        evidence = evidence.vstack(await run.store.read("evidence", where=("key", old)))
    failed = evidence.filter(pl.col("status") == "failed", ~HOLDS_ITEMS)
    if failed.height == keys.len() > 0:
        again = "run the same command again" if failed["transient"].all() else "add --retry-failed"
        cause = outcome.last_error
        raise ModelError(
            f"every extraction call failed: {cause or failed.sort('key')['error'].first()}",
            hint=f"Nothing was lost; correct the cause and {again}.",
            transient=True,
        ) from cause
    return evidence.sort("key")


async def extract(units: Sequence[UniqueText], tools: Tools, *, extractor: Extractor) -> Outcome:
    """Extract from `units` where this runs; see `gather_evidence`."""
    outcome = Outcome()
    if tools.may_repeat:
        where = ("key", [unit.key for unit in units])
        kept = await tools.store.read("evidence", where=where, columns=["key", "status", "asked"])
        asked = extractor.asked.written() if extractor.asked else None
        same = (pl.col("status") == "ok") & pl.col("asked").eq_missing(asked)
        done = set(kept.filter(same)["key"])
        outcome.done = sum(unit.key in done for unit in units)
        units = [unit for unit in units if unit.key not in done]
    if not extractor.uses_model:
        await _apply_rules(units, extractor, tools, outcome)
        return outcome

    async def keep(results: list[tuple[UniqueText, Row | ModelError]]) -> None:
        rows = [
            _failed_row(unit, extractor, result) if isinstance(result, ModelError) else result
            for unit, result in results
        ]
        await _put(await _without_losses(rows, tools), outcome, tools)

    limit = tools.settings.chat.concurrency
    reply = reply_of(extractor)
    asked = await ask_and_keep(
        units,
        lambda unit: _ask(unit, extractor, tools.models, reply),
        keep,
        limit=limit,
        on_done=lambda done: tools.progress.advance(STEP, len(done)),
        name=lambda unit: unit.id,
        patience=limit,
    )
    outcome.done += asked.replied
    outcome.failed = len(asked.errors)
    outcome.last_error = next(reversed(asked.errors.values()), None)
    if asked.stopped is not None:
        is_limit = asked.stopped is not outcome.last_error
        none_came = f"none of the first {limit} calls came through: {asked.stopped}"
        outcome.stopped = str(asked.stopped) if is_limit else none_came
    return outcome


async def _without_losses(rows: Sequence[Row], tools: Tools) -> list[Row]:
    """`rows` but for failures of units whose reply was cut off before: what it held stays."""
    lost = {str(row["key"]) for row in rows if row["status"] == "failed"}
    if lost:
        kept = await tools.store.read("evidence", where=("key", sorted(lost)))
        lost &= set(kept.filter(HOLDS_ITEMS)["key"])
    return [row for row in rows if row["key"] not in lost or row["entities"] != "[]"]


async def _apply_rules(
    units: Sequence[UniqueText], extractor: Extractor, tools: Tools, outcome: Outcome
) -> None:
    outcome.done += len(units)
    for start in range(0, len(units), RULES_BATCH):
        batch = units[start : start + RULES_BATCH]
        rows: list[Row] = []
        for unit in batch:
            found = rules.extract(
                unit.text, title=unit.title, headings=unit.headings, language=unit.language
            )
            rows.append(
                _row(unit, extractor, found.entities, found.relationships, found.claims, Usage())
            )
        await _put(rows, outcome, tools)
        tools.progress.advance(STEP, len(batch))


async def _put(rows: Sequence[Row], outcome: Outcome, tools: Tools) -> None:
    evidence = pl.DataFrame(rows, schema=EVIDENCE)
    await tools.store.put_evidence(evidence)
    outcome.evidence.append(evidence)


def reply_of(extractor: Extractor) -> type[Extraction]:
    """What a reply holds: of a schema its names, as an enumeration where nothing else is wanted.

    They are told, not demanded: a type of another name is evidence, too.
    """
    plain = ExtractionWithClaims if extractor.claims else Extraction
    schema = extractor.schema
    if extractor.told is None:
        return plain
    types = list(schema.types) if schema.is_strict else []
    relations = sorted({one.relation for one in schema.triples}) if schema.is_strict else []
    names = sorted({name for kind in schema.types.values() for name in kind.attributes})
    entity = _derived(FoundEntity, type=_one_of(types))
    if names:
        attribute = _derived(FoundAttribute, name=_one_of(names))
        entity = _derived(entity, attributes=_list_of(attribute))
    relationship = _derived(FoundRelationship, type=_one_of(relations))
    return _derived(plain, entities=_list_of(entity), relationships=_list_of(relationship))


def _derived(base: type[Model], **fields: object) -> type[Model]:
    """`base` with other fields, which are known only now."""
    create = cast("Callable[..., type[Model]]", create_model)
    return create(base.__name__, __base__=base, **fields)


def _one_of(names: Sequence[str]) -> tuple[object, object]:
    """A text field, one of `names` where there are any."""
    return str, Field(default="", json_schema_extra={"enum": [*names]} if names else None)


def _list_of(model: type[BaseModel]) -> tuple[object, object]:
    return GenericAlias(list, (model,)), Field(default_factory=list[object])


def _messages(extractor: Extractor, text: str) -> list[Message]:
    assert extractor.prompt is not None
    types = ", ".join(extractor.schema.types)
    system, *rest = extractor.prompt.fill({"entity_types": types, "text": text})
    if extractor.told is None:
        return [system, *rest]
    return [Message(system.role, f"{system.content}\n\n{_told(extractor)}"), *rest]


def _told(extractor: Extractor) -> str:
    """What a model is told of the schema."""
    assert extractor.told is not None
    messages = extractor.told.fill({"schema": render_schema(extractor.schema).strip()})
    return "\n\n".join(message.content for message in messages)


async def _ask(
    unit: UniqueText, extractor: Extractor, models: Models, reply: type[Extraction]
) -> Row:
    """What the model finds, in parts of the text where the whole does not fit it."""
    parts, replies = [(unit.text, MAX_DIVISIONS)], list[Extraction]()
    cut: list[CutOffError] = []
    models = models.metered()
    while parts:
        text, divisions = parts.pop(0)
        if divisions and _is_too_long(text, models):
            parts[:0] = _halves(text, divisions)
            continue
        shown = "\n".join([" > ".join(unit.headings), text]) if unit.headings else text
        messages = _messages(extractor, shown)
        found = reply()
        try:
            for kind in ("extract", *["glean"] * extractor.max_gleanings):
                turns = _gleaning(messages, found, extractor) if kind == "glean" else messages
                try:
                    more = await models.json(turns, reply, kind=kind, cache=False)
                except CutOffError as error:  # what of it is whole counts
                    cut.append(error)
                    more = complete_items(error.text, reply) or reply()
                found = _joined(found, more)
                is_empty = not more.entities and not more.relationships
                if cut or (is_empty and kind == "glean"):
                    break
        except ContextTooLongError:
            if divisions == 0 or len(text) < 2:
                raise
            parts[:0] = _halves(text, divisions)
        else:
            replies.append(found)
    row = _found_row(unit, extractor, reduce(_joined, replies), models.usage)
    if not cut:
        return row
    if row["entities"] == row["relationships"] == "[]":
        raise cut[0]
    return row | {"status": "failed", "error": f"{cut[0]}; what came before counts"}


def _is_too_long(text: str, models: Models) -> bool:
    """Whether the model is known to have no room for it: some cut it without a word."""
    if models.window.tokens is None:
        return False
    size = tokens.count(text)
    return models.window.fit(size) < size


def _gleaning(
    messages: Sequence[Message], found: Extraction, extractor: Extractor
) -> list[Message]:
    assert extractor.glean is not None
    return [
        *messages,
        Message("assistant", found.model_dump_json()),
        *(Message("user", message.content) for message in extractor.glean.fill({})),
    ]


def _joined(first: Extraction, second: Extraction) -> Extraction:
    merged = {
        name: [*getattr(first, name), *getattr(second, name)] for name in type(first).model_fields
    }
    return type(first).model_validate(merged)


def _halves(text: str, divisions: int) -> list[tuple[str, int]]:
    """`text` cut at the paragraph, line or word boundary nearest to its middle."""
    middle = len(text) // 2
    for mark in ("\n\n", "\n", ". ", " "):
        found = text.rfind(mark, len(text) // 4, middle)
        if found > 0:
            middle = found + len(mark)
            break
    return [(text[:middle], divisions - 1), (text[middle:], divisions - 1)]


def _found_row(unit: UniqueText, extractor: Extractor, found: Extraction, usage: Usage) -> Row:
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


def _failed_row(unit: UniqueText, extractor: Extractor, error: ModelError) -> Row:
    told = {"unit": unit.id, "error": reason(error)}
    log.warning("text unit %s failed: %s", unit.id, told["error"], extra=told)
    return _row(unit, extractor, [], [], [], Usage()) | {
        "status": "failed",
        "error": str(error),
        "transient": error.transient,
    }


def _row(
    unit: UniqueText,
    extractor: Extractor,
    entities: Sequence[Mapping[str, object]],
    relationships: Sequence[Mapping[str, object]],
    claims: Sequence[Mapping[str, object]],
    usage: Usage,
) -> Row:
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
        "asked": extractor.asked.written() if extractor.asked else None,
        "usage": json.dumps(
            {
                "calls": usage.chat_calls,
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
            }
        ),
    }
