"""LazyGraphRAG over real HTTP: its calls, their order, their budgets; and without a model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest

from graphrag import Document, GraphRAG
from graphrag.core.answers import Answer
from graphrag.core.errors import ModelError
from graphrag.testing import ChatRequest, Fault, Rule, TestServer
from graphrag.testing.replies import rule_for

QUESTION = "Who trained the pilots of the northern mail route?"
OFF_TOPIC = "How many moons does Jupiter have?"
PLACES = ("Arvidsjaur", "Bodmin", "Cadaques", "Delphi", "Esbjerg", "Faro", "Genoa", "Hallstatt")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stories, each of several documents that share names, and no model at indexing."""
    folder = tmp_path_factory.mktemp("lazy")
    documents = [
        Document(
            source=f"mail:{place}",
            text="Captain Ingrid Solheim trained the pilots of the northern mail route in "
            f"{place}. "
            f"Ingrid Solheim kept her logbook in {place}. The route carried letters to Tromso.",
            metadata={"year": 1930 + number},
        )
        for number, place in enumerate(PLACES)
    ]
    documents += [
        Document(
            source=f"fish:{place}",
            text=f"Chef Marco Bellini cooked anchovies in {place}. Marco Bellini sold salted fish "
            f"to Luca Ferro of {place}, who kept an inn.",
            metadata={"year": 1990},
        )
        for place in PLACES
    ]
    with GraphRAG.open(folder, chat=None, embed=None) as rag:
        result = rag.index(documents=documents, method="fast")
    assert result.usage.chat_calls == 0
    return folder


@pytest.fixture
def seen() -> list[ChatRequest]:
    """Every chat request, in the order of arrival."""
    return []


@pytest.fixture
def server(seen: list[ChatRequest]) -> Iterator[TestServer]:
    def note(request: ChatRequest) -> bool:
        seen.append(request)
        return False

    with TestServer(rules=[Rule("noted", note, lambda _: "")]) as running:
        yield running


def open_with(server: TestServer | None, root: Path, tmp_path: Path, **options: object) -> GraphRAG:
    """The index of `root` with a response cache of its own."""
    given = {f"query.lazy.{name}": value for name, value in options.items()}
    if server is not None:
        given |= {"chat.base_url": server.url, "embedding.model": "null"}
    given["store"] = str(root / ".graphrag" / "graph.db")
    return GraphRAG.open(tmp_path, options=given, **({} if server else {"chat": None}), embed=None)


def communities(answer: Answer) -> list[Mapping[str, object]]:
    return cast(list[Mapping[str, object]], answer.trace["communities"])


def verdicts(answer: Answer) -> dict[str, bool]:
    return {
        unit: verdict
        for turn in communities(answer)
        for unit, verdict in cast(Mapping[str, bool], turn["verdicts"]).items()
    }


def kinds(seen: list[ChatRequest]) -> list[str]:
    return [rule_for(request).kind for request in seen]


def test_the_calls_come_in_order_and_each_kind_as_often_as_the_trace_says(
    server: TestServer, seen: list[ChatRequest], root: Path, tmp_path: Path
) -> None:
    pieces: list[str] = []
    with open_with(server, root, tmp_path) as rag:
        answer = rag.query(QUESTION, method="lazy", on_text=pieces.append)
    assert answer.answered
    assert "".join(pieces).strip() == answer.answer
    assert "Ingrid Solheim trained the pilots" in answer.answer
    assert answer.citations
    assert all(citation.verified for citation in answer.citations)
    trace = answer.trace
    order = kinds(seen)
    tests, batches = cast(int, trace["tests"]), cast(int, trace["batches"])
    assert order == ["subqueries", *["relevance"] * tests, *["claims"] * batches, "reduce"]
    assert answer.usage.chat_calls == 2 + tests + batches
    assert len(verdicts(answer)) == tests <= 100
    assert sum(verdicts(answer).values()) == trace["relevant"] == len(answer.context.text_units)
    assert trace["budget_left"] == 100 - tests
    assert 3 <= len(cast(list[str], trace["subqueries"])) <= 5


