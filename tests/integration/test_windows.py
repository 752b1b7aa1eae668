"""Models with a small context window: every step and every method keeps within it."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphrag import Document, GraphRAG
from graphrag.testing import TestServer
from graphrag.testing.limits import Dialect

WINDOW = 4096
PEOPLE = ("Ann", "Bo", "Cleo", "Dag", "Eva", "Finn")
DOCUMENTS = [
    Document(
        source=f"{number}.md",
        text=" ".join(
            f"{PEOPLE[(number + line) % 6]} Berg sailed the Corvus to Port {line % 40} in "
            f"{1800 + line} with {PEOPLE[(number * line) % 6]} Smith."
            for line in range(150)
        ),
    )
    for number in range(6)
]
METHODS = ("basic", "local", "global", "drift", "path", "lazy", "hybrid")


@pytest.mark.parametrize("dialect", ["vllm", "openai", "ollama"])
def test_every_method_answers_in_a_small_window(dialect: Dialect, tmp_path: Path) -> None:
    with TestServer(context_tokens=WINDOW, dialect=dialect, tokens="tiktoken") as server:
        options: dict[str, object] = {
            "chat.base_url": server.url,
            "chat.model": "test-chat",
            "embedding.base_url": server.url,
        }
        with GraphRAG.open(tmp_path, options=options) as rag:
            result = rag.index(documents=DOCUMENTS)
            assert not result.failed
            server.reset()
            for method in METHODS:
                answer = rag.query("Who sailed the Corvus to Port 7?", method=method)
                assert answer.context.text_units or answer.context.reports, method
        refused = sum(kind["faults"] for kind in server.stats()["chat"].values())
    # Where the list of models says how large it is, nothing is refused.
    assert refused == 0 if dialect == "vllm" else refused <= 4


def test_a_window_that_is_set_needs_no_refusal(tmp_path: Path) -> None:
    with TestServer(context_tokens=WINDOW, tokens="tiktoken") as server:
        options: dict[str, object] = {
            "chat.base_url": server.url,
            "chat.context_tokens": WINDOW,
            "embedding.base_url": server.url,
        }
        with GraphRAG.open(tmp_path, options=options) as rag:
            rag.index(documents=DOCUMENTS)
            server.reset()
            for method in METHODS:
                rag.query("Who sailed the Corvus to Port 7?", method=method)
        assert not sum(kind["faults"] for kind in server.stats()["chat"].values())


def test_every_step_keeps_within_a_window_that_the_server_tells(tmp_path: Path) -> None:
    with TestServer(context_tokens=WINDOW, dialect="vllm", tokens="tiktoken") as server:
        options: dict[str, object] = {
            "chat.base_url": server.url,
            "chat.model": "test-chat",
            "chunks.context": True,
            "chunks.max_tokens": 3000,
            "embedding.model": None,
            "extraction.summary_tokens": 200,
        }
        with GraphRAG.open(tmp_path, options=options) as rag:
            assert not rag.index(documents=DOCUMENTS).failed
            tuned = rag.tune()
        calls = server.stats()["chat"]
    assert tuned.state in ("installed", "refused")
    assert any("worked examples have room" in warning for warning in tuned.warnings)
    assert {"context", "extract", "summarise", "report"} <= set(calls)
    assert {kind: one["faults"] for kind, one in calls.items() if one["faults"]} == {}
