"""Hold one reply of a chat model, and refuse those that did not come to their end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from graphrag.core.errors import BadReplyError, RefusedError
from graphrag.core.settings import ChatSettings
from graphrag.models.limits.reply import MOST
from graphrag.models.replies.thoughts import without_thoughts
from graphrag.text.tokens import encodable


@dataclass(frozen=True, slots=True)
class Completion:
    """`finish`: stop, length (cut off), content_filter or refusal.

    `most_tokens` is the bound that was sent, if one was; `model` who answered, if that was said.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish: str = "stop"
    most_tokens: int | None = None
    model: str = ""


class CutOffError(BadReplyError):
    """A reply that has as many tokens as it may have, and no end; `text` is what came."""

    text = ""


# In the error of a reply that was cut off: the tokens after which it was.
CUT_OFF = re.compile(r"cut off after (\d+) tokens")


def was_cut_off(error: str, chat: ChatSettings) -> bool:
    """Whether `error` tells of a reply that may be longer now."""
    found = CUT_OFF.search(error)
    return found is not None and int(found[1]) < (chat.max_output_tokens or MOST)


def checked(completion: object, *, name: str) -> Completion:
    """What a model of the caller's gave. Raises BadReplyError where it is no Completion."""
    if not isinstance(completion, Completion):
        kind = type(completion).__name__
        raise BadReplyError(f"{name} returned an object of type {kind}, not a Completion")
    return completion


def check_finish(completion: Completion, *, kind: str) -> str:
    """The text of a completed reply. Raises RefusedError or BadReplyError where there is none."""
    if completion.finish in ("content_filter", "refusal"):
        said = repr(completion.text[:200])
        raise RefusedError(
            f"the model refused to answer ({kind}, {completion.finish}): {said}",
            hint="Take the text out of the corpus, or use a model with another filter.",
            quoted=said,
        )
    if completion.finish == "length":
        error = CutOffError(
            f"the reply was cut off after {completion.most_tokens or completion.completion_tokens} "
            f"tokens ({kind})",
            hint="Raise chat.max_output_tokens, or lower chunks.max_tokens.",
        )
        error.text = without_thoughts(encodable(completion.text))
        raise error
    if not completion.text.strip():
        raise BadReplyError(
            f"the model sent an empty reply ({kind})",
            hint="Try again (--retry-failed), or use another model.",
        )
    return encodable(completion.text)
