"""Indexing by batches through the engine: limits, estimates, failures, what cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graphrag import GraphRAG
from graphrag.core.errors import ModelError, UsageError
from graphrag.testing import FakeChat, FakeEmbedder, Fault, TestServer

LIMIT = 0.002
OPTIONS: dict[str, object] = {
    "chunks.max_tokens": 60,
    "chunks.overlap": 0,
    "communities.update": "exact",
    "chat.max_retries": 0,
    "batch.poll_s": 0.02,
}


@pytest.fixture(scope="module")
def running() -> Iterator[TestServer]:
    with TestServer() as one:
        yield one


@pytest.fixture
def server(running: TestServer, monkeypatch: pytest.MonkeyPatch) -> TestServer:
    monkeypatch.setenv("OPENAI_BASE_URL", running.url)
    running.set_faults()
    running.reset()
    return running


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.md").write_text(
            f"# Chapter {number}\n\nCyrus Field {number} founded the Atlantic Telegraph Company. "
            f"Charles Bright {number % 3} was its engineer, and William Thomson his adviser.\n"
        )
    return folder


def opened(root: Path, **options: object) -> GraphRAG:
    changed = {name.replace("__", "."): value for name, value in options.items()}
    return GraphRAG.open(root, options=OPTIONS | changed)


def test_the_limit_on_cost_holds(server: TestServer, documents: Path, tmp_path: Path) -> None:
    with opened(tmp_path) as rag:
        usual = rag.plan([documents]).cost_usd
        half = rag.plan([documents], batch=True).cost_usd
        assert usual is not None
        assert half == pytest.approx(usual / 2)
    with opened(tmp_path, limits__max_cost_usd=LIMIT) as rag:
        first = rag.index([documents], batch=True)
    assert first.failed
    assert 0 < (first.usage.cost_usd or 0.0) <= LIMIT
    with opened(tmp_path) as rag:
        assert rag.index([documents], batch=True).failed == ()
    assert {kind["repeated"] for kind in server.stats()["chat"].values()} == {0}


def test_units_without_a_reply_are_listed_and_tried_again(
    server: TestServer, documents: Path, tmp_path: Path
) -> None:
    server.set_faults(Fault("expired", kind="batch", match='"extract"'))
    with opened(tmp_path) as rag:
        first = rag.index([documents], batch=True)
        assert len(first.failed) == 1  # of six: three expire, and of these one again
        assert "ended as 'expired'" in first.failed[0].reason
        server.set_faults()
        server.reset()
        assert rag.index([documents]).failed == ()
    assert server.stats()["chat"]["extract"]["calls"] == 1


def test_a_refused_batch_is_an_error(server: TestServer, documents: Path, tmp_path: Path) -> None:
    server.set_faults(Fault("failed", kind="batch", match='"extract"'))
    with opened(tmp_path) as rag, pytest.raises(ModelError, match="ended as 'failed'") as raised:
        rag.index([documents], batch=True)
    assert raised.value.hint


def test_embeddings_at_once(server: TestServer, documents: Path, tmp_path: Path) -> None:
    with opened(tmp_path, batch__embeddings=False) as rag:
        result = rag.index([documents], batch=True)
    by_step = result.usage_by_step
    tokens = by_step["embed_text_units"].prompt_tokens
    assert by_step["embed_text_units"].cost_usd == pytest.approx(tokens * 0.02 / 1e6)
    assert server.stats()["batches"]["batch"]["inputs"] == result.usage.chat_calls


def test_a_price_of_your_own_is_the_usual_price(
    server: TestServer, documents: Path, tmp_path: Path
) -> None:
    price = {"input": 1.0, "output": 0.0}
    with opened(tmp_path, chat__price=price, batch__price_factor=0.25) as rag:
        spent = rag.index([documents], batch=True).usage_by_step["extract"]
    assert spent.cost_usd == pytest.approx(spent.prompt_tokens * 0.25 / 1e6)


def test_an_embedding_model_of_your_own(
    server: TestServer, documents: Path, tmp_path: Path
) -> None:
    with GraphRAG.open(tmp_path, embed=FakeEmbedder(), options=OPTIONS) as rag:
        assert rag.index([documents], batch=True).usage.embedding_calls > 0
    assert "embeddings" not in server.stats()


def test_a_run_by_single_calls_tells_of_a_batch(
    documents: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notes = tmp_path / ".graphrag" / "batches"
    notes.mkdir(parents=True)
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index([documents])
        assert "on its way" not in caplog.text
        (notes / "one.json").write_text("{}")
        rag.index([documents])
        assert "on its way" in caplog.text


def test_what_cannot_be(documents: Path, tmp_path: Path) -> None:
    with GraphRAG.open(tmp_path, options=OPTIONS) as rag:
        with pytest.raises(UsageError, match="the settings name none"):
            rag.index([documents], batch=True)
        with pytest.raises(UsageError, match="do not go together"):
            rag.index([documents], batch=True, engine="ray")
    with (
        GraphRAG.open(tmp_path, chat=FakeChat([]), options=OPTIONS) as rag,
        pytest.raises(UsageError, match="the settings name none"),
    ):
        rag.plan([documents], batch=True)
