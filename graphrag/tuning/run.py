"""Run the steps of tuning in order, and install a proven set of prompts.

Sample, discover, examples, write, prove, judge, install. Every call goes through the response
cache, so a run that was stopped pays for nothing twice. A set that does no better than the
packaged prompts on text it was not made from is reported and set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypedDict

from graphrag import prompts
from graphrag.core.answers import Usage
from graphrag.core.concurrency import Progress
from graphrag.core.errors import CostLimitError, SettingsError, UsageError
from graphrag.core.settings import Settings
from graphrag.core.settings_file import DEFAULT_TYPES, DOMAIN_FILE, read_domain
from graphrag.core.tables import stable_id
from graphrag.models.models import Models
from graphrag.models.servers import open_models
from graphrag.prompts import DIVIDER, PLACEHOLDERS, Prompt
from graphrag.text import tokens
from graphrag.tuning import discovery, judging, measuring, planning, prompt_set, sampling, writing
from graphrag.tuning.discovery import Domain
from graphrag.tuning.examples import Examples, affordable, make_examples
from graphrag.tuning.judging import Preferences
from graphrag.tuning.measuring import Contender, Measured, Row, Side
from graphrag.tuning.planning import TuningPlan
from graphrag.tuning.prompt_set import domain_of
from graphrag.tuning.sampling import Sample, Select, SourceUnit, SourceUnits
from graphrag.tuning.writing import Draft

VERSION = "2"  # of what is sent and how it is judged; another one tunes anew


class TuneOptions(TypedDict, total=False):
    """The fields of a TuneRequest."""

    sample: int | None
    select: Select | None
    entity_types: tuple[str, ...]
    force: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """How to tune; None leaves it to the settings."""

    sample: int | None = None
    select: Select | None = None
    entity_types: tuple[str, ...] = ()
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Tuned:
    """What became of a run. `record` is what `tuning.json` holds, {} where nothing was done."""

    state: Literal["planned", "installed", "unchanged", "refused", "stopped"]
    reason: str = ""
    plan: TuningPlan | None = None
    record: prompt_set.Record = field(default_factory=dict[str, object])
    kept: tuple[str, ...] = ()
    """Prompts of the user that were left as they are."""
    previous: str = ""
    """The folder with the set that was replaced."""
    warnings: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)


@dataclass(slots=True)
class _RunState:
    """What a run has done so far."""

    n_units: int
    models: Models
    settings: Settings
    root: Path
    progress: Progress
    sample: Sample
    default_types: tuple[str, ...]
    fixed_types: tuple[str, ...] | None
    warnings: list[str]
    domain: Domain | None = None
    examples: Examples = field(default_factory=Examples)
    drafts: list[Draft] = field(default_factory=list[Draft])
    rows: list[Row] = field(default_factory=list[Row])
    judged: Preferences | None = None
    side: Side | Literal[""] = ""
    reason: str = ""
    judge_usage: Usage = field(default_factory=Usage)

    @property
    def load(self) -> Callable[[str], Prompt]:
        return partial(prompts.load, root=self.root)

    @property
    def usage(self) -> Usage:
        return self.models.usage + self.judge_usage


async def tune(
    corpus: SourceUnits,
    request: TuneRequest,
    *,
    models: Models,
    settings: Settings,
    root: Path,
    progress: Progress,
) -> Tuned:
    """Make prompts for the collection of `corpus`, compare them, and install them if they hold up.

    Raises UsageError and SettingsError before anything is spent: without a chat model or text,
    in a folder that cannot be written, over a set that is there already. Raises ModelError when
    no call comes through. A cost limit ends the run with what was done until then.
    """
    if models.chat is None:
        raise SettingsError(
            "tuning needs a chat model, and none is set",
            hint="Set OPENAI_API_KEY, or chat.base_url for a local server.",
        )
    if not corpus.units:
        raise UsageError(
            "there is no text to learn from", hint="Name files or folders: graphrag tune FOLDER"
        )
    settings = _with_request(settings, request)
    given = discovery.given_types(request.entity_types) if request.entity_types else None
    _open_judge(settings, root, spent=0.0)  # its price must be known before anything is spent
    print_of_run = _fingerprint(corpus.units, given, models=models, settings=settings, root=root)
    if not request.dry_run:
        unchanged = _unchanged(root, print_of_run, force=request.force)
        if unchanged is not None:
            return unchanged
        prompt_set.check_writable(root)
        await models.preflight()
    progress.start("sample")
    sample = await sampling.draw(
        corpus.units,
        size=settings.tuning.sample,
        held_out=settings.tuning.held_out,
        select=settings.tuning.select,
        seed=settings.tuning.seed,
        models=None if request.dry_run else models,
    )
    progress.finish("sample", f"{len(sample.units)} of {len(corpus.units)} text units")
    own = _own_types(settings, root)
    work = _RunState(
        len(corpus.units),
        models,
        settings,
        root,
        progress,
        sample,
        default_types=given or own or DEFAULT_TYPES,
        fixed_types=given or own,
        warnings=[*corpus.warnings, *sample.warnings],
    )
    if request.dry_run:
        return Tuned("planned", plan=_plan(work), warnings=tuple(work.warnings))
    return await _carry_out(work, print_of_run, force=request.force)


async def _carry_out(work: _RunState, print_of_run: str, *, force: bool) -> Tuned:
    stopped = ""
    try:
        await _make(work)
        await _prove(work)
    except CostLimitError as error:
        stopped = f"{error}. {error.hint}"
    record = _record(work, print_of_run, stopped=stopped)
    files = _files(work)
    if stopped or (work.side == "packaged" and not force):
        if work.drafts:
            prompt_set.set_aside(work.root, files, record)
        state = "stopped" if stopped else "refused"
        reason = stopped or work.reason
        return Tuned(state, reason, record=record, warnings=tuple(work.warnings), usage=work.usage)
    done = prompt_set.install(work.root, files, record, force=force)
    return Tuned(
        "installed",
        work.reason,
        record={**record, "installed": True},
        kept=done.kept,
        previous=done.previous,
        warnings=tuple(work.warnings),
        usage=work.usage,
    )


async def _make(work: _RunState) -> None:
    work.domain = await discovery.discover(
        work.sample,
        entity_types=work.fixed_types,
        models=work.models,
        load=work.load,
        concurrency=work.settings.chat.concurrency,
        progress=work.progress,
    )
    work.warnings += work.domain.warnings
    wanted = affordable(work.settings, work.models.window)
    if wanted < work.settings.tuning.examples:
        work.warnings.append(
            f"{wanted} of {work.settings.tuning.examples} worked examples have room beside a text "
            "unit in the window of the model"
        )
    work.examples = await make_examples(
        work.sample,
        work.domain,
        wanted=wanted,
        models=work.models,
        load=work.load,
        progress=work.progress,
    )
    if len(work.examples.chosen) < wanted:
        work.warnings.append(
            f"{len(work.examples.chosen)} of {wanted} worked examples: "
            f"{len(work.examples.refused)} were refused"
            + "".join(f"; {source}: {reason}" for source, reason in work.examples.refused[:3])
        )
    work.drafts = await writing.write(
        work.domain,
        language=work.sample.language,
        examples=work.examples.chosen,
        models=work.models,
        load=work.load,
        progress=work.progress,
    )
    work.warnings += [
        f"there are no notes for {draft.name}: {draft.fault}"
        for draft in work.drafts
        if draft.fault
    ]


async def _prove(work: _RunState) -> None:
    assert work.domain is not None
    name = _extraction(work.settings)
    text = next(draft.text for draft in work.drafts if draft.name == name)
    frame = prompts.load(name)
    packaged = Contender(frame, work.default_types)
    tuned = Contender(replace(frame, domain=text), tuple(work.domain.entity_types))
    units = work.sample.held_out
    work.progress.start(measuring.STEP, 2 * len(measuring.RUNS) * len(units))
    found: list[Measured] = []
    for contender in (packaged, tuned):
        found.append(
            await measuring.measure(
                contender,
                units,
                claims=work.settings.extraction.claims,
                models=work.models,
                concurrency=work.settings.chat.concurrency,
                progress=work.progress,
            )
        )
    work.progress.finish(measuring.STEP)
    work.rows = measuring.compare(found[0].figures, found[1].figures)
    work.judged = await _judge(work, found)
    judged = work.judged.better if work.judged else ""
    work.side, work.reason = measuring.verdict(work.rows, judged)


async def _judge(work: _RunState, found: Sequence[Measured]) -> Preferences | None:
    models = _open_judge(work.settings, work.root, spent=work.models.usage.cost_usd or 0.0)
    if models is None:
        return None
    try:
        return await judging.judge(
            work.sample.held_out,
            found[0].first,
            found[1].first,
            models=models,
            load=work.load,
            progress=work.progress,
        )
    finally:
        work.judge_usage = models.usage
        await models.close()


def _open_judge(settings: Settings, root: Path, *, spent: float) -> Models | None:
    """The judge with what is left of the budget. Raises SettingsError."""
    name = settings.tuning.judge_model
    if name is None:
        return None
    chat = settings.chat.model_copy(update={"model": name})
    most = settings.limits.max_cost_usd
    left = None if most is None else max(most - spent, 1e-9)
    limits = settings.limits.model_copy(update={"max_cost_usd": left})
    judging_settings = settings.model_copy(update={"chat": chat, "limits": limits})
    if not judging_settings.has_chat:
        raise SettingsError(
            f"tuning.judge_model is {name!r}, and there is no server to ask",
            hint="Set chat.base_url or OPENAI_API_KEY, or tuning.judge_model: null.",
        )
    return open_models(judging_settings, root=root)


def _plan(work: _RunState) -> TuningPlan:
    contender = Contender(prompts.load(_extraction(work.settings)), work.default_types)
    return planning.plan(
        work.sample,
        n_units=work.n_units,
        contender=contender,
        settings=work.settings,
        models=work.models,
        load=work.load,
    )


def _with_request(settings: Settings, request: TuneRequest) -> Settings:
    given = {"sample": request.sample, "select": request.select}
    tuning = settings.tuning.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    return settings.model_copy(update={"tuning": tuning})


def _own_types(settings: Settings, root: Path) -> tuple[str, ...] | None:
    """The entity types that the user has set, if any: neither the default nor an earlier set's."""
    types = settings.extraction.entity_types
    return None if types in (DEFAULT_TYPES, read_domain(root / DOMAIN_FILE)[0]) else types


