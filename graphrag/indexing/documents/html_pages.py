"""Read an HTML page as people see it: headings, lists, tables and code as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from graphrag.indexing.documents.tables import Cell, table_lines

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

_DROPPED = [
    "script", "style", "nav", "noscript", "template", "svg", "iframe", "object", "head", "select",
    "textarea",
]  # fmt: skip
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
_BLOCKS = [
    "address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "li", "main", "ol",
    "p", "pre", "section", "summary", "ul",
]  # fmt: skip
_NOTICE = re.compile(r"cookie|consent|gdpr", re.IGNORECASE)
_NOTICE_TAGS = ["aside", "dialog", "div", "footer", "form", "section"]
_MAX_SPAN = 1_000  # rows or columns of a cell, as browsers have it
_MAX_NOTICE = 2_000  # characters; more under such a name is an article about it
_LANDMARKS = ("banner", "contentinfo", "search")  # roles of what frames a page
_PARTS = ["article", "aside", "blockquote", "main", "section"]  # whose header and footer are theirs
_UNSEEN = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
# Stand for line breaks until the white space of the source is gone; private use characters.
_LINE, _PARAGRAPH, _KEPT_LINE, _KEPT_SPACE = "\ue000", "\ue001", "\ue002", "\ue003"
_ONE_LINE = "\ue004"  # whatever breaks stand beside it
_MARKS = re.compile("[\ue000-\ue004]")
_AROUND = {
    **dict.fromkeys(_BLOCKS, (_PARAGRAPH, _PARAGRAPH)),
    "li": (f"{_LINE}- ", _LINE),
    "dt": (_LINE, _LINE),
    "dd": (_ONE_LINE, _LINE),
    "cell": (_LINE, _LINE),  # of a table that only sets it out
}
_RAISED = re.compile(r"[-+−–]?\d+(?:\s?[.,–-]\s?\d+)*")
_BASE = re.compile(r"(?:[\d)\]]|(?<![^\W\d_])[^\W\d_]{1,3})$")  # of a power: a number, unit, letter
_BREAK = re.compile("[ \ue000\ue001\ue004]*[\ue000\ue001\ue004][ \ue000\ue001\ue004]*")
_LOST_ITEM = re.compile(r"^-[ ]*\n+(?!- )", re.MULTILINE)  # the item's own paragraph follows


def read_html(source: str, *, heads: bool = False) -> tuple[str, str]:
    """Title and text of a page. Nothing that it refers to is fetched.

    `heads`: the first row of each table is its head, whatever the markup says.
    """
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(_MARKS.sub("", source), "html.parser")
    _write_raised(soup)
    title = _title(soup)
    for tag in [*soup.find_all(_DROPPED), *_unseen(soup)]:
        tag.decompose()
    _close_cells(soup)
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
        _write_table(tag, heads=heads)
    return title, _lines("".join(_texts(soup)))


def _texts(soup: BeautifulSoup) -> Iterator[str]:
    """The texts of a page with the marks of what stands around them."""
    from bs4.element import CData, NavigableString, Tag

    open_nodes: list[object] = [soup]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, str):
            # Text, or what stands behind an element; no comment.
            if type(node) in (str, NavigableString, CData):
                yield node
        elif isinstance(node, Tag):
            before, after = _AROUND.get(node.name, ("", ""))
            yield before
            open_nodes.append(after)
            open_nodes.extend(reversed(node.contents))


def _close_cells(soup: BeautifulSoup) -> None:
    """Takes rows and cells out of those before them, whose end may be left out in HTML."""
    for tag in soup.find_all(["tr", "td", "th"]):
        kinds = ["tr"] if tag.name == "tr" else ["td", "th"]
        holder = tag.find_parent([*kinds, "table"])
        if holder is not None and holder.name != "table":
            holder.insert_after(tag.extract())


def _write_raised(soup: BeautifulSoup) -> None:
    """Tells raised numbers from those before them: powers (10^3) and marks of footnotes ([3])."""
    from bs4.element import NavigableString

    for tag in soup.find_all("sup"):
        number = _flat(tag)
        if not _RAISED.fullmatch(number):
            continue
        previous, following = tag.previous_sibling, tag.next_sibling
        before = previous.get_text() if previous is not None else ""
        if following is not None and following.get_text().startswith(("/", "⁄")):
            written = f" {number}"  # 1 1/2
        elif tag.find("a") is not None or not _BASE.search(before):
            written = f"[{number}]" + " " * (not before.strip())
        else:
            written = f"^{number}"
        for beside, joined in ((previous, before + written), (following, None)):
            if type(beside) is NavigableString:  # one string, for strings are set apart
                written = joined if joined is not None else written + beside
                beside.extract()
        tag.replace_with(written)


def _unseen(soup: BeautifulSoup) -> Iterator[Tag]:
    """What no reader sees, closes or skips: hidden parts, boxes about cookies, the page's frame."""
    for tag in soup.find_all(True):
        if _is_frame(tag):
            yield tag
        if not tag.attrs:
            continue
        is_hidden = tag.has_attr("hidden") or _UNSEEN.search(str(tag.get("style", "")))
        if is_hidden or _is_notice(tag):
            yield tag


