"""Hold one reply of a chat model, and refuse those that did not come to their end."""

from __future__ import annotations

from dataclasses import dataclass

from graphrag.core.errors import BadReplyError, RefusedError
from graphrag.text.tokens import encodable


@dataclass(frozen=True, slots=True)
class Completion:
    """`finish`: stop, length (cut off), content_filter or refusal."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish: str = "stop"


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
        raise BadReplyError(
            f"the reply was cut off after {completion.completion_tokens} tokens ({kind})",
            hint="Raise chat.max_output_tokens, or lower chunks.max_tokens.",
        )
    if not completion.text.strip():
        raise BadReplyError(
            f"the model sent an empty reply ({kind})",
            hint="Try again (--retry-failed), or use another model.",
        )
    return encodable(completion.text)
