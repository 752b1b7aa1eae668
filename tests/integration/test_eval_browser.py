"""A real Chromium opens the report of an evaluation: the chart, the table, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
from playwright.sync_api import Page, sync_playwright

from graphrag import Document, GraphRAG
from graphrag.core.concurrency import Silent
from graphrag.evaluation.html_report import COLOURS, PLOT_HEIGHT, WIDTH
from graphrag.evaluation.retrieval.run import Finished, RetrievalOptions, run_retrieval
from graphrag.evaluation.targets import Target
from tests.conftest import missing

pytestmark = pytest.mark.browser

TEXTS = {
    "Ada Lovelace": "Ada Lovelace wrote the first program for the Analytical Engine.",
    "Charles Babbage": "Charles Babbage designed the Analytical Engine in London.",
    "George Boole": "George Boole taught at Cork and wrote on the algebra of logic.",
}
# How many pixels of the picture have exactly that colour.
_COUNT = """async ([picture, colours]) => {
  const image = new Image();
  image.src = 'data:image/png;base64,' + picture;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
  canvas.drawImage(image, 0, 0);
  const data = canvas.getImageData(0, 0, image.width, image.height).data;
  return colours.map(colour => {
    const wanted = [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));
    let count = 0;
    for (let i = 0; i < data.length; i += 4)
      if (wanted.every((value, place) => data[i + place] === value)) count++;
    return count;
  });
}"""


@pytest.fixture
def chromium() -> str:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("Chromium is not installed (Debian: apt-get install chromium)")
    return str(program)


@pytest.fixture
def done(tmp_path: Path) -> Finished:
    """Twelve questions; three are on Boole, whose title is asked for under another's words."""
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index(
            documents=[
                Document(source=f"{title}.md", title=title, text=text)
                for title, text in TEXTS.items()
            ]
        )
    asked = [(f"{text} {number}", title) for title, text in TEXTS.items() for number in range(3)]
    asked += [(f"Who designed an engine? {number}", "George Boole") for number in range(3)]
    asked.append(("<script>document.title = 'run'</script>", "None"))
    rows = [{"question": question, "gold_titles": [title]} for question, title in asked]
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = RetrievalOptions(methods=["basic", "path"], ks=(1, 2))
    return asyncio.run(run_retrieval(file, Target(tmp_path), options, progress=Silent()))


def test_the_report_shows_its_chart_and_its_table(
    done: Finished, tmp_path: Path, chromium: str
) -> None:
    methods = cast(Mapping[str, Mapping[str, Mapping[str, float]]], done.result["methods"])
    recall = methods["basic"]["recall@1"]["mean"]
    assert 0 < recall < 1
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.goto(done.kept.report.as_uri())
        _check_chart(page, recall)
        _check_tables(page, f"{recall:.3f} [")
        picture = page.screenshot(path=tmp_path / "report.png", full_page=True)
        page.goto("about:blank")
        encoded = base64.b64encode(picture).decode()
        counts = cast(list[int], page.evaluate(_COUNT, [encoded, list(COLOURS[:3])]))
        browser.close()
    assert asked[0] == done.kept.report.as_uri()
    assert [url for url in asked[1:] if not url.startswith(("data:", "about:"))] == []
    # What the eye gets: an area for each of the two methods, none for a third.
    assert counts[0] > 1000
    assert counts[1] > 1000
    assert counts[2] == 0


def _check_chart(page: Page, recall: float) -> None:
    chart = page.locator("svg").bounding_box()
    assert chart is not None
    bars = page.locator("svg rect:has(title)")
    assert bars.count() == 2 * 9  # two methods, nine metrics
    bar = bars.first.bounding_box()
    assert bar is not None
    assert bar["height"] == pytest.approx(recall * PLOT_HEIGHT * chart["width"] / WIDTH, abs=1.5)
    assert page.locator("svg path").count() == 2 * 9
    labels = {text.strip() for text in page.locator("svg text").all_text_contents()}
    assert {"basic", "path", "recall@1", "mrr", "0.0", "1.0"} <= labels
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth") is True


def _check_tables(page: Page, first_value: str) -> None:
    scores = page.locator("body > table").first
    assert scores.is_visible()
    cells = scores.locator("tbody tr").first.locator("td").all_inner_texts()
    assert cells[0] == "recall@1"
    assert cells[1].startswith(first_value)
    assert page.get_by_text("<script>document.title = 'run'</script>").is_visible()
    assert page.title() == "Retrieval"
    questions = page.locator("details table")
    assert not questions.is_visible()
    page.locator("summary").click()
    assert questions.is_visible()
    assert questions.locator("tbody tr").count() == 12
