"""Text units in, each with one model-written line that situates it in its document out.

Contextual retrieval (Anthropic, 2024): the line is put before the unit for embedding and
full-text search, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from graphrag.core.concurrency import Progress, as_done, batching_writer
from graphrag.core.errors import CostLimitError, ModelAuthError, ModelError
from graphrag.core.logs import about
from graphrag.core.settings import Settings
from graphrag.core.tables import stable_id
from graphrag.indexing.runners import HERE, Runner, Tools
from graphrag.models.models import Models
from graphrag.prompts import Prompt
from graphrag.stores import GraphStore
from graphrag.text import tokens

STEP = "context lines"
DOCUMENT_TOKENS = 4000  # of the document shown with each unit
SLICE_ROUNDS = 4  # of calls at once that a remote worker is handed


@dataclass(frozen=True, slots=True)
class Situated:
    text_units: pl.DataFrame
    reply_keys: frozenset[str]
    failures: tuple[tuple[str, str], ...]  # text unit id, reason


@dataclass(frozen=True, slots=True)
class Place:
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


async def situate(
    text_units: pl.DataFrame,
    *,
    models: Models,
    store: GraphStore,
    prompt: Prompt,
    settings: Settings,
    progress: Progress,
    runner: Runner = HERE,
) -> Situated:
    """`text_units` with `context` set. Units whose call failed keep a null there.

    Raises ModelAuthError. A cost limit ends the step; what was written is kept.
    """
    assert models.chat is not None
    shown = _documents(text_units)
    rows = text_units.select("id", "document_id", "text").rows()
    keys = {
        unit: stable_id("context", models.chat.name, prompt.hash, shown[document], text)
        for unit, document, text in rows
    }
    lines = await store.replies(sorted(set(keys.values())))
    todo = [
        Place(keys[unit], unit, shown[document], text)
        for unit, document, text in rows
        if keys[unit] not in lines
    ]
    failures: list[tuple[str, str]] = []
    progress.start(STEP, len(todo))
    tools = Tools(models, store, settings, progress)
    size = SLICE_ROUNDS * settings.chat.concurrency
    work = partial(write_lines, prompt=prompt)
    async with aclosing(runner.slices(STEP, todo, work, tools=tools, size=size)) as slices:
        async for _, part in slices:
            lines |= part.written
            failures += part.failures
            if part.stopped:
                break
    progress.finish(STEP)
    context = [lines.get(keys[unit]) for unit, _, _ in rows]
    return Situated(
        text_units.with_columns(pl.Series("context", context, dtype=pl.String)),
        frozenset(keys.values()),
        tuple(sorted(failures)),
    )


async def write_lines(places: Sequence[Place], tools: Tools, *, prompt: Prompt) -> Lines:
    """Write the lines where this runs, each kept as it arrives; see `situate`."""
    lines = Lines()
    if tools.may_repeat:
        lines.written = await tools.store.replies(sorted({place.key for place in places}))

    async def ask(place: Place) -> str | ModelError:
        messages = prompt.fill({"document": place.document, "text": place.text})
        with about(place.unit):
            try:
                return await tools.models.text(messages, kind="context", cache=False)
            except ModelError as error:
                return error

    async def save(written: list[tuple[str, str]]) -> None:
        await tools.store.put_replies(dict(written))

    todo = [place for place in places if place.key not in lines.written]
    limit = tools.settings.chat.concurrency
    async with (
        batching_writer(save, most=limit) as saving,
        aclosing(as_done(todo, ask, limit=limit)) as results,
    ):
        async for place, reply in results:
            tools.progress.advance(STEP)
            if isinstance(reply, ModelAuthError):
                raise reply
            if isinstance(reply, ModelError):
                lines.failures.append((place.unit, str(reply)))
                if isinstance(reply, CostLimitError):
                    lines.stopped = True
                    break
                continue
            lines.written[place.key] = line = " ".join(reply.split())
            await saving.add([(place.key, line)])
    return lines


def _documents(text_units: pl.DataFrame) -> dict[str, str]:
    """By document: its text as far as it is shown to the model."""
    joined = (
        text_units.sort("document_id", "ordinal")
        .group_by("document_id", maintain_order=True)
        .agg(pl.col("text").str.join("\n\n"))
    )
    return {document: tokens.truncate(text, DOCUMENT_TOKENS) for document, text in joined.rows()}
