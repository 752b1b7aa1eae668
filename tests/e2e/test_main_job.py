"""Documents to cited answers through the command, against a model server: cost, faults, kills."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from graphrag.testing import Fault, TestServer
from tests.e2e.conftest import BOTH_IN_SOAK, BOTH_STORES, Finished, Server, Shell, shell_on
from tests.hostile import SOAK

GRAPH = ("documents", "text_units", "entities", "relationships", "mentions")


@pytest.fixture
def server() -> Iterator[TestServer]:
    with TestServer() as running:
        yield running


@pytest.fixture
def corpus(tmp_path: Path, test_data: Path) -> Path:
    """The beginnings of three of the ten 100 KB files, which `make soak` reads whole."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(3):
        name = f"holmes_0{number}.txt"
        text = (test_data / "gutenberg" / name).read_text(encoding="utf-8")
        (folder / name).write_text(text if SOAK else text[:15_000], encoding="utf-8")
    return folder


def model(server: TestServer) -> dict[str, str]:
    # Exact clustering makes communities and reports a function of the documents alone.
    return {
        "OPENAI_API_KEY": "test",
        "OPENAI_BASE_URL": server.url,
        "GRAPHRAG__COMMUNITIES__UPDATE": "exact",
        "GRAPHRAG__CHAT__MAX_RETRIES": "0",
    }


def calls(server: TestServer, group: str = "chat") -> dict[str, int]:
    counted = server.stats().get(group, {})
    return {kind: counts["calls"] for kind, counts in counted.items()}


def number(finished: Finished, name: str) -> int:
    return cast(int, finished.json()[name])


def exported(shell: Shell, root: str) -> dict[str, bytes]:
    folder = shell.root / f"export-{root}"
    done = shell.run("export", folder, "--root", root, "--format", "csv")
    assert done.code == 0, done.err
    return {path.stem: path.read_bytes() for path in sorted(folder.iterdir())}


@BOTH_STORES
@pytest.mark.data
def test_rerun_and_replacement(shell: Shell, server: TestServer, corpus: Path) -> None:
    env = model(server)
    first = shell.run("index", corpus, "--root", "kb", "--json", env=env)
    assert first.code == 0, first.err
    assert calls(server)["extract"] == number(first, "text_units")
    undisturbed = exported(shell, "kb")

    server.reset()
    again = shell.run("index", corpus, "--root", "kb", "--json", env=env)
    assert again.code == 0
    assert calls(server) == calls(server, "embeddings") == {}
    assert exported(shell, "kb") == undisturbed

    changed = corpus / "holmes_02.txt"
    original = changed.read_text(encoding="utf-8")
    fifth = len(original) // 5
    changed.write_text(original[fifth : 3 * fifth], encoding="utf-8")
    edited = shell.run("index", corpus, "--root", "kb", "--json", env=env)
    assert edited.code == 0, edited.err
    lost = number(first, "text_units") - number(edited, "text_units")
    assert 0 < calls(server)["extract"] < number(first, "text_units") / 3 - lost + 2
    rebuilt = shell.run("index", corpus, "--root", "rebuilt", "--json", env=env)
    assert rebuilt.code == 0
    assert exported(shell, "kb") == exported(shell, "rebuilt") != undisturbed


@BOTH_IN_SOAK
@pytest.mark.data
def test_killed_run_goes_on_where_it_was(shell: Shell, server: TestServer, corpus: Path) -> None:
    env = model(server) | {"GRAPHRAG__CHUNKS__MAX_TOKENS": "400"}
    assert shell.run("index", corpus, "--root", "whole", env=env).code == 0
    n_units = calls(server)["extract"]
    server.reset()
    with subprocess.Popen(
        shell.command("index", corpus, "--root", "killed"),
        cwd=shell.root,
        env=shell.environment(env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        deadline = time.monotonic() + 120
        while calls(server).get("extract", 0) < n_units // 3 or not committed(shell, "killed"):
            assert running.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
        running.send_signal(signal.SIGKILL)
    kept = committed(shell, "killed")
    assert kept > 0
    server.reset()
    resumed = shell.run("index", corpus, "--root", "killed", "--json", env=env)
    assert resumed.code == 0, resumed.err
    # A server may still have finished what the killed run had asked of it.
    assert 0 < calls(server)["extract"] <= n_units - kept
    assert exported(shell, "killed") == exported(shell, "whole")


def committed(shell: Shell, root: str) -> int:
    """The evidence that a killed run had committed."""
    if shell.server is not None:
        return evidence_on(shell.server, root)
    return number_of_evidence(shell.root / root / ".graphrag" / "graph.db")


def number_of_evidence(path: Path) -> int:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'evidence%'"
        ).fetchall()
        [name] = [name for (name,) in tables]
        return int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0])
    finally:
        connection.close()


def evidence_on(server: Server, root: str) -> int:
    """What the namespace of `root` holds, whatever state its run left it in."""
    from tests.integration.neo4j_server import ask

    statement = "MATCH (e:__Evidence__) WHERE e.key STARTS WITH $start RETURN count(e)"
    [[found]] = ask(server.root, statement, start=f"{server.prefix}{root}:")
    return cast(int, found)


