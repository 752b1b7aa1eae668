"""Tuning and the prompt commands as a user runs them: exit codes, tables, what is left behind."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from graphrag.testing import TestServer
from tests.e2e.conftest import Shell
from tests.tuning_model import MARK, calls, is_tuned, packaged_is_haunted, rules, write_corpus


@pytest.fixture
def server() -> Iterator[TestServer]:
    with TestServer(rules=rules(haunted=packaged_is_haunted)) as running:
        yield running


def model(server: TestServer) -> dict[str, str]:
    return {
        "OPENAI_API_KEY": "test",
        "OPENAI_BASE_URL": server.url,
        "GRAPHRAG__CHAT__MAX_RETRIES": "3",
    }


def test_from_a_plan_to_prompts_that_are_listed_shown_and_compared(
    shell: Shell, server: TestServer
) -> None:
    write_corpus(shell.root / "docs")
    env = model(server)
    planned = shell.run("tune", "docs", "--dry-run", env=env)
    assert planned.code == 0, planned.err
    assert "34 chat calls in all; cost: about $" in planned.out
    assert server.stats() == {}
    assert not (shell.root / "prompts").exists()

    done = shell.run("tune", "docs", env=env)
    assert done.code == 0, done.err
    assert "named share" in done.out
    assert "Installed in prompts" in done.out
    assert "write: 13 of 13" in done.err
    assert (shell.root / "prompts" / "tuning.json").is_file()

    server.reset()
    again = shell.run("tune", "docs", env=env)
    assert (again.code, calls(server)) == (0, {})
    assert "Nothing changed" in again.out
    refused = shell.run("tune", "docs", "--entity-types", "ship", env=env)
    assert refused.code == 2
    assert "--force" in refused.err

    listed = shell.run("prompts", "list")
    assert listed.code == 0
    rows = {line.split()[0]: line.split()[1] for line in listed.out.splitlines()[1:]}
    assert (rows["indexing/extract"], rows["indexing/glean"]) == ("tuned", "packaged")
    shown = shell.run("prompts", "show", "query/answer")
    assert (shell.root / "prompts" / "query" / "answer.domain.md").read_text("utf-8") in shown.out
    assert MARK not in shell.run("prompts", "show", "query/answer", "--packaged").out
    assert f"+{MARK}." in shell.run("prompts", "diff", "query/answer").out
    assert shell.run("prompts", "diff", "query/suggest").out == "No difference.\n"
    assert shell.run("prompts", "check").code == 0
    assert shell.run("prompts", "show", "nope").code == 2


def test_a_set_that_loses_is_not_installed_without_force(shell: Shell) -> None:
    write_corpus(shell.root / "docs")
    with TestServer(rules=rules(haunted=is_tuned)) as server:
        done = shell.run("tune", "docs", "--sample", "3", "--select", "random", env=model(server))
        assert done.code == 3, done.err
        assert "Not installed: " in done.out
        assert "packaged" in done.out
        assert {path.name for path in (shell.root / "prompts").iterdir()} == {
            "indexing",
            "query",
            "not-installed",
        }
        assert [*(shell.root / "prompts" / "indexing").iterdir()] == []
        forced = shell.run(
            "tune", "docs", "--sample", "3", "--select", "random", "--force", "--json",
            env=model(server),
        )  # fmt: skip
        assert forced.code == 0
        assert forced.json()["state"] == "installed"


def test_a_budget_that_runs_out_half_way(shell: Shell, server: TestServer) -> None:
    write_corpus(shell.root / "docs")
    env = model(server) | {"GRAPHRAG__CHAT__MAX_OUTPUT_TOKENS": "2000"}
    done = shell.run("tune", "docs", "--max-cost", "0.01", "--json", env=env)
    assert done.code == 3, done.err
    assert done.json()["state"] == "stopped"
    spent = sum(calls(server).values())
    assert 0 < spent < 34
    rest = shell.run("tune", "docs", env=env)
    assert rest.code == 0, rest.err
    assert sum(calls(server).values()) == 34


def test_a_run_that_was_killed_goes_on_where_it_was(shell: Shell) -> None:
    write_corpus(shell.root / "docs")
    slow = {"tune_write": 0.3}
    with TestServer(rules=rules(haunted=packaged_is_haunted), latency=slow) as server:
        env = model(server) | {"GRAPHRAG__CHAT__CONCURRENCY": "1"}
        with subprocess.Popen(
            shell.command("tune", "docs"),
            cwd=shell.root,
            env=shell.environment(env),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as running:
            deadline = time.monotonic() + 120
            while calls(server).get("tune_write", 0) < 5:
                assert running.poll() is None, "the run ended before it could be killed"
                assert time.monotonic() < deadline
            running.send_signal(signal.SIGKILL)
        before = calls(server)
        assert not (shell.root / "prompts" / "tuning.json").exists()
        done = shell.run("tune", "docs", env=env)
        assert done.code == 0, done.err
        after = calls(server)
        # The call in flight is lost; nothing else is asked again.
        assert after["tune_profile"] == before["tune_profile"] == 1
        assert after["tune_discover"] == before["tune_discover"] == 6
        assert after["tune_write"] <= 14


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["tune", "nowhere"], "nowhere"),
        (["tune"], "no documents"),
        (["tune", "empty"], "nothing to read"),
        (["tune", "docs", "--entity-types", "{{text}}"], "entity type"),
        (["tune", "docs", "--select", "best"], "best"),
    ],
)
def test_wrong_input_is_named(
    shell: Shell, server: TestServer, arguments: list[str], named: str
) -> None:
    write_corpus(shell.root / "docs", count=1)
    (shell.root / "empty").mkdir()
    done = shell.run(*arguments, env=model(server))
    assert done.code == 2, done.err
    assert named in done.err
    assert server.stats().get("chat", {}) == {}


def test_without_a_model(shell: Shell) -> None:
    write_corpus(shell.root / "docs", count=1)
    done = shell.run("tune", "docs")
    assert done.code == 2
    assert "chat model" in done.err
    assert "Hint: " in done.err


def test_check_of_a_folder_of_microsofts_prompts(shell: Shell) -> None:
    folder = shell.root / "theirs"
    folder.mkdir()
    text = 'Of {entity_types} give ("entity"{tuple_delimiter}name). Text: {input_text}'
    (folder / "extract_graph.txt").write_text(text)
    done = shell.run("prompts", "check", "theirs")
    assert done.code == 1
    assert "microsoft, indexing/extract" in done.out
    assert "{input_text} becomes {{text}}" in done.out
    listed = cast(
        "list[dict[str, object]]", shell.run("prompts", "check", "theirs", "--json").json()
    )
    assert [item["state"] for item in listed] == ["microsoft"]


def test_a_broken_prompt_is_named_by_the_command_that_reads_it(shell: Shell) -> None:
    path = shell.root / "prompts" / "query" / "answer.md"
    path.parent.mkdir(parents=True)
    path.write_text("No placeholders.", encoding="utf-8")
    done = shell.run("prompts", "check")
    assert done.code == 1
    assert "lacks {{context}}" in done.out
    assert shell.run("prompts", "list").code == 0
    assert Path(shell.root / "prompts" / "query" / "answer.md").read_text() == "No placeholders."
