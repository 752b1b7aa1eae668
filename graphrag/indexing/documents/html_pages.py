"""HTML in, its title and text out: headings as `#` lines, list items and table rows as lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

_DROPPED = ["script", "style", "nav", "noscript", "template", "svg", "iframe", "object", "head"]
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
_BLOCKS = [
    "address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "li", "main", "ol",
    "p", "pre", "section", "summary", "ul",
]  # fmt: skip
# Stand for line breaks until the white space of the source is gone; private use characters.
_LINE, _PARAGRAPH, _KEPT_LINE, _KEPT_SPACE = "\ue000", "\ue001", "\ue002", "\ue003"
_MARKS = re.compile("[\ue000-\ue003]")
_BREAK = re.compile("[ \ue000\ue001]*[\ue000\ue001][ \ue000\ue001]*")
_LOST_ITEM = re.compile(r"^-[ ]*\n+(?!- )", re.MULTILINE)  # the item's own paragraph follows


def read_html(source: str, *, heads: bool = False) -> tuple[str, str]:
    """Title and text of a page. Nothing that it refers to is fetched.

    `heads`: the first row of each table is its head, whatever the markup says.
    """
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(_MARKS.sub("", source), "html.parser")
    title = _title(soup)
    for tag in soup.find_all(_DROPPED):
        tag.decompose()
    for tag in soup.find_all("pre"):
        kept = tag.get_text().replace("\n", _KEPT_LINE).replace(" ", _KEPT_SPACE)
        tag.string = (
            f"{_PARAGRAPH}```{_KEPT_LINE}{kept.strip(_KEPT_LINE)}{_KEPT_LINE}```{_PARAGRAPH}"
        )
    for tag in soup.find_all("br"):
        tag.replace_with(_LINE)
    for tag in soup.find_all(_HEADINGS):
        text = _flat(tag)
        level = int(tag.name[1])
        tag.string = f"{_PARAGRAPH}{'#' * level} {text}{_PARAGRAPH}" if text else ""
    for tag in reversed(soup.find_all("table")):  # inner tables first
        tag.string = _PARAGRAPH + _LINE.join(_rows(tag, heads=heads)) + _PARAGRAPH
    for tag in soup.find_all(_BLOCKS):
        around = _LINE if tag.name in ("li", "dt", "dd") else _PARAGRAPH
        tag.insert(0, around + "- " if tag.name == "li" else around)
        tag.append(around)
    return title, _lines(soup.get_text())


def _title(soup: BeautifulSoup) -> str:
    found = [_flat(tag) for tag in (soup.find("title"), soup.find("h1")) if tag is not None]
    return next((title for title in found if title), "")


def _flat(tag: Tag) -> str:
    return " ".join(_MARKS.sub(" ", tag.get_text(" ")).split())


def _rows(table: Tag, *, heads: bool) -> list[str]:
    """A table as Markdown rows; one column alone is layout, and so plain lines."""
    caption = table.find("caption")
    lines = [_flat(caption) + _PARAGRAPH] if caption else []
    rows = [
        (row.find("th") is not None, [_flat(cell) for cell in row.find_all(["td", "th"])])
        for row in table.find_all("tr")
    ]
    rows = [(heads, cells) for heads, cells in rows if any(cells)]
    if all(len(cells) == 1 for _, cells in rows):
        return [*lines, *(cells[0] for _, cells in rows)]
    for number, (has_heads, cells) in enumerate(rows):
        lines.append(f"| {' | '.join(cells)} |")
        if number == 0 and (heads or has_heads):
            lines.append("|" + " --- |" * len(cells))
    return lines


def _lines(text: str) -> str:
    flat = " ".join(text.split())
    broken = _BREAK.sub(lambda match: "\n\n" if _PARAGRAPH in match.group() else "\n", flat)
    items = _LOST_ITEM.sub("- ", broken)
    return items.replace(_KEPT_LINE, "\n").replace(_KEPT_SPACE, " ").strip()
