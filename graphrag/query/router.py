"""Choose the method for a question, gather its evidence and have the answer written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, TypeGuard, get_args

from graphrag import prompts
from graphrag.core import tracing
from graphrag.core.answers import Answer, AnswerContext, Passage
from graphrag.core.errors import ContextTooLongError, NoIndexError, UsageError
from graphrag.query.answering.places import locate
from graphrag.query.answering.writing import Written, write
from graphrag.query.context import Evidence, Question, Resources, render_context, render_history
from graphrag.query.context.rows import DocumentKeys
from graphrag.query.search import basic

__all__ = ["Question", "Resources", "Retrieved", "answer", "retrieve"]

Method = Literal["basic", "local", "global", "path", "lazy", "hybrid", "drift"]
LEVELED: tuple[Method, ...] = ("global", "drift")
TRIES = 4  # of a prompt that does not fit the model; each is packed smaller
MAX_QUESTION = 8000  # characters; what goes on is not read
DOCUMENT_KEYS = ("doc.language", "doc.source", "doc.title")
EMPTY = "Nothing in the indexed documents fits this question."


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What would be read to answer a question, and which method reads it."""

    question: str
    method: str
    reason: str
    context: AnswerContext
    warnings: tuple[str, ...] = ()
    trace: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def passages(self) -> tuple[Passage, ...]:
        return self.context.text_units

    def as_dict(self) -> dict[str, object]:
        """Plain dicts, lists and scalars, ready for `json.dumps`."""
        return asdict(self)


async def answer(
    question: Question, resources: Resources, *, on_text: Callable[[str], None] | None = None
) -> Answer:
    """The answer to `question`; `on_text` gets its text in pieces, never the citations block.

    Raises UsageError on an empty question, an unknown method or level, NoIndexError when
    nothing was indexed, ModelError when the model fails.
    """
    started = time.perf_counter()
    if on_text is None:
        resources = replace(resources, models=resources.models.in_one_piece())
    models, settings = resources.models, resources.settings
    asked, method, reason, warnings = await _prepare(question, resources)
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if on_text:
            on_text(text)

    refusals = 0
    while True:
        window = models.window.tokens
        resources = replace(resources, settings=models.window.fitted(settings))
        try:
            # Each method and its libraries are loaded when it is asked for.
            match method:
                case "global":
                    from graphrag.query import global_search

                    with tracing.step("answer"):
                        written, evidence = await global_search.answer(
                            asked, resources, on_text=tell
                        )
                case "drift":
                    from graphrag.query import drift

                    with tracing.step("answer"):
                        written, evidence = await drift.answer(asked, resources, on_text=tell)
                case "lazy":
                    from graphrag.query import lazy

                    with tracing.step("answer"):
                        written, evidence = await lazy.answer(asked, resources, on_text=tell)
                case "basic" | "local" | "path" | "hybrid":
                    with tracing.step("retrieve"):
                        evidence = await _retrieval(method, asked, resources)
                    with tracing.step("answer"):
                        written = await _write(asked, evidence, resources, on_text=tell)
            break
        except ContextTooLongError:
            # The window is known better now; what was shown to the reader stays.
            refusals += 1
            if told or refusals == TRIES:
                raise
            if window == models.window.tokens:
                models.window.pack_less()
    if not told:
        tell(written.text)
    citations = await locate(written.citations, resources.store)
    return Answer(
        question=question.text,
        answer=written.text,
        answered=written.answered,
        method=method,
        reason=reason,
        citations=citations,
        unsupported=written.unsupported,
        context=evidence.context,
        usage=resources.models.usage,
        seconds=round(time.perf_counter() - started, 3),
        warnings=_distinct(warnings, evidence.warnings, written.warnings, resources.models.notes),
        trace=dict(evidence.trace),
    )


async def retrieve(question: Question, resources: Resources) -> Retrieved:
    """What would be read to answer `question`. Raises as `answer` does."""
    settings = resources.models.window.fitted(resources.settings)
    resources = replace(resources, settings=settings)
    asked, method, reason, warnings = await _prepare(question, resources)
    with tracing.step("retrieve"):
        evidence = await _retrieval(method, asked, resources)
    return Retrieved(
        question.text,
        method,
        reason,
        evidence.context,
        _distinct(warnings, evidence.warnings, resources.models.notes),
        dict(evidence.trace),
    )


