"""Killed at random points and run again: the same graph, and nothing kept is paid again."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

from graphrag.testing import TestServer
from tests.e2e.conftest import Shell
from tests.e2e.test_main_job import calls, exported, model, number_of_evidence

KILLS = 200 if os.environ.get("GRAPHRAG_SOAK") else 20
LATENCY_S = 0.02


def test_killed_at_random_points(shell: Shell, examples: Path) -> None:
    """Kills follow each other on one index; one that ran to its end is begun anew."""
    chosen = random.Random(20)
    corpus = shell.root / "corpus"
    corpus.mkdir()
    for path in sorted((examples / "documents").glob("*.md"))[:4]:
        shutil.copy(path, corpus)
    with TestServer(latency=LATENCY_S) as server:
        env = model(server) | {
            "GRAPHRAG__CHUNKS__MAX_TOKENS": "100",
            "GRAPHRAG__CHUNKS__OVERLAP": "0",
        }
        command = shell.command("index", corpus, "--root", "killed")
        started = time.monotonic()
        assert shell.run("index", corpus, "--root", "whole", env=env).code == 0
        took = time.monotonic() - started
        n_units = calls(server)["extract"]
        whole = exported(shell, "whole")

        database = shell.root / "killed" / ".graphrag" / "graph.db"
        kept = interrupted = 0
        for _ in range(KILLS):
            server.reset()
            with subprocess.Popen(
                command,
                cwd=shell.root,
                env=shell.environment(env),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as running:
                try:
                    ended = running.wait(chosen.uniform(0.1, 1.0) * took)
                except subprocess.TimeoutExpired:
                    running.kill()
                    ended = None
                    interrupted += 1
            assert ended in (None, 0)
            assert calls(server).get("extract", 0) <= n_units - kept
            if ended is None:
                kept = number_of_evidence(database) if database.exists() else 0
                continue
            assert exported(shell, "killed") == whole
            shutil.rmtree(shell.root / "killed")
            kept = 0
        assert interrupted > KILLS / 3
        server.reset()
        assert shell.run("index", corpus, "--root", "killed", env=env).code == 0
        assert calls(server).get("extract", 0) == n_units - kept
    assert exported(shell, "killed") == whole
