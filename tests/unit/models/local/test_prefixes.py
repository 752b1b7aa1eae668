"""Known models get the words before a text that they were trained with; settings win."""

from __future__ import annotations

import pytest

from graphrag.core.settings import EmbeddingSettings
from graphrag.models.local.prefixes import prefix


@pytest.mark.parametrize(
    ("model", "query", "passage"),
    [
        ("local", "Represent", ""),
        ("local:e5", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("BAAI/bge-small-en-v1.5", "Represent", ""),
        ("nomic-embed-text:latest", "search_query: ", "search_document: "),
        ("local:minilm", "", ""),
        ("text-embedding-3-small", "", ""),
    ],
)
def test_prefixes_of_known_models(model: str, query: str, passage: str) -> None:
    settings = EmbeddingSettings(model=model)
    assert prefix("query", settings).startswith(query)
    assert bool(prefix("query", settings)) == bool(query)
    assert prefix("passage", settings) == passage


def test_what_is_set_wins() -> None:
    settings = EmbeddingSettings(model="local:e5", query_prefix="", passage_prefix="text: ")
    assert prefix("query", settings) == ""
    assert prefix("passage", settings) == "text: "
