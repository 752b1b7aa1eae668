"""Know what embedding models want before a question and before a passage."""

from __future__ import annotations

import re
from typing import Literal

from graphrag.core.settings import EmbeddingSettings

_BGE = "Represent this sentence for searching relevant passages: "
# By model name, from the models' cards: (query, passage).
_KNOWN: tuple[tuple[re.Pattern[str], tuple[str, str]], ...] = (
    (re.compile(r"local(:bge)?|(.*/)?bge-(small|base|large)-en-v1\.5.*"), (_BGE, "")),
    (re.compile(r"(.*/)?mxbai-embed-large.*"), (_BGE, "")),
    (
        re.compile(r"local:e5|(.*/)?(multilingual-)?e5-(small|base|large)(-v2)?"),
        ("query: ", "passage: "),
    ),
    (re.compile(r"(.*/)?nomic-embed-text.*"), ("search_query: ", "search_document: ")),
)


def prefix(kind: Literal["query", "passage"], settings: EmbeddingSettings) -> str:
    """What stands before each text of that kind: as set, else as the model is known to want it."""
    given = settings.query_prefix if kind == "query" else settings.passage_prefix
    if given is not None:
        return given
    for name, (query, passage) in _KNOWN:
        if name.fullmatch(settings.model or ""):
            return query if kind == "query" else passage
    return ""
