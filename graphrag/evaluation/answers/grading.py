"""Grade the answers of a system by a judge model, in several ways.

assertions: share of what a good answer must say that it says. factuality: correct, incorrect or
not attempted against a right answer. groundedness: sentences against the sources they cite.
rubric: up to three points that add up. A grade is None where the way does not apply.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from pydantic import BaseModel, ValidationError

from graphrag.core.errors import UsageError
from graphrag.evaluation.answers.sides import Given
from graphrag.evaluation.judge import Asker, Lost, numbered
from graphrag.evaluation.questions import EvalQuestion
from graphrag.query.answering.writing import MARKER, unsupported

Grade = Literal["correct", "incorrect", "not_attempted"]
GROUNDED = {"full": 1.0, "partial": 0.5, "none": 0.0}
RUBRIC_POINTS = ("on_question", "complete", "sound")
_SHAPE = (
    'Each line is {"question": "…", "answer": "…", "on_question": true, "complete": false, '
    '"sound": true}.'
)


class AssertionVerdict(BaseModel):
    assertion: int
    reason: str = ""
    supported: bool


class AssertionsReply(BaseModel):
    verdicts: list[AssertionVerdict]


class DrawnReply(BaseModel):
    drawn: list[str]


class FactualityReply(BaseModel):
    reason: str = ""
    grade: Grade


class SentenceVerdict(BaseModel):
    sentence: int
    reason: str = ""
    grounded: Literal["full", "partial", "none"]


class GroundednessReply(BaseModel):
    verdicts: list[SentenceVerdict]


class Point(BaseModel):
    reason: str = ""
    met: bool


class RubricReply(BaseModel):
    on_question: Point
    complete: Point
    sound: Point


class GradedExample(BaseModel):
    question: str
    answer: str
    on_question: bool
    complete: bool
    sound: bool


DEFAULT_EXAMPLES = (
    GradedExample(
        question="In which year was the bridge opened, and who built it?",
        answer="The bridge was opened in 1874.",
        on_question=True,
        complete=False,
        sound=True,
    ),
    GradedExample(
        question="Why did the firm close its northern mill?",
        answer="Mills are closed for many reasons. The firm was surely badly led, as all were.",
        on_question=False,
        complete=False,
        sound=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Graded:
    """`value` from 0 to 1, with what the judge said. `grade`: of factuality."""

    value: float
    details: Sequence[Mapping[str, object]] = field(default_factory=list[Mapping[str, object]])
    grade: Grade | None = None


async def draw_assertions(question: EvalQuestion, source: str, asker: Asker) -> tuple[str, ...]:
    """What a good answer must say, from the question's gold text; its own where it has them."""
    if question.assertions or not source:
        return question.assertions
    reply = await asker.ask(
        "draw_assertions", {"text": source, "question": question.text}, DrawnReply
    )
    if isinstance(reply, Lost):
        return ()
    return tuple(dict.fromkeys(text.strip() for text in reply.drawn if text.strip()))


async def grade_assertions(
    question: EvalQuestion, given: Given, assertions: Sequence[str], asker: Asker
) -> Graded | None:
    if not assertions:
        return None
    values = {
        "question": question.text,
        "answer": given.text,
        "assertions": numbered(assertions),
    }
    reply = await asker.ask("assertions", values, AssertionsReply)
    if isinstance(reply, Lost):
        return None
    verdicts = {verdict.assertion: verdict for verdict in reply.verdicts}
    if not asker.covers(verdicts, len(assertions), given=len(reply.verdicts)):
        return None
    share = sum(verdict.supported for verdict in verdicts.values()) / len(assertions)
    details = [
        {
            "assertion": text,
            "supported": verdicts[number].supported,
            "reason": verdicts[number].reason,
        }
        for number, text in enumerate(assertions, start=1)
    ]
    return Graded(share, details)


