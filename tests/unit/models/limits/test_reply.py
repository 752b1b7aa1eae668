"""Bounds of replies: enough for what is asked, little where little is, more for long prompts."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from graphrag.indexing.extraction.extract import Extraction, ExtractionWithClaims
from graphrag.indexing.reports.write import CommunityReport
from graphrag.indexing.resolution.verdicts import JoinVerdicts
from graphrag.models.limits.reply import LEAST, MOST, TEXT, reply_tokens
from graphrag.models.replies.schema import reply_schema
from graphrag.query.drift.calls import DriftReply
from graphrag.query.global_search.map_reduce import MapReply
from graphrag.query.global_search.selection import RateReply
from graphrag.query.lazy.search import RelevanceReply


@pytest.mark.parametrize(
    ("reply", "least", "most"),
    [
        (Extraction, MOST, MOST),
        (ExtractionWithClaims, MOST, MOST),
        (CommunityReport, 3000, MOST),
        (JoinVerdicts, 2000, MOST),
        (MapReply, 2000, MOST),
        (DriftReply, 1000, MOST),
        (RateReply, LEAST, 300),
        (RelevanceReply, LEAST, LEAST),
    ],
)
def test_a_schema_says_how_long_its_reply_may_be(
    reply: type[BaseModel], least: int, most: int
) -> None:
    assert least <= reply_tokens(reply_schema(reply, title="x"), prompt=500) <= most


def test_a_long_prompt_may_have_a_long_reply_where_the_schema_has_room() -> None:
    assert reply_tokens(reply_schema(Extraction, title="x"), prompt=4000) == 8000
    assert reply_tokens(reply_schema(RelevanceReply, title="x"), prompt=4000) == LEAST
    assert reply_tokens(None, prompt=4000) == TEXT
