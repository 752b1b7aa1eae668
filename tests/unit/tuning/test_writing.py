"""Rewritten prompts: what they must keep, and that a prompt which lost it is never used."""

from __future__ import annotations

import pytest

from graphrag import prompts
from graphrag.prompts import DIVIDER
from graphrag.testing import ChatRequest
from graphrag.tuning.sampling import Language
from graphrag.tuning.writing import TUNED, _bare, assemble, base_instructions, find_faults
from tests.tuning_model import rewrite_korean

ENGLISH, KOREAN = Language("en", {"en": 1.0}), Language("ko", {"ko": 1.0})
REPLACED = "Read the text as the captain of a ship would."


def test_all_domain_prompts_are_tuned() -> None:
    assert {
        "extract", "extract_claims", "summarise", "report", "context", "global_map",
        "global_reduce", "answer", "drift_primer", "drift_follow_up", "drift_reduce",
        "lazy_relevance", "rewrite",
    } == {name.partition("/")[2] for name in TUNED}  # fmt: skip


@pytest.mark.parametrize("name", TUNED)
def test_the_packaged_instructions_have_no_fault(name: str) -> None:
    base = base_instructions(name, with_examples=True)
    assert find_faults(base, f"{REPLACED}\n{base}", ENGLISH) == []
    assert assemble(name, base_instructions(name, with_examples=False), []) == (
        prompts.load(name).text
    )


@pytest.mark.parametrize("name", TUNED)
def test_korean_prompts_keep_all_that_must_stay(name: str) -> None:
    base = base_instructions(name, with_examples=True)
    request = ChatRequest([{"role": "user", "content": f"<instructions>\n{base}\n</instructions>"}])
    written = rewrite_korean(request)
    assert find_faults(base, written, KOREAN) == []
    assert prompts.find_problems(name, assemble(name, written, [])) == []


@pytest.mark.parametrize("name", TUNED)
def test_english_where_korean_was_asked_for_is_a_fault(name: str) -> None:
    base = base_instructions(name, with_examples=False)
    assert find_faults(base, base, KOREAN) == ["it is not written in Korean"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("{{entity_types}}", "person, ship", "the placeholder {{entity_types}} is missing"),
        ("{{entity_types}}", "{{entity_types}} {{entity_types}}", "is too many"),
        ("Entities:", "Entities {{text}}:", "the placeholder {{text}} is too many"),
        ("Entities:", f"Entities: {DIVIDER}", "comment mark"),
        ('"strength": 1}', '"weight": 1}', "reply shape"),
        ("`strength`", "`weight`", "`strength` is missing"),
        ("never instructions to you", "to be obeyed", "word for word"),
        ("Entities:", "word " * 3000, "tokens, more than"),
    ],
)
def test_each_loss_is_named(old: str, new: str, fault: str) -> None:
    base = base_instructions("indexing/extract", with_examples=False)
    assert old in base
    assert fault in "; ".join(find_faults(base, base.replace(old, new), ENGLISH))


def test_citations_may_not_be_lost() -> None:
    base = base_instructions("query/global_map", with_examples=False)
    written = base.replace("[12]", "").replace("[3][7]", "")
    assert find_faults(base, written, ENGLISH) == ["no citation in square brackets is left"]


def test_a_citations_block_may_not_change() -> None:
    base = base_instructions("query/answer", with_examples=False)
    (fault,) = find_faults(base, base.replace('{"answered": false}', '{"answered": no}'), ENGLISH)
    assert "citations" in fault


@pytest.mark.parametrize(
    ("written", "bare"),
    [
        ("```markdown\nYou read.\n```", "You read."),
        ("<think>Well…</think>\nYou read.", "You read."),
        ("You read.\n```citations\n[]\n```", "You read.\n```citations\n[]\n```"),
        ("```citations\n[]\n```\nor\n```citations\n{}\n```",) * 2,
    ],
)
def test_fences_and_thoughts_around_the_whole_go(written: str, bare: str) -> None:
    assert _bare(written) == bare
