"""A key and passwords that are planted: found in no output and in no file, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graphrag.testing import Fault, TestServer
from tests.e2e.conftest import Finished, Shell

KEY = "sk-planted-4f1c9e"
OTHER_KEY = "sk-wrong-77ab02"
PASSWORD = "pass-planted-c0ffee"
QUESTION = "Which ship laid the cable of 1866?"


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with TestServer(api_key=KEY) as running:
        yield running


def given(server: TestServer, **more: str) -> dict[str, str]:
    env = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": server.url,
        "NEO4J_USERNAME": "neo4j",
        "NEO4J_PASSWORD": PASSWORD,
        "GRAPHRAG__CHAT__MAX_RETRIES": "0",
        "GRAPHRAG__EMBEDDING__MAX_RETRIES": "0",
        "GRAPHRAG_DEBUG": "",
    }
    return {**env, **more}


def assert_hidden(shell: Shell, *finished: Finished) -> None:
    for done in finished:
        for secret in (KEY, OTHER_KEY, PASSWORD):
            assert secret not in done.out + done.err
    for path in shell.root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for secret in (KEY, OTHER_KEY, PASSWORD):
                assert secret.encode() not in content, path


def test_where_all_goes_well(shell: Shell, server: TestServer, examples: Path) -> None:
    env = given(server)
    documents = sorted((examples / "documents").glob("expedition-*.md"))
    assert_hidden(
        shell,
        indexed := shell.run("index", *documents, "--json", env=env),
        asked := shell.run("query", QUESTION, "--json", env=env),
        shell.run("query", QUESTION, "--method", "global", "--cypher", env=env),
        status := shell.run("status", "--json", env=env),
        doctor := shell.run("doctor", "--json", env=env),
        shell.run("export", "out", env=env),
        shell.run("export", "out", "--format", "csv", env=env),
        shell.run("init", env=env),
    )
    assert [done.code for done in (indexed, asked, status, doctor)] == [0, 0, 0, 0]
    assert server.stats()["chat"]["extract"]["calls"] > 0  # the key was sent


def test_where_the_key_or_the_server_is_wrong(shell: Shell, server: TestServer) -> None:
    (shell.root / "ada.md").write_text("Ada Lovelace wrote notes on the Analytical Engine.")
    with_user = server.url.replace("://", f"://user:{PASSWORD}@")
    closed = f"http://user:{PASSWORD}@127.0.0.1:9/v1?key={PASSWORD}"
    failing = [
        shell.run("index", "ada.md", env=given(server, **changed))
        for changed in (
            {"OPENAI_API_KEY": OTHER_KEY},
            {"OPENAI_BASE_URL": closed},
            {"OPENAI_BASE_URL": with_user, "OPENAI_API_KEY": OTHER_KEY},
            {"GRAPHRAG__CHAT__BASE_URL": f"htp://{PASSWORD}@nowhere"},
        )
    ]
    assert all(done.code in (1, 2) for done in failing)
    server.set_faults(Fault(status=500))
    failing.append(shell.run("index", "ada.md", env=given(server)))
    server.set_faults()
    doctors = [
        shell.run("doctor", env=given(server, **changed))
        for changed in ({"OPENAI_API_KEY": OTHER_KEY}, {"OPENAI_BASE_URL": closed})
    ]
    assert_hidden(shell, *failing, *doctors)


def test_where_no_store_answers_at_a_url_that_holds_the_password(
    shell: Shell, server: TestServer
) -> None:
    (shell.root / "ada.md").write_text("Ada Lovelace wrote notes on the Analytical Engine.")
    env = given(server)
    stores = [
        "bolt://127.0.0.1:9",
        f"bolt://neo4j:{PASSWORD}@127.0.0.1:9",
        f"neo4j://neo4j:{PASSWORD}@127.0.0.1:9/db?x={PASSWORD}",
        f"nosuch://neo4j:{PASSWORD}@127.0.0.1:9",
    ]
    failed = [shell.run("index", "ada.md", "--store", store, env=env) for store in stores]
    assert all(done.code in (1, 2) for done in failed)
    failed.append(shell.run("doctor", "--json", "--store", stores[1], env=env))
    settings = f"neo4j:\n  password: [{PASSWORD}]\nchat:\n  api_key: {{a: {KEY}}}\n"
    (shell.root / "graphrag.yaml").write_text(settings)
    refused = shell.run("index", "ada.md", env=env)
    (shell.root / "graphrag.yaml").unlink()
    assert refused.code == 2
    assert_hidden(shell, *failed, refused)
