"""A command in, its CPU seconds, peak memory and wall time out. Imports nothing heavy.

Linux counts what the parent holds at the fork as the child's peak, so the process that measures
must be small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
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
    return run([sys.executable, "-m", "graphrag", *map(str, arguments)], _environment(server))


def run(command: list[str], environment: Mapping[str, str]) -> Run:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=dict(environment))
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text = out.read().decode()
        if process.returncode:
            message = err.read().decode(errors="replace")
            sys.exit(f"{' '.join(command[2:])} ended with {process.returncode}:\n{message}")
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return Run(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / unit, text)


def _environment(server: str | None) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENAI_", "GRAPHRAG_", "NEO4J_"))
    }
    return kept | ({"OPENAI_API_KEY": "bench", "OPENAI_BASE_URL": server} if server else {})
