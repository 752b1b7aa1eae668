"""Put questions of the tree to the chat model within one budget of prompt tokens."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from graphrag.core.errors import ModelError
from graphrag.models.asking import ask_each
from graphrag.models.replies.items import Scale
from graphrag.prompts import Message
from graphrag.query.answering.writing import MARKER, markers
from graphrag.query.context import Resources, estimate_tokens
from graphrag.query.drift.tree import Node, one_line_kept

REDUCE_OVERHEAD = 1500  # tokens of the reduce call beside the answers


class DriftReply(BaseModel):
    """What a primer call and a follow-up call reply."""

    answer: str
    score: Annotated[float, Scale(100)] = Field(allow_inf_nan=False)
    follow_ups: list[str] = []


@dataclass(slots=True)
class PromptBudget:
    """What the prompts of one question take of `query.drift.max_prompt_tokens`."""

    resources: Resources
    estimated: int = 0

    @property
    def spent(self) -> int:
        """As estimated, or as the server counted where retries made it more."""
        return max(self.estimated, self.resources.models.usage.prompt_tokens)

    @property
    def left(self) -> int:
        return self.resources.settings.query.drift.max_prompt_tokens - self.spent

    def afford(self, messages: Sequence[Message], *, reserve: bool = False) -> bool:
        """Take the tokens of `messages` if there are as many; `reserve` keeps the reduce call's."""
        size = sum(estimate_tokens(message.content) for message in messages)
        most = self.left
        if reserve:
            most -= self.resources.settings.query.drift.reduce_tokens + REDUCE_OVERHEAD
        if size > most:
            return False
        self.estimated += size
        return True


def ask(
    filled: Iterable[Sequence[Message]],
    resources: Resources,
    *,
    kind: Literal["primer", "follow_up"],
) -> Coroutine[object, object, list[DriftReply | ModelError]]:
    return ask_each(
        filled,
        lambda messages: resources.models.json(messages, DriftReply, kind=kind),
        limit=resources.settings.chat.concurrency,
    )


def answered(node: Node, reply: DriftReply | ModelError, *, citable: Iterable[int]) -> Node:
    """`node` with the model's answer, or with the error. Only `citable` numbers stay in it."""
    if isinstance(reply, ModelError):
        return replace(node, error=str(reply))
    known = frozenset(citable)

    def keep(match: re.Match[str]) -> str:
        numbers = [number for number in markers(match[0]) if number in known]
        return f"[{', '.join(map(str, numbers))}]" if numbers else ""

    return replace(
        node,
        answer=one_line_kept(MARKER.sub(keep, reply.answer)),
        score=min(max(reply.score, 0.0), 100.0),
        proposed=tuple(reply.follow_ups),
    )