def _extraction(settings: Settings) -> str:
    """The extraction prompt in use: the one that is measured."""
    return "indexing/extract_claims" if settings.extraction.claims else "indexing/extract"


def _unchanged(root: Path, print_of_run: str, *, force: bool) -> Tuned | None:
    """The outcome where there is nothing to do. Raises UsageError over another tuned set."""
    record = prompt_set.read_record(root)
    if record is None or force:
        return None
    found = prompt_set.states(root)
    named = (*PLACEHOLDERS, prompt_set.DOMAIN)
    edited = tuple(name for name in named if found.get(name) in ("edited", "own"))
    if record.get("fingerprint") == print_of_run:
        return Tuned("unchanged", "the set in place was made from this", record=record, kept=edited)
    raise UsageError(
        f"{root / prompt_set.FOLDER} holds a tuned set already"
        + (f", and your edits of {', '.join(edited)}" if edited else ""),
        hint="--force replaces it; what is there is kept in prompts/previous-<n>.",
    )


def _fingerprint(
    units: Sequence[SourceUnit],
    given: tuple[str, ...] | None,
    *,
    models: Models,
    settings: Settings,
    root: Path,
) -> str:
    """Of all that a run depends on."""
    own = _own_types(settings, root) or ()
    hashes = [
        prompts.load(name, root=root if name.startswith("tuning/") else None).hash
        for name in PLACEHOLDERS
    ]
    return stable_id(
        VERSION,
        models.chat.name if models.chat else "",
        models.embedder.name if models.embedder else "",
        settings.tuning.model_dump_json(),
        str(settings.extraction.claims),
        *(given or own),
        *hashes,
        *sorted(stable_id(unit.id, unit.shown) for unit in units),
    )