def _is_frame(tag: Tag) -> bool:
    """Whether it is the header or footer of the page, not of a part of it, and has no title."""
    role = tag.get("role")
    if role == "navigation":
        return True
    of_page = tag.name in ("header", "footer") and tag.find_parent(_PARTS) is None
    return (of_page or role in _LANDMARKS) and tag.find(["main", "article", "h1"]) is None


def _is_notice(tag: Tag) -> bool:
    if tag.name not in _NOTICE_TAGS:
        return False
    names = (tag.get(name) or "" for name in ("id", "class", "aria-label"))
    named = " ".join(name if isinstance(name, str) else " ".join(name) for name in names)
    if not _NOTICE.search(named) or tag.find(["main", "article", "h1", "pre"]) is not None:
        return False
    return len(tag.get_text()) <= _MAX_NOTICE


def _title(soup: BeautifulSoup) -> str:
    found = [_flat(tag) for tag in (soup.find("title"), soup.find("h1")) if tag is not None]
    return next((title for title in found if title), "")


def _flat(tag: Tag) -> str:
    return " ".join(_MARKS.sub(" ", tag.get_text(" ")).split())


def _write_table(table: Tag, *, heads: bool) -> None:
    """Puts the text of a table in its place; one that only sets out its cells stays as they are.

    A table in a cell of another is written as a line of it.
    """
    caption = table.find("caption")
    lines = [_flat(caption) + _PARAGRAPH] if caption else []
    found = [(row, row.find_all(["td", "th"])) for row in table.find_all("tr")]
    found = [(row, cells) for row, cells in found if row.get_text(strip=True)]
    if all(len(cells) <= 1 for _, cells in found) or table.find(["pre", *_HEADINGS]) is not None:
        for row, cells in found:
            row.name = "row"  # no part of the table that holds this one
            for cell in cells:
                cell.name = "cell"
        table.name = "div"
        return
    rows = [[_cell(cell) for cell in cells] for _, cells in found]
    n_heads = 0
    for row, cells in found:
        is_head = row.parent is not None and row.parent.name == "thead"
        if not is_head and not all(cell.name == "th" for cell in cells):
            break
        n_heads += 1
    n_heads = n_heads or int(heads or any(cell.name == "th" for cell in found[0][1]))
    if table.find_parent(["td", "th"]) is not None:
        table.string = f" {_in_one_line(rows, n_heads)} "
        return
    table.string = _PARAGRAPH + _LINE.join([*lines, *table_lines(rows, heads=n_heads)]) + _PARAGRAPH


def _cell(cell: Tag) -> Cell:
    across, down = (str(cell.get(name, "1")).strip() for name in ("colspan", "rowspan"))
    return Cell(
        _flat(cell),
        min(int(across), _MAX_SPAN) if across.isascii() and across.isdigit() else 1,
        min(int(down) or _MAX_SPAN, _MAX_SPAN) if down.isascii() and down.isdigit() else 1,
    )


def _in_one_line(rows: list[list[Cell]], n_heads: int) -> str:
    """A table within a cell: each value after its head, or the first of its row."""
    heads = [cell.text for cell in rows[0]] if n_heads else []
    lines: list[str] = []
    for row in rows[n_heads:] or rows:
        texts = [cell.text for cell in row]
        if heads and len(heads) == len(texts):
            texts = [f"{head}: {text}" for head, text in zip(heads, texts, strict=True) if text]
            lines.append(", ".join(texts))
        else:
            lines.append(": ".join([texts[0], ", ".join(texts[1:])]) if texts[1:] else texts[0])
    return "; ".join(lines)


def _lines(text: str) -> str:
    flat = " ".join(text.split())
    broken = _BREAK.sub(_break, flat)
    items = _LOST_ITEM.sub("- ", broken)
    return items.replace(_KEPT_LINE, "\n").replace(_KEPT_SPACE, " ").strip()


def _break(marks: re.Match[str]) -> str:
    return "\n\n" if _PARAGRAPH in marks[0] and _ONE_LINE not in marks[0] else "\n"
