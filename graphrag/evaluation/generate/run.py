"""Plan what questions would cost, then write them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from graphrag import prompts
from graphrag.core.answers import Usage
from graphrag.core.concurrency import Progress
from graphrag.core.errors import ModelError, UsageError
from graphrag.evaluation.generate.material import Material, read_material
from graphrag.evaluation.generate.write import (
    KINDS,
    PERSONA_REPORTS,
    TRIES,
    Generated,
    Kind,
    Row,
    generate,
)
from graphrag.evaluation.intervals import SEED
from graphrag.evaluation.judge import Asker, need_chat
from graphrag.evaluation.questions import write_questions
from graphrag.evaluation.targets import Target
from graphrag.models.models import Models
from graphrag.models.servers import open_models
from graphrag.stores import opened_store
from graphrag.text import tokens

REPLY_TOKENS = 200  # of one reply, on average
SAMPLE = 200  # candidates whose size is looked at


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """`count` questions in all, shared by `kinds`; those below `min_score` (1-5) are dropped."""

    count: int = 50
    kinds: Sequence[Kind] = KINDS
    min_score: int = 4
    seed: int = SEED
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class GenerationPlan:
    """What it takes if no candidate is dropped; with the most drops `TRIES` times as much."""

    questions: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    cost_per_1000_usd: float | None
    candidates: Mapping[str, int]

    def as_text(self) -> str:
        if self.cost_usd is None or self.cost_per_1000_usd is None:
            cost = "cost unknown (set chat.price)"
        else:
            cost = f"about ${self.cost_usd:.2f}, ${self.cost_per_1000_usd:.2f} per 1,000 questions"
        offered = ", ".join(f"{count} for {kind}" for kind, count in self.candidates.items())
        return (
            f"{self.questions} questions: about {self.calls} chat calls, {self.prompt_tokens} "
            f"prompt and {self.completion_tokens} completion tokens; {cost}; at most {TRIES} times "
            f"that, for what the critique drops is made anew. Candidates: {offered}."
        )


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """`file` is None after a dry run."""

    plan: GenerationPlan
    rows: tuple[Row, ...] = ()
    dropped: Mapping[str, int] | None = None
    warnings: tuple[str, ...] = ()
    usage: Usage | None = None
    file: Path | None = None
    is_partial: bool = False

    def as_dict(self) -> dict[str, object]:
        """Plain data for `--json`; the questions themselves are in the file."""
        return {
            "plan": asdict(self.plan),
            "questions": len(self.rows),
            "by_kind": dict(Counter(str(row["kind"]) for row in self.rows)),
            "dropped": dict(self.dropped or {}),
            "warnings": list(self.warnings),
            "usage": asdict(self.usage) if self.usage else None,
            "file": str(self.file) if self.file else None,
        }


async def run_generation(
    file: Path,
    target: Target,
    options: GenerationOptions,
    *,
    on_plan: Callable[[GenerationPlan], None],
    progress: Progress,
) -> GenerationResult:
    """Write questions to `file`; `on_plan` is told what they cost before anything is spent.

    Raises SettingsError without a chat model, NoIndexError, ModelAuthError, UsageError when no
    candidate became a question.
    """
    with target.opened() as engine:
        async with engine as rag:
            settings, root = rag.settings, rag.root
            level = settings.query.global_.level
            async with opened_store(settings, root) as store:
                material = await read_material(store, level=level, seed=options.seed)
            models = open_models(settings, root=root)
            try:
                need_chat(models)
                wanted = _shares(options, material)
                plan = _plan(material, wanted, models, root)
                on_plan(plan)
                if options.dry_run:
                    return GenerationResult(plan)
                await models.preflight()
                asker = Asker(models, root)
                made = await generate(
                    material,
                    asker,
                    wanted=wanted,
                    min_score=options.min_score,
                    limit=settings.chat.concurrency,
                    progress=progress,
                )
                return _finish(file, plan, made, asker)
            finally:
                await models.close()


def _finish(file: Path, plan: GenerationPlan, made: Generated, asker: Asker) -> GenerationResult:
    warnings = asker.warnings()
    if not made.rows and not asker.is_partial:
        reasons = ", ".join(f"{count} {reason}" for reason, count in made.dropped.items())
        raise (ModelError if made.dropped else UsageError)(
            f"no question could be made: {reasons or 'the index offers nothing to ask about'}",
            hint="Lower --min-score, use a stronger model, or index more.",
        )
    if len(made.rows) < plan.questions:
        warnings.append(f"{len(made.rows)} of {plan.questions} questions could be made")
    write_questions(file, made.rows)
    return GenerationResult(
        plan, made.rows, made.dropped, tuple(warnings), asker.models.usage, file, asker.is_partial
    )


def _offered(material: Material, kind: Kind) -> int:
    match kind:
        case "local":
            return len(material.units)
        case "multi-hop":
            return len(material.paths)
        case "global":
            return len(material.communities)


def _shares(options: GenerationOptions, material: Material) -> dict[Kind, int]:
    """The count in equal shares over the kinds that the index offers something for."""
    kinds: list[Kind] = [
        kind for kind in KINDS if kind in options.kinds and _offered(material, kind)
    ]
    if not kinds:
        raise UsageError(
            "the index offers nothing to ask about", hint="Index documents first, or other --kind."
        )
    share, rest = divmod(options.count, len(kinds))
    counts = [share + (place < rest) for place in range(len(kinds))]
    shares: dict[Kind, int] = dict(zip(kinds, counts, strict=True))
    return shares


def _plan(
    material: Material, wanted: Mapping[Kind, int], models: Models, root: Path
) -> GenerationPlan:
    """Calls and tokens: each question is written and criticised, from texts of the usual size."""
    own = {
        name: tokens.count(prompts.load(f"evaluation/{name}", root=root).text)
        for name in ("local_question", "path_question", "global_question", "personas", "critique")
    }
    units = [unit.n_tokens for unit in material.units[:SAMPLE]]
    paths = [path.first.n_tokens + path.second.n_tokens for path in material.paths[:SAMPLE]]
    reports = [
        4
        * sum(tokens.count(f"{one['summary']} {one['explanation']}") for one in community.findings)
        for community in material.communities[:SAMPLE]
    ]
    sizes = {
        "local": (own["local_question"], _mean(units)),
        "multi-hop": (own["path_question"], _mean(paths)),
        "global": (own["global_question"], _mean(reports)),
    }
    calls = 2 * sum(wanted.values())
    prompt = sum(
        count * (sizes[kind][0] + own["critique"] + 2 * sizes[kind][1])
        for kind, count in wanted.items()
    )
    if wanted.get("global"):
        calls += 1
        prompt += own["personas"] + sum(
            tokens.count(f"{one.title}: {one.summary}")
            for one in material.communities[:PERSONA_REPORTS]
        )
    questions = sum(wanted.values())
    cost = models.chat_cost(prompt, REPLY_TOKENS * calls)
    return GenerationPlan(
        questions=questions,
        calls=calls,
        prompt_tokens=prompt,
        completion_tokens=REPLY_TOKENS * calls,
        cost_usd=cost,
        cost_per_1000_usd=None if cost is None else 1000 * cost / questions,
        candidates={kind: _offered(material, kind) for kind in wanted},
    )


def _mean(sizes: Sequence[int]) -> int:
    return sum(sizes) // len(sizes) if sizes else 0
