"""Rewriting, reranking, caps, hybrid and suggestions, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest

from graphrag import Document, GraphRAG
from graphrag.core.answers import Answer
from graphrag.core.errors import ModelAuthError, SettingsError
from graphrag.core.settings_file import load_settings
from graphrag.models.servers import open_models
from graphrag.query.answering.suggest import suggest
from graphrag.query.context import Resources
from graphrag.stores import open_store
from graphrag.testing import ChatRequest, Fault, Rule, TestServer
from graphrag.text import tokens

QUESTION = "Which lighthouse did the engineer Agnes Moreau build?"
TEXTS = {
    "rocks": "Agnes Moreau, an engineer, built the lighthouse of Skerry Point in 1871.",
    "lamp": "The lighthouse lamp was made by Otto Brandt of Hamburg.",
    "keeper": "The keeper of a lighthouse, said the engineer, sleeps by day.",
    "wreck": "Otto Brandt drowned off Skerry Point when the Fulmar sank.",
    "tea": "Tea came to Lisbon in chests of cedar.",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("retrieval")
    documents = [
        Document(source=name, text=text, metadata={"year": 1870 + place})
        for place, (name, text) in enumerate(TEXTS.items())
    ]
    with GraphRAG.open(folder, chat=None, embed=None) as rag:
        rag.index(documents=documents, method="fast")
    return folder


@pytest.fixture
def server() -> Iterator[TestServer]:
    with TestServer() as running:
        yield running


def open_with(
    server: TestServer | None, root: Path, tmp_path: Path, **sections: Mapping[str, object]
) -> GraphRAG:
    given: dict[str, object] = {"store": str(root / ".graphrag" / "graph.db")}
    if server is not None:
        given["chat.base_url"] = server.url
    for section, values in sections.items():
        name = section if section == "rerank" else f"query.{section}"
        given |= {f"{name}.{key}": value for key, value in values.items()}
    none: dict[str, None] = {} if server else {"chat": None}
    return GraphRAG.open(tmp_path, options=given, embed=None, **none)


def replying(kind: str, field: str, reply: Mapping[str, object]) -> Rule:
    def applies(request: ChatRequest) -> bool:
        return field in request.fields

    return Rule(kind, applies, lambda _: json.dumps(reply))


def test_the_rewritten_question_is_searched_and_the_asked_one_answered(
    root: Path, tmp_path: Path
) -> None:
    reply = {"rewritten": "Otto Brandt Fulmar", "keywords": ["drowned", "Brandt"], "filters": []}
    asked: list[str] = []

    def note(request: ChatRequest) -> bool:
        if "<context>" in request.data:
            asked.append(request.block("question"))
        return False

    rules = [replying("rewrite", "rewritten", reply), Rule("noted", note, lambda _: "")]
    history = [("Who made the lamp?", "Otto Brandt.")]
    with TestServer(rules=rules) as server:
        with open_with(server, root, tmp_path, basic={"rewrite": True}) as rag:
            answer = rag.query("How did he die?", method="basic", history=history)
        assert server.stats()["chat"]["rewrite"]["calls"] == 1
    assert answer.context.text_units[0].document == "wreck"
    assert answer.trace["keywords"] == ["drowned"]
    assert asked == ["How did he die?"]


def test_without_the_setting_nothing_is_rewritten(
    server: TestServer, root: Path, tmp_path: Path
) -> None:
    with open_with(server, root, tmp_path) as rag:
        rag.query(QUESTION, method="basic")
    assert [*server.stats()["chat"]] == ["answer"]


@pytest.mark.parametrize(
    ("filters", "documents", "warning"),
    [
        (["year<=1871"], {"rocks", "lamp"}, ""),
        ({"year": 1871}, {"lamp"}, ""),
        (None, {"rocks", "lamp", "keeper"}, ""),
        (["colour=red"], {"rocks", "lamp", "keeper"}, "a key no document has"),
        (["year=2050"], {"rocks", "lamp", "keeper"}, "leaves no document"),
        (["lighthouses"], {"rocks", "lamp", "keeper"}, "is not a filter"),
    ],
)
def test_only_filters_that_hold_are_taken(
    root: Path, tmp_path: Path, filters: object, documents: set[str], warning: str
) -> None:
    reply: dict[str, object] = {"rewritten": "lighthouse engineer", "filters": filters}
    with (
        TestServer(rules=[replying("rewrite", "rewritten", reply)]) as server,
        open_with(server, root, tmp_path, basic={"rewrite": True}) as rag,
    ):
        found = rag.context("lighthouse", method="basic")
    assert {unit.document for unit in found.passages} == documents
    assert bool(found.warnings) == bool(warning)
    assert all(warning in text for text in found.warnings)


def test_a_rewriting_that_fails_leaves_the_question(
    server: TestServer, root: Path, tmp_path: Path
) -> None:
    server.set_faults(Fault("wrong_json", kind="rewrite"))
    with open_with(server, root, tmp_path, basic={"rewrite": True}) as rag:
        answer = rag.query(QUESTION, method="basic")
    assert answer.answered
    assert any("could not be rewritten" in warning for warning in answer.warnings)


def endpoint(**more: object) -> dict[str, object]:
    return {"method": "endpoint", "model": "ranker", **more}


def test_the_rerank_endpoint_orders_what_was_found_in_one_call(
    server: TestServer, root: Path, tmp_path: Path
) -> None:
    with open_with(server, root, tmp_path, rerank=endpoint()) as rag:
        answer = rag.query(QUESTION, method="basic")
        found = rag.retrieve(QUESTION, method="basic", k=1)
    stats = server.stats()
    assert stats["rerank"]["rerank"]["calls"] == 1  # the second time its reply is known
    assert stats["rerank"]["rerank"]["inputs"] == 3
    assert [unit.document for unit in found] == ["rocks"]
    assert answer.trace["reranked"] == {"method": "endpoint", "units": 3}
    assert answer.usage.cost_usd is None


def test_a_rerank_endpoint_that_fails_is_a_warning_and_a_wrong_key_an_error(
    server: TestServer, root: Path, tmp_path: Path
) -> None:
    server.set_faults(Fault("status", status=500, kind="rerank"))
    with open_with(server, root, tmp_path, rerank=endpoint(max_retries=0)) as rag:
        found = rag.context(QUESTION, method="basic")
    assert found.passages[0].document == "rocks"
    assert any("could not be reranked" in warning for warning in found.warnings)
    server.set_faults(Fault("status", status=401, kind="rerank"))
    with (
        open_with(server, root, tmp_path, rerank=endpoint()) as rag,
        pytest.raises(ModelAuthError),
    ):
        rag.context(QUESTION, method="basic")


def test_another_rerank_server_does_not_get_the_chat_key(
    root: Path, tmp_path: Path, server: TestServer
) -> None:
    with TestServer(api_key="chat-secret") as ranker:
        options: dict[str, object] = {**endpoint(), "base_url": ranker.url, "max_retries": 0}
        with (
            open_with(server, root, tmp_path, rerank=options, basic={"k": 2}) as rag,
            pytest.raises(ModelAuthError),
        ):
            rag.context(QUESTION, method="basic")
        options["api_key"] = "chat-secret"
        with open_with(server, root, tmp_path, rerank=options) as rag:
            assert rag.context(QUESTION, method="basic").warnings == ()


def test_an_endpoint_without_a_model_or_without_a_price_under_a_limit_is_refused(
    tmp_path: Path,
) -> None:
    server = {"rerank.method": "endpoint", "rerank.base_url": "http://localhost:1/v1"}
    for more in ({}, {"rerank.model": "ranker", "limits.max_cost_usd": 1.0}):
        settings = load_settings(tmp_path, options={**server, **more}, environ={})
        with pytest.raises(SettingsError, match="rerank"):
            open_models(settings, root=tmp_path)


@pytest.mark.parametrize(("method", "calls"), [("listwise", 1), ("pairwise", 3)])
def test_the_chat_model_reranks(
    server: TestServer, root: Path, tmp_path: Path, method: str, calls: int
) -> None:
    with open_with(server, root, tmp_path, rerank={"method": method}) as rag:
        found = rag.context(QUESTION, method="basic")
    assert server.stats()["chat"]["rerank"]["calls"] == calls
    assert found.passages[0].document == "rocks"
    assert found.warnings == ()


def test_units_of_one_document_are_capped(tmp_path: Path) -> None:
    long = "\n\n".join(f"Lighthouse number {n} stands on a rock. " * 30 for n in range(6))
    documents = [Document("long", long), Document("short", "One lighthouse stands in Cadiz.")]
    options: dict[str, object] = {"chunks.max_tokens": 100, "chunks.overlap": 0}
    with GraphRAG.open(tmp_path, chat=None, embed=None, options=options) as rag:
        rag.index(documents=documents)
        free = [unit.document for unit in rag.retrieve("lighthouse rock", method="basic")]
    options["query.basic.max_per_document"] = 2
    with GraphRAG.open(tmp_path, chat=None, embed=None, options=options) as rag:
        capped = [unit.document for unit in rag.retrieve("lighthouse rock", method="basic")]
    assert free.count("long") > 2
    assert sorted(capped) == ["long", "long", "short"]


def test_hybrid_fuses_three_rankings_under_one_budget(
    server: TestServer, root: Path, tmp_path: Path
) -> None:
    with open_with(server, root, tmp_path) as rag:
        answer = rag.query(QUESTION, method="hybrid")
        found = rag.retrieve(QUESTION, method="hybrid", k=2)
    assert [*server.stats()["chat"]] == ["answer"]
    assert {"basic", "local", "path"} <= set(answer.trace)
    assert answer.answered
    assert answer.context.text_units[0].document == "rocks"
    assert answer.context.entities
    assert len(found) == 2
    with open_with(None, root, tmp_path, hybrid={"max_context_tokens": 36}) as rag:
        small = rag.context(QUESTION, method="hybrid")
    assert 0 < len(small.passages) < len(answer.context.text_units)
    assert sum(tokens.counts([unit.text for unit in small.passages])) <= 36


def test_hybrid_weights_decide(root: Path, tmp_path: Path) -> None:
    orders: dict[str, list[str]] = {}
    for name in ("basic", "local", "path"):
        with open_with(None, root, tmp_path) as rag:
            alone = [unit.document for unit in rag.retrieve(QUESTION, method=name, k=3)]
        weights = {other: 1.0 if other == name else 0.0 for other in ("basic", "local", "path")}
        with open_with(None, root, tmp_path, hybrid=weights) as rag:
            orders[name] = [unit.document for unit in rag.retrieve(QUESTION, method="hybrid", k=3)]
        assert orders[name] == alone


def test_hybrid_honours_filters_and_rewrites_and_reranks_once(
    server: TestServer, root: Path, tmp_path: Path
) -> None:
    sections = {"basic": {"rewrite": True}, "rerank": {"method": "listwise"}}
    with open_with(server, root, tmp_path, **sections) as rag:
        found = rag.context(QUESTION, method="hybrid", filters=["year>=1871"])
    calls = {kind: count["calls"] for kind, count in server.stats()["chat"].items()}
    assert calls == {"rerank": 1, "rewrite": 1}
    assert found.passages
    assert "rocks" not in {unit.document for unit in found.passages}


def suggestions(server: TestServer | None, root: Path, tmp_path: Path) -> tuple[Answer, list[str]]:
    with open_with(server, root, tmp_path) as rag:
        answer = rag.query(QUESTION, method="local")
        settings = rag.settings

    async def ask() -> tuple[str, ...]:
        store = await open_store(settings.store, root=tmp_path, namespace="default")
        models = open_models(settings, root=tmp_path)
        try:
            return await suggest(answer, Resources(store, models, settings, tmp_path))
        finally:
            await models.close()
            await store.close()

    return answer, [*asyncio.run(ask())]


def test_the_model_suggests_in_one_call(server: TestServer, root: Path, tmp_path: Path) -> None:
    _, found = suggestions(server, root, tmp_path)
    assert server.stats()["chat"]["suggest"]["calls"] == 1
    assert found == [
        "What is known about Skerry Point?",
        "What is known about Otto Brandt of Hamburg?",
    ]


def test_suggestions_do_not_repeat_the_question_or_each_other(root: Path, tmp_path: Path) -> None:
    reply = {"questions": [QUESTION, "Who was Otto Brandt?", "Who was Otto Brandt", "", "And you?"]}
    with TestServer(rules=[replying("suggest", "questions", reply)]) as server:
        _, found = suggestions(server, root, tmp_path)
    assert found == ["Who was Otto Brandt?", "And you?"]


def test_names_are_suggested_without_a_model_or_when_it_fails(
    server: TestServer, root: Path, tmp_path: Path
) -> None:
    _, found = suggestions(None, root, tmp_path)
    assert 1 <= len(found) <= 5
    assert all(text.endswith("?") for text in found)
    names = ("Agnes Moreau", "Otto Brandt", "Skerry Point", "Hamburg", "Fulmar")
    assert any(name in text for text in found for name in names)
    server.set_faults(Fault("empty", kind="suggest"))
    _, again = suggestions(server, root, tmp_path)
    assert again
    assert not any("What is known" in text for text in again)


def test_traces_are_plain_json(root: Path, tmp_path: Path) -> None:
    with open_with(None, root, tmp_path) as rag:
        for method in ("basic", "hybrid", "lazy"):
            answer = rag.query(QUESTION, method=method)
            assert cast(dict[str, object], json.loads(json.dumps(answer.as_dict())))["trace"]