def _files(work: _RunState) -> dict[str, str | None]:
    files: dict[str, str | None] = {domain_of(draft.name): draft.text for draft in work.drafts}
    # A whole prompt, as earlier versions installed them, would have another frame.
    files |= dict.fromkeys(draft.name for draft in work.drafts)
    if work.domain is not None:
        domain = {
            "entity_types": list(work.domain.entity_types),
            "terms": [list(names) for names in work.domain.terms],
        }
        files[prompt_set.DOMAIN] = prompt_set.as_json(domain)
    return files


def _record(work: _RunState, print_of_run: str, *, stopped: str) -> dict[str, object]:
    chat, embedder, sample = work.models.chat, work.models.embedder, work.sample
    domain = work.domain
    return {
        "version": VERSION,
        "fingerprint": print_of_run,
        "model": chat.name if chat else "",
        "embedding_model": embedder.name if embedder else None,
        "select": work.settings.tuning.select,
        "seed": work.settings.tuning.seed,
        "sample": [_place(unit) for unit in sample.units],
        "held_out": [_place(unit) for unit in sample.held_out],
        "language": {**asdict(sample.language), "name": sample.language.name},
        "domain": {**asdict(domain), "warnings": []} if domain else None,
        "entity_types_given": work.fixed_types is not None,
        "examples": {
            "used": [example.source for example in work.examples.chosen],
            "refused": [list(pair) for pair in work.examples.refused],
        },
        "prompts": {draft.name: _made(draft) for draft in work.drafts},
        "proof": {
            "units": len(sample.held_out),
            "runs": len(measuring.RUNS),
            "rows": [asdict(row) for row in work.rows],
            "judge": asdict(work.judged) if work.judged else None,
            "better": work.side or None,
            "reason": work.reason,
        },
        "stopped": stopped or None,
        "warnings": work.warnings,
        "usage": asdict(work.usage),
        "usage_by_step": {
            kind: asdict(usage) for kind, usage in work.models.usage_by_kind().items()
        },
    }


def _made(draft: Draft) -> Mapping[str, object]:
    packaged = prompts.load(draft.name).text
    return {
        "made": draft.made,
        "fault": draft.fault or None,
        "tokens": tokens.count(draft.text),
        "packaged_tokens": tokens.count(packaged.replace(DIVIDER, "")),
        "packaged_hash": prompt_set.file_hash(packaged),
    }


def _place(unit: SourceUnit) -> Mapping[str, object]:
    return {"source": unit.source, "ordinal": unit.ordinal, "id": unit.id, "tokens": unit.n_tokens}
