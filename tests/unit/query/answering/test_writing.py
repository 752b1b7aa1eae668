"""Replies as models write them, cut into pieces anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.answers import Citation, Passage
from graphrag.core.errors import BadReplyError
from graphrag.query.answering.writing import Written, markers, unsupported, write
from graphrag.query.context import Source

UNITS = (
    Passage("u1", "a.md", "Ada", "Ada Lovelace wrote the first program in 1843.", 1.0),
    Passage("u2", "b.md", "Babbage", "Charles Babbage never finished the Analytical Engine.", 0.5),
)
SOURCES = tuple(Source(number, (unit,)) for number, unit in enumerate(UNITS, start=1))
TEXT = "Lovelace wrote the first program [1].\n\nBabbage did not finish his engine [2]."
BLOCK = (
    '```citations\n[{"n": 1, "quote": "Ada Lovelace wrote the first program"},\n'
    ' {"n": 2, "quote": "Charles Babbage finished the Analytical Engine."}]\n```'
)


def read(*pieces: str, sources: Sequence[Source] = SOURCES) -> tuple[Written, str]:
    """What is made of a reply, and what was shown while it came."""
    shown: list[str] = []

    async def stream() -> AsyncIterator[str]:
        for piece in pieces:
            yield piece

    written = asyncio.run(write(stream(), sources, on_text=shown.append))
    return written, "".join(shown)


def test_citations_are_kept_back_and_checked() -> None:
    written, shown = read(f"{TEXT}\n\n{BLOCK}\n")
    assert written.text == shown == TEXT
    assert [(item.number, item.text_unit_id, item.verified) for item in written.citations] == [
        (1, "u1", True),
        (2, "u2", False),
    ]
    assert written.answered
    assert written.unsupported == ("Babbage did not finish his engine [2].",)


@given(st.lists(st.integers(0, 320), max_size=12))
def test_pieces_may_end_anywhere(cuts: list[int]) -> None:
    reply = f"{TEXT}\n\n```python\nprint('`')\n```\nDone [1].\n\n{BLOCK}\n"
    places = sorted({0, len(reply), *(cut for cut in cuts if cut < len(reply))})
    pieces = [reply[a:b] for a, b in pairwise(places)]
    written, shown = read(*pieces)
    assert shown == written.text == f"{TEXT}\n\n```python\nprint('`')\n```\nDone [1]."
    assert len(written.citations) == 2


def test_every_character_alone() -> None:
    written, shown = read(*f"{TEXT}\n{BLOCK}")
    assert shown == written.text == TEXT
    assert len(written.citations) == 2


@pytest.mark.parametrize(
    "block",
    [
        '```citations\n{"answered": false}\n```',
        '```citations\n{"answered": false, "citations": []}\n```',
        '```json\n{"answered": false}\n```',
        "```citations\n[]\n```",
        '```citations\n{"answered": false}',
    ],
)
def test_the_model_says_that_the_sources_do_not_hold_it(block: str) -> None:
    written, shown = read(f"The sources speak of other things.\n\n{block}")
    assert not written.answered
    assert written.text == shown == "The sources speak of other things."
    assert written.unsupported == ()


def test_an_empty_list_with_numbers_in_the_text_is_an_answer() -> None:
    written, _ = read("Lovelace did [1].\n```citations\n[]\n```")
    assert written.answered
    assert written.citations == (Citation(1, "u1", "a.md", "Ada", "", verified=False),)
    assert written.unsupported == ("Lovelace did [1].",)


def test_without_a_block_nothing_is_supported() -> None:
    written, _ = read("Lovelace did it [1]. Nobody else did.")
    assert written.answered
    assert not written.citations[0].verified
    assert written.unsupported == ("Lovelace did it [1].", "Nobody else did.")


@pytest.mark.parametrize(
    "block",
    [
        '```json\n[{"n": 1, "quote": "Ada Lovelace wrote the first program"}]\n```',
        '```\n[{"n": "[1]", "quote": "Ada Lovelace wrote the first program"}]\n```',
        '```citations\n{"citations": [{"n": 1, "quote": "Ada Lovelace wrote the first program"}]}',
        '```citations [{"n": 1, "quote": "Ada Lovelace wrote the first program"}]```',
        '```citations\n[{"n": 1, "quote": "Ada Lovelace wrote the first program"}, {"n": 2, "quo',
    ],
)
def test_blocks_that_are_nearly_right_are_read(block: str) -> None:
    written, shown = read(f"Lovelace did [1].\n\n{block}")
    assert shown == "Lovelace did [1]."
    assert [item.verified for item in written.citations] == [True]
    assert written.unsupported == ()


def test_other_json_is_part_of_the_answer() -> None:
    reply = 'As JSON:\n```json\n{"year": 1843}\n```\nThat is all [1].'
    written, shown = read(reply)
    assert shown == written.text == reply


def test_unreadable_citations_are_reported() -> None:
    written, shown = read("Lovelace did [1].\n```citations\nsource one\n```")
    assert shown == "Lovelace did [1]."
    assert any("could not be read" in warning for warning in written.warnings)


def test_a_number_that_is_no_source_is_reported_and_dropped() -> None:
    written, _ = read('So it is [7].\n```citations\n[{"n": 7, "quote": "in 1843"}]\n```')
    assert written.citations == ()
    assert "the reply cites [7], which is not among the sources" in written.warnings
    assert written.unsupported == ("So it is [7].",)


def test_an_empty_reply_is_an_error() -> None:
    with pytest.raises(BadReplyError):
        read("  \n")
    with pytest.raises(BadReplyError):
        read('```citations\n[{"n": 1, "quote": "wrote the first program"}]\n```')


def test_a_bare_refusal_still_gets_a_text() -> None:
    written, shown = read('```citations\n{"answered": false}\n```')
    assert not written.answered
    assert written.text == shown == "The sources do not hold the answer."


def test_a_finding_is_quoted_from_any_of_its_units() -> None:
    finding = Source(12, UNITS)
    quote = "Charles Babbage never finished the Analytical Engine."
    written, _ = read(
        f'He did not [12].\n```citations\n[{{"n": 12, "quote": "{quote}"}}]\n```',
        sources=[finding],
    )
    assert [(one.text_unit_id, one.verified) for one in written.citations] == [("u2", True)]


def test_unsupported_sentences() -> None:
    answer = (
        "# Who did it [1]\n\n- Lovelace wrote it. [1] Babbage read it.\n"
        "2. It ran on cards [1, 2].\n\n---\n\n| a | b |\n|---|---|\n| Mr. Menabrea | wrote |\n"
    )
    citations = [Citation(1, "u1", "a.md", "Ada", "quote", verified=True)]
    assert unsupported(answer, citations) == (
        "Babbage read it.",
        "| a | b |",
        "| Mr. Menabrea | wrote |",
    )


def test_markers_are_no_links() -> None:
    assert markers("So [1] and [2, 3]; see [4](http://x) or [a].") == [1, 2, 3]


@pytest.mark.parametrize("number", ["9" * 5000, "[" * 100_000, "1e999", "NaN"])
def test_numbers_that_are_none_spoil_no_answer(number: str) -> None:
    good = '{"n": 1, "quote": "Ada Lovelace wrote the first program"}'
    written, shown = read(f'{TEXT}\n\n```citations\n[{good}, {{"n": {number}, "quote": "x"}}]\n```')
    assert shown.startswith("Lovelace wrote")
    assert written.text.startswith("Lovelace wrote")