@pytest.mark.parametrize("budget", [1, 3, 7])
def test_the_budget_bounds_the_tests(
    server: TestServer, root: Path, tmp_path: Path, budget: int
) -> None:
    with open_with(server, root, tmp_path, budget=budget) as rag:
        answer = rag.query(QUESTION, method="lazy")
    assert server.stats()["chat"]["relevance"]["calls"] == answer.trace["tests"] == budget
    assert answer.trace["ended"] == "the budget is spent"
    assert answer.trace["budget_left"] == 0


def test_each_test_reads_one_unit_and_no_prompt_passes_its_budget(
    server: TestServer, seen: list[ChatRequest], root: Path, tmp_path: Path
) -> None:
    from graphrag.text import tokens

    with open_with(server, root, tmp_path, batch_tokens=150, reduce_tokens=120) as rag:
        answer = rag.query(QUESTION, method="lazy")
    asked = [request for request in seen if rule_for(request).kind == "relevance"]
    titles = [request.block("text").splitlines()[0] for request in asked]
    assert len(set(titles)) == len(titles)
    batches = [request for request in seen if rule_for(request).kind == "claims"]
    assert len(batches) == answer.trace["batches"]
    assert len(batches) > 1
    assert all(tokens.count(request.block("sources")) <= 150 for request in batches)
    numbers = [
        int(number)
        for request in batches
        for number in re.findall(r"(?m)^\[(\d+)\]", request.block("sources"))
    ]
    assert sorted(numbers) == list(range(1, len(answer.context.text_units) + 1))
    reduce = next(request for request in seen if rule_for(request).kind == "reduce")
    assert tokens.count(reduce.block("points")) <= 120
    assert cast(int, answer.trace["claims_read"]) < cast(int, answer.trace["claims"])


def test_verdicts_stay_for_the_next_time(server: TestServer, root: Path, tmp_path: Path) -> None:
    with open_with(server, root, tmp_path, budget=6) as rag:
        rag.query(QUESTION, method="lazy")
        server.reset()
        answer = rag.query(QUESTION, method="lazy")
        assert server.stats() == {}
        assert answer.usage.chat_calls == 0
    with open_with(server, root, tmp_path, budget=10) as rag:
        answer = rag.query(QUESTION, method="lazy")
    tests = cast(int, answer.trace["tests"])
    assert tests > 6
    assert server.stats()["chat"]["relevance"]["calls"] == tests - 6


def test_filters_bound_what_is_tested(server: TestServer, root: Path, tmp_path: Path) -> None:
    with open_with(server, root, tmp_path) as rag:
        answer = rag.query(QUESTION, method="lazy", filters=["year<=1932"])
        assert answer.trace["tests"] == 3
        found = rag.retrieve(QUESTION, method="lazy", filters=["year<=1932"], k=2)
    assert {unit.document for unit in answer.context.text_units} <= {
        "mail:Arvidsjaur",
        "mail:Bodmin",
        "mail:Cadaques",
    }
    assert len(found) == 2


def test_a_follow_up_is_searched_and_tested_with_what_it_refers_to(
    server: TestServer, seen: list[ChatRequest], root: Path, tmp_path: Path
) -> None:
    history = [("Who is Marco Bellini?", "A chef who cooked anchovies.")]
    with open_with(server, root, tmp_path) as rag:
        answer = rag.query("To whom did he sell fish?", method="lazy", history=history)
    assert kinds(seen)[0] == "subqueries"
    assert "Marco Bellini" in seen[0].block("conversation")
    tests = [request for request in seen if rule_for(request).kind == "relevance"]
    queries = cast(list[str], answer.trace["subqueries"])
    assert all(query in request.block("question") for request in tests for query in queries)
    assert {unit.document.partition(":")[0] for unit in answer.context.text_units} == {"fish"}


def test_nothing_relevant_is_no_answer_and_costs_no_further_call(
    server: TestServer, root: Path, tmp_path: Path
) -> None:
    with open_with(server, root, tmp_path) as rag:
        answer = rag.query("Which route did Napoleon Bonaparte conquer?", method="lazy")
    assert not answer.answered
    assert not answer.citations
    assert set(server.stats()["chat"]) == {"subqueries", "relevance"}


