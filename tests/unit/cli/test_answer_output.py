"""What the command prints of an answer."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from pathlib import Path

import pytest

from graphrag.cli.answer_output import Reply, print_notes, print_sources
from graphrag.cli.terminal import BOLD, MARKED, Terminal
from graphrag.core.answers import EXTRACTIVE, Answer, Citation

Capture = pytest.CaptureFixture[str]

QUOTE = "The lock [2] was built in 1822."
EXCERPT = Answer(
    "When was the lock built?",
    "**Canals › Lock** [1]\n\nThe lock (2) was built in 1822.",
    answered=True,
    method="basic",
    extractive=True,
    citations=(
        Citation(1, "u1", "a.md", "Canals", QUOTE, verified=True, marks=((4, 8), (17, 22))),
    ),
)


def answer(*citations: Citation) -> Answer:
    return Answer("?", "It was [1][2].", answered=True, method="basic", citations=citations)


def sources(capture: Capture, said: Answer, *, with_quotes: bool = False) -> list[str]:
    print_sources(said, Terminal(), root=Path("kb"), with_quotes=with_quotes)
    return capture.readouterr().out.splitlines()


def test_a_source_is_named_once_with_places_and_states(capsys: Capture) -> None:
    said = answer(
        Citation(1, "u1", "a.md", "Lock", "built in 1822", verified=True, heading="Lock > Gates"),
        Citation(2, "u2", "b.pdf", "Mill", "x", verified=False, heading="Wheel", page="Page 3"),
        Citation(1, "u3", "a.md", "Lock", "of oak", verified=True, start=3, end=9, heading="Lock"),
        Citation(1, "u3", "a.md", "Lock", "oak", verified=True, start=6, end=9, exact=True),
    )
    assert sources(capsys, said) == [
        "",
        "Sources:",
        "[1] Lock › Gates (a.md) 2 verified, 1 fuzzy",
        "[2] Mill › Page 3 (b.pdf) not verified",
    ]


def test_quotes_are_shown_when_asked_for_on_one_line_each(capsys: Capture) -> None:
    said = answer(
        Citation(1, "u1", "a.md", "Lock", "built\n   in 1822", verified=True),
        Citation(1, "u1", "a.md", "Lock", "of oak", verified=False, page="Page 3"),
        Citation(2, "u2", "b.md", "Mill", "", verified=False),
    )
    assert sources(capsys, said, with_quotes=True)[2:] == [
        "[1] Lock › Page 3 (a.md) 1 verified, 1 not verified",
        '  - verified: "built in 1822"',
        '  - Page 3, not verified: "of oak"',
        "[2] Mill (b.md) not verified",
        "  - not verified",
    ]


def test_files_outside_the_root_are_named_from_it(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "my notes" / "a.md"
    said = answer(Citation(1, "u1", file.as_uri(), "Lock", "x", verified=True))
    print_sources(said, Terminal(), root=tmp_path / "kb", with_quotes=False)
    assert "(../my notes/a.md)" in capsys.readouterr().out


def test_no_sources_no_heading(capsys: Capture) -> None:
    assert sources(capsys, answer()) == []


def test_words_that_fit_are_coloured_in_a_terminal_alone(capsys: Capture) -> None:
    for terminal in (Terminal(width=80, has_colour=True), Terminal()):
        reply = Reply(terminal)
        reply.add(EXCERPT.answer)
        assert capsys.readouterr().out == ""
        reply.finish(EXCERPT)
        shown = capsys.readouterr().out
        if terminal.is_pipe:
            assert shown == f"{EXCERPT.answer}\n"
        else:
            assert f"\x1b[{BOLD}mCanals\x1b[0m" in shown
            assert "**" not in shown
            assert f"The \x1b[{MARKED}mlock\x1b[0m (2) was \x1b[{MARKED}mbuilt\x1b[0m in" in shown


def test_lines_of_prose_are_joined_and_those_of_code_and_lists_are_not(capsys: Capture) -> None:
    line = "Captain James Anderson came from the Cunard Line to command her, of"
    text = f"{line}\nWicklow. {line}\n- {line}\n1. {line}\n```\n{line}\n{line}\n```"
    said = dataclasses.replace(EXCERPT, answer=text, citations=())
    Reply(Terminal(width=200)).finish(said)
    assert capsys.readouterr().out.splitlines() == [
        f"{line} Wicklow. {line}",
        f"- {line}",
        f"1. {line}",
        "```",
        line,
        line,
        "```",
    ]


def test_pieces_are_shown_as_they_come(capsys: Capture) -> None:
    reply = Reply(Terminal())
    shown: list[str] = []
    for piece in ("It ", "was ", "built [1]."):
        reply.add(piece)
        shown.append(capsys.readouterr().out)
    reply.finish(answer())
    assert shown == ["", "It was ", "built [1]."]
    assert capsys.readouterr().out == "\n"


@pytest.mark.parametrize("pieces", [(), ("It ",), ("It ", "was")])
def test_an_answer_that_stops_ends_its_line(pieces: tuple[str, ...], capsys: Capture) -> None:
    with suppress(KeyboardInterrupt), Reply(Terminal(width=80)) as reply:
        for piece in pieces:
            reply.add(piece)
        raise KeyboardInterrupt
    assert capsys.readouterr().out.strip() == "".join(pieces).strip()


def test_a_complete_answer_is_shown_without_its_pieces(capsys: Capture) -> None:
    reply = Reply(Terminal())
    reply.finish(answer())
    assert capsys.readouterr().out == "It was [1][2].\n"


def test_notes_tell_that_no_model_wrote_it_and_what_was_looked_for(capsys: Capture) -> None:
    print_notes(dataclasses.replace(EXCERPT, also_searched=("merge", "conflict"), reason="why"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "also searched: merge, conflict",
        EXTRACTIVE,
        "Method basic",
    ]


@pytest.mark.parametrize("width", [0, 80])
def test_nothing_that_is_printed_steers_the_terminal(width: int, capsys: Capture) -> None:
    hostile = "a\x1b[2J\x1b]52;c;ZXZpbA==\ab\x9bc\rd\x7f"
    citation = Citation(1, "u1", hostile, hostile, hostile, verified=False, page=hostile)
    said = dataclasses.replace(answer(citation), answer=hostile, warnings=(hostile,))
    terminal = Terminal(width=width)
    Reply(terminal).finish(said)
    print_sources(said, terminal, root=Path(), with_quotes=True)
    print_notes(dataclasses.replace(said, reason=hostile, also_searched=(hostile,)))
    captured = capsys.readouterr()
    assert not set("\x1b\a\x9b\r\x7f") & set(captured.out + captured.err)
