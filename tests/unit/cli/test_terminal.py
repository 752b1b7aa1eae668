"""Text breaks at words within the width, whatever pieces it comes in; a pipe gets it as it is."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from graphrag.cli.terminal import MARKED, Terminal

Capture = pytest.CaptureFixture[str]

PROSE = "The Great Eastern never sailed to Australia, for which she had been planned. "
CODE = """\
```sh
graphrag index examples/documents --root kb --method fast   --json
```"""


def written(capture: Capture, *pieces: str, width: int = 40, has_colour: bool = False) -> str:
    terminal = Terminal(width=width, has_colour=has_colour)
    for piece in pieces:
        terminal.write(piece)
    terminal.end()
    return capture.readouterr().out


def test_lines_end_between_words_and_entries_hang(capsys: Capture) -> None:
    text = f"{PROSE}\n\n- {PROSE}\n12. {PROSE}\n"
    assert written(capsys, text) == (
        "The Great Eastern never sailed to\n"
        "Australia, for which she had been\n"
        "planned.\n"
        "\n"
        "- The Great Eastern never sailed to\n"
        "  Australia, for which she had been\n"
        "  planned.\n"
        "12. The Great Eastern never sailed to\n"
        "    Australia, for which she had been\n"
        "    planned.\n"
    )


def test_pieces_do_not_matter(capsys: Capture) -> None:
    text = f"{PROSE}\n- {PROSE}{PROSE}\n{CODE}\n海底電信は、長い。{PROSE}"
    whole = written(capsys, text)
    assert written(capsys, *text) == whole
    assert written(capsys, *(text[at : at + 7] for at in range(0, len(text), 7))) == whole


def test_a_word_is_shown_when_it_is_whole(capsys: Capture) -> None:
    terminal = Terminal(width=40)
    terminal.write("Great East")
    assert capsys.readouterr().out == "Great"
    terminal.write("ern ")
    assert capsys.readouterr().out == " Eastern"


@pytest.mark.parametrize(
    "lines",
    [CODE, "| a table | of | two | rows that are | long |\n|---|---|", " " * 4 + "x  =  " * 9],
)
def test_code_and_tables_keep_their_lines(lines: str, capsys: Capture) -> None:
    assert written(capsys, f"{lines.rstrip()}\n") == f"{lines.rstrip()}\n"
    assert len(written(capsys, f"{CODE}\n{PROSE}").splitlines()) == 6


def test_scripts_without_spaces_break_between_signs(capsys: Capture) -> None:
    text = "海底電信は一八六六年に大西洋を横断した。「大東」号がそれを敷設した、と記録にある。" * 2
    lines = written(capsys, text, width=20).splitlines()
    assert "".join(lines) == text
    assert all(18 <= cell_len(line) <= 20 for line in lines[:-1])
    assert not any(line[0] in "。、」" for line in lines)


def test_long_words_stay_whole_and_no_break_spaces_hold(capsys: Capture) -> None:
    url = "https://example.org/" + "x" * 40
    assert f"\n{url}\n" in written(capsys, f"See {url} {PROSE}")
    assert "of the\n22\xa0miles" in written(
        capsys, "She laid twenty-two of the 22\xa0miles\n", width=30
    )


def test_colours_end_with_their_word_and_take_no_room(capsys: Capture) -> None:
    terminal = Terminal(width=12, has_colour=True)
    terminal.write("sub")
    terminal.write("marine cable", MARKED)
    terminal.write("s laid")
    terminal.end()
    assert capsys.readouterr().out == (
        f"sub\x1b[{MARKED}mmarine\x1b[0m\n\x1b[{MARKED}mcable\x1b[0ms laid\n"
    )


def test_a_pipe_gets_the_text_alone(capsys: Capture) -> None:
    terminal = Terminal()
    terminal.write(PROSE * 3, MARKED)
    terminal.end()
    terminal.end()
    assert capsys.readouterr().out == f"{PROSE * 3}\n"


@pytest.mark.parametrize("width", [0, 40])
def test_what_documents_say_cannot_steer(width: int, capsys: Capture) -> None:
    shown = written(capsys, "a\x1b[2J\x1b]52;c;ZXZpbA==\ab\x9bc\rd\x7f", width=width)
    assert not set("\x1b\a\x9b\r\x7f") & set(shown)
