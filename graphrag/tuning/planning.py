"""Estimate what tuning with a sample would call and cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphrag.core.settings import Settings
from graphrag.indexing.run import REPLY_TOKENS
from graphrag.models.models import Models
from graphrag.models.spending import cost_of, known_price
from graphrag.prompts import Message, Prompt
from graphrag.text import tokens
from graphrag.tuning.discovery import Domain, discover_messages, profile_messages
from graphrag.tuning.examples import EXAMPLE_TOKENS, example_messages
from graphrag.tuning.measuring import RUNS, Contender
from graphrag.tuning.sampling import POOL, Sample
from graphrag.tuning.writing import TUNED, write_messages

# Tokens of replies, on average.
PROFILE_REPLY, DISCOVER_REPLY, EXAMPLE_REPLY, WRITE_REPLY, JUDGE_REPLY = 150, 400, 450, 170, 60
COLLECTION_TOKENS = 300  # of what is known of the collection when notes are written


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    calls: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class TuningPlan:
    """`cost_usd` is None when a price is not known. Lengths of replies are estimates."""

    sample: int
    held_out: int
    steps: tuple[Step, ...]
    cost_usd: float | None

    @property
    def calls(self) -> int:
        return sum(step.calls for step in self.steps)


def plan(
    sample: Sample,
    *,
    n_units: int,
    contender: Contender,
    settings: Settings,
    models: Models,
    load: Callable[[str], Prompt],
) -> TuningPlan:
    """What the calls of a run on `sample` would come to; `contender` is the packaged prompt."""
    empty = Domain("", "", "", dict.fromkeys(contender.entity_types, 0), {}, ())
    wanted = settings.tuning.examples
    worked = [
        messages for _, _, messages in example_messages(sample, empty, wanted=wanted, load=load)
    ]
    discovered = [item for _, item in discover_messages(sample, load, models.window)]
    written = [write_messages(name, empty, sample.language, load=load) for name in TUNED]
    proved = [contender.messages(unit) for unit in sample.held_out]
    longer = COLLECTION_TOKENS + WRITE_REPLY + wanted * EXAMPLE_TOKENS
    n_proofs = 2 * len(RUNS) * len(proved)
    steps = [
        _step("profile", [profile_messages(sample, load, models.window)], PROFILE_REPLY),
        _step(
            "discover",
            discovered,
            DISCOVER_REPLY,
        ),
        _step("examples", worked, EXAMPLE_REPLY),
        Step(
            "write",
            len(written),
            _size(written) + COLLECTION_TOKENS * len(written),
            WRITE_REPLY * len(written),
        ),
        Step(
            "prove",
            n_proofs,
            2 * len(RUNS) * _size(proved) + len(RUNS) * longer * len(proved),
            REPLY_TOKENS * n_proofs,
        ),
    ]
    if settings.tuning.judge_model:
        pairs = 2 * len(proved)
        read = 2 * sum(unit.n_tokens for unit in sample.held_out) + 2 * REPLY_TOKENS * pairs
        steps.append(Step("judge", pairs, read, JUDGE_REPLY * pairs))
    return TuningPlan(
        len(sample.units),
        len(sample.held_out),
        tuple(steps),
        _cost(steps, n_units, models, settings),
    )


def _step(name: str, requests: Sequence[Sequence[Message]], reply: int) -> Step:
    return Step(name, len(requests), _size(requests), reply * len(requests))


def _size(requests: Sequence[Sequence[Message]]) -> int:
    return sum(tokens.count(message.content) for messages in requests for message in messages)


def _cost(steps: Sequence[Step], n_units: int, models: Models, settings: Settings) -> float | None:
    judge = settings.tuning.judge_model
    chat = models.chat_cost(
        sum(step.prompt_tokens for step in steps if step.name != "judge"),
        sum(step.completion_tokens for step in steps if step.name != "judge"),
    )
    parts = [chat]
    for step in steps:
        if step.name == "judge" and judge:
            price = settings.chat.price or known_price(judge)
            parts.append(cost_of(price, step.prompt_tokens, step.completion_tokens))
    if models.embedder is not None and settings.tuning.select == "diverse":
        price = settings.embedding.price or known_price(models.embedder.name.partition("@")[0])
        read = min(n_units, POOL) * settings.chunks.max_tokens
        parts.append(cost_of(price, read, 0))
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
