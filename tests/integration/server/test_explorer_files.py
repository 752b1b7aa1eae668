"""The explorer's files as the server gives them: without a token, safely, once."""

from __future__ import annotations

import re

import pytest

from tests.served import Served


def test_the_page_is_there_without_a_token_and_loads_only_what_is_there(served: Served) -> None:
    page = served.ask("GET", "/", token=None)
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
    assert len(loaded) == 3
    for path in loaded:
        reply = served.ask("GET", path, token=None)
        assert reply.status == 200
        assert reply.body


def test_a_page_may_load_nothing_from_elsewhere(served: Served) -> None:
    page = served.ask("GET", "/", token=None)
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    text = page.body.decode()
    assert not re.search(r"<script(?! type=\"module\" src=)|<style|style=|\son\w+=|https?:", text)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("explorer.js", "text/javascript; charset=utf-8"),
        ("explorer-style.css", "text/css; charset=utf-8"),
        ("pdf-worker.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_a_file_is_sent_again_only_when_it_changed(
    served: Served, name: str, media_type: str
) -> None:
    first = served.ask("GET", f"/web/{name}", token=None)
    assert first.headers["content-type"] == media_type
    assert first.headers["cache-control"] == "no-cache"
    tag = {"If-None-Match": first.headers["etag"]}
    again = served.ask("GET", f"/web/{name}", token=None, headers=tag)
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/web/",
        "/web/x.js",
        "/web/__init__.py",
        "/web/../app.py",
        "/web/%2e%2e/app.py",
        "/web/..%2fapp.py",
    ],
)
def test_nothing_else_of_the_package_is_given(served: Served, path: str) -> None:
    assert served.ask("GET", path, token=None).status in (401, 404)


def test_the_page_is_small(served: Served) -> None:
    sizes = [
        len(served.ask("GET", f"/web/{name}", token=None).body)
        for name in ("index.html", "explorer.js", "explorer-style.css", "icon.svg")
    ]
    assert sum(sizes) < 1_000_000
