"""docs/architecture.md draws the ways of `index` and `query` as a real run takes them."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from types import FrameType

import pytest
from click.testing import CliRunner

import graphrag
from graphrag.cli.main import main
from graphrag.testing import TestServer

PACKAGE = Path(graphrag.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
TEXT = "Ada Lovelace wrote notes on the Analytical Engine, which Charles Babbage designed.\n"

Step = tuple[str, str]  # file, function


def drawn(command: str) -> list[Step]:
    (block,) = re.findall(rf"^## The way of `{command}`\n\n```text\n(.*?)^```", PAGE, re.M | re.S)
    return re.findall(r"^ +(\S+\.py) +(\S+)", block, re.MULTILINE)


def record(arguments: list[str], called: dict[Step, int]) -> None:
    def profile(frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(f"{PACKAGE}/"):
            step = (file.removeprefix(f"{PACKAGE}/"), frame.f_code.co_qualname)
            called.setdefault(step, len(called))

    before = sys.getprofile()
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        done = CliRunner().invoke(main, arguments)
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    assert done.exit_code == 0, done.output


def test_both_commands_take_the_way_that_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text(TEXT * 3, encoding="utf-8")
    question = "Who designed the Analytical Engine?"
    with TestServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "test")
        for command, arguments in (
            ("index", [str(notes)]),
            ("query", [question, "--method", "local"]),
        ):
            called: dict[Step, int] = {}
            record([command, *arguments, "--root", str(tmp_path)], called)
            steps = drawn(command)
            assert len(steps) > 10
            assert [step for step in steps if step not in called] == [], command
            assert sorted(steps, key=called.__getitem__) == steps, command


def test_the_files_and_names_to_open_are_there() -> None:
    rows = re.findall(r"^\|[^|]*\| (.*?) \| (.*?) \|$", PAGE.split("## Which file")[1], re.M)
    assert len(rows) > 15
    for files, names in rows:
        paths = [PACKAGE / name for name in re.findall(r"`([\w/.]+)`", files)]
        assert [path for path in paths if not path.exists()] == []
        text = "".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"^ *(async def|def|class) {name}\b|^{name}\b", text, re.M), name
    for folder in re.findall(r"`((?:indexing|query|cli)/[\w/]*)`", PAGE):
        assert (PACKAGE / folder).exists(), folder
