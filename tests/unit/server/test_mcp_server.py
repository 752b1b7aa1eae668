"""Replies to assistants keep within their bound and say what they left out."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from graphrag.server.mcp_server import bounded
from graphrag.text import tokens


def test_what_fits_is_left_as_it_is() -> None:
    items = [{"text": "one"}, {"text": "two"}]
    assert json.loads(bounded({"a": 1}, "items", items, 500, cut="text")) == {
        "a": 1,
        "items": items,
    }


def test_what_does_not_fit_is_counted() -> None:
    items = [{"text": "word " * 50} for _ in range(10)]
    reply = json.loads(bounded({}, "items", items, 300, cut="text"))
    kept = len(reply["items"])
    assert 0 < kept < 10
    assert reply["left_out"].startswith(f"{10 - kept} more")


def test_a_first_item_that_is_too_long_is_shortened() -> None:
    reply = json.loads(bounded({}, "items", [{"text": "word " * 5000}], 300, cut="text"))
    assert reply["items"][0]["text"].startswith("word word")
    assert "left out" in reply["items"][0]["text"]


@given(st.lists(st.text(max_size=3000), max_size=4), st.integers(200, 1000))
def test_no_text_passes_the_bound(texts: list[str], most: int) -> None:
    items = [{"text": text} for text in texts]
    assert tokens.count(bounded({}, "items", items, most, cut="text")) <= most
