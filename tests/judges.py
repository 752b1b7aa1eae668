"""Rules for the test server: a model that writes questions, and judges with planted verdicts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from graphrag.testing import ChatRequest, Rule
from graphrag.testing.replies import sentences_in


def asks_for(*names: str) -> Callable[[ChatRequest], bool]:
    return lambda request: request.fields.issuperset(names)


def local_question(request: ChatRequest) -> str:
    """Asks for the longest sentence of the passage."""
    sentence = max(sentences_in(request.block("passage")), key=len)
    return json.dumps(
        {
            "context": sentence,
            "question": "What does it say?",
            "answer": sentence,
            "refined_question": f"What is said with: {sentence[:-1]}?",
        }
    )


def path_question(request: ChatRequest) -> str:
    first, second = (
        max(sentences_in(request.block(tag)), key=len)
        for tag in ("first_passage", "second_passage")
    )
    return json.dumps(
        {
            "first_context": first,
            "second_context": second,
            "question": "And?",
            "answer": "so",
            "refined_question": f"What joins {first[:-1]} and {second[:-1]}?",
        }
    )


def personas(request: ChatRequest) -> str:
    person = {"name": "historian", "description": "Reads.", "tasks": ["compare", "sum up"]}
    return json.dumps({"personas": [person, {**person, "name": "engineer"}]})


def global_question(request: ChatRequest) -> str:
    rows = re.findall(r"(?m)^\[(\d+)\] (.*)$", request.block("reports"))
    return json.dumps(
        {
            "question": f"As to {request.block('task')}: what do {rows[0][1][:60]} and others say?",
            "assertions": [
                {"statement": text, "finding": int(number)} for number, text in rows[:3]
            ],
        }
    )


def critique(request: ChatRequest) -> str:
    """Finds fault with every question on people named Whitehouse."""
    score = 2 if "Whitehouse" in request.block("question") else 5
    rating = {"reason": "so it is", "score": score}
    return json.dumps({"groundedness": rating, "relevance": rating, "stand_alone": rating})


WRITER: Sequence[Rule] = (
    Rule("personas", asks_for("personas"), personas),
    Rule("path_question", asks_for("first_context"), path_question),
    Rule("local_question", asks_for("refined_question"), local_question),
    Rule("global_question", asks_for("assertions", "finding"), global_question),
    Rule("critique", asks_for("groundedness", "stand_alone"), critique),
)


def pairwise(winner: Callable[[str, str], str]) -> Rule:
    """A judge that picks by both answers: "first", "second", "tie" for every criterion."""

    def reply(request: ChatRequest) -> str:
        chosen = winner(request.block("first_answer"), request.block("second_answer"))
        verdict = {"reason": "planted", "winner": chosen}
        names = ("comprehensiveness", "diversity", "empowerment", "relevance")
        return json.dumps(dict.fromkeys(names, verdict))

    return Rule("pairwise", asks_for("empowerment"), reply)


def prefers(word: str) -> Rule:
    """A judge that likes the answer with `word` best, wherever it stands."""

    def winner(first: str, second: str) -> str:
        if (word in first) == (word in second):
            return "tie"
        return "first" if word in first else "second"

    return pairwise(winner)


def assertions(request: ChatRequest) -> str:
    """Supported is what stands word for word in the answer."""
    answer = request.block("answer")
    rows = re.findall(r"(?m)^\[(\d+)\] (.*)$", request.block("assertions"))
    return json.dumps(
        {
            "verdicts": [
                {"assertion": int(number), "reason": "read", "supported": text in answer}
                for number, text in rows
            ]
        }
    )


def drawn(request: ChatRequest) -> str:
    return json.dumps({"drawn": sentences_in(request.block("text"))[:2]})


def factuality(request: ChatRequest) -> str:
    """Correct where the answer holds the right one; "unknown" in it is no attempt."""
    answer = request.block("answer")
    right = request.block("right_answer") in answer
    grade = "correct" if right else "not_attempted" if "unknown" in answer else "incorrect"
    return json.dumps({"reason": "planted", "grade": grade})


def confidence(request: ChatRequest) -> str:
    return json.dumps({"confidence": 80})


def groundedness(request: ChatRequest) -> str:
    """Full where a source holds the sentence, partial where it holds its first three words."""
    sources = request.block("sources")
    rows = re.findall(r"(?m)^\[(\d+)\] (.*)$", request.block("sentences"))
    verdicts: list[dict[str, object]] = []
    for number, text in rows:
        bare = re.sub(r"\s*\[\d+\]", "", text)
        start = " ".join(bare.split()[:3])
        grade = "full" if bare in sources else "partial" if start in sources else "none"
        verdicts.append({"sentence": int(number), "reason": "read", "grounded": grade})
    return json.dumps({"verdicts": verdicts})


def rubric(request: ChatRequest) -> str:
    """One point for being there, one for a number, one for more than ten words."""
    answer = request.block("answer")
    points = (True, any(map(str.isdigit, answer)), len(answer.split()) > 10)
    names = ("on_question", "complete", "sound")
    return json.dumps(
        {name: {"reason": "", "met": met} for name, met in zip(names, points, strict=True)}
    )


JUDGE: Sequence[Rule] = (
    Rule("assertions", asks_for("assertion", "supported"), assertions),
    Rule("drawn", asks_for("drawn"), drawn),
    Rule("factuality", asks_for("grade"), factuality),
    Rule("confidence", asks_for("confidence"), confidence),
    Rule("groundedness", asks_for("sentence", "grounded"), groundedness),
    Rule("rubric", asks_for("on_question"), rubric),
)
