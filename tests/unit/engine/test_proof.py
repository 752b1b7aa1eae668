"""Which blocks of a text are given, and which sentences name two entities."""

from __future__ import annotations

import pytest

from graphrag.engine.proof import _blocks, _naming

TEXT = "# Head\n\nOne paragraph.\n\n- an item\n- another\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"


@pytest.mark.parametrize(
    ("start", "end", "kinds"),
    [
        (0, len(TEXT), ["heading", "paragraph", "list", "table"]),
        (TEXT.index("graph"), TEXT.index("graph") + 1, ["paragraph"]),
        (TEXT.index("another"), TEXT.index("| 1"), ["list", "table"]),
        (len(TEXT) + 5, len(TEXT) + 9, []),
    ],
)
def test_blocks_are_those_that_hold_the_characters(start: int, end: int, kinds: list[str]) -> None:
    found = list(_blocks(TEXT, start, end))
    assert [block.kind for block in found] == kinds
    assert all(TEXT[block.start : block.end] == block.text for block in found)


def test_of_a_long_block_only_the_lines_around_are_given() -> None:
    table = "| a | b |\n|---|---|\n" + "".join(f"| row {n} | x |\n" for n in range(20_000))
    at = table.index("| row 9000 |")
    (block,) = _blocks(table, at, at + 20)
    assert block.text.startswith("| row 9000 | x |\n")
    assert len(block.text) < 100
    assert table[block.start : block.end] == block.text


def test_a_very_long_text_is_divided_only_around_the_characters() -> None:
    text = ("A line of a text that goes on.\n" * 4 + "\n") * 30_000
    at = len(text) // 2
    found = list(_blocks(text, at, at + 1000))
    assert found[0].start <= at
    assert found[-1].end >= at + 1000
    assert sum(len(block.text) for block in found) < 2000
    assert all(text[block.start : block.end] == block.text for block in found)


def test_sentences_that_name_both_come_before_those_that_name_one() -> None:
    text = "Ada Lovelace wrote notes. Babbage read the notes of Countess Lovelace. It rained."
    names = [("Ada Lovelace", "Countess Lovelace"), ("Babbage",)]
    assert _naming(text, names) == ["Babbage read the notes of Countess Lovelace."]
    assert _naming(text, [("Ada Lovelace",), ("Menabrea",)]) == ["Ada Lovelace wrote notes."]
    assert _naming(text, [("Boole",), ("Menabrea",)]) == []
