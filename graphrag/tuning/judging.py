"""Judge which of two extractions of each text is better, asked in both orders.

A preference counts when it holds with the order swapped; otherwise the pair is a draw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from graphrag.core.concurrency import Progress
from graphrag.core.errors import ModelError
from graphrag.indexing.extraction.extract import Extraction
from graphrag.models.asking import FATAL_OR_UNREACHABLE, ask_each
from graphrag.models.models import Models
from graphrag.prompts import Message, Prompt
from graphrag.tuning.measuring import Side
from graphrag.tuning.sampling import SourceUnit

STEP = "judge"


class JudgeReply(BaseModel):
    reason: str = ""
    better: Literal["first", "second", "neither"]


@dataclass(frozen=True, slots=True)
class Preferences:
    """Pairs by outcome; `failed` counts those without two readable replies."""

    model: str
    tuned: int
    packaged: int
    equal: int
    failed: int = 0

    @property
    def better(self) -> Side:
        if self.tuned == self.packaged:
            return "equal"
        return "tuned" if self.tuned > self.packaged else "packaged"


async def judge(
    units: Sequence[SourceUnit],
    packaged: Sequence[Extraction | None],
    tuned: Sequence[Extraction | None],
    *,
    models: Models,
    load: Callable[[str], Prompt],
    progress: Progress,
) -> Preferences:
    """Two calls for each pair that both sides have an extraction of. Raises as `measure` does."""
    assert models.chat is not None
    prompt = load("tuning/judge")
    requests: list[list[Message]] = []
    for unit, one, other in zip(units, packaged, tuned, strict=True):
        if one is not None and other is not None:
            texts = one.model_dump_json(), other.model_dump_json()
            for first, second in (texts, texts[::-1]):
                values = {"text": unit.shown, "first": first, "second": second}
                requests.append(prompt.fill(values))
    progress.start(STEP, len(requests))
    replies = await ask_each(
        requests,
        lambda messages: models.json(messages, JudgeReply, kind="tune_judge"),
        limit=max(1, len(requests)),
        fatal=FATAL_OR_UNREACHABLE,
        on_reply=lambda: progress.advance(STEP),
    )
    verdicts = ["" if isinstance(reply, ModelError) else reply.better for reply in replies]
    progress.finish(STEP)
    outcomes = Counter(map(outcome, verdicts[::2], verdicts[1::2]))
    return Preferences(
        models.chat.name,
        outcomes["tuned"],
        outcomes["packaged"],
        outcomes["equal"],
        outcomes[""],
    )


def outcome(straight: str, swapped: str) -> str:
    """What two verdicts on one pair come to, of which the first saw the packaged one first."""
    if not straight or not swapped:
        return ""
    match (straight, swapped):
        case ("second", "first"):
            return "tuned"
        case ("first", "second"):
            return "packaged"
        case _:
            return "equal"
