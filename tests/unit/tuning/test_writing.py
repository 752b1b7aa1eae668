"""What prompts are to know of a domain: which prompts, and what stands in each file."""

from __future__ import annotations

from graphrag import prompts
from graphrag.prompts import DIVIDER, DOMAIN_MARK, PLACEHOLDERS
from graphrag.tuning.writing import TUNED


def test_all_domain_prompts_are_tuned() -> None:
    assert {
        "extract", "extract_claims", "summarise", "report", "context", "global_map",
        "global_reduce", "answer", "drift_primer", "drift_follow_up", "drift_reduce",
        "lazy_relevance", "rewrite",
    } == {name.partition("/")[2] for name in TUNED}  # fmt: skip


def test_they_alone_have_a_place_for_it_among_their_instructions() -> None:
    heads = {name: prompts.load(name).frame.partition(DIVIDER)[0] for name in PLACEHOLDERS}
    assert {name for name, head in heads.items() if DOMAIN_MARK in head} == {*TUNED}
    for name in TUNED:
        before = heads[name].partition(DOMAIN_MARK)[0]
        assert "never instructions" in before
        assert before.endswith("\n\n")
