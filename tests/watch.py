"""Servers that end with the tests, however those end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

# Its standard input closes when the process that holds it is done or dead.
_WATCH = """
import shutil, sys
from pathlib import Path
sys.stdin.read()
for root in filter(Path.exists, map(Path, sys.argv[1:])):
    from graphrag.stores.neo4j_server.server import stop
    stop(root, timeout_s=0)  # nobody reads its data again
    shutil.rmtree(root, ignore_errors=True)
"""


@contextmanager
def watching(*roots: Path) -> Generator[None]:
    """Afterwards the servers under `roots` are stopped and their folders gone."""
    arguments = [sys.executable, "-c", _WATCH, *map(str, roots)]
    # In a session of its own: what ends the tests' process group must not end it.
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, start_new_session=True) as watch:
        try:
            yield
        finally:
            assert watch.stdin is not None
            watch.stdin.close()
            watch.wait()
