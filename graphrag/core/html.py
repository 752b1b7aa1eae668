"""Render an answer with its proof as HTML that needs no script and no other file.

Whatever comes from documents, questions or models is text: Markdown is read without raw HTML and
without images, everything else is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

from graphrag.core.answers import EXTRACTIVE, Answer, Citation, RelationshipHit, State, trail

if TYPE_CHECKING:
    from markdown_it.token import Token

_AROUND = 600  # characters of the passage shown on each side of a quote
_EDGES = 40
_NUMBER = re.compile(r"\[(\d+)\]")
_SIGNS: dict[State, tuple[str, str]] = {  # class and words
    "verified": ("", "✓ verified"),
    "fuzzy": ("fuzzy", "≈ nearly word for word"),
    "not verified": ("not", "✗ not verified"),
}

PAGE_STYLE = """
.graphrag h2{font-size:1.1em;margin:1.5em 0 .4em}
body{font:15px/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff;margin:2rem auto;
max-width:64rem;padding:0 1rem}
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{margin:.4rem 0}.note{color:#555}
table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{text-align:left;vertical-align:top;padding:.28rem .6rem;border-bottom:1px solid #ddd}
td{overflow-wrap:anywhere}
svg{max-width:100%;height:auto}details{margin:.6rem 0}summary{cursor:pointer}
"""

_STYLE = """
.graphrag h2{font-size:1.1em;margin:1.5em 0 .4em}
.graphrag{max-width:52rem;line-height:1.5;overflow-wrap:anywhere}
.graphrag .note{opacity:.7;font-size:.88em}
.graphrag pre{overflow-x:auto;padding:.6em .8em;background:rgba(128,128,128,.12)}
.graphrag section{border-left:3px solid #0072B2;margin:1em 0;padding:0 0 0 .9em}
.graphrag section.not{border-left-color:#D55E00}.graphrag section.fuzzy{border-left-color:#E69F00}
.graphrag .passage{white-space:pre-wrap;font-size:.92em;margin:.4em 0}
.graphrag mark{background:rgba(255,214,0,.35);color:inherit}
.graphrag mark b{text-decoration:underline}
.graphrag .number{text-decoration:none}
.graphrag section:target{background:rgba(0,114,178,.08)}
.graphrag td,.graphrag th{text-align:left;vertical-align:top;padding:.2em .6em}
@media(prefers-color-scheme:dark){body.page{color:#e6e6e6;background:#181818}
body.page a{color:#7cc0ee}}
"""


def page(title: str, body: str, *, style: str = PAGE_STYLE, kind: str = "") -> str:
    """A whole document around `body`, which is HTML. It may load nothing and run nothing."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n"
        f'<body class="{escape(kind)}">\n{body}\n</body>\n</html>\n'
    )


def answer_page(answer: Answer) -> str:
    """One file to keep or to send: the question, the answer, and the passages it stands on."""
    question = answer.question.encode(errors="replace").decode()
    body = f"<h1>{escape(question)}</h1>\n{_answer(answer)}"
    return page(question, body, style=PAGE_STYLE + _STYLE, kind="page")


def answer_fragment(answer: Answer) -> str:
    """The same for a page that is there already, as a notebook."""
    return f"<style>{_STYLE}</style>\n{_answer(answer)}"


def _answer(answer: Answer) -> str:
    digest = sha256(answer.answer.encode(errors="replace")).hexdigest()
    prefix = f"g{digest[:8]}-"  # so that two answers in one notebook have their own links
    parts = (
        _markdown(answer, prefix),
        "".join(f'<p class="note">{escape(note)}</p>\n' for note in _notes(answer)),
        _sources(answer, prefix),
        _unsupported(answer),
        _relationships(answer.context.relationships),
    )
    html = f'<div class="graphrag">\n{"".join(parts)}</div>'
    return html.encode(errors="replace").decode()  # halves of characters cannot be written


def _markdown(answer: Answer, prefix: str) -> str:
    """The answer's Markdown as HTML, its numbers as links to their sources."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.disable(["image", "reference", "html_block", "html_inline"])
    tokens = reader.parse(answer.answer)
    numbers = {citation.number for citation in answer.citations}
    for token in tokens:
        if token.children:
            token.children = list(_linked(token.children, numbers, prefix))
    return str(reader.renderer.render(tokens, reader.options, {}))


def _linked(tokens: Iterable[Token], numbers: set[int], prefix: str) -> Iterator[Token]:
    from markdown_it.token import Token

    for token in tokens:
        if token.type != "text":
            yield token
            continue
        for place, part in enumerate(_NUMBER.split(token.content)):
            if not place % 2:
                yield Token("text", "", 0, content=part)
            elif int(part) in numbers:
                link = f'<a class="number" href="#{prefix}{int(part)}">[{int(part)}]</a>'
                yield Token("html_inline", "", 0, content=link)
            else:
                yield Token("text", "", 0, content=f"[{part}]")


def _notes(answer: Answer) -> Iterator[str]:
    yield from answer.warnings
    if answer.also_searched:
        yield f"Also searched: {', '.join(answer.also_searched)}."
    if answer.extractive and answer.answered:
        yield EXTRACTIVE
    yield f"Method {answer.method}: {answer.reason}"


def _sources(answer: Answer, prefix: str) -> str:
    if not answer.citations:
        return ""
    texts = {unit.id: unit.text for unit in answer.context.text_units}
    named: set[int] = set()
    sections: list[str] = []
    for citation in answer.citations:
        anchor = "" if citation.number in named else f' id="{prefix}{citation.number}"'
        named.add(citation.number)
        sections.append(_source(citation, texts.get(citation.text_unit_id, ""), anchor))
    return f"<h2>Sources</h2>\n{''.join(sections)}"


def _source(citation: Citation, text: str, anchor: str) -> str:
    kind, sign = _SIGNS[citation.state]
    head = trail(citation.title, citation.locator)
    return (
        f'<section class="{kind}"{anchor}>\n'
        f"<div><b>[{citation.number}] {escape(head)}</b> "
        f'<span class="note">{escape(citation.document)} · {sign}</span></div>\n'
        f'<div class="passage">{_passage(citation, text)}</div>\n</section>\n'
    )


def _passage(citation: Citation, text: str) -> str:
    """The quote, marked, in the text around it where that was read for the answer."""
    quote = citation.quote
    found = re.search(r"\s+".join(map(re.escape, quote.split())), text) if quote.split() else None
    if found is None:
        return f"<mark>{_fitting(citation, quote)}</mark>"
    start, end = found.span()
    before, after = text[:start], text[end:]
    if len(before) > _AROUND:
        before = f"… {before[-_AROUND:].partition(' ')[2]}"
    if len(after) > _AROUND:
        after = f"{after[:_AROUND].rpartition(' ')[0]} …"
    return f"{escape(before)}<mark>{_fitting(citation, found.group())}</mark>{escape(after)}"


def _fitting(citation: Citation, quote: str) -> str:
    """The quote with the characters in bold that fit the question, if it is letter for letter."""
    pieces: list[str] = []
    at = 0
    for start, end in citation.marks if quote == citation.quote else ():
        if start >= at:
            pieces += (escape(quote[at:start]), f"<b>{escape(quote[start:end])}</b>")
            at = end
    return "".join(pieces) + escape(quote[at:])


def _unsupported(answer: Answer) -> str:
    if not answer.unsupported:
        return ""
    lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in answer.unsupported)
    return f"<h2>Without a verified citation</h2>\n<ul>{lines}</ul>\n"


def _relationships(edges: tuple[RelationshipHit, ...]) -> str:
    if not edges:
        return ""
    rows = "".join(
        f"<tr><td>{escape(edge.source)}</td><td>{escape(edge.type)}</td>"
        f"<td>{escape(edge.target)}</td><td>{escape(edge.description)}</td></tr>"
        for edge in edges[:_EDGES]
    )
    more = f" of {len(edges)}" if len(edges) > _EDGES else ""
    return (
        f"<details><summary>Relationships read ({min(len(edges), _EDGES)}{more})</summary>\n"
        f"<table>{rows}</table>\n</details>\n"
    )
