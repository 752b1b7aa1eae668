"""docs/screens.md shows what a terminal of 80 columns shows of `index`, `query` and `chat`.

GRAPHRAG_WRITE_SCREENS=1 writes the page anew.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.e2e.conftest import Shell, shell_on
from tests.pseudo_terminal import run_in_terminal, show

PAGE = Path(__file__).parents[2] / "docs" / "screens.md"
QUESTION = "When was the Great Eastern launched?"
SESSIONS = {
    "index": ["index documents"],
    "query": [f'query "{QUESTION}"', 'query -v "How deep is the telegraph plateau?"'],
    "chat": ["chat"],
}
TYPED = ("Who was Robert Halpin?", "Which ship did he command?", "/help")


@pytest.fixture(scope="module")
def screens(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, examples: Path
) -> Iterator[dict[str, str]]:
    """Each session as the terminal shows it, commands included."""
    with shell_on("sqlite", tmp_path_factory.mktemp("cables"), request) as shell:
        folder = shell.root / "cables"
        shutil.copytree(examples / "documents", folder / "documents")
        yield {
            name: "\n".join(screen(shell, folder, line) for line in lines)
            for name, lines in SESSIONS.items()
        }


def screen(shell: Shell, folder: Path, line: str) -> str:
    command = shell.command(*shlex.split(line))
    with run_in_terminal(command, cwd=folder, env=shell.environment()) as terminal:
        if line == "chat":
            for number, typed in enumerate(TYPED):
                terminal.wait_for("\n>", count=number + 1)
                terminal.type(f"{typed}\n")
            terminal.wait_for("\n>", count=len(TYPED) + 1)
            terminal.type("\x04")
        assert terminal.finish() == 0, terminal.screen()
        return f"$ graphrag {line}\n{terminal.screen()}".rstrip() + "\n"


def test_the_page_shows_the_screens(screens: dict[str, str]) -> None:
    if "GRAPHRAG_WRITE_SCREENS" in os.environ:
        head, *_ = PAGE.read_text(encoding="utf-8").partition("\n## ")
        parts = [f"\n## {name}\n\n```text\n{text}```\n" for name, text in screens.items()]
        PAGE.write_text(head + "".join(parts), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    shown = dict(re.findall(r"^## (\w+)\n\n```text\n(.*?)^```$", page, re.M | re.S))
    assert shown.keys() == screens.keys()
    for name, text in screens.items():
        assert without_numbers(shown[name]) == without_numbers(text), name


def without_numbers(text: str) -> str:
    """For times and counts, which also move the ends of lines."""
    return " ".join(re.sub(r"\d+", "0", text).split())


def test_no_line_is_longer_than_the_screen(screens: dict[str, str]) -> None:
    for text in screens.values():
        for line in text.splitlines():
            assert cell_len(line) <= 80, line


def test_words_are_whole_at_the_ends_of_lines(screens: dict[str, str]) -> None:
    words = {word for text in screens.values() for word in re.findall(r"[a-z]{4,}", text)}
    assert {"documents", "verified", "relationships", "conversation"} <= words


def test_a_screen_shows_what_was_written_over() -> None:
    written = "ab\rc\r\nlong line\x1b[1A\x1b[2K\rx\b\x1b[Ky\r\n\x1b[1mz"
    assert show(written, width=6) == "cb\ny\nzne"
