"""A user with a Neo4j server: what commands print about it, and what they say when it fails."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
from pathlib import Path
from typing import LiteralString, cast

import pytest

from graphrag.testing import TestServer
from tests.conftest import VERSIONS
from tests.e2e.conftest import Shell
from tests.e2e.test_main_job import calls, exported, model
from tests.integration.neo4j_server import Servers, ask, serving

pytestmark = pytest.mark.neo4j

ADA = "# Ada Lovelace\n\nAda Lovelace wrote notes on the Analytical Engine of Charles Babbage.\n"
ON_NEO4J = pytest.mark.parametrize("shell", ["neo4j"], indirect=True)
GUESTS = [f"{letter}nna" for letter in "ABDEGHJKLMNR"]
SECONDS = 120
"""A wrong address or password is told at once; this is for a machine under load."""


@ON_NEO4J
def test_the_printed_cypher_shows_the_evidence(shell: Shell) -> None:
    assert shell.server is not None
    guests = "".join(f" {name} Byron met Charles Babbage." for name in GUESTS)
    (shell.root / "ada.md").write_text(f"{ADA}\n{guests}", encoding="utf-8")
    assert shell.run("index", "ada.md").code == 0
    done = shell.run("query", "Who wrote notes on the Analytical Engine?", "--cypher")
    assert done.code == 0, done.err
    statement = done.out[done.out.index("MATCH (chunk:__Chunk__)") :]
    rows = ask(shell.server.root, cast(LiteralString, statement))
    shown = str(rows)
    assert len(rows) == 10 < len(GUESTS)  # mentions, of the one text unit
    assert "ada.md" in shown
    assert "Charles Babbage" in shown
    assert f"'{shell.server.prefix}main:" in shown


def test_status_is_what_the_page_says(neo4j_servers: Servers, tmp_path: Path) -> None:
    root = neo4j_servers.root(VERSIONS[0])
    shell = Shell(tmp_path)
    done = shell.run("neo4j", "status", "--json", "--root", root)
    assert done.code == 0
    server = done.json()
    assert set(server) == {"running", "version", "url", "browser", "user", "password_file"}
    assert server["running"] is True
    assert server["version"] == VERSIONS[0]
    assert re.fullmatch(r"bolt://localhost:\d+", str(server["url"]))
    assert re.fullmatch(
        r"http://localhost:\d+/browser/\?dbms=bolt://neo4j@localhost:\d+", str(server["browser"])
    )
    password_file = Path(str(server["password_file"]))
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    # Starting what runs already says the same, and stopping what never ran is no error.
    again = shell.run("neo4j", "start", "--json", "--root", root, "--version", VERSIONS[0])
    assert again.json() == server
    plain = shell.run("neo4j", "status", "--root", root)
    assert str(server["browser"]) in plain.out
    assert str(password_file) in plain.out
    assert "not running" in shell.run("neo4j", "stop").out
    assert shell.run("neo4j", "status", "--json").json()["running"] is False
    assert list(tmp_path.iterdir()) == []


def test_the_password_is_written_into_its_file_alone(
    neo4j_servers: Servers, tmp_path: Path
) -> None:
    root = neo4j_servers.root(VERSIONS[0])
    shell = Shell(tmp_path)
    where = ("--root", root, "--store", "local", "--namespace", f"password-{tmp_path.name}")
    (tmp_path / "ada.md").write_text(ADA, encoding="utf-8")
    password_file = root / ".graphrag" / "neo4j" / "password"
    password = password_file.read_text(encoding="utf-8").strip()
    assert len(password) > 10
    for arguments in (
        ("index", "ada.md", *where),
        ("query", "Who wrote notes?", "--cypher", *where),
        ("status", "--json", *where),
        ("export", "out", "--format", "csv", *where),
        ("doctor", *where),
        ("neo4j", "status", "--root", root),
    ):
        done = shell.run(*arguments)
        assert done.code == 0, done.err
        assert password not in done.out + done.err, arguments
    written = [*tmp_path.rglob("*"), *(root / ".graphrag" / "neo4j" / "logs").rglob("*")]
    written += [root / ".graphrag" / "neo4j" / "conf" / "neo4j.conf"]
    files = [path for path in written if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if password.encode() in path.read_bytes()] == []


@ON_NEO4J
@pytest.mark.parametrize(
    ("change", "code", "said", "hint"),
    [
        ("password", 1, "refused the user name or password", "NEO4J_PASSWORD"),
        ("port", 1, "no Neo4j answers", "graphrag neo4j start"),
        ("scheme", 2, "is not a store", "neo4j://"),
        ("tls", 1, "no Neo4j answers", "without it write neo4j://"),
        ("own certificate", 1, "no Neo4j answers", "without it write neo4j://"),
        ("path", 2, "is not the address", "the database is a setting"),
        ("database", 1, "nosuch", "NEO4J_DATABASE"),
    ],
)
def test_a_wrong_address_is_one_message_and_a_hint(
    shell: Shell, change: str, code: int, said: str, hint: str
) -> None:
    server = shell.server
    assert server is not None
    (shell.root / "ada.md").write_text(ADA, encoding="utf-8")
    url = {
        "port": "bolt://localhost:9",
        "scheme": server.url.replace("bolt", "http"),
        "tls": server.url.replace("bolt", "neo4j+s"),
        "own certificate": server.url.replace("bolt", "bolt+ssc"),
        "path": f"{server.url}/news",
    }.get(change, server.url)
    # An unknown user: wrong passwords of a known one would lock out the other tests.
    env = {
        "password": {"NEO4J_USERNAME": "nobody", "NEO4J_PASSWORD": "wrong"},
        "database": {"NEO4J_DATABASE": "nosuch"},
    }.get(change, {})
    plain = Shell(shell.root)
    env = {"NEO4J_PASSWORD": server.password} | env
    done = plain.run("index", "ada.md", "--store", url, env=env, timeout=SECONDS)
    assert done.code == code, done.err
    assert said in done.err
    assert hint in done.err[done.err.index("Hint:") :]
    assert server.password not in done.err


@pytest.mark.soak
@pytest.mark.data
def test_a_server_that_dies_or_stops_while_it_is_written_to(
    tmp_path: Path, test_data: Path
) -> None:
    """Killed while evidence comes in, then stopped while more comes in: the same graph."""
    text = (test_data / "gutenberg" / "holmes_00.txt").read_text(encoding="utf-8")
    (tmp_path / "holmes.txt").write_text(text[:24_000], encoding="utf-8")
    shell = Shell(tmp_path)
    local = ("index", "holmes.txt", "--root", "kb", "--store", "local")
    with TestServer(latency=0.3) as chat, serving(made(tmp_path / "kb"), VERSIONS[0]):
        env = model(chat) | {"GRAPHRAG__CHUNKS__MAX_TOKENS": "300"}
        env |= {"GRAPHRAG__CHAT__CONCURRENCY": "2"}
        assert shell.run("index", "holmes.txt", "--root", "whole", env=env).code == 0
        whole = exported(shell, "whole")
        n_units = calls(chat)["extract"]

        kept = 0
        for stop in (kill_server, stop_server):
            chat.reset()
            running = started(shell, local, env)
            while evidence(tmp_path / "kb") <= kept:
                assert running.poll() is None, "the run ended before its server could be stopped"
            os.kill(running.pid, signal.SIGSTOP)  # or it may be done before the server is down
            stop(shell, "kb")
            os.kill(running.pid, signal.SIGCONT)
            assert_told(running)
            assert calls(chat)["extract"] <= n_units - kept
            again = shell.run("neo4j", "start", "--root", "kb")
            assert again.code == 0, again.err
            kept = evidence(tmp_path / "kb")

        chat.reset()
        done = shell.run(*local, env=env)
        assert done.code == 0, done.err
        assert 0 < kept < n_units
        assert calls(chat).get("extract", 0) <= n_units - kept
        out = tmp_path / "out"
        done = shell.run("export", out, "--format", "csv", "--root", "kb", "--store", "local")
        assert done.code == 0, done.err
        assert {path.stem: path.read_bytes() for path in sorted(out.iterdir())} == whole


def evidence(root: Path) -> int:
    [[found]] = ask(root, "MATCH (e:__Evidence__) RETURN count(e)")
    return cast(int, found)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def started(shell: Shell, arguments: tuple[str, ...], env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        shell.command(*arguments),
        cwd=shell.root,
        env=shell.environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_server(shell: Shell, root: str) -> None:
    state = (shell.root / root / ".graphrag" / "neo4j" / "server.json").read_text(encoding="utf-8")
    os.kill(cast(int, json.loads(state)["pid"]), signal.SIGKILL)


def stop_server(shell: Shell, root: str) -> None:
    assert shell.run("neo4j", "stop", "--root", root).code == 0


def assert_told(running: subprocess.Popen[str]) -> None:
    """The command ended by itself, with an error and what to do."""
    with running:
        _, said = running.communicate(timeout=240)
    assert running.returncode == 1, said
    assert "Traceback" not in said
    assert "no Neo4j answers" in said
    assert "run the command again" in said