async def grade_factuality(question: EvalQuestion, given: Given, asker: Asker) -> Graded | None:
    """An answer that says itself that it is none is not attempted: no judge is asked."""
    if not question.answer:
        return None
    if not given.answered:
        return Graded(0.0, [{"reason": "it says that it does not know"}], "not_attempted")
    values = {"question": question.text, "gold": question.answer, "answer": given.text}
    reply = await asker.ask("factuality", values, FactualityReply)
    if isinstance(reply, Lost):
        return None
    return Graded(float(reply.grade == "correct"), [{"reason": reply.reason}], reply.grade)


async def grade_groundedness(given: Given, asker: Asker) -> Graded | None:
    """The mean over sentences; one that cites nothing is not grounded."""
    sentences = unsupported(given.text, ()) if given.answered else ()
    if not sentences:
        return None
    cited = [_cited(sentence, given.sources) for sentence in sentences]
    asked = [place for place, numbers in enumerate(cited) if numbers]
    found: dict[int, tuple[str, str]] = {}
    if asked:
        used = sorted({number for numbers in cited for number in numbers})
        values = {
            "sources": "\n\n".join(f"[{number}]\n{given.sources[number]}" for number in used),
            "sentences": numbered([sentences[place] for place in asked]),
        }
        reply = await asker.ask("groundedness", values, GroundednessReply)
        if isinstance(reply, Lost):
            return None
        verdicts = {verdict.sentence: verdict for verdict in reply.verdicts}
        if not asker.covers(verdicts, len(asked), given=len(reply.verdicts)):
            return None
        for number, place in enumerate(asked, start=1):
            found[place] = (verdicts[number].grounded, verdicts[number].reason)
    uncited = ("none", "it cites no source")
    verdicts_of = [found.get(place, uncited) for place in range(len(sentences))]
    value = sum(GROUNDED[grounded] for grounded, _ in verdicts_of) / len(sentences)
    details = [
        {"sentence": sentence, "grounded": grounded, "reason": reason}
        for sentence, (grounded, reason) in zip(sentences, verdicts_of, strict=True)
    ]
    return Graded(value, details)


async def grade_rubric(
    question: EvalQuestion, given: Given, asker: Asker, *, examples: str
) -> Graded | None:
    values = {"examples": examples, "question": question.text, "answer": given.text}
    reply = await asker.ask("rubric", values, RubricReply)
    if isinstance(reply, Lost):
        return None
    points = {
        "on_question": reply.on_question,
        "complete": reply.complete,
        "sound": reply.sound,
    }
    details = [{"point": name, **point.model_dump()} for name, point in points.items()]
    return Graded(sum(point.met for point in points.values()) / len(RUBRIC_POINTS), details)


def read_examples(path: Path | None) -> str:
    """The examples of a JSON Lines file as text; without one, two of our own. UsageError."""
    if path is None:
        return _render(DEFAULT_EXAMPLES)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        examples = [GradedExample.model_validate_json(line) for line in lines if line.strip()]
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as examples: {error}", hint=_SHAPE) from error
    if not examples:
        raise UsageError(f"{path} holds no example", hint=_SHAPE)
    return _render(examples)


def _render(examples: Sequence[GradedExample]) -> str:
    """Each example with its verdict as JSON."""
    blocks: list[str] = []
    for one in examples:
        values = cast(dict[str, object], one.model_dump())
        verdict = json.dumps({name: {"met": values[name]} for name in RUBRIC_POINTS})
        blocks.append(f"Question: {one.question}\nAnswer: {one.answer}\nVerdict: {verdict}")
    return "Examples:\n\n" + "\n\n".join(blocks)


def _cited(sentence: str, sources: Mapping[int, str]) -> list[int]:
    numbers = [
        int(number)
        for match in MARKER.finditer(sentence)
        for number in match[1].replace(";", ",").split(",")
    ]
    return [number for number in dict.fromkeys(numbers) if number in sources]
