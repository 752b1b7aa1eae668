"""What the lines of a conversation do besides asking, and its options."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graphrag.cli.main import main


def chat(lines: str, root: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["chat", "--root", str(root), *options], input=lines)


def test_an_error_ends_its_question_alone(tmp_path: Path) -> None:
    done = chat("Who?\nWhere?\n", tmp_path)
    assert done.stderr.count("Error: ") == 2
    assert done.exit_code == 3


def test_lines_behind_quit_are_not_read(tmp_path: Path) -> None:
    done = chat("\n  \n/quit\nWho?\n", tmp_path)
    assert (done.exit_code, done.output) == (0, "")


def test_commands_are_told_from_questions(tmp_path: Path) -> None:
    done = chat("/help\n/new\n/sources\n/what\n/etc/hosts\n/usr is what?\n", tmp_path)
    assert "/quit " in done.stdout
    assert "A new conversation.\nNo answer with sources yet.\nThere is no /what" in done.stderr
    assert done.stderr.count("Error: ") == 2


@pytest.mark.parametrize(
    "options", [["--context", "--tree"], ["--dynamic", "--method", "local"], ["-k", "0"]]
)
def test_wrong_options_are_refused_at_once(options: list[str], tmp_path: Path) -> None:
    assert chat("Who?\n", tmp_path, *options).exit_code == 2