def test_tests_that_fail_are_counted_and_told(
    server: TestServer, root: Path, tmp_path: Path
) -> None:
    server.set_faults(Fault("wrong_json", kind="relevance", match="Delphi", times=9))
    with open_with(server, root, tmp_path) as rag:
        answer = rag.query(QUESTION, method="lazy")
    assert answer.trace["tests_failed"] == 1
    assert any("relevance tests failed" in warning for warning in answer.warnings)
    assert "mail:Delphi" not in {unit.document for unit in answer.context.text_units}


def test_no_verdict_at_all_is_an_error(server: TestServer, root: Path, tmp_path: Path) -> None:
    server.set_faults(Fault("refusal", kind="relevance"))
    with (
        open_with(server, root, tmp_path) as rag,
        pytest.raises(ModelError, match="could not test"),
    ):
        rag.query(QUESTION, method="lazy")


def test_without_subqueries_the_question_is_searched(
    server: TestServer, root: Path, tmp_path: Path
) -> None:
    server.set_faults(Fault("wrong_json", kind="subqueries"))
    with open_with(server, root, tmp_path) as rag:
        answer = rag.query(QUESTION, method="lazy")
    assert answer.answered
    assert any("subqueries" in warning for warning in answer.warnings)


def test_a_batch_of_claims_that_fails_is_told(
    server: TestServer, root: Path, tmp_path: Path
) -> None:
    server.set_faults(Fault("truncated_json", kind="claims", match="Bodmin", times=9))
    with open_with(server, root, tmp_path, batch_tokens=150) as rag:
        answer = rag.query(QUESTION, method="lazy")
    assert answer.trace["batches_failed"] == 1
    assert any("could not be read" in warning for warning in answer.warnings)
    assert answer.answered


def test_an_invented_quote_is_not_passed_on(root: Path, tmp_path: Path) -> None:
    claim = {
        "statement": "Ingrid Solheim trained nobody.",
        "source": 1,
        "quote": "Ingrid Solheim never trained anyone",
        "score": 90,
    }
    unknown = {**claim, "source": 77, "statement": "It rests on nothing."}
    reply = json.dumps({"claims": [claim, unknown]})
    points: list[str] = []

    def note(request: ChatRequest) -> bool:
        if "<points>" in request.data:
            points.append(request.block("points"))
        return False

    rules = [
        Rule("claims", lambda request: "statement" in request.fields, lambda _: reply),
        Rule("noted", note, lambda _: ""),
    ]
    with TestServer(rules=rules) as server, open_with(server, root, tmp_path) as rag:
        rag.query(QUESTION, method="lazy")
    assert "never trained anyone" not in points[0]
    assert "It rests on nothing" not in points[0]
    assert "[1] Captain Ingrid Solheim trained the pilots" in points[0]


def test_without_a_model_words_decide(root: Path, tmp_path: Path) -> None:
    with open_with(None, root, tmp_path, budget=10) as rag:
        answer = rag.query(QUESTION, method="lazy")
        refused = rag.query(OFF_TOPIC, method="lazy")
    assert answer.answered
    assert answer.usage.chat_calls == 0
    assert 0 < cast(int, answer.trace["tests"]) <= 10
    assert any("no chat model" in warning for warning in answer.warnings)
    assert {unit.document.partition(":")[0] for unit in answer.context.text_units} == {"mail"}
    assert not refused.answered


@pytest.mark.data
def test_a_megabyte_takes_no_call_to_index_and_at_most_a_hundred_tests(
    server: TestServer, test_data: Path, tmp_path: Path
) -> None:
    options: dict[str, object] = {
        "chat.base_url": server.url,
        "embedding.base_url": server.url,
        "query.lazy.budget": 100,
    }
    with GraphRAG.open(tmp_path, options=options) as rag:
        rag.index([test_data / "gutenberg"], method="fast")
        assert "chat" not in server.stats()
        answer = rag.query("What does Sherlock Holmes say about Irene Adler?", method="lazy")
    calls = server.stats()["chat"]
    tests = cast(int, answer.trace["tests"])
    assert calls["relevance"]["calls"] == tests == len(verdicts(answer)) <= 100
    assert tests > 20
    assert calls["subqueries"]["calls"] == calls["reduce"]["calls"] == 1
    assert answer.usage.embedding_calls == 1
    assert answer.answered
