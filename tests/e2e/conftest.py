"""The command as a user runs it: a process of its own, in an empty folder, with no keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest


@dataclass(frozen=True, slots=True)
class Finished:
    code: int
    out: str
    err: str

    def json(self) -> dict[str, object]:
        return cast(dict[str, object], json.loads(self.out))


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs `graphrag` in `root`."""

    root: Path

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "graphrag", *map(str, arguments)]

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OPENAI_", "GRAPHRAG__", "NEO4J_"))
        }
        return kept | dict(extra or {})

    def run(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None, timeout: float = 300
    ) -> Finished:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(env),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def examples() -> Path:
    return Path(__file__).parents[2] / "examples"
