"""Orders that chat models and outcomes of pairs give."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import pytest

from graphrag.core.settings import Settings
from graphrag.core.settings_file import load_settings
from graphrag.models.models import Models
from graphrag.prompts import Message
from graphrag.query.context import Question, Resources, Unit
from graphrag.query.search.rerank import PAIRWISE, Reranked, rerank, strengths
from graphrag.stores import open_store
from graphrag.testing import FakeChat

UNITS = [
    (Unit(f"u{n}", "d", n, f"passage worth {n}", 4, "d.txt", "Title", "en"), 1.0 / (n + 1))
    for n in range(12)
]


def asked(root: Path, chat: FakeChat | None, *, method: str) -> Reranked:
    settings = load_settings(root, options={"rerank.method": method}, environ={})

    async def go(settings: Settings) -> Reranked:
        store = await open_store(None, root=root, namespace="default")
        models = Models(chat=chat, embedder=None, settings=settings)
        try:
            resources = Resources(store, models, settings, root)
            return await rerank(Question("What is worth most?"), UNITS, resources)
        finally:
            await store.close()

    return asyncio.run(go(settings))


def by_worth(messages: Sequence[Message], _: Mapping[str, object] | None) -> str:
    """The passage with the highest number first."""
    rows = re.findall(r"\[(\d+)\] Title\npassage worth (\d+)", messages[-1].content)
    best = sorted(rows, key=lambda row: -int(row[1]))
    return json.dumps({"ranking": [int(number) for number, _ in best]})


def test_none_leaves_the_order(tmp_path: Path) -> None:
    assert asked(tmp_path, None, method="none").units == tuple(UNITS)


def test_listwise_takes_one_call(tmp_path: Path) -> None:
    chat = FakeChat(by_worth)
    found = asked(tmp_path, chat, method="listwise")
    assert len(chat.calls) == 1
    assert [unit.id for unit, _ in found.units] == [f"u{n}" for n in reversed(range(12))]
    scores = [score for _, score in found.units]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("ranking", [[3, 3, 99, 0, -1], [3]])
def test_listwise_keeps_what_the_reply_leaves_out(tmp_path: Path, ranking: list[int]) -> None:
    chat = FakeChat([json.dumps({"ranking": ranking})])
    found = asked(tmp_path, chat, method="listwise")
    assert [unit.id for unit, _ in found.units][:4] == ["u2", "u0", "u1", "u3"]
    assert len(found.units) == len(UNITS)


def test_a_reply_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    found = asked(tmp_path, FakeChat(["no", "still no"]), method="listwise")
    assert found.units == tuple(UNITS)
    assert "could not be reranked" in found.warnings[0]


def test_without_a_chat_model_there_is_a_warning(tmp_path: Path) -> None:
    found = asked(tmp_path, None, method="listwise")
    assert (found.units, len(found.warnings)) == (tuple(UNITS), 1)


def test_pairwise_compares_every_pair_of_the_first(tmp_path: Path) -> None:
    chat = FakeChat(by_worth)
    found = asked(tmp_path, chat, method="pairwise")
    assert len(chat.calls) == PAIRWISE * (PAIRWISE - 1) // 2
    order = [int(unit.id[1:]) for unit, _ in found.units]
    assert order == [*reversed(range(PAIRWISE)), *range(PAIRWISE, len(UNITS))]


def test_pairwise_is_fair_to_a_model_that_takes_what_it_reads_first(tmp_path: Path) -> None:
    chat = FakeChat([json.dumps({"ranking": [1, 2]})] * 28)
    asked(tmp_path, chat, method="pairwise")
    first = [re.findall(r"worth (\d+)", call[-1].content)[0] for call in chat.calls]
    counts = [first.count(str(number)) for number in range(PAIRWISE)]
    assert max(counts) - min(counts) <= 1


def test_strengths_follow_the_outcomes() -> None:
    wins = dict.fromkeys(combinations(range(5), 2), 1.0)
    found = strengths(wins, 5)
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 5


def test_strengths_of_a_circle_are_equal() -> None:
    found = strengths({(0, 1): 1.0, (1, 2): 1.0, (2, 0): 1.0}, 3)
    assert max(found) - min(found) < 1e-6


def test_strengths_explain_the_share_of_wins() -> None:
    one, other = strengths({(0, 1): 300.0, (1, 0): 100.0}, 2)
    assert one / (one + other) == pytest.approx(0.75, abs=0.01)
