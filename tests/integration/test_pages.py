"""The Python code in the pages runs as it stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.test_docs import REPOSITORY, blocks


def test_code_of_the_python_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = REPOSITORY / "docs" / "python.md"
    found = blocks(path, "python")
    assert len(found) >= 5
    names: dict[str, object] = {"__name__": "docs_python"}
    for block in found:
        exec(compile(block, str(path), "exec"), names)


def test_code_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "news.txt").write_text("In 2024 the harbour changed its name to Northport.\n")
    path = REPOSITORY / "README.md"
    (block,) = blocks(path, "python")
    exec(compile(block, str(path), "exec"), {"__name__": "readme"})
    assert "Northport" in capsys.readouterr().out
