"""A conversation as a user holds it: from a pipe, and typed into a terminal."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from graphrag.testing import Fault, Rule, TestServer
from graphrag.testing.replies import ChatRequest, answer
from tests.e2e.conftest import Finished, Shell, shell_on
from tests.pseudo_terminal import run_in_terminal

TEXT = "Ada Lovelace wrote notes on the Analytical Engine, which Charles Babbage designed.\n"
QUESTION = "Who designed the Analytical Engine?"
FOLLOW_UP = "What did she write?"


@dataclass(frozen=True, slots=True)
class Chat:
    """`graphrag chat` on an index of one text, and what the model was shown."""

    shell: Shell
    env: dict[str, str]
    shown: list[str]

    def piped(self, lines: str, *options: str) -> Finished:
        done = subprocess.run(
            self.command(*options),
            input=lines.encode(),
            cwd=self.shell.root,
            env=self.env,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())

    def command(self, *options: str) -> list[str]:
        return self.shell.command("chat", "--method", "local", *options)


@pytest.fixture(scope="module")
def chat(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Chat]:
    shown: list[str] = []

    def is_slow(asked: ChatRequest) -> bool:
        shown.append(asked.data)
        return "endlessly" in asked.data

    with (
        shell_on("sqlite", tmp_path_factory.mktemp("chat"), request) as shell,
        TestServer(
            latency={"slow": 300},
            rules=[Rule("slow", is_slow, answer)],
            faults=[Fault(status=400, kind="answer", match="broken")],
        ) as server,
    ):
        (shell.root / "notes.txt").write_text(TEXT * 3, encoding="utf-8")
        env = shell.environment({"OPENAI_API_KEY": "test", "OPENAI_BASE_URL": server.url})
        done = shell.run("index", "notes.txt", "--method", "fast", env=env)
        assert done.code == 0, done.err
        yield Chat(shell, env, shown)


def test_a_follow_up_reaches_the_model_with_what_was_said(chat: Chat) -> None:
    chat.shown.clear()
    done = chat.piped(f"{QUESTION}\n{FOLLOW_UP}\n/new\nWhat else?\n")
    assert done.code == 0, done.err
    assert "\nSources:\n[1] notes (notes.txt) verified\n" in done.out
    asked = [data for data in chat.shown if FOLLOW_UP in data]
    assert all(QUESTION in data for data in asked)
    assert asked
    anew = [data for data in chat.shown if "What else?" in data]
    assert not any(QUESTION in data for data in anew)
    assert anew


def test_a_failed_question_ends_no_session(chat: Chat) -> None:
    done = chat.piped(f"Is it broken?\n{QUESTION}\n")
    assert done.code == 3
    assert done.err.count("Error: ") == 1
    assert done.out.count("Sources:") == 1


def test_json_is_an_answer_a_line(chat: Chat) -> None:
    done = chat.piped(f"{QUESTION}\n{FOLLOW_UP}\n", "--json", "--suggest")
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [one["question"] for one in answers] == [QUESTION, FOLLOW_UP]
    assert all(one["suggestions"] for one in answers)


def test_bytes_that_are_no_text_end_no_session(chat: Chat, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_bytes(b"What is \xff\xfe?\n" + QUESTION.encode())
    with lines.open("rb") as stdin:
        done = subprocess.run(
            chat.command(), stdin=stdin, cwd=chat.shell.root, env=chat.env, capture_output=True,
            timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.count(b"Babbage") >= 1


def test_an_interrupt_stops_the_answer_and_not_the_session(chat: Chat) -> None:
    with run_in_terminal(chat.command(), cwd=chat.shell.root, env=chat.env) as terminal:
        terminal.wait_for("\n>")
        terminal.type("Does it run endlessly?\n")
        while not any("endlessly" in data for data in chat.shown):
            terminal.wait_for("\n>")
        terminal.interrupt()
        terminal.wait_for("Stopped.")
        terminal.wait_for("\n>", count=2)
        terminal.type("half a line")
        terminal.wait_for("half a line")
        terminal.interrupt()
        terminal.wait_for("\n>", count=3)
        terminal.type(f"{QUESTION}\n")
        terminal.wait_for("\n>", count=4)  # before it the end of input is nobody's
        terminal.type("\x04")
        assert terminal.finish() == 0
    assert "Error" not in terminal.screen()


def test_lines_are_edited_and_recalled(chat: Chat) -> None:
    pytest.importorskip("readline")
    with run_in_terminal(chat.command(), cwd=chat.shell.root, env=chat.env) as terminal:
        terminal.wait_for("\n>")
        terminal.type("/hxlp\x1b[D\x1b[D\x1b[D\x1b[C\b" + "e\n")
        terminal.wait_for("/quit     end")
        terminal.type("\x1b[A\n")
        terminal.wait_for("/quit     end", count=2)
        terminal.type("/quit\n")
        assert terminal.finish() == 0


@pytest.mark.parametrize("question", ["", "Does it run endlessly, really?"])
def test_sigterm_ends_the_session(chat: Chat, question: str) -> None:
    with run_in_terminal(chat.command(), cwd=chat.shell.root, env=chat.env) as terminal:
        terminal.wait_for("\n>")
        if question:
            terminal.type(f"{question}\n")
            while not any(question in data for data in chat.shown):
                terminal.wait_for("\n>")
        # One that comes just before readline waits is seen with the next key or signal.
        while terminal.process.poll() is None:
            terminal.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        assert terminal.finish() == 1
