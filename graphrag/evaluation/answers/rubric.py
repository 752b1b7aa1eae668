"""A file of graded examples in, the part of the rubric's prompt that shows them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ValidationError

from graphrag.core.errors import UsageError

POINTS = ("on_question", "complete", "sound")
_SHAPE = (
    'Each line is {"question": "…", "answer": "…", "on_question": true, "complete": false, '
    '"sound": true}.'
)


class Example(BaseModel):
    question: str
    answer: str
    on_question: bool
    complete: bool
    sound: bool


DEFAULT = (
    Example(
        question="In which year was the bridge opened, and who built it?",
        answer="The bridge was opened in 1874.",
        on_question=True,
        complete=False,
        sound=True,
    ),
    Example(
        question="Why did the firm close its northern mill?",
        answer="Mills are closed for many reasons. The firm was surely badly led, as all were.",
        on_question=False,
        complete=False,
        sound=False,
    ),
)


def read_examples(path: Path | None) -> str:
    """The examples of a JSON Lines file as text; without one, two of our own. UsageError."""
    if path is None:
        return render(DEFAULT)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        examples = [Example.model_validate_json(line) for line in lines if line.strip()]
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as examples: {error}", hint=_SHAPE) from error
    if not examples:
        raise UsageError(f"{path} holds no example", hint=_SHAPE)
    return render(examples)


def render(examples: tuple[Example, ...] | list[Example]) -> str:
    """Each example with its verdict as JSON."""
    blocks: list[str] = []
    for one in examples:
        values = cast(dict[str, object], one.model_dump())
        verdict = json.dumps({name: {"met": values[name]} for name in POINTS})
        blocks.append(f"Question: {one.question}\nAnswer: {one.answer}\nVerdict: {verdict}")
    return "Examples:\n\n" + "\n\n".join(blocks)