def _retrieval(
    method: Method, question: Question, resources: Resources
) -> Coroutine[object, object, Evidence]:
    match method:
        case "basic":
            return basic.retrieve(question, resources)
        case "local":
            from graphrag.query.search import local

            return local.retrieve(question, resources)
        case "global":
            from graphrag.query import global_search

            return global_search.retrieve(question, resources)
        case "drift":
            from graphrag.query import drift

            return drift.retrieve(question, resources)
        case "path":
            from graphrag.query import path

            return path.retrieve(question, resources)
        case "lazy":
            from graphrag.query import lazy

            return lazy.retrieve(question, resources)
        case "hybrid":
            from graphrag.query import hybrid

            return hybrid.retrieve(question, resources)


async def _write(
    question: Question,
    evidence: Evidence,
    resources: Resources,
    *,
    on_text: Callable[[str], None],
) -> Written:
    """The answer from numbered sources: by the model, or by ranking sentences without one."""
    settings = resources.settings.query
    if resources.models.chat is None:
        from graphrag.query.answering import extractive

        return extractive.answer(
            evidence, limit=settings.sentences, min_coverage=settings.min_coverage
        )
    if not evidence.units:
        return Written(EMPTY, answered=False)
    messages = prompts.load("query/answer", root=resources.root).fill(
        {
            "context": render_context(evidence),
            "history": render_history(question, turns=settings.local.history_turns),
            "question": question.text,
        }
    )
    pieces = resources.models.stream(messages, kind="answer")
    return await write(pieces, evidence.sources, on_text=on_text)


async def _prepare(
    question: Question, resources: Resources
) -> tuple[Question, Method, str, list[str]]:
    """The question as it is asked, the method with the reason for it, and warnings."""
    text = question.text.strip()
    if not text:
        raise UsageError("the question is empty", hint="Ask something, in quotes.")
    if question.k is not None and question.k < 1:
        raise UsageError(f"k is {question.k!r}", hint="Ask for at least one text unit.")
    warnings: list[str] = []
    if len(text) > MAX_QUESTION:
        warnings.append(f"only the first {MAX_QUESTION} characters of the question are read")
        text = text[:MAX_QUESTION]
    counts = await _counts(resources)
    warnings += await _unknown_keys(question, resources)
    asked = replace(question, text=text)
    if question.method == "auto":
        from graphrag.query.auto import choose

        method, reason = await choose(asked, resources, counts)
    elif _is_method(question.method):
        method, reason = question.method, "asked for"
    else:
        known = ", ".join(["auto", *get_args(Method)])
        raise UsageError(f"no method {question.method!r}", hint=f"There are: {known}.")
    if question.level is not None and method not in LEVELED:
        unused = f"{method} does not look at levels: {question.level} changes nothing"
        warnings.append(unused)
    tracing.by(method)
    return asked, method, reason, warnings


def _is_method(name: str) -> TypeGuard[Method]:
    return name in get_args(Method)


async def _counts(resources: Resources) -> dict[str, int]:
    """Rows by table. Raises NoIndexError when there is no text to search."""
    meta = await resources.meta()
    counts: dict[str, int] = json.loads(meta.get("counts") or "{}")
    if "text_units" not in counts:
        counts = await resources.store.counts()
    if not counts["text_units"]:
        raise NoIndexError(
            f"the index at {resources.store.url} holds no text",
            hint="Run `graphrag index PATH` with readable documents; `graphrag status` lists "
            "those that failed.",
        )
    return counts


async def _unknown_keys(question: Question, resources: Resources) -> list[str]:
    """A warning for each filter key that no document has; our own fields all have."""
    keys = {item.key for item in question.filters if not item.own_column}
    if not keys:
        return []
    documents = await resources.store.rows("documents", DocumentKeys)
    known: set[str] = set()
    for metadata in {row.metadata for row in documents if row.metadata is not None}:
        known.update(json.loads(metadata))
    there = ", ".join([*sorted(known), *DOCUMENT_KEYS])
    return [
        f"no document has the key {key!r}; keys there are: {there}" for key in sorted(keys - known)
    ]


def _distinct(*warnings: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for some in warnings for text in some))
