"""Tables as users meet them: with a model and without, in Python, as text and as a page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from graphrag import Document, GraphRAG
from graphrag.cli.main import main
from graphrag.core.schema import FILE_NAME, render_schema
from graphrag.stores.sqlite.store import SQLiteStore
from graphrag.testing import TestServer
from graphrag.testing.replies import ChatRequest, Rule
from tests.integration.graphs import snapshot
from tests.tables import FLEET, fleet, snapshot_rows

EXAMPLES = Path(__file__).parents[2] / "examples" / "documents"
ANY: dict[str, object] = {
    "relation": "", "direction": "any", "type": "", "name": "", "words": [], "conditions": [],
    "at_least": 1, "at_most": None, "then": None, "ends_at": "first",
}  # fmt: skip
BLANK: dict[str, object] = {
    "cannot": "", "type": "", "measure": "list", "attribute": "", "conditions": [], "links": [],
    "without": [], "counted": None, "group_by": "", "group_key": "", "group_link": None,
    "among": [], "also": [], "order": "", "limit": None,
}  # fmt: skip
LAID = ANY | {"relation": "laid", "direction": "out", "type": "cable"}
BUSIEST = BLANK | {"type": "ship", "counted": LAID, "order": "most", "limit": 1}
REPLIES: dict[str, str] = {
    "Who did the lion's share of the laying?": json.dumps(BUSIEST),
    "What about dirigibles?": json.dumps(BLANK | {"cannot": "there is no type for dirigibles"}),
    "Anything on submarines?": json.dumps(BLANK | {"type": "submarine", "measure": "count"}),
    "How many harbours are there?": "I cannot do that.",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An index that holds the English collection, with its schema."""
    world = fleet()
    declared = json.dumps({"declared": world.schema.to_dict()})
    (tmp_path / FILE_NAME).write_text(render_schema(FLEET), encoding="utf-8")

    async def commit() -> None:
        (tmp_path / ".graphrag").mkdir()
        store = await SQLiteStore.open(tmp_path / ".graphrag" / "graph.db", namespace="default")
        await store.commit(
            snapshot(snapshot_rows(world), meta={"language": "en", "schema": declared})
        )
        await store.close()

    asyncio.run(commit())
    return tmp_path


@pytest.fixture
def asked() -> Iterator[tuple[TestServer, list[ChatRequest]]]:
    """A server that plans as planted, and what it was asked."""
    requests: list[ChatRequest] = []

    def reply(request: ChatRequest) -> str:
        requests.append(request)
        return REPLIES[request.block("question")]

    rule = Rule("table_plan", lambda request: "group_by" in request.fields, reply)
    with TestServer(rules=[rule]) as server:
        yield server, requests


def open_with(server: TestServer, root: Path) -> GraphRAG:
    options: dict[str, object] = {"chat.base_url": server.url, "chat.api_key": "test"}
    return GraphRAG.open(root, embed=None, options=options)


def test_a_model_plans_under_a_grammar_of_the_graph_and_the_engine_counts(
    root: Path, asked: tuple[TestServer, list[ChatRequest]]
) -> None:
    server, requests = asked
    with open_with(server, root) as rag:
        answer = rag.query("Who did the lion's share of the laying?", method="table")
    assert answer.answered
    assert answer.table
    assert answer.table.columns == ("ship", "cable")
    best = max(len(fleet().targets(ship, "laid")) for ship in fleet().names("ship"))
    assert {row[1] for row in answer.table.rows} == {best}
    assert all(one.verified for one in answer.citations)
    assert answer.usage.chat_calls == 1  # none words the answer
    schema = json.dumps(requests[0].schema)
    for name in ("lighthouse", "lands at", "launched"):
        assert json.dumps(name) in schema
    assert "The Altair is a Danish ship" not in requests[0].data  # no text of a document


@pytest.mark.parametrize(
    ("question", "said"),
    [("What about dirigibles?", "dirigibles"), ("Anything on submarines?", "'submarine'")],
)
def test_what_the_graph_lacks_is_refused_by_name(
    root: Path, asked: tuple[TestServer, list[ChatRequest]], question: str, said: str
) -> None:
    with open_with(asked[0], root) as rag:
        answer = rag.query(question, method="table")
    assert not answer.answered
    assert answer.table is None
    assert said in answer.answer


def test_where_the_model_gives_no_plan_the_rules_read_the_question(
    root: Path, asked: tuple[TestServer, list[ChatRequest]]
) -> None:
    with open_with(asked[0], root) as rag:
        answer = rag.query("How many harbours are there?", method="table")
    assert answer.table
    assert answer.table.total == 6


