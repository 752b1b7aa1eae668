"""The explorer as a reader uses it: in a browser, over a real server, without a network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from graphrag import GraphRAG
from tests.e2e.explorer import Explorer, exploring
from tests.served import Served, serving

pytestmark = pytest.mark.browser

ASKED = {
    "expedition-1857.txt": "Whose plan did the directors decide for in 1857?",
    "great-eastern.md": "How did the Great Eastern end?",
    "after-1866.html": "What happened to prices after 1866?",
    "soundings.pdf": "How deep is the telegraph plateau?",
    "porthcurno.docx": "What did the cable station at Porthcurno do?",
    "reading-a-cable.pptx": "How many clerks did a mirror galvanometer need?",
    "cable-ships.xlsx": "Which cable did the ship Faraday lay?",
    "people.jsonl#gooch": "When did Daniel Gooch buy the Great Eastern?",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Generator[Served]:
    root = tmp_path_factory.mktemp("explored") / "kb"
    shutil.copytree(examples / "documents", root / "documents")
    shutil.copy(examples / "schema.yaml", root)
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        assert not rag.index([root / "documents"]).failed
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


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


@pytest.mark.parametrize("name", ASKED)
def test_a_citation_is_followed_to_its_marked_words(explorer: Explorer, name: str) -> None:
    page = explorer.page
    explorer.go(f"ask?q={ASKED[name]}&filter=doc.source%3Ddocuments/{name.replace('#', '%23')}")
    expect(page.get_by_role("textbox", name="Question")).to_have_value(ASKED[name])
    answer = explorer.region("Answer")
    expect(answer).to_have_attribute("aria-busy", "false")
    answer.get_by_role("link", name=re.compile(r"^\[\d+\]$")).first.click()
    source = explorer.region("Source")
    expect(source).to_contain_text(name)
    marked = explorer.marked()
    quote = " ".join(page.locator(".proofs .quote").first.inner_text().split())
    assert letters(marked) == letters(quote.replace("---", ""))
    if name.endswith((".txt", ".pdf")):
        assert marked == quote
    expect(source.get_by_text("Verified", exact=True)).to_be_visible()
    expect(explorer.region("Graph").locator("canvas").first).to_be_visible()
    if name.endswith(".pdf"):
        assert source.locator("canvas").first.is_visible()
        explorer.button("Text as read").click()
        assert letters(explorer.marked()) == letters(quote)


def test_a_count_is_shown_with_its_rows_and_how_it_was_counted(explorer: Explorer) -> None:
    explorer.go("documents")
    expect(explorer.page.get_by_text(re.compile(r"^Schema \(open\): 25 ship"))).to_be_visible()
    explorer.go("ask?q=How many ships laid cables, and which laid most?")
    answer = explorer.region("Answer")
    row = answer.locator("tr").filter(has_text="Faraday")
    row.get_by_role("link").click()
    expect(explorer.region("Source").locator("mark").first).to_contain_text("Faraday")
    answer.get_by_text("How it was counted, as Cypher").click()
    expect(answer.locator("pre")).to_contain_text("MATCH")


def test_the_token_is_not_in_the_address(explorer: Explorer) -> None:
    explorer.open()
    assert explorer.served.token not in explorer.page.url
    explorer.page.go_back()
    assert explorer.served.token not in explorer.page.url


def test_a_question_is_remembered_and_its_address_asks_it_again(explorer: Explorer) -> None:
    explorer.open("ask")
    explorer.page.reload()
    explorer.ask("Who was Robert Halpin?")
    explorer.page.get_by_label("Method").select_option("basic")
    explorer.button("Ask").click()
    answer = explorer.region("Answer")
    expect(answer).to_contain_text("Halpin")
    expect(answer.locator(".cost")).to_contain_text("basic")
    address = str(answer.get_by_role("link", name="Link to this question").get_attribute("href"))
    explorer.go("ask")
    explorer.page.reload()
    before = explorer.region("Asked before").get_by_role("link", name="Who was Robert Halpin?")
    assert before.first.get_attribute("href") == address
    explorer.page.goto(f"{explorer.served.url}/{address}")
    expect(explorer.region("Answer").locator(".cost")).to_contain_text("basic")
    assert explorer.page.get_by_label("Method").input_value() == "basic"


def test_back_leads_to_the_question_before_and_a_wrong_filter_is_refused(
    explorer: Explorer,
) -> None:
    explorer.go("ask")
    page, answer = explorer.page, explorer.region("Answer")
    explorer.ask("Who was Robert Halpin?")
    expect(answer).to_contain_text("Halpin")
    explorer.ask("How deep is the telegraph plateau?")
    expect(answer).to_contain_text("telegraph")
    page.go_back()
    expect(page.get_by_role("textbox", name="Question")).to_have_value("Who was Robert Halpin?")
    expect(answer).to_contain_text("Halpin")

    box = page.get_by_label("Filter", exact=True)
    for wrong in ("banana!!", "year>="):
        box.fill(wrong)
        box.press("Enter")
        assert box.evaluate("box => box.validationMessage").startswith("Write key=value")
        expect(page.get_by_label(f"Remove the filter {wrong}")).to_have_count(0)
    box.fill("year>=1865")
    box.press("Enter")
    page.get_by_label("Remove the filter year>=1865").click()


def test_the_graph_is_searched_expanded_filtered_and_crossed(explorer: Explorer) -> None:
    explorer.go("graph")
    graph = explorer.region("Graph")
    expect(graph.get_by_role("status")).to_have_text(
        re.compile(r"^\d+ entities, \d+ relationships")
    )
    everything = graph.get_by_role("status").inner_text()
    explorer.page.get_by_role("checkbox", name=re.compile("person")).uncheck()
    expect(graph.get_by_role("status")).not_to_have_text(everything)
    explorer.page.get_by_role("checkbox", name=re.compile("person")).check()
    expect(graph.get_by_role("status")).to_have_text(everything)
    for colouring in ("0", "type"):
        explorer.page.get_by_label("Colours by").select_option(colouring)

    explorer.pick("Search entities", "Great Eastern")
    entity = explorer.region("Entity")
    expect(entity.get_by_role("heading", name="Great Eastern")).to_be_visible()
    entity.get_by_role("button", name="Expand").click()
    expect(graph.get_by_role("status")).not_to_have_text(everything)
    explorer.button("Show the whole graph").click()
    expect(graph.get_by_role("status")).to_have_text(everything)

    end = explorer.cross("Great Eastern")
    steps = explorer.region("Way").get_by_role("listitem").filter(has_text="→")
    expect(steps.last).to_contain_text(end)
    sentence = steps.first.locator(".sentences button").first
    said = sentence.inner_text()
    sentence.click()
    assert letters(explorer.marked()) in letters(said)
    assert len(explorer.marked()) > 20
    explorer.page.keyboard.press("Escape")
    expect(explorer.region("Source")).to_have_count(0)


def test_a_community_is_entered_and_its_report_leads_to_its_sources(explorer: Explorer) -> None:
    explorer.go("communities")
    first = explorer.page.get_by_role("list", name="Communities").get_by_role("button").first
    title = first.inner_text().rpartition(" ")[0].rpartition(" ")[0]
    first.click()
    report = explorer.region("Report")
    expect(report.get_by_role("heading", name=title).first).to_be_visible()
    report.get_by_role("button", name="source 1").first.click()
    marked = letters(explorer.marked())
    assert len(marked) > 20
    assert marked in letters(report.inner_text())
    report.get_by_role("link", name="Show its entities").click()
    # For a moment the map of communities is there beside the graph of the passage.
    expect(explorer.region("Graph").get_by_role("status").first).to_have_text(
        re.compile(r"^[12]\d entities")
    )


def test_documents_are_added_updated_read_and_deleted(explorer: Explorer, tmp_path: Path) -> None:
    explorer.go("documents")
    page = explorer.page
    file = tmp_path / "fastnet.md"
    file.write_text("# The Fastnet light\n\nDouglass rebuilt the lighthouse in 1904.\n")
    page.get_by_label("Add documents").set_input_files(file)
    jobs = explorer.region("Jobs")
    expect(jobs).to_contain_text("done")
    page.get_by_role("searchbox", name="Search documents").fill("fastnet")
    row = page.get_by_role("row").filter(has_text="The Fastnet light")
    expect(row).to_contain_text("ok")

    file.write_text("# The Fastnet light\n\nHalpin rebuilt the lighthouse in 1904.\n")
    page.get_by_label("Update The Fastnet light").set_input_files(file)
    expect(jobs).to_contain_text(re.compile("running|queued"))
    expect(jobs).to_contain_text("done")
    row.get_by_role("button", name="The Fastnet light", exact=True).click()
    expect(explorer.region("Source")).to_contain_text("Halpin rebuilt")
    page.keyboard.press("Escape")

    row.get_by_role("button", name="Delete The Fastnet light").click()
    row.get_by_role("button", name="Keep").click()
    row.get_by_role("button", name="Delete The Fastnet light").click()
    row.get_by_role("button", name="Delete it").click()
    expect(row).to_have_count(0)
    expect(page.get_by_text("None of that kind")).to_be_visible()


def test_what_cannot_be_read_says_why(explorer: Explorer, tmp_path: Path) -> None:
    explorer.go("documents")
    bad = tmp_path / "bad.pdf"
    bad.write_bytes(b"%PDF-1.7 and no more")
    explorer.page.reload()
    explorer.page.get_by_label("Add documents").set_input_files(bad)
    jobs = explorer.region("Jobs")
    expect(jobs).to_contain_text("1 could not be done")
    explorer.page.get_by_label("State").select_option("failed")
    row = explorer.page.get_by_role("row").filter(has_text="bad.pdf")
    expect(row.locator(".error")).not_to_be_empty()
    row.get_by_role("button", name="Delete bad.pdf").click()
    row.get_by_role("button", name="Delete it").click()
    expect(row).to_have_count(0)


def test_a_correction_is_written_as_the_form_shows_it(explorer: Explorer) -> None:
    explorer.go("graph")
    explorer.pick("Search entities", "Great Eastern")
    entity = explorer.region("Entity")
    entity.get_by_text("Correct it").click()
    kind = entity.get_by_label("What is wrong")
    written = entity.get_by_role("list", name="Corrections").get_by_role("listitem")

    kind.select_option(label="It is of another type")
    entity.get_by_label("Its type").fill("steamer")
    entity.get_by_role("button", name="Write it down").click()
    expect(written).to_have_text(["retype Great Eastern, to steamer✕"])
    expect(kind.locator("option:checked")).to_have_text("It is called otherwise")
    entity.get_by_label("Its name", exact=True).fill("The Great Eastern")
    kind.select_option(label="It is the same as another")
    entity.get_by_label("Name of the other").fill("Halpin")
    expect(entity.locator("datalist option[value='Robert Halpin']")).to_be_attached()
    expect(entity.get_by_text("The two are called “Great Eastern” then")).to_be_visible()
    entity.get_by_label("Name of the other").fill("Great Estern")
    entity.get_by_role("button", name="Write it down").click()
    expect(written.nth(1)).to_have_text("merge Great Eastern = Great Estern✕")
    expect(entity.get_by_text("Nothing is called “Great Estern”")).to_be_visible()
    expect(kind.locator("option:checked")).to_have_text("It is called otherwise")

    explorer.pick("Search entities", "Robert Halpin")
    entity.get_by_text("Correct it").click()
    expect(written).to_have_count(0)
    entity.get_by_text("2 corrections of other entities").click()
    for left in (1, 0):
        entity.get_by_role("button", name=re.compile("^Remove: ")).first.click()
        others = entity.get_by_role("list", name="About others").get_by_role("listitem")
        expect(others).to_have_count(left)
    explorer.wrong[:] = [line for line in explorer.wrong if "404" not in line]


def test_a_correction_is_written_applied_and_taken_back(explorer: Explorer) -> None:
    explorer.go("graph")
    explorer.pick("Search entities", "Robert Halpin")
    entity, page = explorer.region("Entity"), explorer.page
    entity.get_by_text("Correct it").click()
    entity.get_by_label("Its name").fill("Robert Charles Halpin")
    entity.get_by_role("button", name="Write it down").click()
    written = entity.get_by_role("list", name="Corrections").get_by_role("listitem")
    expect(written).to_have_text(re.compile("rename Robert Halpin, to Robert Charles Halpin"))
    entity.get_by_label("What is wrong").select_option(label="It is the same as another")
    entity.get_by_label("Name of the other").fill("Halpin")
    entity.get_by_role("button", name="Write it down").click()
    expect(written).to_have_count(2)
    expect(entity.get_by_text("Nothing is called")).to_have_count(0)
    entity.get_by_role("button", name="Apply all").click()
    expect(entity.get_by_role("heading", name="Robert Charles Halpin")).to_be_visible()
    expect(page.get_by_text("leads to “Robert Charles Halpin” now")).to_be_visible()
    expect(page.get_by_text("The corrections are applied.")).to_be_visible()
    expect(entity.get_by_text(re.compile("Also called: .*Halpin, Robert Halpin"))).to_be_visible()

    entity.get_by_text("Correct it").click()
    entity.get_by_label("What is wrong").select_option(label="It is no entity")
    entity.get_by_role("button", name="Write it down").click()
    expect(entity.get_by_role("alert")).to_contain_text("contradict")
    expect(page.get_by_text("The corrections are applied.")).to_have_count(0)
    for left in (1, 0):
        entity.get_by_role("button", name=re.compile("^Remove: ")).first.click()
        expect(written).to_have_count(left)
    entity.get_by_label("What is wrong").select_option(label="It is of another type")
    entity.get_by_label("Its type").fill("seafarer")
    entity.get_by_role("button", name="Write it down").click()
    expect(written).to_have_text(re.compile("retype Robert Charles Halpin, to seafarer"))
    entity.get_by_role("button", name="Apply all").click()
    expect(page.get_by_text("nothing is called 'Robert Charles Halpin'")).to_be_visible()
    expect(page.get_by_text("“Robert Charles Halpin” is no longer in the graph.")).to_be_visible()
    expect(entity).to_have_count(0)
    explorer.pick("Search entities", "Robert Halpin")
    expect(page.get_by_text("is no longer in the graph.")).to_have_count(0)
    explorer.wrong[:] = [line for line in explorer.wrong if "409" not in line and "404" not in line]
