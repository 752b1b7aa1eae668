"""The commands `serve`, `mcp` and `skill`: what they refuse, and what the skill says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from graphrag.cli.main import main


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0", "--no-token"], "without a token"),
        (["--root", "no-such-folder"], "no folder"),
        (["--index", "x"], "names no index"),
        (["--token-file", "no-such-file"], "cannot be read"),
        (["--documents", "no-such-folder"], "no folder"),
        (["--host", "no host of that name"], "cannot listen"),
        (["--port", "70000"], "70000"),
    ],
)
def test_a_wrong_start_is_a_wrong_usage(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = run("serve", *arguments)
    assert code == 2
    assert said in output


def test_the_skill_is_written_and_its_commands_are_understood(tmp_path: Path) -> None:
    code, _ = run("skill", str(tmp_path))
    assert code == 0
    text = (tmp_path / "graphrag" / "SKILL.md").read_text(encoding="utf-8")
    assert re.match(r"---\nname: graphrag\ndescription: .{100,1000}\n---\n", text)
    commands = re.findall(r"^(?:- `)?(graphrag [^`\n]+)", text, re.MULTILINE)
    commands += re.findall(r"`(graphrag \w+ [^`\n]+)`", text)
    assert len(commands) >= 10
    for line in commands:
        _, name, *words = shlex.split(line, comments=True)
        assert isinstance(main, click.Group)
        above = click.Context(main, **main.context_settings)  # click keeps what it makes of --help
        with main.commands[name].make_context(name, words, parent=above) as context:
            assert context.params


def test_the_methods_of_the_skill_are_all_there_are(tmp_path: Path) -> None:
    from graphrag.server.chat import METHODS

    run("skill", str(tmp_path))
    text = (tmp_path / "graphrag" / "SKILL.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\| `(\w+)` \|$", text, re.MULTILINE))
    assert named == set(METHODS) - {"auto"}


def test_a_skill_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    code, output = run("skill", str(tmp_path / "file" / "x"))
    assert code == 2
    assert "cannot be written" in output
