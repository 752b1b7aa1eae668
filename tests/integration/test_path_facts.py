"""Path search with a chat model: the facts it picks, the hop it asks for, what that may cost."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from graphrag import Document, GraphRAG, QueryMethod
from graphrag.core.errors import ModelAuthError
from graphrag.query.router import Retrieved
from graphrag.testing import ChatRequest, Fault, Rule, TestServer
from graphrag.text import tokens

QUESTION = "In which river did the mother of the director of Blood Street drown?"
TEXTS = {
    "Blood Street": "Blood Street is a film of 1988. It was directed by Leo Fong.",
    "Leo Fong": "Leo Fong (born 1928) was an actor. His parents lived in Canton.",
    "Blood Road": "Blood Road is a street film in which a mother and a director drown in blood.",
    "Mei Lin": "Mei Lin (died 1950) was a singer. She drowned in the Pearl River.",
    **{
        f"Note {n}": f"Note {n} is a page on day {n}. A director of a street spoke."
        for n in range(9)
    },
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("facts")
    documents = [Document(source=title, title=title, text=text) for title, text in TEXTS.items()]
    with GraphRAG.open(folder, chat=None, embed=None) as rag:
        rag.index(documents=documents, method="fast")
    return folder


class Model:
    """Answers each call for facts with the next reply; facts are named by a part of their text."""

    def __init__(self, *replies: tuple[Sequence[str | int], Sequence[str]]) -> None:
        self.replies = list(replies)
        self.requests: list[ChatRequest] = []

    @property
    def rule(self) -> Rule:
        return Rule("facts", lambda request: "missing" in request.fields, self._reply)

    def _reply(self, request: ChatRequest) -> str:
        self.requests.append(request)
        wanted, missing = self.replies.pop(0)
        lines = request.block("facts").splitlines()
        numbers = [
            place if isinstance(part, str) else part
            for part in wanted
            for place, line in enumerate(lines, start=1)
            if not isinstance(part, str) or part in line
        ]
        return json.dumps({"facts": numbers, "missing": list(missing)})


def read(
    server: TestServer,
    root: Path,
    at: Path,
    *,
    method: QueryMethod = "path",
    k: int = 3,
    **path: object,
) -> Retrieved:
    options: dict[str, object] = {f"query.path.{key}": value for key, value in path.items()}
    options["chat.base_url"] = server.url
    options["store"] = str(root / ".graphrag" / "graph.db")
    with GraphRAG.open(at, options=options, embed=None) as rag:
        return rag.context(QUESTION, method=method, k=k)


def without_a_model(root: Path) -> list[str]:
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        return names(rag.context(QUESTION, method="path", k=3))


def names(found: Retrieved) -> list[str]:
    return [unit.document for unit in found.context.text_units]


def kinds(server: TestServer) -> Mapping[str, int]:
    return {kind: seen["calls"] for kind, seen in server.stats().get("chat", {}).items()}


def test_one_call_brings_the_picked_facts_to_the_front(root: Path, tmp_path: Path) -> None:
    model = Model((["directed by Leo Fong", "born 1928", 99, -1], []))
    with TestServer(rules=[model.rule]) as server:
        found = read(server, root, tmp_path)
        assert kinds(server) == {"facts": 1}
    assert set(names(found)[:2]) == {"Blood Street", "Leo Fong"}
    assert found.trace["missing"] == []
    assert not found.warnings
    (request,) = model.requests
    assert request.block("question") == QUESTION


def test_what_is_missing_is_searched_and_picked_from_in_a_second_call(
    root: Path, tmp_path: Path
) -> None:
    assert "Mei Lin" not in without_a_model(root)
    model = Model(
        (["Blood Street is a film"], ["Mei Lin", "", "Mei  Lin", "a", "b", "c"]),
        (["drowned in the Pearl River"], ["more of it"]),
    )
    with TestServer(rules=[model.rule]) as server:
        found = read(server, root, tmp_path, fact_tokens=60)
        assert kinds(server) == {"facts": 2}  # what the second one misses is not searched
    assert names(found)[:2] == ["Blood Street", "Mei Lin"]
    assert found.trace["missing"] == ["Mei Lin", "a", "b"]
    assert found.trace["bridged"] == ["Mei Lin: She drowned in the Pearl River."]
    second = model.requests[1].block("facts").splitlines()
    assert "Blood Street is a film" in second[0]  # what is known already comes first


@pytest.mark.parametrize("budget", [40, 120, 1500])
def test_no_call_shows_more_facts_than_its_budget(root: Path, tmp_path: Path, budget: int) -> None:
    model = Model((["Blood Street"], ["Mei Lin"]), ([], []))
    with TestServer(rules=[model.rule]) as server:
        read(server, root, tmp_path, fact_tokens=budget)
    assert model.requests
    for request in model.requests:
        shown = request.block("facts")
        assert tokens.count(shown) <= budget
        numbers = [int(number) for number in re.findall(r"^\[(\d+)\]", shown, re.MULTILINE)]
        assert numbers == [*range(1, len(numbers) + 1)]


@pytest.mark.parametrize(
    "fault", [Fault("wrong_json", kind="facts"), Fault("status", status=400, kind="facts")]
)
def test_a_call_that_fails_leaves_the_ranking(root: Path, tmp_path: Path, fault: Fault) -> None:
    with TestServer(faults=[fault]) as server:
        found = read(server, root, tmp_path)
    assert names(found) == without_a_model(root)
    assert any("could not be filtered" in warning for warning in found.warnings)


def test_a_model_that_picks_nothing_leaves_the_ranking(root: Path, tmp_path: Path) -> None:
    with TestServer(rules=[Model(([], [])).rule]) as server:
        found = read(server, root, tmp_path)
    assert names(found) == without_a_model(root)
    assert not found.warnings


def test_a_wrong_key_is_not_taken_for_a_poor_reply(root: Path, tmp_path: Path) -> None:
    fault = Fault("status", status=401)
    with TestServer(faults=[fault]) as server, pytest.raises(ModelAuthError):
        read(server, root, tmp_path)


def test_nothing_is_asked_where_it_is_switched_off_or_fused(root: Path, tmp_path: Path) -> None:
    with TestServer() as server:
        assert names(read(server, root, tmp_path, filter_facts=False)) == without_a_model(root)
        read(server, root, tmp_path, method="hybrid")
        assert kinds(server) == {}
