"""`--log-json` and `--verbose`: what the command writes to stderr."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

import pytest

from graphrag.testing import Fault, TestServer
from tests.e2e.conftest import Finished, Shell

FIELDS = {"time", "level", "logger", "message", "run", "method", "step", "unit", "error"}


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with TestServer() as running:
        yield running


def records(done: Finished) -> list[dict[str, object]]:
    """Every line of stderr; each must be an object of JSON."""
    found = [cast(dict[str, object], json.loads(line)) for line in done.err.splitlines()]
    assert all(one.keys() - {"values"} == FIELDS for one in found)
    return found


def test_every_line_of_stderr_is_json(shell: Shell, server: TestServer) -> None:
    (shell.root / "docs").mkdir()
    for number, name in enumerate(("Ada Lovelace", "Charles Babbage", "Planted Word")):
        path = shell.root / "docs" / f"{number}.md"
        path.write_text(f"{name} met Anne Isabella in London. " * 20, encoding="utf-8")
    (shell.root / "docs" / "x.pdf").write_bytes(b"no pdf")
    (shell.root / "docs" / "x.unknown").write_bytes(b"of no known kind")
    env = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-planted"}
    server.set_faults(Fault("wrong_json", kind="extract", match="Planted Word"))
    done = shell.run("index", "docs", "--log-json", env=env)
    assert done.code == 3
    assert "3 documents" in done.out
    found = records(done)
    levels = [one["level"] for one in found if one["unit"] or "x." in str(one["message"])]
    assert levels.count("WARNING") >= 3  # the unit, the file that is no pdf, the one left out
    assert [one["message"] for one in found if "index ends" in str(one["message"])]
    assert "Planted" not in done.err
    assert "planted" not in done.err

    server.set_faults(Fault("status", status=401))
    done = shell.run("query", "Who is Planted Word?", "--log-json", env=env)
    server.set_faults()
    assert (done.code, done.out.strip()) == (1, "")
    assert "refused the API key" in str(records(done)[-1]["error"])
    assert records(done)[-1]["level"] == "ERROR"
    assert "lanted" not in done.err

    done = shell.run("--log-json", "index", "docs", "--no-such-option")
    assert done.code == 2
    assert "--no-such-option" in str(records(done)[-1]["message"])
    done = shell.run("index", "nowhere", "--log-json")
    assert done.code == 2
    assert "not found: 'nowhere'" in str(records(done)[-1]["error"])


def test_verbose_tells_what_happens(shell: Shell) -> None:
    (shell.root / "a.md").write_text("Ada Lovelace met Charles Babbage.", encoding="utf-8")
    quiet = shell.run("index", "a.md")
    assert "begins" not in quiet.err
    done = shell.run("query", "Whom did Ada Lovelace meet?", "-v")
    assert done.code == 0
    assert "[answer] answer ends: " in done.err
    assert "Ada Lovelace" in done.out
