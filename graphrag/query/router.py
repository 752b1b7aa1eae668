"""Choose the method for a question, gather its evidence and have the answer written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, TypeGuard, get_args

from graphrag import prompts
from graphrag.core import tracing
from graphrag.core.answers import Answer, AnswerContext, Passage
from graphrag.core.errors import ContextTooLongError, NoIndexError, UsageError
from graphrag.core.settings import WORK_FOLDER
from graphrag.query.answering.places import locate
from graphrag.query.answering.writing import Written, write
from graphrag.query.context import (
    Evidence,
    Question,
    Resources,
    distinct_warnings,
    render_context,
    render_history,
)
from graphrag.query.context.rows import DocumentKeys, metadata_keys
from graphrag.query.context.spelling import Spelled, spell
from graphrag.query.search import basic

__all__ = ["Question", "Resources", "Retrieved", "answer", "retrieve"]

Method = Literal["basic", "local", "global", "path", "lazy", "hybrid", "drift", "table"]
LEVELED: tuple[Method, ...] = ("global", "drift")
TRIES = 4  # of a prompt that does not fit the model; each is packed smaller
MAX_QUESTION = 8000  # characters; what goes on is not read
OTHERS = 20  # text units that are looked at beside those of the method
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
    prepared = await _prepare(question, resources)
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if on_text:
            on_text(text)

    refusals = 0
    while True:
        window = models.window.tokens
        fitted = replace(resources, settings=models.window.fitted(settings))
        try:
            written, evidence = await _answer(prepared, fitted, on_text=tell)
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
        method=prepared.method,
        reason=prepared.reason,
        extractive=models.chat is None,
        also_searched=prepared.spelled.used(citations),
        citations=citations,
        unsupported=written.unsupported,
        context=evidence.context,
        usage=models.usage,
        seconds=round(time.perf_counter() - started, 3),
        warnings=distinct_warnings(
            prepared.warnings,
            () if written.answered else await _filtered(question, resources),
            evidence.warnings,
            written.warnings,
            models.notes,
        ),
        trace=dict(evidence.trace),
        table=written.table,
    )


async def _filtered(question: Question, resources: Resources) -> list[str]:
    """That filters kept documents out, where they did: the answer may stand in one of them."""
    if not question.filters:
        return []
    passing = len(await resources.store.matching_documents(question.filters))
    n_documents = (await _counts(resources))["documents"]
    if passing == n_documents:
        return []
    return [f"the filters left {passing} of {n_documents} documents to search"]


async def _answer(
    prepared: _Prepared, resources: Resources, *, on_text: Callable[[str], None]
) -> tuple[Written, Evidence]:
    """The answer by the method chosen, and what it rests on."""
    asked, method = prepared.question, prepared.method
    # Each method and its libraries are loaded when it is asked for.
    match method:
        case "table":
            from graphrag.query.table import search

            with tracing.step("answer"):
                return await search.answer(asked, resources, on_text=on_text)
        case _ if resources.models.chat is None and method != "global":
            with tracing.step("retrieve"):
                evidence = await _retrieval(method, asked, resources)
            with tracing.step("answer"):
                return await _extract(prepared, evidence, resources)
        case "global":
            from graphrag.query import global_search

            with tracing.step("answer"):
                return await global_search.answer(asked, resources, on_text=on_text)
        case "drift":
            from graphrag.query import drift

            with tracing.step("answer"):
                return await drift.answer(asked, resources, on_text=on_text)
        case "lazy":
            from graphrag.query import lazy

            with tracing.step("answer"):
                return await lazy.answer(asked, resources, on_text=on_text)
        case "basic" | "local" | "path" | "hybrid":
            with tracing.step("retrieve"):
                evidence = await _retrieval(method, asked, resources)
            if not evidence.units:
                return Written(EMPTY, answered=False), evidence
            turns = resources.settings.query.local.history_turns
            messages = prompts.load("query/answer", root=resources.root).fill(
                {
                    "context": render_context(evidence),
                    "history": render_history(asked, turns=turns),
                    "question": asked.text,
                }
            )
            with tracing.step("answer"):
                pieces = resources.models.stream(messages, kind="answer")
                return await write(pieces, evidence.sources, on_text=on_text), evidence


async def retrieve(question: Question, resources: Resources) -> Retrieved:
    """What would be read to answer `question`. Raises as `answer` does."""
    settings = resources.models.window.fitted(resources.settings)
    resources = replace(resources, settings=settings)
    prepared = await _prepare(question, resources)
    with tracing.step("retrieve"):
        evidence = await _retrieval(prepared.method, prepared.question, resources)
    return Retrieved(
        question.text,
        prepared.method,
        prepared.reason,
        evidence.context,
        distinct_warnings(prepared.warnings, evidence.warnings, resources.models.notes),
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
        case "table":
            from graphrag.query.table import search

            return search.retrieve(question, resources)


async def _extract(
    prepared: _Prepared, evidence: Evidence, resources: Resources
) -> tuple[Written, Evidence]:
    """The answer in excerpts of what was found and of what else has the question's words."""
    from graphrag.query.answering import extractive

    others = evidence.candidates
    if not others:
        asked, turns = prepared.question, basic.HISTORY_TURNS
        ranking = await basic.rank(asked, resources, k=OTHERS, turns=turns)
        others = tuple(unit for unit, _ in ranking.units)
    scope = extractive.STEPS if prepared.method == "path" else extractive.NARROW
    extract = extractive.answer(
        evidence, others[:OTHERS], scope=scope, respelled=prepared.spelled.written
    )
    trace = dict(evidence.trace)
    if extract.support:
        trace["support"] = asdict(extract.support)
    return extract.written, replace(evidence, units=extract.units, trace=trace)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The question as it is asked, and the method with the reason for it."""

    question: Question
    method: Method
    reason: str
    warnings: tuple[str, ...]
    spelled: Spelled


async def _prepare(question: Question, resources: Resources) -> _Prepared:
    text = question.text.strip()
    if not text:
        raise UsageError("the question is empty", hint="Ask something.")
    if question.k is not None and question.k < 1:
        raise UsageError(f"k is {question.k!r}", hint="Ask for at least one text unit.")
    warnings: list[str] = []
    if len(text) > MAX_QUESTION:
        warnings.append(f"only the first {MAX_QUESTION} characters of the question are read")
        text = text[:MAX_QUESTION]
    counts = await _counts(resources)
    warnings += await _unknown_keys(question, resources)
    as_written = replace(question, text=text)
    why, why_not = "", ""
    if question.method == "auto":
        why, why_not = await _why_table(as_written, resources)
    # What is counted is named, or refused, in the question's own words.
    by_word = bool(why) or question.method == "table"
    spelled = Spelled(text, {}) if by_word else await _spell(text, resources)
    asked = replace(question, text=spelled.text)
    if why:
        method, reason = "table", why
    elif question.method == "auto":
        from graphrag.query.auto import choose

        method, reason = await choose(asked, resources, counts)
        reason += f"; not counted: {why_not}" if why_not else ""
    elif _is_method(question.method):
        method, reason = question.method, "asked for"
    else:
        known = ", ".join(["auto", *get_args(Method)])
        raise UsageError(f"no method {question.method!r}", hint=f"There are: {known}.")
    if question.level is not None and method not in LEVELED:
        unused = f"{method} does not look at levels: {question.level} changes nothing"
        warnings.append(unused)
    tracing.by(method)
    return _Prepared(asked, method, reason, tuple(warnings), spelled)


async def _spell(text: str, resources: Resources) -> Spelled:
    """The question with known words for unknown ones; as it is for a model, which reads slips."""
    if resources.models.chat is not None:
        return Spelled(text, {})
    return await spell(
        text,
        resources.store,
        language=(await resources.meta()).get("language") or "en",
        work_folder=resources.root / WORK_FOLDER,
    )


async def _why_table(question: Question, resources: Resources) -> tuple[str, str]:
    """Why the question counts what the graph has, or what keeps it from that.

    Without the libraries of that where it does not count, and asks which of no declared type.
    """
    from graphrag.query.table.rules.forms import may_count, may_list

    listed = may_list(question.text) and (await resources.meta()).get("schema")
    if question.level is not None or not (listed or may_count(question.text)):
        return "", ""
    from graphrag.query.table import search

    return await search.suits(question, resources)


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
    known = metadata_keys(documents)
    there = ", ".join([*sorted(known), *DOCUMENT_KEYS])
    return [
        f"no document has the key {key!r}; keys there are: {there}" for key in sorted(keys - known)
    ]
