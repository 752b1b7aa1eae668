"""What the command prints below an answer."""

from __future__ import annotations

import dataclasses

import pytest

from graphrag.cli.output import print_notes, print_piece
from graphrag.core.answers import Answer, Citation


def test_a_source_is_named_once_and_quotes_stand_on_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    citations = (
        Citation(1, "u1", "a.md", "Lock", "built\n   in 1822", verified=True),
        Citation(2, "u2", "b.md", "Mill", "", verified=False),
        Citation(1, "u1", "a.md", "Lock", "of oak", verified=True, page="Page 3"),
    )
    print_notes(Answer("?", "It was [1][2].", answered=True, method="basic", citations=citations))
    assert capsys.readouterr().out.splitlines() == [
        "",
        "Sources:",
        "[1] Lock (a.md)",
        '    verified: "built in 1822"',
        '    Page 3, verified: "of oak"',
        "[2] Mill (b.md)",
        "    NOT verified",
    ]


def test_nothing_that_is_printed_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "a\x1b[2J\x1b]52;c;ZXZpbA==\ab\x9bc\rd\x7f"
    citation = Citation(1, "u1", hostile, hostile, hostile, verified=False)
    answer = Answer("?", hostile, answered=True, method="basic", citations=(citation,))
    print_notes(dataclasses.replace(answer, warnings=(hostile,), reason=hostile))
    print_piece(f"{hostile}\tzwölf\n")
    captured = capsys.readouterr()
    assert not set("\x1b\a\x9b\r\x7f") & set(captured.out + captured.err)
    assert "\tzwölf\n" in captured.out
