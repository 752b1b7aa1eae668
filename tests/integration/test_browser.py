"""A real Chromium opens Neo4j Browser: our style and a saved query become a readable picture."""

from __future__ import annotations

import base64
import re
import shutil
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from playwright.sync_api import Page, sync_playwright

from graphrag import GraphRAG
from graphrag.stores.neo4j_server.server import local_credentials, status
from tests.conftest import VERSIONS, missing
from tests.integration.neo4j_server import Servers, ask, clear

pytestmark = [pytest.mark.neo4j, pytest.mark.browser]

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "graphrag" / "stores" / "neo4j" / "browser"
STYLE = FOLDER / "graphrag.grass"
QUERY = FOLDER / "document-entities.cypher"
SOURCE = "great-eastern.md"
EDITOR = "#monaco-main-editor .view-lines"
PATIENCE_MS = 120_000

_DROP = """([name, text]) => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([text], name));
  return dropped;
}"""
_NODES = """() => [...document.querySelectorAll('g.node')].map(node => [
  node.getAttribute('aria-label').replace('graph-node', ''),
  [...node.querySelectorAll('text.caption')].map(line => line.textContent.trim()).join(' '),
  node.querySelector('circle.b-outline').getAttribute('fill'),
])"""
_EDGES = """() => [...document.querySelectorAll('g.relationship')].map(
  edge => (edge.querySelector('text') || {textContent: ''}).textContent.trim())"""
# The layout has settled when no node has moved since the poll before.
_AT_REST = """() => {
  const places = [...document.querySelectorAll('g.node')].map(n => n.getAttribute('transform'));
  const now = places.join();
  const rests = now !== '' && window.placesBefore === now;
  window.placesBefore = now;
  return rests;
}"""
_PIXELS = """async picture => {
  const image = new Image();
  image.src = 'data:image/png;base64,' + picture;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
  canvas.drawImage(image, 0, 0);
  const data = canvas.getImageData(0, 0, image.width, image.height).data;
  const counts = {};
  for (let i = 0; i < data.length; i += 4) {
    const hex = [data[i], data[i + 1], data[i + 2]].map(v => v.toString(16).padStart(2, '0'));
    const colour = '#' + hex.join('').toUpperCase();
    counts[colour] = (counts[colour] || 0) + 1;
  }
  return counts;
}"""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A node as the graph has it."""

    labels: list[str]
    caption: str


@pytest.fixture
def root(neo4j_servers: Servers) -> Path:
    return neo4j_servers.root(VERSIONS[0])


@pytest.fixture
def namespace(root: Path, tmp_path: Path) -> Iterator[str]:
    documents = tmp_path / "documents"
    documents.mkdir()
    for name in (SOURCE, "people.jsonl"):
        shutil.copy(REPOSITORY / "examples" / "documents" / name, documents)
    prefix = f"{uuid.uuid4().hex}-"
    with GraphRAG.open(
        root, store="local", namespace=f"{prefix}browser", chat=None, embed=None
    ) as rag:
        rag.index([documents])
    yield f"{prefix}browser"
    clear(root, prefix)


@pytest.fixture
def chromium() -> str:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("Chromium is not installed (Debian: apt-get install chromium)")
    return str(program)


@contextmanager
def new_page(chromium: str) -> Generator[Page]:
    """A page that can reach this machine only. No other event loop can run while it is open."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": 1600, "height": 1100})
        page.set_default_timeout(PATIENCE_MS)
        page.route(re.compile(r"^(?!https?://localhost[:/])"), lambda route: route.abort())
        yield page
        browser.close()