@BOTH_IN_SOAK
@pytest.mark.data
def test_a_third_of_the_calls_fail(shell: Shell, server: TestServer, corpus: Path) -> None:
    env = model(server)
    assert shell.run("index", corpus, "--root", "whole", env=env).code == 0
    server.reset()
    server.set_faults(Fault("status", status=503, kind="extract", rate=0.33))
    partly = shell.run("index", corpus, "--root", "partly", "--json", env=env)
    assert partly.code == 3, partly.err
    failed = cast(list[dict[str, str]], partly.json()["failed"])
    n_failed = server.stats()["chat"]["extract"]["faults"]
    named = [item for item in failed if "text unit" in item["reason"]]
    assert len(named) == n_failed > 3
    assert all("503" in item["reason"] for item in named)
    assert len({(item["source"], item["reason"]) for item in named}) == n_failed
    status = shell.run("status", "--root", "partly", "--json").json()
    assert cast(dict[str, int], status["text_units"])["failed"] == n_failed

    server.set_faults()
    server.reset()
    completed = shell.run("index", corpus, "--root", "partly", "--json", env=env)
    assert completed.code == 0, completed.err
    assert calls(server)["extract"] == n_failed
    assert exported(shell, "partly") == exported(shell, "whole")


def test_every_call_fails(shell: Shell, server: TestServer) -> None:
    (shell.root / "a.txt").write_text("Ada Lovelace wrote notes on the Analytical Engine.")
    server.set_faults(Fault("status", status=503, kind="extract"))
    done = shell.run("index", "a.txt", env=model(server))
    assert done.code == 1
    assert "503" in done.err


def test_wrong_key_fails_before_any_paid_call(shell: Shell) -> None:
    (shell.root / "a.txt").write_text("Ada Lovelace wrote notes on the Analytical Engine.")
    with TestServer(api_key="right") as server:
        done = shell.run("index", "a.txt", env=model(server))
        assert done.code == 1
        assert "Hint:" in done.err
        assert "test" not in done.err.replace("graphrag.testing", "")
        assert calls(server) == {}


def test_cost_limit_stops_before_it_is_passed(
    shell: Shell, server: TestServer, examples: Path
) -> None:
    documents = examples / "documents"
    env = model(server) | {"GRAPHRAG__CHAT__MAX_OUTPUT_TOKENS": "2000"}
    done = shell.run("index", documents, "--max-cost", "0.02", "--json", env=env)
    assert done.code == 3, done.err
    usage = cast(dict[str, float], done.json()["usage"])
    assert 0 < usage["cost_usd"] <= 0.02
    assert "left" in json.dumps(done.json()["failed"])
    server.reset()
    whole = shell.run("index", documents, "--json", env=env)
    assert whole.code == 0, whole.err
    assert calls(server)["extract"] < number(whole, "text_units")


def test_unknown_price_refuses_a_cost_limit(shell: Shell, server: TestServer) -> None:
    (shell.root / "a.txt").write_text("Ada Lovelace wrote notes on the Analytical Engine.")
    env = model(server) | {"GRAPHRAG__CHAT__MODEL": "my-own-model"}
    done = shell.run("index", "a.txt", "--max-cost", "1", env=env)
    assert done.code == 2
    assert "price" in done.err


def test_dry_run_calls_nothing(shell: Shell, server: TestServer, examples: Path) -> None:
    done = shell.run("index", examples / "documents", "--dry-run", "--json", env=model(server))
    assert done.code == 0, done.err
    plan = done.json()
    assert cast(int, plan["calls"]) > 10
    assert cast(float, plan["cost_usd"]) > 0
    assert calls(server) == {}
    assert not (shell.root / ".graphrag" / "graph.db").exists()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def answering(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, examples: Path
) -> Iterator[tuple[Shell, dict[str, str]]]:
    """An index of the examples and the environment of the model that made it."""
    folder = tmp_path_factory.mktemp("answering")
    with (
        TestServer() as server,
        shell_on(cast(str, request.param), folder, request, name="answering") as shell,
    ):
        env = model(server)
        done = shell.run("index", examples / "documents", env=env)
        assert done.code == 0, done.err
        yield shell, env


@pytest.mark.parametrize("method", ["basic", "local", "global", "path"])
def test_model_answers_cite_what_they_read(
    answering: tuple[Shell, dict[str, str]], method: str
) -> None:
    shell, env = answering
    question = "Which ship laid the cable of 1866?"
    done = shell.run("query", question, "--method", method, "--json", env=env)
    assert done.code == 0, done.err
    answer = done.json()
    citations = cast(list[dict[str, object]], answer["citations"])
    assert citations
    assert all(citation["verified"] for citation in citations)
    usage = cast(dict[str, int], answer["usage"])
    assert usage["chat_calls"] + usage["cached_calls"] > 0  # two methods may read the same


def test_a_streamed_answer_is_the_answer(answering: tuple[Shell, dict[str, str]]) -> None:
    shell, env = answering
    question = "Which ship laid the cable of 1866?"
    whole = shell.run("query", question, "--json", env=env)
    streamed = shell.run("query", question, env=env)
    assert streamed.code == 0
    assert str(whole.json()["answer"]).strip() in streamed.out


@BOTH_IN_SOAK
def test_pruned_and_renamed_files(shell: Shell, server: TestServer, examples: Path) -> None:
    env = model(server)
    shutil.copytree(examples / "documents", shell.root / "docs")
    assert shell.run("index", "docs", env=env).code == 0
    server.reset()
    (shell.root / "docs" / "great-eastern.md").rename(shell.root / "docs" / "renamed.md")
    done = shell.run("index", "docs", "--prune", "--json", env=env)
    assert done.code == 0, done.err
    assert "extract" not in calls(server)
    status = shell.run("export", "out", "--format", "csv")
    assert status.code == 0
    text = (shell.root / "out" / "documents.csv").read_text(encoding="utf-8")
    assert "docs/renamed.md" in text
    assert "docs/great-eastern.md" not in text
    shutil.rmtree(shell.root / "docs")
    refused = shell.run("index", "docs", "--prune", env=env)
    assert refused.code == 2
