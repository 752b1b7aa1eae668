"""The explorer when texts are hostile, tokens wrong, and the server goes away and comes back."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from playwright.sync_api import expect

from graphrag import Document, GraphRAG
from graphrag.testing import TestServer
from tests.e2e.explorer import exploring
from tests.hostile import HOSTILE, RULES, text_about
from tests.served import serving

pytestmark = pytest.mark.browser

TEXT = "# The Fastnet light\n\nWilliam Douglass rebuilt the lighthouse of Fastnet in 1904.\n"
QUESTION = "Who rebuilt the lighthouse of Fastnet?"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with GraphRAG.open(tmp_path / "kb", chat=None, embed=None) as rag:
        rag.index(documents=[Document(source="fastnet.md", text=TEXT)])
    return tmp_path / "kb"


def test_hostile_texts_are_drawn_as_text_in_every_view(tmp_path: Path) -> None:
    documents = [
        Document(source=f"{name}.md", title=text, text=text_about(number), metadata={text: text})
        for number, (name, text) in enumerate(HOSTILE.items())
    ]
    root = tmp_path / "kb"
    with TestServer(rules=RULES) as model:
        options: dict[str, object] = {"chat.base_url": model.url, "embedding.base_url": model.url}
        with GraphRAG.open(root, options=options) as rag:
            assert rag.index(documents=documents).documents == len(HOSTILE)
    with serving(root) as served, exploring(served) as explorer:
        explorer.open()
        page = explorer.page
        for name in ("html", "html attribute", "markdown", "fence", "citations", "long"):
            number = [*HOSTILE].index(name)
            explorer.ask(f"Who did Ada Lovelace meet? Ledger {number}x {HOSTILE[name][:200]}")
            answer = explorer.region("Answer")
            expect(answer).to_have_attribute("aria-busy", "false")
            for link in answer.locator(".prose").get_by_role("link").all()[:2]:
                link.click()
                expect(explorer.region("Source").locator(".text")).to_be_visible()
        explorer.go("documents")
        row = page.get_by_role("row").filter(has_text="html.md")
        row.get_by_role("button").first.click()
        expect(explorer.region("Source").locator(".text")).to_contain_text("<script>alert(1)")
        explorer.go("graph")
        page.get_by_role("searchbox", name="Search entities").fill("script")
        page.get_by_role("list", name="Found: Search entities").get_by_role("button").first.click()
        expect(explorer.region("Entity")).to_be_visible()
        explorer.go("communities")
        page.get_by_role("list", name="Communities").get_by_role("button").first.click()
        expect(explorer.region("Report")).to_be_visible()
        assert page.locator("img, iframe, object, main script").count() == 0
        assert explorer.wrong == []


def test_another_tab_asks_for_the_token_and_goes_on_with_it(root: Path) -> None:
    with serving(root) as served, exploring(served) as explorer:
        explorer.go(f"ask?q={QUESTION}")
        page = explorer.page
        page.get_by_label("The server asks for its token").fill("no-such-token-at-all")
        explorer.button("Use it").click()
        expect(page.get_by_label("The server asks for its token")).to_be_visible()
        page.get_by_label("The server asks for its token").fill(f"{served.url}/#{served.token}")
        explorer.button("Use it").click()
        expect(explorer.region("Answer")).to_contain_text("Douglass")
        assert all("401" in one for one in explorer.wrong)


def test_a_server_that_goes_away_is_waited_for_and_nothing_is_lost(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with serving(root, port=port) as served, exploring(served) as explorer:
        explorer.open()
        explorer.ask(QUESTION)
        expect(explorer.region("Answer")).to_contain_text("Douglass")
        explorer.page.route("**/*", lambda route: route.abort())
        explorer.go("documents")
        expect(explorer.page.get_by_text("The server does not answer")).to_be_visible()
        explorer.page.unroute("**/*")
        expect(explorer.page.get_by_role("row").filter(has_text="Fastnet")).to_be_visible()
        expect(explorer.page.get_by_text("The server does not answer")).to_have_count(0)
        explorer.go("ask")
        expect(explorer.region("Answer")).to_contain_text("Douglass")
        assert all("ERR_FAILED" in one for one in explorer.wrong)


def test_an_empty_index_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "kb").mkdir()
    with serving(tmp_path / "kb") as served, exploring(served) as explorer:
        explorer.open()
        explorer.page.get_by_role("link", name="Add documents").click()
        file = tmp_path / "fastnet.md"
        file.write_text(TEXT)
        explorer.page.get_by_label("Add documents").set_input_files(file)
        expect(explorer.page.get_by_role("row").filter(has_text="Fastnet")).to_be_visible()
        explorer.page.get_by_role("link", name="Ask", exact=True).click()
        explorer.ask(QUESTION)
        expect(explorer.region("Answer")).to_contain_text("Douglass")
        assert explorer.wrong == []


def test_a_server_that_only_reads_offers_nothing_else(root: Path) -> None:
    with serving(root, is_read_only=True) as served, exploring(served) as explorer:
        explorer.open("documents")
        expect(explorer.page.get_by_role("row").filter(has_text="Fastnet")).to_be_visible()
        assert explorer.page.get_by_label("Add documents").count() == 0
        assert explorer.button("Delete").count() == 0
        assert explorer.wrong == []
