"""The context window: set, listed or learnt, and what it leaves for the data of a prompt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.settings import ChatSettings, Settings
from graphrag.models.cache import ResponseCache
from graphrag.models.limits.window import Window, listed_windows
from graphrag.text import tokens


def window(size: int | None = None, cache: ResponseCache | None = None) -> Window:
    return Window(ChatSettings(context_tokens=size), name="m", cache=cache)


def test_without_a_window_every_budget_is_its_setting() -> None:
    assert window().fit(12_000) == 12_000
    assert window().fitted(Settings()) == Settings()


def test_every_budget_of_a_query_keeps_within_the_window() -> None:
    query = window(8192).fitted(Settings()).query
    budgets = [
        query.basic.max_context_tokens,
        query.local.max_context_tokens,
        query.global_.batch_tokens,
        query.global_.reduce_tokens,
        query.lazy.batch_tokens,
        query.drift.fold_tokens,
    ]
    assert max(budgets) < 8192 - 2000
    assert query.path.fact_tokens == Settings().query.path.fact_tokens
    assert query.drift.max_prompt_tokens == Settings().query.drift.max_prompt_tokens


@given(st.integers(256, 200_000), st.integers(100, 50_000))
def test_a_budget_is_never_more_than_it_was_nor_than_the_window(size: int, budget: int) -> None:
    assert 100 <= window(size).fit(budget) <= min(budget, max(size, 100))


@pytest.mark.parametrize("room", [1024, 2048, 8192, 20_000])
@pytest.mark.parametrize("sizes", [[0], [9000], [20, 3000], [3000, 3000, 10], [500, 600, 700, 800]])
def test_values_of_a_prompt_are_cut_together_to_what_is_left(sizes: list[int], room: int) -> None:
    values = {str(number): "word " * size for number, size in enumerate(sizes)}
    assert window().fit_values(values) == values
    fitted = window(room).fit_values(values)
    most = window(room).fit(sum(sizes) + len(sizes))
    assert sum(tokens.counts([*fitted.values()])) <= max(most, 100)
    shortest = str(sizes.index(min(sizes)))
    if (len(sizes) + 1) * (min(sizes) + 2) < most:
        assert fitted[shortest] == values[shortest]


def test_what_a_refusal_taught_is_remembered_under_the_root(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path / "cache.db", max_mb=10)
    first = window(cache=cache)
    first.refused(4096, sent=6000)
    assert first.tokens == 4096
    assert window(cache=cache).tokens == 4096
    cache.close()


def test_a_refusal_without_a_number_takes_less_than_was_sent() -> None:
    learnt = window()
    learnt.refused(None, sent=4000)
    assert learnt.tokens == 3000


def test_a_refusal_within_the_window_packs_less() -> None:
    known = window(4096)
    before = known.fit(12_000)
    known.refused(4096, sent=3000)
    known.pack_less()
    assert known.fit(12_000) < before
    assert known.tokens == 4096


def test_a_server_with_less_than_the_setting_is_believed() -> None:
    known = window(8192)
    known.refused(4096, sent=6000)
    assert known.tokens == 4096


@pytest.mark.parametrize(
    ("entry", "tokens"),
    [
        ({"max_model_len": 4096}, 4096),  # vLLM
        ({"context_length": 8192}, 8192),  # OpenRouter
        ({"meta": {"n_ctx": 2048, "n_ctx_train": 131_072}}, 2048),  # llama.cpp
        ({"max_model_len": None}, None),
        ({}, None),
    ],
)
def test_a_list_of_models_may_tell(entry: dict[str, object], tokens: int | None) -> None:
    assert listed_windows({"data": [{"id": "m", **entry}]}).get("m") == tokens


@pytest.mark.parametrize("text", ["null", "[]", '{"data": null}', '{"data": ["m", {}]}'])
def test_an_odd_list_tells_nothing(text: str) -> None:
    assert listed_windows(json.loads(text)) == {}
