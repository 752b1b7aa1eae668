"""Ask the judge model, and count the replies that cannot be used.

A reply that cannot be used is counted and never scored; only a wrong key ends the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel

from graphrag import prompts
from graphrag.core.errors import (
    BadReplyError,
    CostLimitError,
    ModelAuthError,
    ModelError,
    RefusedError,
    SettingsError,
)
from graphrag.models.asking import reply_or_error
from graphrag.models.models import Models

Reply = TypeVar("Reply", bound=BaseModel)
Why = Literal["malformed", "refused", "failed", "budget"]


@dataclass(frozen=True, slots=True)
class Lost:
    """A call without a reply that counts. `budget`: it was not made."""

    why: Why
    detail: str


@dataclass(slots=True)
class Asker:
    """Asks the chat model, and counts what was asked and what was lost."""

    models: Models
    root: Path
    asked: int = 0
    cut: int = 0  # prompts that the window of the model had no room for
    lost: Counter[str] = field(default_factory=Counter[str])
    details: dict[str, str] = field(default_factory=dict[str, str])  # the first loss of each kind

    async def ask(self, name: str, values: Mapping[str, str], reply: type[Reply]) -> Reply | Lost:
        """The reply to the prompt `evaluation/<name>`. Raises ModelAuthError."""
        fitted = self.models.window.fit_values(values)
        self.cut += fitted != values
        messages = prompts.load(f"evaluation/{name}", root=self.root).fill(fitted)
        self.asked += 1
        given = await reply_or_error(
            self.models.json(messages, reply, kind=f"eval_{name}"), fatal=(ModelAuthError,)
        )
        if not isinstance(given, ModelError):
            return given
        lost = Lost(_why(given), str(given))
        self.lost[lost.why] += 1
        self.details.setdefault(lost.why, lost.detail)
        return lost

    def covers(self, numbers: Mapping[int, object], count: int, *, given: int) -> bool:
        """Whether a reply with `given` verdicts has just one for each number from 1 to `count`;
        if not, it is counted as malformed."""
        if given == count and set(numbers) == set(range(1, count + 1)):
            return True
        self.lost["malformed"] += 1
        self.details.setdefault(
            "malformed", f"{given} verdicts, numbered {sorted(numbers)}, where {count} were due"
        )
        return False

    def warnings(self) -> list[str]:
        """One for each kind of loss."""
        texts = {
            "malformed": "replies could not be used",
            "refused": "times the model refused",
            "failed": "calls failed",
            "budget": "calls were not made, for the budget was spent",
        }
        cut = [f"{self.cut} of {self.asked} prompts were cut to the window of the model"]
        return [
            *cut[: self.cut],
            *(
                f"{self.lost[why]} of {self.asked} {text}; they are not scored (first: "
                f"{self.details[why]})"
                for why, text in texts.items()
                if self.lost[why]
            ),
        ]

    @property
    def is_partial(self) -> bool:
        """Whether another run could do more: calls failed, or the budget ran out."""
        return bool(self.lost["budget"] or self.lost["failed"])


def need_chat(models: Models) -> None:
    """Raises SettingsError without a chat model."""
    if models.chat is None:
        raise SettingsError(
            "this evaluation needs a chat model, and none is set",
            hint="Set OPENAI_API_KEY or chat.base_url, and chat.model.",
        )


def numbered(texts: Sequence[str]) -> str:
    """`[1] text`, a line each."""
    return "\n".join(f"[{number}] {' '.join(text.split())}" for number, text in enumerate(texts, 1))


def _why(error: ModelError) -> Why:
    match error:
        case CostLimitError():
            return "budget"
        case RefusedError():
            return "refused"
        case BadReplyError():
            return "malformed"
        case _:
            return "failed"
