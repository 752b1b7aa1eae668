"""Print an answer, its sources and what there is to say about it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from graphrag.cli.options import is_verbose, logs_json
from graphrag.cli.output import usage_line
from graphrag.cli.terminal import BOLD, DIM, GREEN, MARKED, NO_BREAK, RED, YELLOW, Terminal

if TYPE_CHECKING:
    from graphrag.core.answers import Answer, Citation, State

_STATES: dict[State, tuple[str, str]] = {  # sign and colour
    "verified": ("✓", GREEN),
    "fuzzy": ("≈", YELLOW),
    "not verified": ("✗", RED),
}
_TITLE = re.compile(r"(?m)^\*\*(.+)\*\*(?= \[\d+\]$)")
_HARD_WRAP = 60  # characters from which a line of prose was broken for its length alone
_SOFT_BREAK = re.compile(rf"(?<=[^\n]{{{_HARD_WRAP}}})\n(?=(?!\d{{1,3}}[.)])[\w\"'(“])")
_BRACKETS = str.maketrans("[]", "()")  # documents' own are shown so, lest they look like citations


class Reply:
    """The text of one answer, shown as it comes.

    The first piece waits for the second: what no model wrote comes in one, and what fits the
    question is known when the answer is complete.
    """

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._first: str | None = None
        self._is_written = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error:
            self._end()

    def add(self, piece: str) -> None:
        if self._first is None:
            self._first = piece
            return
        self._write_first()
        self.terminal.write(piece)

    def finish(self, answer: Answer) -> None:
        """Show what was not shown yet, and end the line."""
        if not self._is_written and (answer.extractive or self._first is None):
            for text, style in _parts(answer, as_is=self.terminal.is_pipe):
                self.terminal.write(text, style)
            self._is_written = True
        self._end()

    def _end(self) -> None:
        self._write_first()
        self.terminal.end()

    def _write_first(self) -> None:
        if self._first is not None and not self._is_written:
            self.terminal.write(self._first)
        self._is_written = True


def _parts(answer: Answer, *, as_is: bool) -> Iterator[tuple[str, str]]:
    """The answer's text with styles: the titles of excerpts and the words that fit."""
    text = answer.answer
    if as_is or not answer.extractive:
        yield text, ""
        return
    text = "```".join(
        part if place % 2 else _SOFT_BREAK.sub(" ", part)
        for place, part in enumerate(text.split("```"))
    )
    spans = sorted(
        [
            *((*title.span(1), BOLD) for title in _TITLE.finditer(text)),
            *((start, end, MARKED) for start, end in _marks(answer)),
        ]
    )
    at = 0
    for start, end, style in spans:
        if start < at:
            continue
        stars = 2 * (style == BOLD)
        yield text[at : start - stars], ""
        yield text[start:end], style
        at = end + stars
    yield text[at:], ""


def _marks(answer: Answer) -> Iterator[tuple[int, int]]:
    """The characters of the answer's text that fit the question."""
    text = answer.answer.translate(_BRACKETS)
    at = 0
    for citation in answer.citations:
        found = text.find(citation.quote.translate(_BRACKETS), at) if citation.marks else -1
        if found >= 0:
            at = found + len(citation.quote)
            yield from ((found + start, found + end) for start, end in citation.marks)


def print_sources(answer: Answer, terminal: Terminal, *, root: Path, with_quotes: bool) -> None:
    """Each source once, with how its quotes were verified; the quotes themselves if asked for."""
    from graphrag.core.answers import trail

    numbered: dict[tuple[int, str], list[Citation]] = {}
    for citation in answer.citations:
        numbered.setdefault((citation.number, citation.document), []).append(citation)
    # Text units of one section are one line.
    sources: dict[tuple[str, str], dict[int, list[Citation]]] = {}
    for (number, document), cited in numbered.items():
        places = "; ".join(filter(None, dict.fromkeys(one.locator for one in cited)))
        sources.setdefault((trail(cited[0].title, places), document), {})[number] = cited
    if sources:
        terminal.write("\nSources:\n", BOLD)
    for (place, document), by_number in sources.items():
        cited = [citation for some in by_number.values() for citation in some]
        numbers = " ".join(f"[{number}]" for number in by_number)
        terminal.write(f"{numbers} {place} ")
        terminal.write(f"({_path(document, root)}) ", DIM)
        _write_states(cited, terminal)
        terminal.write("\n")
        for citation in cited if with_quotes else ():
            _write_quote(citation, terminal)


def _path(document: str, root: Path) -> str:
    """A file's path from the root, also where it lies outside; other sources by their name."""
    if not document.startswith("file:"):
        return document
    from graphrag.indexing.documents.files import path_of

    return os.path.relpath(path_of(document, root=root), root)


def _write_states(cited: Iterable[Citation], terminal: Terminal) -> None:
    counts = Counter(one.state for one in cited)
    for place, (state, (sign, colour)) in enumerate(
        (state, look) for state, look in _STATES.items() if counts[state]
    ):
        terminal.write(", " if place else "")
        count = f"{counts[state]} " if len(counts) > 1 else ""
        terminal.write(
            count + state if terminal.is_pipe else f"{sign} {count}{state}".replace(" ", NO_BREAK),
            colour,
        )


def _write_quote(citation: Citation, terminal: Terminal) -> None:
    place = f"{citation.page}, " if citation.page else ""
    terminal.write(f"  - {place}{citation.state}")
    terminal.write(f': "{" ".join(citation.quote.split())}"\n' if citation.quote else "\n")


def print_notes(answer: Answer) -> None:
    """What there is to say about an answer, on stderr; nothing among records."""
    if logs_json():
        return
    terminal = Terminal.attached(err=True)
    for warning in answer.warnings:
        terminal.write(f"Warning: {warning}\n", YELLOW)
    for note in _notes(answer):
        terminal.write(f"{note}\n", DIM)


def _notes(answer: Answer) -> Iterator[str]:
    from graphrag.core.answers import EXTRACTIVE

    if answer.also_searched:
        yield f"also searched: {', '.join(answer.also_searched)}"
    if answer.extractive and answer.answered:
        yield EXTRACTIVE
    if answer.unsupported:
        yield f"{len(answer.unsupported)} sentences have no verified citation."
    yield f"Method {answer.method}: {answer.reason}" if is_verbose() else f"Method {answer.method}"
    if answer.usage.chat_calls or answer.usage.cached_calls:
        yield usage_line(answer.usage)
