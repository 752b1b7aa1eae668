"""Thoughts are in no reply, wherever a stream is cut."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.errors import BadReplyError
from graphrag.core.settings import Settings
from graphrag.models.models import Models
from graphrag.models.replies.thoughts import ThoughtFilter, thinks_aloud, without_thoughts
from graphrag.prompts import Message
from graphrag.testing import FakeChat

PROMPT = [Message("user", "Who?")]
ANSWER = "Ann sailed it. [1]"
OPENED = f"<think>\nMaybe [2]? `</think>` is odd < 3.\n</think>\n\n{ANSWER}"
UNOPENED = f"Maybe it is [2].\n</think>\n\n{ANSWER}"


@pytest.mark.parametrize(
    ("text", "spoken", "aloud"),
    [
        (OPENED, ANSWER, False),
        (f"<thinking>x</thinking>{ANSWER}", ANSWER, False),
        (UNOPENED, ANSWER, True),
        (f"a </think> b </think>{ANSWER}", ANSWER, True),
        (f"<think>a</think> b </think>{ANSWER}", ANSWER, True),
        ("<think> cut off while it", "", False),
        ("The tag `</think>` ends thoughts.", "The tag `</think>` ends thoughts.", False),
        ('{"name": "</think>"}', '{"name": "</think>"}', False),
        (ANSWER, ANSWER, False),
    ],
)
def test_thoughts_are_taken_out(text: str, spoken: str, aloud: bool) -> None:
    assert without_thoughts(text) == spoken
    assert thinks_aloud(text) is aloud


def cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted({place % len(text) for place in places}), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


@given(
    st.sampled_from(
        [OPENED, ANSWER, "a `</think>` b", "5 < 6 and 7 > 6 <b", "  <think>x</think>y"]
    ),
    st.lists(st.integers(0, 200)),
)
def test_a_stream_is_the_same_wherever_it_is_cut(text: str, places: list[int]) -> None:
    thoughts = ThoughtFilter()
    shown = [thoughts.feed(piece) for piece in cut(text, places)]
    assert "".join([*shown, thoughts.close()]) == without_thoughts(text)
    assert not thoughts.aloud


@given(st.lists(st.integers(0, 200)))
def test_a_closing_tag_alone_is_seen_wherever_it_is_cut(places: list[int]) -> None:
    thoughts = ThoughtFilter()
    pieces = cut(UNOPENED, places)
    shown = [thoughts.feed(piece) for piece in pieces]
    rest = thoughts.close()
    # Where all thoughts came at once nothing of them was passed on.
    assert thoughts.aloud or "".join([*shown, rest]) == ANSWER


def opened(root: Path, *replies: str) -> Models:
    chat = FakeChat([*replies])
    return Models(chat=chat, embedder=None, settings=Settings(), cache_path=root / "cache.db")


async def streamed(models: Models, *words: str) -> list[str]:
    prompt = [*PROMPT, *(Message("user", word) for word in words)]
    return [piece async for piece in models.stream(prompt, kind="answer")]


def test_no_reply_holds_thoughts_and_none_is_kept_with_them(tmp_path: Path) -> None:
    async def work() -> None:
        models = opened(tmp_path, OPENED, OPENED, f"```text\n{ANSWER}\n```")
        assert await models.text([*PROMPT, *PROMPT], kind="text") == ANSWER
        assert "".join(await streamed(models)) == ANSWER
        assert await models.text(PROMPT, kind="text") == ANSWER
        assert await models.text([*PROMPT] * 3, kind="text") == ANSWER
        await models.close()

    asyncio.run(work())
    assert b"Maybe" not in (tmp_path / "cache.db").read_bytes()


def test_a_stream_of_thoughts_without_a_tag_fails_once_and_never_again(tmp_path: Path) -> None:
    async def first() -> None:
        models = opened(tmp_path, UNOPENED, UNOPENED)
        with pytest.raises(BadReplyError, match="opening tag"):
            await streamed(models)
        assert await streamed(models) == [ANSWER]
        assert await streamed(models, "else") == [ANSWER]
        await models.close()

    async def another_process() -> None:
        models = opened(tmp_path, UNOPENED)
        assert await streamed(models, "more") == [ANSWER]
        await models.close()

    asyncio.run(first())
    asyncio.run(another_process())


def test_a_stream_that_nobody_watches_never_fails_for_its_thoughts(tmp_path: Path) -> None:
    async def work() -> list[str]:
        models = opened(tmp_path, UNOPENED)
        return await streamed(models.in_one_piece())

    assert asyncio.run(work()) == [ANSWER]


def test_thoughts_alone_are_no_reply(tmp_path: Path) -> None:
    async def work() -> None:
        with pytest.raises(BadReplyError, match="no reply"):
            await opened(tmp_path, "<think>and so on").text(PROMPT, kind="text")

    asyncio.run(work())
