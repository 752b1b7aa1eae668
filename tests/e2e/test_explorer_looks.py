"""Each view of the explorer, light, dark and on a phone: for screen readers, and as a picture.

GRAPHRAG_WRITE_SCREENS=1 takes the pictures of docs/explorer.md anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from io import BytesIO
from pathlib import Path
from typing import Literal, cast

import pytest
from PIL import Image

from graphrag import GraphRAG
from tests.e2e.explorer import Explorer, exploring, packages
from tests.served import Served, serving

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[2] / "docs" / "explorer"
MOST_BYTES = 150_000
QUESTION = "How deep is the telegraph plateau?"
DESKTOP, PHONE = (1280, 800), (390, 780)
SCREENS: list[tuple[str, Literal["light", "dark"], tuple[int, int]]] = [
    ("light", "light", DESKTOP),
    ("dark", "dark", DESKTOP),
    ("phone", "light", PHONE),
]
SHOWN = {"ask-light", "ask-dark", "ask-phone", "proof-light", "proof-phone", "graph-light",
         "graph-dark", "way-light", "communities-light", "documents-light"}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Generator[Served]:
    root = tmp_path_factory.mktemp("shown") / "cables"
    shutil.copytree(examples / "documents", root / "documents")
    with GraphRAG.open(root, chat=None, embed=None) as rag:
        rag.index([root / "documents"])
    with serving(root) as server:
        yield server


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checker of what screen readers need, as a script."""
    folder = packages(tmp_path_factory.mktemp("axe"))
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "colours", "size"), SCREENS)
def test_each_view_is_for_everyone_and_as_it_is_pictured(
    served: Served,
    axe: str,
    name: str,
    colours: Literal["light", "dark"],
    size: tuple[int, int],
) -> None:
    with exploring(served, colours=colours, size=size) as explorer:
        explorer.open()
        for view in (ask, proof, graph, way, communities, documents):
            view(explorer)
            explorer.page.wait_for_timeout(300)  # for what is drawn on a canvas
            page = explorer.page
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
            page.evaluate(axe)
            found = cast(
                "list[dict[str, object]]",
                page.evaluate("axe.run().then(({violations}) => violations)"),
            )
            serious = [one["id"] for one in found if one["impact"] in ("serious", "critical")]
            assert serious == [], view
            keep(explorer, f"{view.__name__}-{name}")
        assert explorer.wrong == []


def test_the_pictures_of_the_docs_are_small() -> None:
    pictures = {path.stem: path.stat().st_size for path in PICTURES.iterdir()}
    assert pictures.keys() == SHOWN
    assert max(pictures.values()) < MOST_BYTES


def keep(explorer: Explorer, name: str) -> None:
    if name in SHOWN and "GRAPHRAG_WRITE_SCREENS" in os.environ:
        PICTURES.mkdir(exist_ok=True)
        taken = Image.open(BytesIO(explorer.page.screenshot())).convert("RGB")
        taken.save(PICTURES / f"{name}.webp", quality=80, method=6)


def ask(explorer: Explorer) -> None:
    explorer.ask("Who designed the Great Eastern?")
    explorer.region("Answer").get_by_role("link").first.wait_for()


def proof(explorer: Explorer) -> None:
    explorer.page.keyboard.press("Escape")
    explorer.go(f"ask?q={QUESTION}&filter=doc.source%3Ddocuments/soundings.pdf")
    answer = explorer.region("Answer")
    answer.get_by_text("Depths of eight").first.wait_for()
    answer.locator(".proofs button").first.click()
    explorer.marked()
    explorer.page.mouse.move(5, 5)


def graph(explorer: Explorer) -> None:
    explorer.page.keyboard.press("Escape")
    explorer.go("graph")
    explorer.region("Graph").locator("canvas").first.wait_for()


def way(explorer: Explorer) -> None:
    explorer.cross("Great Eastern")
    explorer.region("Way").locator(".sentences button").first.click()
    explorer.marked()


def communities(explorer: Explorer) -> None:
    explorer.page.keyboard.press("Escape")
    explorer.go("communities")
    explorer.page.get_by_role("list", name="Communities").get_by_role("button").nth(1).click()
    explorer.region("Report").get_by_role("button", name="source 1").first.wait_for()


def documents(explorer: Explorer) -> None:
    explorer.go("documents")
    explorer.page.get_by_role("row").nth(5).wait_for()
