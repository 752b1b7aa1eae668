"""The engine embedded in applications: scripts, running loops, threads, own models."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from graphrag import AsyncGraphRAG, Document, GraphRAG
from graphrag.core.errors import LockedError, ModelError, NoIndexError, SettingsError, UsageError
from graphrag.core.work_folder import neo4j_folder
from graphrag.models.replies.completion import Completion
from graphrag.prompts import Message
from graphrag.stores import open_store
from graphrag.testing import FakeChat, FakeEmbedder, Fault, TestServer

ADA = Document(
    source="db:1",
    title="Ada Lovelace",
    text="Ada Lovelace wrote the first program for the Analytical Engine in 1843.",
    metadata={"year": 1843, "kind": "person"},
)
BABBAGE = Document(
    source="db:2",
    title="Charles Babbage",
    text="Charles Babbage designed the Analytical Engine and never finished it.",
    metadata={"year": 1837, "kind": "person"},
)
QUESTION = "Who wrote the first program for the Analytical Engine?"


@pytest.fixture
def rag(tmp_path: Path) -> Iterator[GraphRAG]:
    with GraphRAG.open(tmp_path, chat=None, embed=None) as opened:
        opened.index(documents=[ADA, BABBAGE])
        yield opened


def test_index_query_retrieve_stream_status_export(rag: GraphRAG, tmp_path: Path) -> None:
    answer = rag.query(QUESTION)
    assert answer.answered
    assert "Ada Lovelace" in answer.answer
    assert answer.citations[0].document == "db:1"
    assert answer.citations[0].verified
    passages = rag.retrieve(QUESTION, method="basic", k=1)
    assert [passage.document for passage in passages] == ["db:1"]
    assert "".join(rag.stream(QUESTION)).strip() == answer.answer.strip()
    assert rag.status()["counts"]["documents"] == 2
    files = rag.export(tmp_path / "out", format="csv")
    assert {path.stem for path in files} >= {"documents", "entities", "relationships"}


def test_works_inside_a_running_loop(rag: GraphRAG) -> None:
    async def cell() -> str:
        return rag.query(QUESTION).answer  # as a notebook cell calls it

    assert "Ada Lovelace" in asyncio.run(cell())


def test_threads_share_one_engine(rag: GraphRAG) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(rag.query, [QUESTION] * 8))
    assert len({answer.answer for answer in answers}) == 1


def test_close_ends_the_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    rag = GraphRAG.open(tmp_path, chat=None, embed=None)
    rag.index(documents=[ADA])
    assert any(thread.name == "graphrag" for thread in set(threading.enumerate()) - before)
    rag.close()
    rag.close()
    assert not any(thread.name == "graphrag" for thread in set(threading.enumerate()) - before)
    with pytest.raises(UsageError, match="closed"):
        rag.query(QUESTION)


def test_a_stream_that_is_left_open_ends_with_the_engine(tmp_path: Path) -> None:
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index(documents=[ADA])
        pieces = rag.stream(QUESTION)
        next(pieces)
    del pieces  # an error in here would be one of the test


def test_a_call_from_inside_a_call_is_refused(rag: GraphRAG) -> None:
    def status(_: str) -> None:
        rag.status()

    def close(_: str) -> None:
        rag.close()

    for inner in (status, close):
        with pytest.raises(UsageError, match="inside one of its own calls"):
            rag.query(QUESTION, on_text=inner)
    assert rag.query(QUESTION).answered


def test_a_forked_process_opens_its_own(rag: GraphRAG) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            rag.query(QUESTION)
        except UsageError as error:
            os.write(writing, str(error).encode())
            rag.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert b"before the process was forked" in pipe.read()
    assert rag.query(QUESTION).answered


def test_closing_ends_a_call_with_a_clear_error(tmp_path: Path) -> None:
    class Slow(FakeEmbedder):
        async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            started.set()
            await asyncio.sleep(60)
            return await super().embed(texts)

    started = threading.Event()
    rag = GraphRAG.open(tmp_path, chat=None, embed=Slow())
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(lambda: rag.index(documents=[ADA]))
        started.wait()
        rag.close()
        with pytest.raises(UsageError, match="closed during a call"):
            call.result()


def test_what_is_misspelt_is_refused(rag: GraphRAG) -> None:
    options: dict[str, Any] = {"retry_faild": True}
    with pytest.raises(TypeError, match="retry_faild"):
        rag.index(**options)
    with pytest.raises(UsageError, match="standart"):
        rag.index(method=cast(Any, "standart"))
    with pytest.raises(UsageError, match="complete"):
        GraphRAG.open(rag.root, chat=cast(Any, "gpt-4o"))


@pytest.mark.parametrize(
    "rows", [[[1.0], [2.0]], [1.0], np.ones(3), np.ones((1, 0)), [[float("nan")]], "text", None]
)
def test_vectors_of_another_shape_are_an_error_that_names_the_model(
    tmp_path: Path, rows: object
) -> None:
    class Odd(FakeEmbedder):
        async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return cast(Any, rows)

    with GraphRAG.open(tmp_path, chat=None, embed=Odd(name="odd")) as rag:
        done = rag.index(documents=[ADA])
        assert any("odd returned" in one.reason for one in done.failed)


def test_a_reply_of_another_type_is_an_error_that_names_the_model(tmp_path: Path) -> None:
    class Odd(FakeChat):
        async def complete(
            self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
        ) -> Completion:
            return cast(Any, "text")

    with (
        GraphRAG.open(tmp_path, chat=Odd([], name="odd"), embed=None) as rag,
        pytest.raises(ModelError, match="odd returned an object of type str"),
    ):
        rag.index(documents=[ADA])


def test_a_stream_left_early_does_not_hang(rag: GraphRAG) -> None:
    pieces = rag.stream(QUESTION)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert rag.query(QUESTION).answered


def test_where_a_neo4j_was_started_an_index_that_lacks_may_be_there(tmp_path: Path) -> None:
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        with pytest.raises(NoIndexError) as caught:
            rag.status()
        assert "--store local" not in str(caught.value.hint)
        neo4j_folder(tmp_path).mkdir(parents=True)
        with pytest.raises(NoIndexError) as caught:
            rag.status()
        assert "--store local" in str(caught.value.hint)


def test_async_face(tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncGraphRAG.open(tmp_path, chat=None, embed=None) as rag:
            with pytest.raises(NoIndexError):
                await rag.query(QUESTION)
            result = await rag.index(documents=[ADA, BABBAGE])
            assert result.documents == 2
            answers = await asyncio.gather(*(rag.query(QUESTION) for _ in range(4)))
            assert all(answer.answered for answer in answers)
            pieces = [piece async for piece in rag.stream(QUESTION)]
            assert "Ada" in "".join(pieces)
        with pytest.raises(UsageError, match="closed"):
            await rag.query(QUESTION)

    asyncio.run(main())


def test_filters_keep_other_documents_out(rag: GraphRAG) -> None:
    for method in ("basic", "local", "path"):
        found = rag.retrieve("Analytical Engine", method=method, filters=["year<=1840"])
        assert {passage.document for passage in found} == {"db:2"}, method


def test_delete_removes_what_only_that_document_supports(rag: GraphRAG) -> None:
    rag.delete(["db:1"])
    assert rag.status()["counts"]["documents"] == 1
    assert rag.status()["counts"]["evidence"] == 1
    assert {passage.document for passage in rag.retrieve(QUESTION, method="basic")} == {"db:2"}
    with pytest.raises(UsageError, match="db:1"):
        rag.delete(["db:1"])


def test_update_equals_rebuild(rag: GraphRAG, tmp_path: Path) -> None:
    changed = Document(source="db:1", title="Ada", text="Ada Lovelace met Mary Somerville.")
    rag.index(documents=[changed])
    first = rag.export(tmp_path / "updated", format="csv")
    with GraphRAG.open(tmp_path / "fresh", chat=None, embed=None) as fresh:
        fresh.index(documents=[changed, BABBAGE])
        second = fresh.export(tmp_path / "rebuilt", format="csv")
    for one, other in zip(sorted(first), sorted(second), strict=True):
        assert one.name == other.name
        if one.stem not in ("communities", "reports"):
            assert one.read_bytes() == other.read_bytes(), one.name


def test_the_first_heading_is_the_title_of_a_document_without_one(tmp_path: Path) -> None:
    given = [
        Document(source="1", text="# Ada Lovelace\n\nShe wrote the first program."),
        Document(source="2", title="Programs", text="# Loops\n\nThe second program had loops."),
    ]
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index(documents=given)
        found = rag.retrieve("Which program?", method="basic")
    assert {passage.document: passage.title for passage in found} == {
        "1": "Ada Lovelace",
        "2": "Programs",
    }


def test_own_embedder_and_dimensions(tmp_path: Path) -> None:
    with GraphRAG.open(tmp_path, chat=None, embed=FakeEmbedder(dimensions=16)) as rag:
        rag.index(documents=[ADA, BABBAGE])
        assert rag.retrieve(QUESTION, method="basic", k=1)[0].document == "db:1"
    with GraphRAG.open(tmp_path, chat=None, embed=FakeEmbedder(dimensions=32)) as rag:
        result = rag.index(documents=[ADA, BABBAGE])
        assert not result.failed
        assert rag.retrieve(QUESTION, method="basic", k=1)[0].document == "db:1"


def test_a_model_index_is_not_rebuilt_without_a_model_by_mistake(tmp_path: Path) -> None:
    with TestServer() as server:
        options: dict[str, object] = {"chat.base_url": server.url, "embedding.model": None}
        with GraphRAG.open(tmp_path, options=options) as rag:
            rag.index(documents=[ADA])
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        with pytest.raises(SettingsError, match="no chat model"):
            rag.index(documents=[ADA, BABBAGE])
        assert rag.index(documents=[ADA, BABBAGE], method="fast").method == "fast"


def test_switching_methods_does_not_pay_again(tmp_path: Path) -> None:
    with TestServer() as server:
        options: dict[str, object] = {"chat.base_url": server.url}
        with GraphRAG.open(tmp_path, options=options) as rag:
            rag.index(documents=[ADA, BABBAGE])
            rag.index(documents=[ADA, BABBAGE], method="fast")
            server.reset()
            result = rag.index(documents=[ADA, BABBAGE], method="standard")
        assert result.method == "standard"
        assert server.stats().get("chat", {}) == {}


def test_failed_embeddings_are_listed_and_made_up_for(tmp_path: Path) -> None:
    with TestServer() as server:
        options: dict[str, object] = {
            "chat.base_url": server.url,
            "chat.max_retries": 0,
            "embedding.max_retries": 0,
        }
        with GraphRAG.open(tmp_path, options=options) as rag:
            server.set_faults(Fault("status", status=500, kind="embed"))
            result = rag.index(documents=[ADA, BABBAGE])
            assert {failure.source for failure in result.failed} >= {"text_units", "entities"}
            server.set_faults()
            assert not rag.index(documents=[ADA, BABBAGE]).failed

    async def vectors() -> int:
        store = await open_store(None, root=tmp_path, namespace="default", create=False)
        try:
            return len((await store.vectors("windows"))[0])
        finally:
            await store.close()

    assert asyncio.run(vectors()) == 2


def test_a_second_writer_is_told_who_holds_the_index(tmp_path: Path) -> None:
    async def main() -> None:
        store = await open_store(None, root=tmp_path, namespace="default")
        async with store.writing(), AsyncGraphRAG.open(tmp_path, chat=None, embed=None) as rag:
            with pytest.raises(LockedError):
                await rag.index(documents=[ADA])
        await store.close()

    asyncio.run(main())


def test_context_lines_are_written_once(tmp_path: Path) -> None:
    with TestServer() as server:
        options: dict[str, object] = {"chat.base_url": server.url, "chunks.context": True}
        with GraphRAG.open(tmp_path, options=options) as rag:
            rag.index(documents=[ADA])
            assert server.stats()["chat"]["context"]["calls"] == 1
            rag.index(documents=[ADA, BABBAGE])
            assert server.stats()["chat"]["context"]["calls"] == 2


def test_gleaning_and_claims(tmp_path: Path) -> None:
    with TestServer() as server:
        options: dict[str, object] = {
            "chat.base_url": server.url,
            "extraction.max_gleanings": 1,
            "extraction.claims": True,
        }
        with GraphRAG.open(tmp_path, options=options) as rag:
            assert not rag.index(documents=[ADA]).failed
            assert sum(kind["calls"] for kind in server.stats()["chat"].values()) >= 2


def test_a_unit_too_long_for_the_model_is_divided(tmp_path: Path) -> None:
    long = Document(source="long", text="Ada Lovelace met Mary Somerville. " * 40, title="Long")
    with TestServer() as server:
        server.set_faults(Fault("context_too_long", kind="extract", match=long.text[:900]))
        with GraphRAG.open(tmp_path, options={"chat.base_url": server.url}) as rag:
            result = rag.index(documents=[long])
        assert not result.failed
        assert result.entities >= 2
        assert server.stats()["chat"]["extract"]["calls"] >= 3
