"""Summarise the longest descriptions of a graph by the model.

The descriptions of one entity or relationship, one a line, that are together too long are
condensed into one. What does not fit one prompt is condensed in parts, and then the parts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from graphrag import prompts
from graphrag.core.errors import ModelError
from graphrag.core.tables import stable_id
from graphrag.indexing.graph.merging import Graph
from graphrag.indexing.run import Run
from graphrag.indexing.runners.asking import Asked, ask_and_keep
from graphrag.text import tokens

STEP = "summarise"
INPUT_TOKENS = 3600  # of descriptions in one prompt; with the instructions below 4,000
SUMMARY_TOKENS = 500  # a longer reply is cut


@dataclass(frozen=True, slots=True)
class _Descriptions:
    """One text to condense; the same text about the same thing is condensed once."""

    name: str
    text: str


async def summarise(run: Run, graph: Graph) -> Graph:
    """`graph` with every description of at most about `extraction.summary_tokens`.

    Replies are kept in the store as they arrive. A description whose call fails is cut instead
    and named among the failures; a cost limit ends the calls likewise. Raises ModelAuthError.
    """
    limit = run.settings.extraction.summary_tokens
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
        return graph
    run.progress.start(STEP, len(items))
    asked: Asked[_Descriptions] = Asked()
    summaries = await _condense(items, run, asked)
    run.progress.finish(STEP)
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
    for name, reason in _failures(items, summaries, asked):
        run.fail(name, f"description summary: {reason}")
    return dataclasses.replace(
        graph, entities=replaced["entities"], relationships=replaced["relationships"]
    )


def _relationship_names(graph: Graph) -> list[str]:
    names: dict[str, str] = dict(graph.entities.select("id", "name").rows())
    return [
        f"{names[source]} – {names[target]} ({kind})"
        for source, target, kind in graph.relationships.select(
            "source_id", "target_id", "type"
        ).rows()
    ]


def _long(frame: pl.DataFrame, names: list[str], limit: int) -> dict[int, _Descriptions]:
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
        row: _Descriptions(names[row], text)
        for (row, text), count in zip(rows, counts, strict=True)
        if count > limit
    }


async def _condense(
    items: Sequence[_Descriptions], run: Run, asked: Asked[_Descriptions]
) -> dict[_Descriptions, str]:
    """The summary of each item that could be written; the others have their error in `asked`."""
    most = run.models.window.fit(INPUT_TOKENS)
    parts = {item: _packed(item, most_tokens=most) for item in items}
    done = await _ask({part for found in parts.values() for part in found}, run, asked)
    errors = asked.errors
    summaries: dict[_Descriptions, str] = {}
    joined: dict[_Descriptions, _Descriptions] = {}
    for item, found in parts.items():
        texts = [done[part] for part in found if part in done]
        if len(texts) < len(found):
            failed = next((errors[part] for part in found if part in errors), None)
            if failed is not None:
                errors[item] = failed
        elif len(found) == 1:
            summaries[item] = texts[0]
        else:
            joined[item] = _Descriptions(item.name, "\n".join(texts))
    if joined:
        # Each part shrinks to a seventh at least, so this ends after a few rounds.
        deeper = await _condense(list(dict.fromkeys(joined.values())), run, asked)
        for item, whole in joined.items():
            if whole in deeper:
                summaries[item] = deeper[whole]
            elif whole in errors:
                errors[item] = errors[whole]
    return summaries


def _packed(item: _Descriptions, *, most_tokens: int) -> list[_Descriptions]:
    """The lines of `item`, as many together as fit one prompt."""
    lines = item.text.split("\n")
    sizes = [size + 1 for size in tokens.counts(lines)]
    packs: list[list[str]] = [[]]
    used = 0
    for line, size in zip(lines, sizes, strict=True):
        pieces = (
            [(line, size)]
            if size <= most_tokens
            else [
                (piece, most_tokens)
                for piece in tokens.split(line, max_tokens=most_tokens - 1, overlap=0)
            ]
        )
        for piece, cost in pieces:
            if packs[-1] and used + cost > most_tokens:
                packs.append([])
                used = 0
            packs[-1].append(piece)
            used += cost
    return [_Descriptions(item.name, "\n".join(pack)) for pack in packs]


async def _ask(
    parts: set[_Descriptions], run: Run, asked: Asked[_Descriptions]
) -> dict[_Descriptions, str]:
    """The model's reply for each part, from the store where it is kept."""
    assert run.models.chat is not None
    model, prompt = run.models.chat.name, prompts.load("indexing/summarise", root=run.root)
    keys = {part: stable_id("summary", model, prompt.hash, part.name, part.text) for part in parts}
    kept = await run.store.replies(sorted(keys.values()))
    done = {part: kept[key] for part, key in keys.items() if key in kept}

    def ask(part: _Descriptions) -> Coroutine[object, object, str]:
        messages = prompt.fill({"name": part.name, "descriptions": part.text})
        return run.models.text(messages, kind="summarise", cache=False)

    async def keep(results: list[tuple[_Descriptions, str | ModelError]]) -> None:
        new = {part: _cut(reply) for part, reply in results if isinstance(reply, str)}
        await run.store.put_replies({keys[part]: reply for part, reply in new.items()})
        done.update(new)

    if asked.stopped is None:
        these = await ask_and_keep(
            sorted(parts - done.keys(), key=lambda part: (part.name, part.text)),
            ask,
            keep,
            limit=run.settings.chat.concurrency,
            on_done=lambda some: run.progress.advance(STEP, len(some)),
        )
        asked.errors |= these.errors
        asked.stopped = these.stopped
    run.reply_keys.update(keys[part] for part in done)
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
    items: Sequence[_Descriptions],
    summaries: Mapping[_Descriptions, str],
    asked: Asked[_Descriptions],
) -> list[tuple[str, str]]:
    failed = {item.name: str(asked.errors[item]) for item in items if item in asked.errors}
    left = [item for item in items if item not in summaries and item not in asked.errors]
    if asked.stopped is not None and left:
        failed[left[0].name] = f"{len(left)} descriptions were cut instead: {asked.stopped}"
    return sorted(failed.items())
