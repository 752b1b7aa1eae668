"""Rewrite a question so that it stands alone, with keywords and filters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from pydantic import BaseModel, Field, field_validator

from graphrag import prompts
from graphrag import text as analysis
from graphrag.core.errors import ModelError, UsageError
from graphrag.models.asking import reply_or_error
from graphrag.query.context import Question, Resources, one_line, render_history
from graphrag.query.context.rows import DocumentKeys
from graphrag.stores import Filter, parse_filter

MAX_KEYWORDS = 8
MAX_KEYS = 30
MAX_VALUES = 8  # of one key that the prompt shows
MAX_VALUE = 40  # characters of one


class RewriteReply(BaseModel):
    rewritten: str
    keywords: list[str] = Field(default_factory=list[str])
    filters: list[str] = Field(default_factory=list[str])

    @field_validator("filters", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        """Models write {"year": 2024}, or null, as well."""
        if isinstance(value, Mapping):
            pairs = cast("Mapping[str, object]", value).items()
            return [f"{key}={one}" for key, one in pairs]
        return [] if value is None else value


@dataclass(frozen=True, slots=True)
class Rewritten:
    """`question` is what to search for; the answer is still to the one that was asked."""

    question: Question
    warnings: tuple[str, ...] = ()
    trace: Mapping[str, object] = field(default_factory=dict[str, object])


async def rewrite(question: Question, resources: Resources) -> Rewritten:
    """The question as `query.basic.rewrite` wants it; unchanged without that or a chat model."""
    if not resources.settings.query.basic.rewrite:
        return Rewritten(question)
    if resources.models.chat is None:
        return Rewritten(question, ("no chat model: the question was not rewritten",))
    known = _values(await resources.store.rows("documents", DocumentKeys))
    messages = prompts.load("query/rewrite", root=resources.root).fill(
        {
            "keys": "\n".join(_render(key, known[key]) for key in sorted(known)[:MAX_KEYS]),
            "history": render_history(question, turns=resources.settings.query.local.history_turns),
            "question": question.text,
        }
    )
    reply = await reply_or_error(resources.models.json(messages, RewriteReply, kind="rewrite"))
    if isinstance(reply, ModelError):
        return Rewritten(question, (f"the question could not be rewritten: {reply}",))
    text = " ".join(reply.rewritten.split()) or question.text
    keywords = _fresh(reply.keywords, text)
    filters, warnings = await _valid(reply.filters, known, question, resources)
    return Rewritten(
        replace(
            question,
            text="\n".join(filter(None, (text, " ".join(keywords)))),
            filters=(*question.filters, *filters),
            history=(),  # what the question refers to now stands in it
            vector=None,
        ),
        tuple(warnings),
        {
            "rewritten": text,
            "keywords": keywords,
            "filters": [f"{one.key}{one.operator}{','.join(one.values)}" for one in filters],
        },
    )


def _values(documents: Sequence[DocumentKeys]) -> dict[str, set[str]]:
    """The values of every key that filters can name."""
    known: dict[str, set[str]] = {
        "source": {one.source for one in documents if one.source},
        "title": {one.title for one in documents if one.title},
        "language": {one.language for one in documents if one.language},
    }
    for metadata in {one.metadata for one in documents if one.metadata}:
        for key, value in cast("dict[str, object]", json.loads(metadata)).items():
            if value is not None:
                known.setdefault(key, set()).add(
                    str(value).lower() if isinstance(value, bool) else str(value)
                )
    return {key: values for key, values in known.items() if values}


def _render(key: str, values: Iterable[str]) -> str:
    found = sorted(values)
    shown = ", ".join(one_line(value[:MAX_VALUE]) for value in found[:MAX_VALUES])
    return f"{one_line(key)}: {shown}" + (", …" if len(found) > MAX_VALUES else "")


def _fresh(keywords: Iterable[str], text: str) -> list[str]:
    """The keywords that say more than the text."""
    there = set(analysis.normalise(text).split())
    fresh: list[str] = []
    for keyword in map(one_line, keywords):
        spoken = set(analysis.normalise(keyword).split()) if keyword else set[str]()
        if spoken - there and len(fresh) < MAX_KEYWORDS:
            fresh.append(keyword)
            there |= spoken
    return fresh


async def _valid(
    proposed: Iterable[str],
    known: Mapping[str, set[str]],
    question: Question,
    resources: Resources,
) -> tuple[list[Filter], list[str]]:
    """The filters on keys that exist and that leave documents, and a warning for each other."""
    kept: list[Filter] = []
    warnings: list[str] = []
    for text in proposed:
        try:
            one = parse_filter(text)
        except UsageError:
            warnings.append(f"the model proposed {text!r}, which is not a filter")
            continue
        if one.key not in known:
            warnings.append(f"the model proposed a filter on {one.key!r}, a key no document has")
            continue
        together = (*question.filters, *kept, one)
        if await resources.store.matching_documents(together):
            kept.append(one)
        else:
            warnings.append(f"the model proposed {text!r}, which leaves no document")
    return kept, warnings
