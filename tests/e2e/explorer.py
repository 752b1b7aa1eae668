"""The explorer in a Chromium that reaches its server alone, and tells what went wrong in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast
from urllib.parse import quote

from playwright.sync_api import BrowserContext, Locator, Page, expect, sync_playwright

from tests.conftest import missing
from tests.served import Served

SOURCES = Path(__file__).parents[2] / "web"
PATIENCE_MS = 30_000
# Chromium's own remark on a slow read of pixels says nothing of the page.
_REMARK = re.compile(r"GPU stall due to ReadPixels")
_LISTEN = """
document.addEventListener('securitypolicyviolation', (event) =>
  console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI));
window.alert = (text) => console.error('a script ran: ' + text);
"""


@dataclass(slots=True)
class Explorer:
    """`wrong`: errors of the console and of scripts, policy violations, requests to elsewhere."""

    page: Page
    served: Served
    wrong: list[str] = field(default_factory=list[str])

    def open(self, path: str = "") -> None:
        """The page, with the token; `path` stands behind the index: "graph?entity=…"."""
        self.page.goto(f"{self.served.url}/#{self.served.token}")
        self.page.wait_for_selector("nav")
        if path:
            self.go(path)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.served.url}/#/kb/{path}")

    def region(self, name: str) -> Locator:
        return self.page.get_by_role("region", name=name, exact=True)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def ask(self, question: str) -> None:
        self.page.get_by_role("textbox", name="Question").fill(question)
        self.button("Ask").click()

    def cross(self, start: str) -> str:
        """Search an entity in the graph, and a way from it to one that is two steps away."""
        self.pick("Search entities", start)
        around = {
            depth: {
                str(node["name"]): cast(int, node["degree"])
                for node in self.served.get(
                    f"/api/indexes/kb/graph?around={quote(start)}&depth={depth}&limit=500"
                ).items("nodes")
            }
            for depth in (1, 2)
        }
        end = max(around[2].keys() - around[1].keys(), key=lambda name: (around[2][name], name))
        self.pick("Find a way to", end)
        return end

    def pick(self, label: str, name: str) -> None:
        self.page.get_by_role("searchbox", name=label).fill(name)
        found = self.page.get_by_role("list", name=f"Found: {label}")
        found.get_by_role("button", name=re.compile(rf"^{re.escape(name)} \w+$")).first.click()

    def marked(self) -> str:
        """The words that are marked in the source, once they are."""
        mark = self.region("Source").locator("mark")
        mark.first.wait_for()
        return " ".join(" ".join(mark.all_text_contents()).split())


@contextmanager
def exploring(
    served: Served,
    *,
    colours: Literal["light", "dark"] = "light",
    size: tuple[int, int] = (1440, 900),
) -> Generator[Explorer]:
    """An explorer of its own. No other event loop can run in this thread while it is open."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("Chromium is not installed (Debian: apt-get install chromium)")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=colours,
            reduced_motion="reduce",
        )
        explorer = Explorer(_page(context), served)
        _watch(explorer, context)
        yield explorer
        browser.close()


def _page(context: BrowserContext) -> Page:
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    return page


def _watch(explorer: Explorer, context: BrowserContext) -> None:
    page, wrong = explorer.page, explorer.wrong
    context.add_init_script(_LISTEN)

    def elsewhere(url: str) -> bool:
        return not url.startswith((f"{explorer.served.url}/", "data:", "blob:"))

    def told(kind: str, text: str) -> None:
        if kind in ("error", "warning") and not _REMARK.search(text):
            wrong.append(text)

    page.on("console", lambda message: told(message.type, message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda one: wrong.append(one.url) if elsewhere(one.url) else None)
    context.route(elsewhere, lambda route: route.abort())


def packages(folder: Path) -> Path:
    """A copy of the explorer's sources in `folder`, with the packages that they name."""
    npm = shutil.which("npm")
    if npm is None:
        missing("npm is not installed (Debian: apt-get install npm)")
    web = folder / "web"
    shutil.copytree(SOURCES, web, ignore=shutil.ignore_patterns("node_modules"))
    fetched = run(str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=web)
    if fetched.returncode:
        missing(f"the packages cannot be fetched: {fetched.stderr[-500:]}")
    return web


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
