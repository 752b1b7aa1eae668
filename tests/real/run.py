"""Run every command that asks a model against a real one, and print what each step took.

    python -m tests.real.run --context 8192 --slots 1

Mechanics are what is checked: exit codes, that each text unit is done or listed as failed, that
every command answers or says which reply of the model it could not use. The model has 135 M
parameters, writes poor text and seldom ends a list by itself: nothing is said of that.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.error import URLError
from urllib.request import urlopen

from tests.real.fetch import fetch

HERE = Path(__file__).parent
SAMPLES = HERE.parent.parent / "examples" / "documents"
METHODS = ("basic", "local", "global", "path", "lazy", "hybrid", "drift", "auto")
STEPS = ("query", "tune", "eval")
QUESTION = "Who sailed with the cable of 1857, and what happened?"
START_S = 120
# So that a run takes minutes on two cores: what is tested is how calls are made, not how many.
FEW: Mapping[str, str] = {
    "CHUNKS__MAX_TOKENS": "300",
    "CHAT__MAX_OUTPUT_TOKENS": "200",
    "CHAT__TEMPERATURE": "0.7",
    "CHAT__TIMEOUT_S": "600",
    "QUERY__LAZY__BUDGET": "4",
    "QUERY__DRIFT__DEPTH": "1",
    "QUERY__DRIFT__BREADTH": "2",
    "TUNING__SAMPLE": "2",
    "TUNING__HELD_OUT": "1",
    "TUNING__EXAMPLES": "1",
}
_STEP = re.compile(r"^([a-z][\w -]*): .*?(\d+\.\d) s$", re.MULTILINE)
_UNUSABLE = re.compile(
    r"^Error: .*(cut off|not the JSON|empty reply|no question could be made)", re.MULTILINE
)
_AGAIN = re.compile(r"sent again: (\d+)")

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    step: str
    calls: int
    failures: int
    retries: int
    seconds: float


class Run:
    """The commands of one root, with the table that they make."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        self._environment = environment
        self.rows: list[Row] = []

    def command(self, *words: str, codes: Sequence[int] = (0, 3)) -> tuple[object, str]:
        """What `graphrag WORDS --json` printed, {} for nothing, and its standard error."""
        done = subprocess.run(
            [sys.executable, "-m", "graphrag", *words, "--json"],
            cwd=self.root,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        told = f"graphrag {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-3000:]}"
        assert done.returncode in codes, told
        assert "Traceback" not in done.stderr, told
        return cast(object, json.loads(done.stdout or "{}")), done.stderr

    def index(self, method: str) -> Fields:
        """{} where every extraction failed, so that there is no index."""
        printed, told = self.command("index", "docs", "--method", method, codes=(0, 1, 3))
        found = cast(Fields, printed)
        took = {step: float(seconds) for step, seconds in _STEP.findall(told)}
        name = f"index {method}"
        if not found:
            said = told.rpartition("Error: ")[2].partition("\n")[0]
            self.rows.append(Row(f"{name}: {said[:60]}", 0, 1, 0, took.get("extract", 0.0)))
            return found
        calls = 0
        for step, usage in cast(Mapping[str, Mapping[str, int]], found["usage_by_step"]).items():
            made = usage["chat_calls"] + usage["embedding_calls"]
            self.rows.append(Row(f"{name}: {step}", made, 0, 0, took.get(step, 0.0)))
            calls += made
        failed, seconds = cast(Sequence[object], found["failed"]), cast(float, found["seconds"])
        self.rows.append(Row(name, calls, len(failed), _again(found, told), seconds))
        return found

    def ask(self, step: str, *words: str) -> Fields:
        """{} where a reply that all depends on could not be used, which is then said."""
        started = time.monotonic()
        printed, told = self.command(*words, codes=(0, 1, 3))
        seconds = time.monotonic() - started
        found = cast(Fields, printed)
        if not found:
            assert _UNUSABLE.search(told), told
            self.rows.append(Row(step, 0, 1, _again({}, told), seconds))
            return found
        usage = cast(Mapping[str, int], found.get("usage") or {})
        warnings = cast(Sequence[str], found.get("warnings") or ())
        failures = sum("fail" in one or "cut off" in one for one in warnings)
        calls = usage.get("chat_calls", 0)
        self.rows.append(Row(step, calls, failures, _again(found, told), seconds))
        return found


def _again(found: Fields, told: str) -> int:
    warnings = " ".join(map(str, cast(Sequence[object], found.get("warnings") or ())))
    return sum(map(int, _AGAIN.findall(f"{warnings} {told}")))


def check_all(run: Run, steps: Sequence[str]) -> None:
    """Index, then what of the other `steps` is wanted."""
    checks = cast(Sequence[Fields], run.command("doctor", "--ask", codes=(0, 1))[0])
    (chat,) = (check for check in checks if check["name"] == "chat model")
    print(chat["state"], chat["detail"], flush=True)
    assert "window" in str(chat["detail"])
    found = run.index("standard")
    if not found or not found["entities"]:
        found = run.index("fast")
    assert found["documents"] == len([*(run.root / "docs").iterdir()])
    status = cast(Fields, run.command("status")[0])
    counts = cast(Mapping[str, int], status["text_units"])
    assert sum(counts.values()) == found["text_units"], counts  # each is done or listed
    for method in METHODS if "query" in steps else ():
        answer = run.ask(f"query {method}", "query", QUESTION, "--method", method)
        assert answer.get("answer", "an error"), method
    if "tune" in steps:
        tuned = run.ask("tune", "tune")
        assert tuned.get("state", "an error") in ("installed", "refused", "an error"), tuned
    if "eval" in steps:
        evaluate(run)


def evaluate(run: Run) -> None:
    run.ask("eval generate", "eval", "generate", "questions.jsonl", "-n", "2", "--kind", "local")
    sample = json.dumps({"question": QUESTION, "kind": "local", "facts": ["Whitehouse"]})
    (run.root / "questions.jsonl").write_text(sample + "\n", encoding="utf-8")
    sides = ("--side", "basic", "--side", "local")
    run.ask("eval answers", "eval", "answers", "questions.jsonl", *sides)


@contextmanager
def serving(python: Path, *, context: int, slots: int, threads: int) -> Generator[str]:
    """The base URL of the model while it is served."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = cast(tuple[str, int], free.getsockname())[1]
    command = [python, HERE / "serve.py", *map(str, (port, context, slots, threads))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            _wait(f"http://127.0.0.1:{port}/health", server)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.kill()


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(url, timeout=2) as reply:
                if reply.status == 200:
                    return
        except (URLError, OSError):
            pass
        time.sleep(0.5)
    raise RuntimeError("the model server did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path(".cache/real"), help="of the model")
    parser.add_argument("--context", type=int, default=8192, help="tokens of one slot")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--documents", type=int, default=2, help="of the samples, the first")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS, help="after index")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    python = fetch(given.folder.absolute())
    with (
        serving(python, context=given.context, slots=given.slots, threads=given.threads) as url,
        tempfile.TemporaryDirectory() as root,
    ):
        docs = Path(root) / "docs"
        docs.mkdir()
        for path in sorted(SAMPLES.glob("expedition-*"))[: given.documents]:
            shutil.copy(path, docs)
        settings = {
            **FEW,
            "CHAT__BASE_URL": url,
            "CHAT__MODEL": "smollm2",
            "CHAT__CONCURRENCY": str(max(4, given.slots)),
            "EMBEDDING__MODEL": "local:minilm",
        }
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GRAPHRAG__", "OPENAI_"))
        }
        environment |= {f"GRAPHRAG__{name}": value for name, value in settings.items()}
        run = Run(Path(root), environment)
        try:
            check_all(run, given.steps)
        finally:
            print(
                f"\n{given.context} tokens a slot, {given.slots} slots, {given.documents} documents"
            )
            print(f"{'step':<60}{'calls':>7}{'failures':>10}{'retries':>9}{'seconds':>9}")
            for row in run.rows:
                counted = f"{row.calls:>7}{row.failures:>10}{row.retries:>9}"
                print(f"{row.step:<60}{counted}{row.seconds:>9.1f}")


if __name__ == "__main__":
    main()
