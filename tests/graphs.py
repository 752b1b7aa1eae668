"""Small graphs and a chat model that answers them, for the tests of what is written about them."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import polars as pl

from graphrag.core.concurrency import Silent
from graphrag.core.errors import ModelError
from graphrag.core.settings import Settings
from graphrag.core.tables import ENTITIES, MENTIONS, RELATIONSHIPS, TEXT_UNITS, empty, stable_id
from graphrag.indexing.graph.merging import Graph
from graphrag.indexing.run import Run
from graphrag.models.models import Models
from graphrag.models.protocol import ChatModel, Embedder
from graphrag.models.replies.completion import Completion
from graphrag.prompts import Message
from graphrag.stores.sqlite.store import SQLiteStore

Edge = tuple[str, str]


class Chat:
    """Answers with what `answer` makes of the context rows; keeps the prompts."""

    name = "fake"

    def __init__(self, answer: Callable[[str], Mapping[str, object] | ModelError]) -> None:
        self.answer = answer
        self.prompts: list[str] = []

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Completion:
        context = messages[-1].content
        self.prompts.append(context)
        await asyncio.sleep(0)
        found = self.answer(context)
        if isinstance(found, ModelError):
            raise found
        return Completion(json.dumps(found), 1, 1)

    def stream(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        raise NotImplementedError


def run_of(
    store: SQLiteStore,
    chat: ChatModel | None,
    settings: Settings,
    *,
    embedder: Embedder | None = None,
) -> Run:
    """A run of the packaged prompts with this model."""
    models = Models(chat=chat, embedder=embedder, settings=settings)
    return Run(models, store, settings, Silent(), Path("no-such-root"))


def reply(context: str = "", explanation: str = "They meet [r1].") -> dict[str, object]:
    first = re.search(r"e1 \| ([^|]+) \|", context)
    return {
        "title": f"About {first[1] if first else 'parts'}",
        "summary": "What they do.",
        "rating": 7.5,
        "rating_explanation": "They are central.",
        "findings": [{"summary": "They know each other.", "explanation": explanation}],
    }


def graph_of(edges: Sequence[Edge], *, description: str = "") -> tuple[Graph, pl.DataFrame]:
    """A graph with a text unit for each edge, whose second sentence names both its ends."""
    names = sorted({name for edge in edges for name in edge})
    units = [
        (f"u{place:03}", "d", place, None, None, list[str](), None, None, unit_text(a, b), 20, "")
        for place, (a, b) in enumerate(edges)
    ]
    entities = [
        (
            name,
            name,
            "person",
            list[str](),
            description,
            1,
            sum(name in edge for edge in edges),
            "[]",
        )
        for name in names
    ]
    relationships = [
        (stable_id(a, b), a, b, "knows", f"{a} knows {b}. {description}", 1.0, 1, [f"u{place:03}"])
        for place, (a, b) in enumerate(edges)
    ]
    mentions = [
        (f"u{place:03}", name, "", 0.5, [1]) for place, edge in enumerate(edges) for name in edge
    ]
    return (
        Graph(
            pl.DataFrame(entities, schema=ENTITIES, orient="row"),
            pl.DataFrame(relationships, schema=RELATIONSHIPS, orient="row").sort("id"),
            pl.DataFrame(mentions, schema=MENTIONS, orient="row"),
            empty("claims"),
            pl.DataFrame(),
        ),
        pl.DataFrame(units, schema=TEXT_UNITS, orient="row"),
    )


def unit_text(a: str, b: str) -> str:
    return f"The morning was cold. On that day {a} and {b} walked along the river together."


def nested() -> list[Edge]:
    """Two groups of three cliques of five."""
    draw = random.Random(5)
    names = [f"s{place // 15}c{place // 5 % 3}n{place % 5}" for place in range(30)]
    return [
        (a, b)
        for a, b in combinations(names, 2)
        if a[:4] == b[:4] or draw.random() < (0.12 if a[:2] == b[:2] else 0.01)
    ]


def options(*, budget: int = 6000, min_size: int = 3, clusters: int = 6) -> Settings:
    return Settings.model_validate(
        {
            "communities": {
                "max_cluster_size": clusters,
                "min_report_size": min_size,
                "resolution": 0.7,
            },
            "reports": {"max_input_tokens": budget},
        }
    )


def with_store(folder: Path, work: Callable[[SQLiteStore], Awaitable[None]]) -> None:
    async def run() -> None:
        store = await SQLiteStore.open(folder / "graph.db", namespace="default")
        try:
            await work(store)
        finally:
            await store.close()

    asyncio.run(run())
