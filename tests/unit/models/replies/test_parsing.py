"""Fences around a reply go, those in it stay; of one that was cut off the whole items stay."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from graphrag.core.errors import BadReplyError
from graphrag.models.replies.parsing import Opening, complete_items, unfenced

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


@pytest.mark.parametrize("text", ["", " \n", "```\n```", "```markdown\n\n \n```\n"])
def test_a_fence_around_nothing_is_an_empty_reply(text: str) -> None:
    with pytest.raises(BadReplyError, match="empty"):
        unfenced(text)


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


class Found(BaseModel):
    name: str
    types: list[str] = []


class Lists(BaseModel):
    entities: list[Found] = []
    others: list[Found] = []


TEXTS = st.text(alphabet='ab"{}[],:\\\n ', max_size=8)
ITEMS = st.lists(
    st.builds(Found, name=TEXTS, types=st.lists(TEXTS, max_size=2)),
    max_size=4,
    unique_by=lambda one: one.model_dump_json(),
)


@given(ITEMS, ITEMS, st.data())
def test_what_is_whole_in_a_reply_that_was_cut_off_is_read(
    entities: list[Found], others: list[Found], data: st.DataObject
) -> None:
    pieces, ends = ['{"entities": ['], list[tuple[str, int]]()
    for name, items in (("entities", entities), ("others", others)):
        for number, item in enumerate(items):
            pieces.append(", " * bool(number) + item.model_dump_json())
            ends.append((name, sum(map(len, pieces))))
        pieces.append('], "others": [' if name == "entities" else "]}")
    text = "".join(pieces)
    cut = data.draw(st.integers(0, len(text) - 1))
    read = complete_items(text[:cut], Lists) or Lists()
    whole = [name for name, end in ends if end <= cut]
    assert read.entities == entities[: whole.count("entities")]
    assert read.others == others[: whole.count("others")]


def test_a_model_that_goes_round_in_circles_says_one_thing() -> None:
    item = json.dumps({"name": "Ann"})
    text = f'```json\n{{"entities": [{", ".join([item] * 50)}, {{"na'
    assert complete_items(text, Lists) == Lists(entities=[Found(name="Ann")])


@pytest.mark.parametrize("text", ["", "and and", "{", '{"entities": ', '{"entities": [{"name": "A'])
def test_nothing_whole_is_nothing(text: str) -> None:
    assert complete_items(text, Lists) is None
