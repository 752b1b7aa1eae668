"""An index of the samples, made once, and a server of it that reads only."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from graphrag import GraphRAG
from tests.served import Served, serving

SAMPLES = Path(__file__).parents[3] / "examples" / "documents"


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root whose documents are in it, indexed without a model. Not to be changed."""
    root = tmp_path_factory.mktemp("served") / "kb"
    shutil.copytree(SAMPLES, root / "documents")
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        assert not rag.index([root / "documents"]).failed
    return root


@pytest.fixture(scope="module")
def served(sample_root: Path) -> Generator[Served]:
    with serving(sample_root, is_read_only=True) as server:
        yield server
