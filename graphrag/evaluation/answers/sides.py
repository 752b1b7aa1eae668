"""Describe the systems that are compared, and have each answer every question.

A side is a method, a model, a set of prompts, an index or settings, in any mixture; or a file of
answers that were written before, by this engine or by anything else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from pydantic import BaseModel

from graphrag.core.answers import Answer
from graphrag.core.concurrency import Progress, map_ordered
from graphrag.core.errors import CostLimitError, ModelAuthError, ModelError, UsageError
from graphrag.engine.options import QueryMethod
from graphrag.engine.sync import AsyncGraphRAG
from graphrag.evaluation.judge import Asker, Lost
from graphrag.evaluation.questions import EvalQuestion
from graphrag.evaluation.targets import Target, read_options
from graphrag.models.asking import reply_or_error
from graphrag.models.servers import open_models

KEYS = ("method", "model", "root", "store", "namespace", "settings", "prompts", "answers", "name")
_SHAPE = "Write a method, or key=value,… with " + ", ".join(KEYS) + "."


@dataclass(frozen=True, slots=True)
class Side:
    """`answers`: a file that is read in place of asking. `chat`: whether a model may answer."""

    name: str
    target: Target
    method: str | None = None
    chat: bool = True
    answers: Path | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """One side's answer. `sources`: by its number in the text what the answer cites."""

    text: str
    answered: bool = True
    sources: Mapping[int, str] = field(default_factory=dict[int, str])
    confidence: float | None = None  # 0-1, as the side's own model says


Replies = dict[int, Given | Lost]  # by line of the question


class ConfidenceReply(BaseModel):
    confidence: float


def parse_side(text: str, base: Target) -> Side:
    """`local` or `method=local,model=gpt-4.1,root=../other`; the rest is as in `base`.

    Raises UsageError on an unknown key.
    """
    pairs = [part.partition("=") for part in text.split(",")]
    if len(pairs) == 1 and not pairs[0][1]:
        return Side(text, base, method=text)
    given = {key.strip(): value.strip() for key, _, value in pairs}
    unknown = [key for key in given if key not in KEYS or not given[key]]
    if unknown:
        raise UsageError(f"{text!r}: {unknown[0]!r} does not describe a side", hint=_SHAPE)
    target = base
    if root := given.get("root"):
        # Another index has a store of its own.
        target = replace(target, root=Path(root), store=None, namespace=None)
    if store := given.get("store"):
        target = replace(target, store=store)
    if namespace := given.get("namespace"):
        target = replace(target, namespace=namespace)
    if settings := given.get("settings"):
        target = replace(target, options={**target.options, **read_options(Path(settings))})
    if prompts := given.get("prompts"):
        target = replace(target, prompts=Path(prompts))
    model = given.get("model")
    chat = model != "none"
    if model and chat:
        target = replace(target, options={**target.options, "chat.model": model})
    return Side(
        name=given.get("name", text),
        target=target,
        method=given.get("method"),
        chat=chat,
        answers=Path(given["answers"]) if "answers" in given else None,
    )


async def answer_all(
    side: Side, questions: Sequence[EvalQuestion], *, confident: bool, progress: Progress
) -> Replies:
    """The side's answers; with `confident` its model is asked how sure it is of each.

    Raises ModelAuthError, NoIndexError, UsageError.
    """
    if side.answers is not None:
        return _read_answers(side.answers, questions)
    with side.target.opened(chat=side.chat) as engine:
        async with engine as rag:
            progress.start(f"answers of {side.name}", len(questions))

            async def ask(question: EvalQuestion) -> Given | Lost:
                reply = await _answer(question, rag, method=side.method)
                progress.advance(f"answers of {side.name}")
                return reply

            limit = rag.settings.chat.concurrency
            given = await map_ordered(questions, ask, limit=limit)
            progress.finish(f"answers of {side.name}")
            replies = {one.line: reply for one, reply in zip(questions, given, strict=True)}
            if confident and side.chat and rag.settings.has_chat:
                replies = await _with_confidence(replies, questions, rag)
            return replies


async def _answer(
    question: EvalQuestion, rag: AsyncGraphRAG, *, method: str | None
) -> Given | Lost:
    answer = await reply_or_error(
        rag.query(question.text, method=cast(QueryMethod | None, method)), fatal=(ModelAuthError,)
    )
    if isinstance(answer, ModelError):
        why = "budget" if isinstance(answer, CostLimitError) else "failed"
        return Lost(why, str(answer))
    return Given(answer.answer, answer.answered, _sources(answer))


def _sources(answer: Answer) -> dict[int, str]:
    """The text of the units behind each number; the quote where a unit is not in the context."""
    texts = {unit.id: unit.text for unit in answer.context.text_units}
    by_number: dict[int, dict[str, None]] = {}
    for citation in answer.citations:
        text = texts.get(citation.text_unit_id) or citation.quote
        by_number.setdefault(citation.number, {})[text] = None
    return {number: "\n".join(filter(None, found)) for number, found in by_number.items()}


async def _with_confidence(
    replies: Replies, questions: Sequence[EvalQuestion], rag: AsyncGraphRAG
) -> Replies:
    models = open_models(rag.settings, root=rag.root)
    asker = Asker(models, rag.root)

    async def sure(question: EvalQuestion) -> Given | Lost:
        given = replies[question.line]
        if isinstance(given, Lost) or not given.answered:
            return given
        values = {"question": question.text, "answer": given.text}
        reply = await asker.ask("confidence", values, ConfidenceReply)
        if isinstance(reply, Lost) or not 0 <= reply.confidence <= 100:
            return given
        return replace(given, confidence=reply.confidence / 100)

    try:
        found = await map_ordered(questions, sure, limit=rag.settings.chat.concurrency)
    finally:
        await models.close()
    return {one.line: given for one, given in zip(questions, found, strict=True)}


def _read_answers(path: Path, questions: Sequence[EvalQuestion]) -> Replies:
    """Rows with `question` and `answer`; also `answered`, `sources` (by number), `confidence`."""
    by_question: dict[str, Given] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        for line in filter(str.strip, lines):
            row = cast(dict[str, object], json.loads(line))
            sources = cast(Mapping[str, object], row.get("sources") or {})
            sure = row.get("confidence")
            by_question[str(row["question"]).strip()] = Given(
                str(row["answer"]),
                row.get("answered") is not False,
                {int(number): str(text) for number, text in sources.items()},
                float(cast(float, sure)) if sure is not None else None,
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} cannot be read as answers: {error!r}",
            hint='Each line is a JSON object with "question" and "answer".',
        ) from error
    missing = Lost("failed", f"{path} has no answer to this question")
    return {one.line: by_question.get(one.text, missing) for one in questions}
