"""Text units in, each with one model-written line that situates it in its document out.

Contextual retrieval (Anthropic, 2024): the line is put before the unit for embedding and
full-text search, and nowhere else.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

import polars as pl

from graphrag import tokens
from graphrag.concurrency import Progress, as_done
from graphrag.errors import CostLimitError, ModelAuthError, ModelError
from graphrag.llm import Models
from graphrag.logs import about
from graphrag.prompts import Prompt
from graphrag.settings import Settings
from graphrag.stores import GraphStore
from graphrag.tables import stable_id

STEP = "context lines"
DOCUMENT_TOKENS = 4000  # of the document shown with each unit


@dataclass(frozen=True, slots=True)
class Situated:
    text_units: pl.DataFrame
    reply_keys: frozenset[str]
    failures: tuple[tuple[str, str], ...]  # text unit id, reason


async def situate(
    text_units: pl.DataFrame,
    *,
    models: Models,
    store: GraphStore,
    prompt: Prompt,
    settings: Settings,
    progress: Progress,
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
    todo = [(unit, document, text) for unit, document, text in rows if keys[unit] not in lines]
    failures: list[tuple[str, str]] = []

    async def ask(row: tuple[str, str, str]) -> str | ModelError:
        unit, document, text = row
        messages = prompt.fill({"document": shown[document], "text": text})
        with about(unit):
            try:
                return await models.text(messages, kind="context", cache=False)
            except ModelError as error:
                return error

    progress.start(STEP, len(todo))
    async with aclosing(as_done(todo, ask, limit=settings.chat.concurrency)) as results:
        async for (unit, _, _), reply in results:
            progress.advance(STEP)
            if isinstance(reply, ModelAuthError):
                raise reply
            if isinstance(reply, ModelError):
                failures.append((unit, str(reply)))
                if isinstance(reply, CostLimitError):
                    break
                continue
            lines[keys[unit]] = " ".join(reply.split())
            await store.put_replies({keys[unit]: lines[keys[unit]]})
    progress.finish(STEP)
    context = [lines.get(keys[unit]) for unit, _, _ in rows]
    return Situated(
        text_units.with_columns(pl.Series("context", context, dtype=pl.String)),
        frozenset(keys.values()),
        tuple(sorted(failures)),
    )


def _documents(text_units: pl.DataFrame) -> dict[str, str]:
    """By document: its text as far as it is shown to the model."""
    joined = (
        text_units.sort("document_id", "ordinal")
        .group_by("document_id", maintain_order=True)
        .agg(pl.col("text").str.join("\n\n"))
    )
    return {document: tokens.truncate(text, DOCUMENT_TOKENS) for document, text in joined.rows()}
