"""Two hundred clients at once while documents come and go: no error, flat memory.

GRAPHRAG_SOAK=1 does it for five minutes over 1 MB of text, without it seconds over the samples.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from graphrag import GraphRAG
from tests import load
from tests.served import copy_of

SECONDS = 30.0
SOAK_SECONDS = 300.0
GROWTH_MB = 40.0


def check(root: Path, *, seconds: float) -> None:
    found = load.run(root, seconds=seconds)
    assert found.errors == 0, found
    assert found.requests > found.clients, found
    assert set(found.jobs) == {"done"}, found
    assert found.growth_mb < GROWTH_MB, found


def test_many_clients_are_answered(sample_root: Path, tmp_path: Path) -> None:
    check(copy_of(sample_root, tmp_path), seconds=SECONDS)


@pytest.mark.data
@pytest.mark.soak
def test_many_clients_are_answered_for_minutes(test_data: Path, tmp_path: Path) -> None:
    root = tmp_path / "kb"
    root.mkdir()
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        rag.index([test_data / "gutenberg"], method="fast")
    check(root, seconds=SOAK_SECONDS)
