"""The explorer over an index whose answers a model writes: proof in three states, DRIFT, a stop."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from graphrag import Document, GraphRAG
from graphrag.testing import ChatRequest, Rule, TestServer
from tests.e2e.explorer import Explorer, exploring
from tests.served import Served, serving

pytestmark = pytest.mark.browser

EXACT = "William Douglass rebuilt the lighthouse of Fastnet in 1904."
NEAR = "The tower stands on the lowest ledge of the rock and takes the first force of the waves."
TEXTS = {
    "fastnet.md": f"# The Fastnet light\n\n{EXACT} The tower stands on the lowest ledge of the "
    "rock, and takes the first force of the waves.\n",
    "eddystone.md": "# The Eddystone light\n\nJohn Smeaton built the third Eddystone tower of "
    "granite in 1759. William Douglass helped to build the fourth Eddystone tower in 1882.\n",
}
QUESTION = "Who rebuilt the lighthouse of Fastnet?"
PROMPTS: list[str] = []  # those that asked for an answer


def written(request: ChatRequest) -> str:
    """A sentence for each state of a citation, and one that cites nothing."""
    PROMPTS.append(request.data)
    fastnet = re.search(r"\[(\d+)\][^\[]*Fastnet", request.data)
    number = int(fastnet[1]) if fastnet else 1
    quotes = [{"n": number, "quote": quote} for quote in (EXACT, NEAR, "It cost 84,000 pounds.")]
    text = (
        f"Douglass rebuilt it [{number}]. It stands on the lowest ledge [{number}]. "
        f"It cost a fortune [{number}]. The sea is deep there."
    )
    return f"{text}\n\n```citations\n{json.dumps(quotes)}\n```"


RULES = (
    Rule(
        "answer",
        lambda one: "<context>" in one.data and "quote" in one.fields,
        written,
    ),
)


@pytest.fixture(scope="module")
def model() -> Generator[TestServer]:
    with TestServer(rules=RULES) as server:
        yield server


@pytest.fixture(scope="module")
def served(model: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    root = tmp_path_factory.mktemp("lights") / "kb"
    root.mkdir()
    (root / "graphrag.yaml").write_text(
        f"chat: {{base_url: '{model.url}', model: gpt-4o-mini, api_key: test}}\n"
        f"embedding: {{base_url: '{model.url}', api_key: test}}\n",
        encoding="utf-8",
    )
    with GraphRAG.open(root) as rag:
        rag.index(documents=[Document(source=name, text=text) for name, text in TEXTS.items()])
    with serving(root) as server:
        yield server


@pytest.fixture(scope="module")
def explorer(served: Served) -> Generator[Explorer]:
    with exploring(served) as one:
        one.open()
        yield one


@pytest.fixture(autouse=True)
def nothing_wrong(explorer: Explorer) -> Generator[None]:
    yield
    assert explorer.wrong == []


def test_verified_near_and_missing_quotes_look_different(explorer: Explorer) -> None:
    explorer.go(f"ask?q={QUESTION}&method=basic")
    answer = explorer.region("Answer")
    expect(answer).to_have_attribute("aria-busy", "false")
    links = answer.locator(".prose").get_by_role("link")
    expect(links).to_have_count(3)
    assert answer.locator(".unsupported").all_inner_texts()[-1] == "The sea is deep there."
    source = explorer.region("Source")
    links.nth(0).click()
    expect(source.get_by_text("Verified", exact=True)).to_be_visible()
    assert explorer.marked() == EXACT
    links.nth(1).click()
    expect(source.get_by_text("Nearly", exact=True)).to_be_visible()
    expect(source).to_contain_text(NEAR)  # what was quoted, beside what is there
    assert explorer.marked().startswith("The tower stands on the lowest ledge of the rock")
    links.nth(2).click()
    expect(source.get_by_text("Not found", exact=True)).to_be_visible()
    expect(source.locator("mark")).to_have_count(0)
    expect(answer.locator(".cost")).to_contain_text(re.compile(r"2 model calls.*\$0\.0"))


def test_a_follow_up_is_asked_within_the_conversation(explorer: Explorer) -> None:
    explorer.go(f"ask?q={QUESTION}&method=basic")
    expect(explorer.region("Answer")).to_have_attribute("aria-busy", "false")
    explorer.page.get_by_label("Follow-up").check()
    explorer.ask("When was that?")
    earlier = explorer.region("Earlier in this conversation")
    expect(earlier).to_contain_text(QUESTION)
    expect(explorer.region("Answer")).to_have_attribute("aria-busy", "false")
    assert QUESTION in PROMPTS[-1]
    assert "When was that?" in PROMPTS[-1]


def test_a_number_says_what_it_stands_for_when_it_is_pointed_at(explorer: Explorer) -> None:
    explorer.go(f"ask?q={QUESTION}&method=basic")
    expect(explorer.region("Answer")).to_have_attribute("aria-busy", "false")
    explorer.region("Answer").locator(".prose").get_by_role("link").first.focus()
    expect(explorer.page.get_by_role("tooltip")).to_contain_text(EXACT)


def test_the_tree_of_drift_is_shown(explorer: Explorer) -> None:
    explorer.go("ask?q=What is known of the lights%3F&method=drift")
    answer = explorer.region("Answer")
    expect(answer).to_have_attribute("aria-busy", "false")
    tree = answer.locator("details.tree")
    expect(tree).to_contain_text("From reports")
    assert tree.locator("li details").count() >= 1


def test_a_job_is_watched_stopped_and_gone_on_with(
    explorer: Explorer, model: TestServer, tmp_path: Path
) -> None:
    file = tmp_path / "bell-rock.md"
    file.write_text(
        "# Bell Rock\n\n"
        + "\n\n".join(f"Robert Stevenson built part {n} of Bell Rock." for n in range(3))
    )
    with TestServer(latency=600.0) as slow:
        settings = explorer.served.root / "graphrag.yaml"
        quick = settings.read_text()
        settings.write_text(quick.replace(model.url, slow.url))
        explorer.go("documents")
        explorer.page.get_by_label("Add documents").set_input_files(file)
        jobs = explorer.region("Jobs")
        expect(jobs.get_by_role("status")).to_contain_text(re.compile("embed|extract"))
        jobs.get_by_role("button", name="Stop").click()
        expect(jobs).to_contain_text("cancelled")
        settings.write_text(quick)
    jobs.get_by_role("button", name="Go on").click()
    expect(jobs).to_contain_text("done")