def test_a_saved_query_draws_named_nodes_in_the_colours_of_their_types(
    root: Path, namespace: str, tmp_path: Path, chromium: str
) -> None:
    source, expected = drawn_by_the_query(root, namespace)
    server = status(root)
    credentials = local_credentials(root, str(server.url))
    assert credentials is not None

    with new_page(chromium) as page:
        page.goto(str(server.browser))
        assert page.input_value("[data-testid=username]") == "neo4j"
        page.fill("[data-testid=password]", credentials[1])
        page.click("[data-testid=connect]")
        page.wait_for_selector("text=You are connected as user")
        # What the server tells Browser to do: its setting browser.post_connect_cmd.
        page.wait_for_selector("text=:config autoComplete: false")
        page.wait_for_selector("[data-testid=frame] >> nth=0 >> text=:param namespace")
        for name, value in (("namespace", namespace), ("source", source)):
            type_in(page, f":param {name} => '{value}'")
            page.wait_for_selector(f"[data-testid=rawParamData]:has-text('{name}')")
        drop(page, QUERY)
        page.click("text=Paste in editor")
        page.click(f"{EDITOR}:has-text('RETURN')")  # the text is there, and will take the keys
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("g.node")
        page.click("[data-testid=frame] >> nth=0 >> [title=Fullscreen]")
        page.wait_for_function(_AT_REST, polling=1000)
        page.click("[aria-label=zoom-to-fit]")
        page.wait_for_function(_AT_REST, polling=1000)
        picture = page.screenshot(path=tmp_path / "browser.png")
        nodes = cast("list[tuple[str, str, str]]", page.evaluate(_NODES))
        edges = cast("list[str]", page.evaluate(_EDGES))
        page.goto("about:blank")
        encoded = base64.b64encode(picture).decode()
        pixels = cast("dict[str, int]", page.evaluate(_PIXELS, encoded))

    drawn = {key for key, _, _ in nodes}
    assert drawn <= set(expected)
    assert sum("__Entity__" in expected[key].labels for key in drawn) == 15
    colours = style_colours()
    for key, caption, colour in nodes:
        node = expected[key]
        assert colour == colour_of(node, colours), (node, caption)
        shown = caption.rstrip("….").strip()
        assert shown, node
        assert plain(node.caption).startswith(plain(shown)), (node, caption)
    # None of those between entities, which the query does not ask for.
    assert len(edges) > len(nodes) / 2
    assert all(re.match(r"(m|in$)", caption) for caption in edges if caption), edges
    seen = {colour for _, _, colour in nodes}
    assert {colours[label] for label in ("__Document__", "__Chunk__", "Person")} <= seen
    # What the eye gets: an area of each colour, not only elements that say so.
    assert all(pixels.get(colour, 0) > 200 for colour in seen), pixels


def drawn_by_the_query(root: Path, namespace: str) -> tuple[str, dict[str, Drawn]]:
    """The document's source, and by the number of each node that may be drawn what it holds."""
    [[source]] = ask(
        root,
        "MATCH (d:__Document__) WHERE d.key STARTS WITH $start AND d.source ENDS WITH $name"
        " RETURN d.source",
        start=f"{namespace}:",
        name=SOURCE,
    )
    rows = ask(
        root,
        "MATCH (d:__Document__)<-[:PART_OF]-(c:__Chunk__)-[:MENTIONS]->(e:__Entity__)"
        " WHERE d.key STARTS WITH $start AND d.source = $source"
        " UNWIND [d, c, e] AS n"
        " RETURN DISTINCT split(elementId(n), ':')[2], labels(n),"
        " coalesce(n.title, n.name)",
        start=f"{namespace}:",
        source=source,
    )
    nodes = {
        str(key): Drawn(cast("list[str]", labels), str(caption)) for key, labels, caption in rows
    }
    return str(source), nodes


def style_colours() -> dict[str, str]:
    """By label, in the order of the style file."""
    text = STYLE.read_text(encoding="utf-8")
    return dict(re.findall(r"^node\.(\w+) \{.*?\n  color: (#\w+);", text, re.MULTILINE | re.DOTALL))


def colour_of(node: Drawn, colours: dict[str, str]) -> str:
    """That of the last rule which fits, as in CSS."""
    return [colour for label, colour in colours.items() if label in node.labels][-1]


def plain(text: str) -> str:
    return "".join(text.split())


def drop(page: Page, file: Path) -> None:
    """Drag `file` onto the window."""
    held = page.evaluate_handle(_DROP, [file.name, file.read_text(encoding="utf-8")])
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event("[data-testid=activeEditor]", event, {"dataTransfer": held})


def type_in(page: Page, command: str) -> None:
    page.click(EDITOR)
    page.keyboard.insert_text(command)
    page.keyboard.press("Control+Enter")
