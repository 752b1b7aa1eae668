"""The test model: what it recognises, and replies that are functions of the prompt."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Mapping
from typing import cast

import pytest
from pydantic import BaseModel

from graphrag import prompts
from graphrag.prompts import Message
from graphrag.testing import ChatRequest, Fault, TestServer
from graphrag.testing.replies import rule_for

STORY = (
    "Sherlock Holmes lives in Baker Street. He and John Watson know Irene Adler well. "
    "A Study in Scarlet tells how Sherlock Holmes met John Watson."
)
SOURCES = (
    "## Sources\n[1] Detectives\nSherlock Holmes lives in Baker Street. He plays the violin.\n\n"
    "[2] Doctors\nJohn Watson is a doctor. He was wounded in Afghanistan.\n"
)


class Reply(BaseModel):
    text: str


def ask(system: str, user: str, *fields: str, more: tuple[str, ...] = ()) -> ChatRequest:
    properties: Mapping[str, object] = dict.fromkeys(fields)
    schema = {"properties": properties} if fields else None
    turns = [
        {"role": "assistant" if n % 2 == 0 else "user", "content": t} for n, t in enumerate(more)
    ]
    first = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return ChatRequest([*first, *turns], schema)


def reply(request: ChatRequest) -> dict[str, list[dict[str, object]]]:
    return cast(dict[str, list[dict[str, object]]], json.loads(rule_for(request).reply(request)))


def filled(prompt: str, **values: str) -> ChatRequest:
    messages = prompts.load(prompt).fill(values)
    return ChatRequest([{"role": item.role, "content": item.content} for item in messages])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("extract", ("entities", "relationships")),
        ("extract", ("entities", "relationships", "claims")),
        ("report", ("title", "summary", "rating", "rating_explanation", "findings")),
        ("map", ("points",)),
        ("rate", ("rating", "reason")),
        ("drift", ("answer", "score", "follow_ups")),
        ("rewrite", ("rewritten", "keywords")),
        ("rewrite", ("rewritten", "keywords", "filters")),
        ("subqueries", ("subqueries",)),
        ("relevance", ("relevant",)),
        ("claims", ("claims", "statement", "source", "quote", "score")),
        ("rerank", ("ranking",)),
        ("facts", ("facts", "missing")),
        ("suggest", ("questions",)),
        ("json", ("anything",)),
    ],
)
def test_kinds_are_known_by_their_fields(kind: str, fields: tuple[str, ...]) -> None:
    assert rule_for(ask("Do it.", "text", *fields)).kind == kind
    quoted = json.dumps(dict.fromkeys(fields, ""))
    if kind != "json":
        assert rule_for(ask(f"Reply with {quoted}", "text")).kind == kind


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("indexing/extract", "extract", {"entity_types": "person", "text": STORY}),
        ("indexing/extract_claims", "extract", {"entity_types": "person", "text": STORY}),
        ("indexing/summarise", "summarise", {"name": "x", "descriptions": "- A.\n- B."}),
        ("indexing/report", "report", {"max_findings": "5", "context": "e1|A|b|c"}),
        ("indexing/context", "context", {"document": STORY, "text": STORY}),
        ("query/answer", "answer", {"context": SOURCES, "history": "none", "question": "Who?"}),
        ("query/lazy_subqueries", "subqueries", {"history": "none", "question": "Who?"}),
        ("query/lazy_relevance", "relevance", {"question": "Who?", "text": STORY}),
        ("query/lazy_claims", "claims", {"question": "Who?", "sources": SOURCES}),
        ("query/rewrite", "rewrite", {"keys": "year: 1", "history": "none", "question": "Who?"}),
        ("query/rerank", "rerank", {"question": "Who?", "passages": SOURCES}),
        ("query/path_facts", "facts", {"question": "W?", "history": "", "facts": "[1] A: b."}),
        ("query/suggest", "suggest", {"context": STORY, "question": "Who?", "answer": "He."}),
        ("query/global_map", "map", {"reports": "[1] A.", "question": "Who?"}),
        ("query/global_reduce", "reduce", {"points": "x [1]", "history": "", "question": "W?"}),
    ],
)
def test_our_own_prompts_are_known_without_a_schema(
    name: str, kind: str, values: dict[str, str]
) -> None:
    request = filled(name, **values)
    rule = rule_for(request)
    assert rule.kind == kind
    assert rule.reply(request)


def test_extraction_finds_names_and_connects_those_of_one_sentence() -> None:
    found = reply(ask("Extract.", f"<text>\n{STORY}\n</text>", "entities", "relationships"))
    names = {item["name"] for item in found["entities"]}
    assert {"Sherlock Holmes", "Baker Street", "John Watson", "Irene Adler"} <= names
    for item in found["entities"]:
        assert str(item["name"]) in STORY
        assert str(item["description"]) in STORY
    pairs = [
        frozenset((str(item["source"]), str(item["target"]))) for item in found["relationships"]
    ]
    assert len(pairs) == len(set(pairs))
    assert frozenset(("Sherlock Holmes", "Baker Street")) in pairs
    for item in found["relationships"]:
        assert 1 <= cast(int, item["strength"]) <= 10
        assert {item["source"], item["target"]} <= names


def test_gleaning_finds_nothing_more_but_a_correction_repeats_the_reply() -> None:
    fields = ("entities", "relationships")
    text = f"<text>\n{STORY}\n</text>"
    glean = ask("Extract.", text, *fields, more=("{}", "What was missed?"))
    assert reply(glean) == {"entities": [], "relationships": []}
    first = ask("Extract.", text, *fields)
    again = ask("Extract.", text, *fields, more=("bad", "That reply cannot be used: x"))
    assert reply(again) == reply(first)
    assert again.key == first.key != glean.key


def test_reports_cite_rows_of_the_context() -> None:
    rows = "e1|Ada Lovelace|person|Wrote notes.\nr7|Ada Lovelace|Babbage|Friends.|3"
    found = reply(ask("Report.", f"<context>\n{rows}\n</context>", "findings"))
    assert "Ada Lovelace" in str(found["title"])
    cited = "".join(str(item["explanation"]) for item in found["findings"])
    assert "[e1]" in cited
    assert "[r7]" in cited


def test_answers_quote_the_sources_word_for_word() -> None:
    request = filled(
        "query/answer", context=SOURCES, history="none", question="Where was Watson wounded?"
    )
    text = rule_for(request).reply(request)
    prose, _, block = text.partition("```citations\n")
    quotes = cast(list[dict[str, object]], json.loads(block.removesuffix("```")))
    assert quotes
    for item in quotes:
        assert str(item["quote"]) in SOURCES
        assert f"[{item['n']}]" in prose
    assert any("wounded in Afghanistan" in str(item["quote"]) for item in quotes)


def test_answers_say_so_when_the_sources_do_not_hold_them() -> None:
    request = filled(
        "query/answer", context=SOURCES, history="none", question="Which planet has rings?"
    )
    assert '{"answered": false}' in rule_for(request).reply(request)


def test_points_are_scored_and_cited() -> None:
    request = ask(
        "Map.",
        "<reports>\n[4] Holmes plays the violin.\n[5] Watson writes.\n</reports>\n"
        "<question>\nWho plays the violin?\n</question>",
        "points",
    )
    points = reply(request)["points"]
    assert points[0]["description"] == "Holmes plays the violin. [4]"
    assert 0 < cast(int, points[0]["score"]) <= 100


def test_an_unknown_schema_gets_an_instance_of_it() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer"},
            "kind": {"enum": ["a", "b"]},
            "inner": {"$ref": "#/$defs/Inner"},
            "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "$defs": {"Inner": {"type": "object", "properties": {"ok": {"type": "boolean"}}}},
    }
    request = ChatRequest([{"role": "user", "content": "x"}], schema)
    assert json.loads(rule_for(request).reply(request)) == {
        "n": 1,
        "kind": "a",
        "inner": {"ok": True},
        "maybe": "text",
    }


@pytest.mark.parametrize("data", [{"fault": "nonsense"}, {"sort": "hang"}])
def test_unknown_faults_are_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"nonsense|sort"):
        Fault.from_json(data)


def test_reranking_has_the_usual_shape() -> None:
    body = {"query": "red fox", "documents": ["a blue hen", "the red fox"], "top_n": 1}
    with TestServer() as server:
        request = urllib.request.Request(f"{server.url}/rerank", json.dumps(body).encode())
        with urllib.request.urlopen(request) as response:
            found = json.loads(response.read())
        assert server.stats()["rerank"]["rerank"]["inputs"] == 2
    assert found["results"] == [{"index": 1, "relevance_score": 1.0}]


def test_two_servers_cannot_take_one_port() -> None:
    with TestServer() as first:
        port = int(first.url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, match=str(port)), TestServer(port=port):
            pass


def test_four_of_our_functions_stand_between_a_step_and_the_sdk() -> None:
    from graphrag.core.settings import ChatSettings, Settings
    from graphrag.models.http_client import Server
    from graphrag.models.models import Models
    from graphrag.models.openai_models import OpenAIChat

    seen: list[str] = []

    class Watched(Server):
        def _connect(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            frame = sys._getframe(1)
            while frame is not None:
                if "/graphrag/" in frame.f_code.co_filename:
                    seen.append(frame.f_code.co_name)
                frame = frame.f_back
            raise RuntimeError("far enough")

    chat = OpenAIChat(Watched("http://127.0.0.1:9/v1", "k"), ChatSettings())
    models = Models(chat=chat, embedder=None, settings=Settings())
    with pytest.raises(RuntimeError, match="far enough"):
        asyncio.run(models.json([Message("user", "x")], Reply, kind="x"))
    assert seen == ["call", "complete", "_ask", "json"]
