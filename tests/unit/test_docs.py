"""The pages say what the code does: generated ones are current, commands are understood."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from graphrag.cli.main import main as command
from graphrag.core.settings_file import setting_names

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")])


def blocks(path: Path, language: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = REPOSITORY / "docs" / "generate.py"
    spec = importlib.util.spec_from_file_location("docs_generate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "docs_generate", module)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_current(
    generate: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_check_names_the_stale_page_and_writes_nothing(
    generate: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    page = tmp_path / "settings.md"
    page.write_text("old", encoding="utf-8")
    assert generate.main(["--check"]) == 1
    assert "docs/settings.md" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == "old"


def test_settings_page_has_every_setting_with_its_variable() -> None:
    page = (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| `.*?` \| `([^`]+)` \| \S", page, re.MULTILINE)
    assert [name for name, _ in rows] == setting_names()
    assert [variable for _, variable in rows] == [
        f"GRAPHRAG__{name.upper().replace('.', '__')}" for name in setting_names()
    ]


def test_cli_page_has_every_command() -> None:
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    assert isinstance(command, click.Group)
    for name in command.commands:
        assert f"## graphrag {name}\n" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def shell_commands() -> Iterator[list[str]]:
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0] == "graphrag":
                    yield words[1:]


@pytest.mark.parametrize("words", [*shell_commands()], ids=" ".join)
def test_commands_in_the_pages_are_understood(words: list[str]) -> None:
    assert isinstance(command, click.Group)
    if words == ["--version"]:
        return
    entry: click.Command = command
    while isinstance(entry, click.Group):
        entry, words = entry.commands[words[0]], words[1:]
    with entry.make_context(entry.name, words) as context:
        assert context.params


def test_make_targets_in_the_pages_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(encoding="utf-8"), re.M))
        assert named <= targets, page.name