def test_auto_counts_what_the_schema_has_and_nothing_else(root: Path) -> None:
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        counted = rag.query("How many ships laid cables?")
        assert counted.method == "table"
        assert "ship" in counted.reason
        for listed in (
            "Which ships laid Line Amber?",
            "Which ships laid at least two cables?",
            "Which ships laid both Line Amber and Line Beryl?",
            "Which cables were not laid by the Altair?",
            "Which laid more cables, the Altair or the Bramble?",
            "Are there more ships than cables?",
        ):
            assert rag.context(listed).method == "table", listed
        assert "schema.yaml" in rag.context("How many submarines are there?").reason
        for other in (
            "Which ships are the prettiest of all?",
            "Which harbours were opened before 1890?",
            "What do more ships than cables look like in a painting?",
            "How many people were on board the Altair when it sank?",
            "Which ship laid Line Amber?",
            "Why did the ships lay so many cables?",
            "How many submarines are there?",
        ):
            assert rag.context(other).method != "table", other


def test_the_command_line_prints_the_table_and_its_cypher(root: Path) -> None:
    question = "How many ships per flag?"
    arguments = ["query", question, "--root", str(root), "--method", "table", "--cypher"]
    plain = CliRunner().invoke(main, arguments)
    assert plain.exit_code == 0
    assert "| Danish | 5 |" in plain.output
    assert "MATCH (e:__Entity__)" in plain.output
    assert "attr_flag" in plain.output
    done = CliRunner().invoke(main, [*arguments, "--json"])
    reply = cast("dict[str, dict[str, object]]", json.loads(done.stdout))
    assert reply["table"]["columns"] == ["flag", "ship"]
    assert reply["table"]["rows"] == [["Danish", 5], ["Irish", 4], ["Maltese", 4]]
    assert reply["trace"]["plan"]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How many vessels are there?", "“vessels” is read as ship."),
        ("How many vessels are there?", "**13** of type ship."),
        ("Are there more cables than ships?", "More of type **ship** (13) than of type cable (9)."),
        ("Are there fewer ships than cables?", "More of type **ship** (13) than of type cable"),
        ("Which ship laid the most cables?", "(cable: "),
        ("Which ships were launched before 1870?", "10 of 13 have a known launched"),
    ],
)
def test_an_answer_is_worded_plainly(root: Path, question: str, said: str) -> None:
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        answer = rag.query(question, method="table").answer
        assert said in answer
        assert "is read as" not in rag.query("How many ships are there?", method="table").answer


def test_no_cypher_is_printed_for_what_is_refused(root: Path) -> None:
    arguments = ["query", "How many submarines are there?", "--root", str(root), "--cypher"]
    done = CliRunner().invoke(main, [*arguments, "--method", "table"])
    assert "No Cypher" in done.stderr
    assert "MATCH" not in done.output


def test_the_page_of_an_answer_has_the_table(root: Path) -> None:
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        page = rag.query("How many ships per flag?", method="table").to_html()
    assert "<td>Danish</td>" in page


def test_rows_beyond_the_limit_are_counted_and_said(root: Path) -> None:
    with GraphRAG.open(
        root, chat=None, embed=None, options={"query.table.max_rows": 3}
    ) as rag:  # fmt: skip
        answer = rag.query("How many cables per harbour?", method="table")
    assert answer.table
    assert len(answer.table.rows) == 3
    assert f"The first 3 of {answer.table.total} rows are shown" in answer.answer


def test_the_samples_say_how_many_ships_laid_cables(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(
        "types:\n  ship:\n    aliases: [steamer, steamship, frigate, vessel, cable ship, HMS]\n",
        encoding="utf-8",
    )
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index([EXAMPLES])
        answer = rag.query("How many ships laid cables, and which laid most?")
        none = rag.query("How many ships laid railways?", method="table")
        refused = rag.query("How many submarines are there?", method="table")
    assert answer.method == "table"
    assert answer.table
    assert {"Faraday", "Great Eastern"} <= {row[0] for row in answer.table.rows}
    assert all(one.verified and one.quote for one in answer.citations)
    assert none.answered
    assert none.answer.startswith("**None** in these documents")
    assert not refused.answered
    assert "ship (" in refused.answer
    assert "schema.yaml" in refused.answer


def test_an_update_is_counted(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("types:\n  ship:\n    aliases: [steamer]\n", encoding="utf-8")
    question = "How many ships are there?"
    texts = {
        name: f"The steamer {name} left the harbour of Torvik. The steamer {name} was old."
        for name in ("Altair", "Bramble", "Corona")
    }
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        for count, (name, text) in enumerate(texts.items(), start=1):
            rag.index(documents=[Document(source=name, title="Log", text=text)])
            for _ in range(2):
                answer = rag.query(question, method="table")
                assert answer.table
                assert answer.table.total == count
