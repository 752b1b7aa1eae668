"""A command in, its CPU seconds, peak memory and wall time out. Imports nothing heavy.

Linux counts what the parent holds at the fork as the child's peak, so the process that measures
must be small.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took. `cpu` has user and system seconds, `peak_mb` its largest RSS."""

    cpu: float
    wall: float
    peak_mb: float
    out: str

    def number(self, name: str) -> int:
        """A field of the JSON object that the command printed."""
        return cast(dict[str, int], json.loads(self.out))[name]


def graphrag(*arguments: str | Path, server: str | None = None) -> Run:
    """Run the command line, without keys, or with a model server's URL. Fails as the command."""
    return run([sys.executable, "-m", "graphrag", *map(str, arguments)], environment(server))


class CommandError(Exception):
    """A command that ended badly: what it said last, or that it was stopped."""


def run(command: list[str], environment: Mapping[str, str]) -> Run:
    """Run a command; one that fails ends this process."""
    try:
        return attempt(command, environment)
    except CommandError as failure:
        sys.exit(str(failure))


def attempt(
    command: list[str], environment: Mapping[str, str], *, seconds: float = 3600, folder: str = "."
) -> Run:
    """Run a command in `folder`, for so many seconds at most. Raises CommandError."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=err,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,  # so that its own children are stopped with it
        )
        status, used = _wait(process.pid, seconds)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text = out.read().decode(errors="replace")
        if process.returncode == -signal.SIGKILL and wall >= seconds:
            raise CommandError(f"stopped after {seconds:,.0f} s")
        if process.returncode:
            message = err.read().decode(errors="replace")
            raise CommandError(
                f"{' '.join(command[2:])} ended with {process.returncode}:\n{message}"
            )
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return Run(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / unit, text)


def _wait(pid: int, seconds: float) -> tuple[int, resource.struct_rusage]:
    late = threading.Timer(seconds, os.killpg, (pid, signal.SIGKILL))
    late.start()
    try:
        _, status, used = os.wait4(pid, 0)
        return status, used
    except KeyboardInterrupt:
        os.killpg(pid, signal.SIGKILL)
        raise
    finally:
        late.cancel()


def environment(server: str | None = None) -> dict[str, str]:
    """That of this process without keys and settings of models, or with a model server's URL."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENAI_", "GRAPHRAG_", "NEO4J_", "PYTHONDONT", "PYTHONPATH"))
    }
    # A server on this machine would be sent few calls at once.
    chat = {"OPENAI_API_KEY": "bench", "GRAPHRAG__CHAT__CONCURRENCY": "25"}
    return kept | ({**chat, "OPENAI_BASE_URL": server} if server else {})
