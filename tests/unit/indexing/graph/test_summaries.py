"""Description summaries: which are asked for, in what portions, and what stays without a reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.errors import BadReplyError, CostLimitError, ModelAuthError, ModelError
from graphrag.core.settings import Settings
from graphrag.core.tables import ENTITIES, RELATIONSHIPS, empty
from graphrag.indexing.graph import summaries
from graphrag.indexing.graph.merging import Graph
from graphrag.models.replies.completion import Completion
from graphrag.prompts import Message
from graphrag.stores.sqlite.store import SQLiteStore
from graphrag.text import tokens
from tests.graphs import run_of, with_store

LONG = "\n".join(
    f"In year {1800 + number} she wrote letter {number} to a friend." for number in range(60)
)
HUGE = "\n".join(
    f"Entry {number}: the keeper lit the lamp and wrote it down." for number in range(900)
)


class Chat:
    name = "fake"

    def __init__(self, answer: Callable[[str], str | ModelError]) -> None:
        self.answer = answer
        self.prompts: list[str] = []
        self.sizes: list[int] = []

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Completion:
        self.prompts.append(messages[-1].content)
        self.sizes.append(sum(tokens.count(message.content) for message in messages))
        await asyncio.sleep(0)
        found = self.answer(messages[-1].content)
        if isinstance(found, ModelError):
            raise found
        return Completion(found, 1, 1)

    def stream(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        raise NotImplementedError


def graph_of(descriptions: Mapping[str, str], *, relationship: str = "short") -> Graph:
    entities = [
        (name, name, "person", list[str](), text, 1, 1, "[]") for name, text in descriptions.items()
    ]
    first, *_, last = sorted(descriptions)
    row = ("r", first, last, "writes to", relationship, 1.0, 1, ["u"])
    return Graph(
        pl.DataFrame(entities, schema=ENTITIES, orient="row"),
        pl.DataFrame([row], schema=RELATIONSHIPS, orient="row"),
        empty("mentions"),
        empty("claims"),
        pl.DataFrame(),
    )


@dataclass(frozen=True, slots=True)
class Summarised:
    graph: Graph
    reply_keys: set[str]
    failures: list[tuple[str, str]]


async def summarise(
    graph: Graph, store: SQLiteStore, chat: Chat | None, *, settings: Settings | None = None
) -> Summarised:
    run = run_of(store, chat, settings or Settings())
    done = await summaries.summarise(run, graph)
    prefix = "description summary: "
    failures = [(item.source, item.reason.removeprefix(prefix)) for item in run.failures]
    assert bool(failures) == bool(run.unfinished)
    return Summarised(done, run.reply_keys, failures)


def descriptions(graph: Graph) -> dict[str, str]:
    return dict(graph.entities.select("name", "description").rows())


def test_only_long_descriptions_are_summarised(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        chat = Chat(lambda _: "In short,\n she wrote. ")
        graph = graph_of({"Ada": LONG, "Ben": "A friend.", "Cy": ""}, relationship=LONG)
        done = await summarise(graph, store, chat)
        assert descriptions(done.graph) == {
            "Ada": "In short, she wrote.",
            "Ben": "A friend.",
            "Cy": "",
        }
        assert done.graph.relationships["description"].to_list() == ["In short, she wrote."]
        assert done.failures == []
        assert len(chat.prompts) == 2
        assert any("Ada – Cy (writes to)" in prompt for prompt in chat.prompts)
        assert all(LONG in prompt for prompt in chat.prompts)

    with_store(tmp_path, work)


def test_a_reply_is_paid_for_once(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        chat = Chat(lambda prompt: f"Summary {len(prompt)}.")
        graph = graph_of({"Ada": LONG, "Ben": HUGE})
        first = await summarise(graph, store, chat)
        calls = len(chat.prompts)
        again = await summarise(graph, store, chat)
        assert len(chat.prompts) == calls
        assert again.graph.entities.equals(first.graph.entities)
        assert again.reply_keys == first.reply_keys
        assert len(await store.replies(sorted(first.reply_keys))) == calls
        changed = await summarise(graph_of({"Ada": LONG + "\nShe died.", "Ben": HUGE}), store, chat)
        assert len(chat.prompts) == calls + 1
        assert descriptions(changed.graph)["Ben"] == descriptions(first.graph)["Ben"]

    with_store(tmp_path, work)


def test_what_fits_no_prompt_is_condensed_in_parts(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        chat = Chat(lambda prompt: f"Part {len(prompt)}. " + "word " * 700)
        done = await summarise(graph_of({"Log": HUGE, "Ben": "A friend."}), store, chat)
        assert tokens.count(HUGE) > 3 * 3600
        assert max(chat.sizes) <= 4000
        assert len(chat.prompts) > 4
        for line in HUGE.split("\n"):
            assert sum(f"{line}\n" in f"{prompt}\n" for prompt in chat.prompts) == 1
        assert chat.prompts[-1].count("Part ") == len(chat.prompts) - 1
        assert descriptions(done.graph)["Log"].startswith(f"Part {len(chat.prompts[-1])}.")
        assert tokens.count(descriptions(done.graph)["Log"]) <= 500

    with_store(tmp_path, work)


def test_one_endless_line_is_divided(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        chat = Chat(lambda _: "Done.")
        done = await summarise(graph_of({"A": "so on and on " * 3000, "B": ""}), store, chat)
        assert len(chat.prompts) > 2
        assert max(chat.sizes) <= 4000
        assert descriptions(done.graph)["A"] == "Done."

    with_store(tmp_path, work)


def test_failed_summary_is_cut_and_named(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        chat = Chat(lambda prompt: BadReplyError("no") if "Ada" in prompt else "Fine.")
        done = await summarise(graph_of({"Ada": LONG, "Ben": LONG}), store, chat)
        assert done.failures == [("Ada", "no")]
        kept = descriptions(done.graph)
        assert kept["Ben"] == "Fine."
        assert LONG.startswith(kept["Ada"])
        assert tokens.count(kept["Ada"]) <= Settings().extraction.summary_tokens
        better = Chat(lambda _: "Now fine.")
        again = await summarise(graph_of({"Ada": LONG, "Ben": LONG}), store, better)
        assert descriptions(again.graph) == {"Ada": "Now fine.", "Ben": "Fine."}

    with_store(tmp_path, work)


def test_failed_part_leaves_the_whole_cut(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        chat = Chat(lambda prompt: ModelError("down") if "Entry 0:" in prompt else "Fine.")
        done = await summarise(graph_of({"Log": HUGE, "Ben": ""}), store, chat)
        assert done.failures == [("Log", "down")]
        assert HUGE.startswith(descriptions(done.graph)["Log"])

    with_store(tmp_path, work)


def test_cost_limit_keeps_what_was_paid_for(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        options = Settings.model_validate({"chat": {"concurrency": 1}})
        chat = Chat(lambda _: CostLimitError("the limit") if len(chat.prompts) > 1 else "Fine.")
        graph = graph_of(dict.fromkeys(("Ada", "Ben", "Cy"), LONG))
        done = await summarise(graph, store, chat, settings=options)
        assert len(chat.prompts) == 2
        assert descriptions(done.graph)["Ada"] == "Fine."
        ((name, reason),) = done.failures
        assert name == "Ben"
        assert reason.startswith("2 descriptions")
        assert "the limit" in reason

    with_store(tmp_path, work)


def test_refused_key_ends_the_run(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        chat = Chat(lambda _: ModelAuthError("wrong key"))
        with pytest.raises(ModelAuthError):
            await summarise(graph_of({"Ada": LONG, "Ben": ""}), store, chat)

    with_store(tmp_path, work)


@given(lines=st.lists(st.text("abcé 字", max_size=40), min_size=1, max_size=30))
def test_portions_hold_every_line_in_order(lines: list[str]) -> None:
    item = summaries._Descriptions("name", "\n".join(lines))
    packed = summaries._packed(item, most_tokens=summaries.INPUT_TOKENS)
    assert "\n".join(part.text for part in packed) == item.text
