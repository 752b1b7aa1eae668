"""A graph in, the same graph out with its longest descriptions summarised by the model.

The descriptions of one entity or relationship, one a line, that are together too long are
condensed into one. What does not fit one prompt is condensed in parts, and then the parts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import polars as pl

from graphrag.core.concurrency import Progress, as_batches, batching_writer
from graphrag.core.errors import BadReplyError, CostLimitError, ModelAuthError, ModelError
from graphrag.core.settings import Settings
from graphrag.core.tables import stable_id
from graphrag.indexing.graph.merging import Graph
from graphrag.models.models import Models
from graphrag.prompts import Prompt
from graphrag.stores import GraphStore
from graphrag.text import tokens

STEP = "summarise"
INPUT_TOKENS = 3600  # of descriptions in one prompt; with the instructions below 4,000
SUMMARY_TOKENS = 500  # a longer reply is cut


@dataclass(frozen=True, slots=True)
class Summarised:
    """`reply_keys` are the replies that this graph rests on; `failures` are (name, reason)."""

    graph: Graph
    reply_keys: frozenset[str] = frozenset()
    failures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Item:
    """One text to condense; the same text about the same thing is condensed once."""

    name: str
    text: str


@dataclass(slots=True)
class _Run:
    models: Models
    store: GraphStore
    prompt: Prompt
    settings: Settings
    progress: Progress
    reply_keys: set[str] = field(default_factory=set[str])
    errors: dict[_Item, ModelError] = field(default_factory=dict["_Item", ModelError])
    stopped: CostLimitError | None = None


async def summarise(
    graph: Graph,
    *,
    models: Models,
    store: GraphStore,
    prompt: Prompt,
    settings: Settings,
    progress: Progress,
) -> Summarised:
    """`graph` with every description of at most about `extraction.summary_tokens`.

    Replies are kept in `store` as they arrive. A description whose call fails is cut instead
    and named in `failures`; a cost limit ends the calls likewise. Raises ModelAuthError. Without
    a chat model the graph is returned as it is.
    """
    if models.chat is None:
        return Summarised(graph)
    limit = settings.extraction.summary_tokens
    named: dict[str, list[str]] = {
        "entities": graph.entities["name"].to_list(),
        "relationships": _relationship_names(graph),
    }
    frames = {"entities": graph.entities, "relationships": graph.relationships}
    long = {table: _long(frames[table], names, limit) for table, names in named.items()}
    items = sorted(
        {item for found in long.values() for item in found.values()},
        key=lambda item: (item.name, item.text),
    )
    if not items:
        return Summarised(graph)
    run = _Run(models, store, prompt, settings, progress)
    progress.start(STEP, len(items))
    summaries = await _condense(items, run)
    progress.finish(STEP)
    replaced = {
        table: _replace(
            frames[table],
            {
                position: summaries.get(item) or tokens.truncate(item.text, limit)
                for position, item in found.items()
            },
        )
        for table, found in long.items()
    }
    return Summarised(
        dataclasses.replace(
            graph, entities=replaced["entities"], relationships=replaced["relationships"]
        ),
        frozenset(run.reply_keys),
        _failures(items, summaries, run),
    )


def _relationship_names(graph: Graph) -> list[str]:
    names: dict[str, str] = dict(graph.entities.select("id", "name").rows())
    return [
        f"{names[source]} – {names[target]} ({kind})"
        for source, target, kind in graph.relationships.select(
            "source_id", "target_id", "type"
        ).rows()
    ]


def _long(frame: pl.DataFrame, names: list[str], limit: int) -> dict[int, _Item]:
    """By row: the descriptions of more than `limit` tokens."""
    # A token is a byte at least, so most rows need no count.
    rows: list[tuple[int, str]] = (
        frame.lazy()
        .with_row_index("row")
        .filter(pl.col("description").str.len_bytes() > limit)
        .select("row", "description")
        .collect()
        .rows()
    )
    counts = tokens.counts([text for _, text in rows])
    return {
        row: _Item(names[row], text)
        for (row, text), count in zip(rows, counts, strict=True)
        if count > limit
    }


async def _condense(items: Sequence[_Item], run: _Run) -> dict[_Item, str]:
    """The summary of each item that could be written."""
    parts = {item: _packed(item) for item in items}
    done = await _ask({part for found in parts.values() for part in found}, run)
    summaries: dict[_Item, str] = {}
    joined: dict[_Item, _Item] = {}
    for item, found in parts.items():
        texts = [done[part] for part in found if part in done]
        if len(texts) < len(found):
            failed = next((run.errors[part] for part in found if part in run.errors), None)
            if failed is not None:
                run.errors[item] = failed
        elif len(found) == 1:
            summaries[item] = texts[0]
        else:
            joined[item] = _Item(item.name, "\n".join(texts))
    if joined:
        # Each part shrinks to a seventh at least, so this ends after a few rounds.
        deeper = await _condense(list(dict.fromkeys(joined.values())), run)
        for item, whole in joined.items():
            if whole in deeper:
                summaries[item] = deeper[whole]
            elif whole in run.errors:
                run.errors[item] = run.errors[whole]
    return summaries


def _packed(item: _Item) -> list[_Item]:
    """The lines of `item`, as many together as fit one prompt."""
    lines = item.text.split("\n")
    sizes = [size + 1 for size in tokens.counts(lines)]
    packs: list[list[str]] = [[]]
    used = 0
    for line, size in zip(lines, sizes, strict=True):
        pieces = (
            [(line, size)]
            if size <= INPUT_TOKENS
            else [
                (piece, INPUT_TOKENS)
                for piece in tokens.split(line, max_tokens=INPUT_TOKENS - 1, overlap=0)
            ]
        )
        for piece, cost in pieces:
            if packs[-1] and used + cost > INPUT_TOKENS:
                packs.append([])
                used = 0
            packs[-1].append(piece)
            used += cost
    return [_Item(item.name, "\n".join(pack)) for pack in packs]


async def _ask(parts: set[_Item], run: _Run) -> dict[_Item, str]:
    """The model's reply for each part, from the store where it is known."""
    assert run.models.chat is not None
    model = run.models.chat.name
    keys = {
        part: stable_id("summary", model, run.prompt.hash, part.name, part.text) for part in parts
    }
    known = await run.store.replies(sorted(keys.values()))
    done = {part: known[key] for part, key in keys.items() if key in known}
    run.reply_keys.update(known)

    async def attempt(part: _Item) -> str | ModelError:
        messages = run.prompt.fill({"name": part.name, "descriptions": part.text})
        try:
            reply = await run.models.text(messages, kind="summarise", cache=False)
        except ModelError as error:
            return error
        return _cut(reply) or BadReplyError("the model replied with an empty text")

    todo = sorted(parts - done.keys(), key=lambda part: (part.name, part.text))
    if run.stopped is not None:
        todo = []
    limit = run.settings.chat.concurrency

    async def save(replies: list[tuple[str, str]]) -> None:
        await run.store.put_replies(dict(replies))

    async with (
        batching_writer(save, most=limit) as saving,
        aclosing(as_batches(todo, attempt, limit=limit)) as batches,
    ):
        async for batch in batches:
            came = {part: reply for part, reply in batch if isinstance(reply, str)}
            await saving.add((keys[part], reply) for part, reply in came.items())
            done |= came
            run.reply_keys.update(keys[part] for part in came)
            run.progress.advance(STEP, len(batch))
            for part, reply in batch:
                match reply:
                    case ModelAuthError():
                        raise reply
                    case CostLimitError():
                        run.stopped = reply
                    case ModelError():
                        run.errors[part] = reply
                    case _:
                        pass
            if run.stopped is not None:
                break
    return done


def _cut(reply: str) -> str:
    text = " ".join(reply.split())
    return tokens.truncate(text, SUMMARY_TOKENS) if len(text) > SUMMARY_TOKENS else text


def _replace(frame: pl.DataFrame, texts: Mapping[int, str]) -> pl.DataFrame:
    """`frame` with these descriptions, by row."""
    if not texts:
        return frame
    descriptions: list[str] = frame["description"].to_list()
    for row, text in texts.items():
        descriptions[row] = text
    return frame.with_columns(pl.Series("description", descriptions, dtype=pl.String))


def _failures(
    items: Sequence[_Item], summaries: Mapping[_Item, str], run: _Run
) -> tuple[tuple[str, str], ...]:
    failed = {item.name: str(run.errors[item]) for item in items if item in run.errors}
    left = [item for item in items if item not in summaries and item not in run.errors]
    if run.stopped is not None and left:
        failed[left[0].name] = f"{len(left)} descriptions were cut instead: {run.stopped}"
    return tuple(sorted(failed.items()))
