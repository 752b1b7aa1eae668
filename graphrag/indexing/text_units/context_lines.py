"""Write the line that places each text unit in its document.

Contextual retrieval (Anthropic, 2024): the line is put before the unit for embedding and
full-text search, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from graphrag import prompts
from graphrag.core.errors import ModelError
from graphrag.core.tables import stable_id
from graphrag.indexing.run import Run
from graphrag.indexing.runners import Tools
from graphrag.indexing.runners.asking import ask_and_keep
from graphrag.prompts import Prompt
from graphrag.text import tokens

STEP = "context lines"
DOCUMENT_TOKENS = 4000  # of the document shown with each unit
LEAST_TOKENS = 200  # of it, however small the window of the model is
SLICE_ROUNDS = 4  # of calls at once that a remote worker is handed


@dataclass(frozen=True, slots=True)
class LineRequest:
    """A unit and the document around it; its line is kept under `key`."""

    key: str
    unit: str  # its id
    document: str
    text: str


@dataclass(slots=True)
class Lines:
    """By key what the model wrote; by unit why it did not."""

    written: dict[str, str] = field(default_factory=dict[str, str])
    failures: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    stopped: bool = False  # by the cost limit


async def add_context_lines(
    run: Run, text_units: pl.DataFrame
) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """`text_units` with `context` set, and by unit why it is not: there a null stays.

    Nothing changes without a chat model or `chunks.context`. Raises ModelAuthError. A cost limit
    ends the step; what was written is kept.
    """
    if not run.settings.chunks.context or run.models.chat is None:
        return text_units, []
    prompt = prompts.load("indexing/context", root=run.root)
    of_unit = run.settings.chunks.max_tokens
    room = run.models.window.fit(DOCUMENT_TOKENS + of_unit) - of_unit
    shown = _documents(text_units, most_tokens=max(LEAST_TOKENS, room))
    rows = text_units.select("id", "document_id", "text").rows()
    keys = {
        unit: stable_id("context", run.models.chat.name, prompt.hash, shown[document], text)
        for unit, document, text in rows
    }
    lines = await run.store.replies(sorted(set(keys.values())))
    todo = [
        LineRequest(keys[unit], unit, shown[document], text)
        for unit, document, text in rows
        if keys[unit] not in lines
    ]
    failures: list[tuple[str, str]] = []
    run.progress.start(STEP, len(todo))
    size = SLICE_ROUNDS * run.settings.chat.concurrency
    work = partial(write_lines, prompt=prompt)
    async with aclosing(run.runner.slices(STEP, todo, work, tools=run, size=size)) as slices:
        async for _, coming in slices:
            part = await coming
            lines |= part.written
            failures += part.failures
            if part.stopped:
                break
    run.progress.finish(STEP)
    run.reply_keys.update(keys.values())
    context = [lines.get(keys[unit]) for unit, _, _ in rows]
    return (
        text_units.with_columns(pl.Series("context", context, dtype=pl.String)),
        sorted(failures),
    )


async def write_lines(requests: Sequence[LineRequest], tools: Tools, *, prompt: Prompt) -> Lines:
    """Write the lines where this runs, each kept as it arrives; see `add_context_lines`."""
    lines = Lines()
    if tools.may_repeat:
        lines.written = await tools.store.replies(sorted({one.key for one in requests}))

    async def keep(results: list[tuple[LineRequest, str | ModelError]]) -> None:
        new = {
            request.key: " ".join(reply.split())
            for request, reply in results
            if isinstance(reply, str)
        }
        await tools.store.put_replies(new)
        lines.written |= new

    asked = await ask_and_keep(
        [request for request in requests if request.key not in lines.written],
        lambda request: tools.models.text(
            prompt.fill({"document": request.document, "text": request.text}),
            kind="context",
            cache=False,
        ),
        keep,
        limit=tools.settings.chat.concurrency,
        on_done=lambda done: tools.progress.advance(STEP, len(done)),
        name=lambda request: request.unit,
    )
    lines.failures = [(request.unit, str(error)) for request, error in asked.errors.items()]
    if asked.stopped is not None:
        lines.stopped = True
        left = (one for one in requests if one.key not in lines.written and one not in asked.errors)
        lines.failures.append((next(left).unit, str(asked.stopped)))
    return lines


def _documents(text_units: pl.DataFrame, *, most_tokens: int) -> dict[str, str]:
    """By document: its text as far as it is shown to the model."""
    joined = (
        text_units.sort("document_id", "ordinal")
        .group_by("document_id", maintain_order=True)
        .agg(pl.col("text").str.join("\n\n"))
    )
    return {document: tokens.truncate(text, most_tokens) for document, text in joined.rows()}
