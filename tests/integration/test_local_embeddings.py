"""An index with a model in this process: no server, and what means the same is found."""

from __future__ import annotations

from pathlib import Path

from graphrag import Document, GraphRAG
from tests.local_model import write_model

# "weir" and "dam" mean the same to this model.
VECTORS = {"weir": (1.0, 0.0, 0.0), "dam": (1.0, 0.0, 0.0), "tea": (0.0, 1.0, 0.0)}
TEXTS = {"river": "The weir was built in stone.", "drink": "Tea came in chests of cedar."}


def test_an_index_is_searched_by_vectors_of_this_process(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", VECTORS)
    options: dict[str, object] = {
        "embedding.model": f"local:{model}",
        "embedding.query_prefix": "tea ",
    }
    documents = [Document(source=name, text=text) for name, text in TEXTS.items()]
    with GraphRAG.open(tmp_path / "kb", chat=None, options=options) as rag:
        result = rag.index(documents=documents, method="fast")
        assert not result.failed
        assert result.usage.cost_usd == 0
        # Without the prefix the two weigh alike.
        found = rag.context("Who raised the dam dam dam?", method="basic")
        assert [unit.document for unit in found.passages] == ["river", "drink"]
        assert found.trace["searches"] == ["text", "vectors"]
        assert rag.context("Was it so?", method="basic").passages[0].document == "drink"
