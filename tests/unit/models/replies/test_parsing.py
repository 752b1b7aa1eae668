"""Fences around a reply go, those in it stay, in one piece and in many."""

from __future__ import annotations

import pytest

from graphrag.models.replies.parsing import Opening, unfenced

CITED = 'Ann sailed [1].\n\n```citations\n[{"n": 1, "quote": "Ann sailed"}]\n```'
CODE = f"```python\nprint(1)\n```\n\n{CITED}"


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("plain", "plain"),
        ("```\nplain\n```", "plain"),
        (f"```markdown\n{CITED}\n```\n", CITED),
        (CITED, CITED),
        (CODE, CODE),
        ("```citations\n[]\n```\nor\n```citations\n{}\n```",) * 2,
        ("```\na\n```\nb\n```\nc\n```",) * 2,
    ],
)
def test_a_fence_around_the_whole_goes(text: str, bare: str) -> None:
    assert unfenced(text) == bare


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("text", "fenced"),
    [("An answer.", False), (" `code` first", False), ("``", False), ("\n```\nx\n```", True)],
)
def test_a_reply_in_pieces_is_held_back_while_it_may_be_fenced(
    text: str, size: int, *, fenced: bool
) -> None:
    opening = Opening()
    shown = "".join(opening.feed(text[at : at + size]) for at in range(0, len(text), size))
    assert opening.is_fenced is fenced
    if not fenced:
        assert shown + opening.close("") * (not shown) == text
    else:
        assert shown == ""
