"""Check the citations of a reply while it streams, and find the sentences that lack one.

The reply is Markdown with [n], then a fenced `citations` block. That block is held back from
the stream, wherever the stream is cut into pieces. `{"answered": false}` in it says that the
sources do not hold the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from graphrag import text as analysis
from graphrag.core.answers import AnswerTable, Citation, Passage
from graphrag.core.errors import BadReplyError
from graphrag.query.answering.citations import check
from graphrag.query.context import Source

MARKER = re.compile(r"\[(\d{1,5}(?:\s*[,;]\s*\d{1,5})*)\](?!\()")

_FENCE = "```"
_CLOSING = re.compile(r"(?:^|\n)[ \t]*```[ \t]*(?:\n|$)")
_OPENING = re.compile(r"```[ \t]*([\w-]*)")
_NUMBER = re.compile(r"\d{1,5}")
_HEADING = re.compile(r"\s*(?:#{1,6}\s|[-=*_]{3,}\s*$|\|?[\s:|-]+\|?\s*$)")
_LIST_MARK = re.compile(r"^\s*(?:>\s*)*(?:(?:[-*+•]|\d{1,3}[.)])\s+)?")
_LEADING_MARKERS = re.compile(r"(?:\s*\[\d[\d\s,;]*\](?!\()[.,;:]?)+")


@dataclass(frozen=True, slots=True)
class Written:
    """An answer's text with what supports it."""

    text: str
    answered: bool
    citations: tuple[Citation, ...] = ()
    unsupported: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    table: AnswerTable | None = None


@dataclass(frozen=True, slots=True)
class _Block:
    """What a citations block says."""

    quotes: tuple[tuple[int, str], ...]
    answered: bool | None  # None where it does not say


async def write(
    pieces: AsyncIterator[str],
    sources: Sequence[Source],
    *,
    on_text: Callable[[str], None] | None = None,
) -> Written:
    """The reply of `pieces`, checked against `sources`; `on_text` gets the text as it comes.

    Raises BadReplyError when there is no text at all.
    """
    reply = ReplyFilter()
    shown: list[str] = []

    def show(text: str) -> None:
        if text:
            shown.append(text)
            if on_text:
                on_text(text)

    async for piece in pieces:
        show(reply.feed(piece))
    show(reply.close())
    text = "".join(shown).strip()
    block, warnings = reply.block()
    if not text:
        if block is not None and block.answered is False:
            text = "The sources do not hold the answer."
            show(text)
        else:
            raise BadReplyError(
                "the model's reply holds no answer", hint="Ask again, or use another model."
            )
    return _checked(text, block, sources, warnings)


def _checked(
    text: str, block: _Block | None, sources: Sequence[Source], warnings: list[str]
) -> Written:
    cited = markers(text)
    quotes = list(block.quotes) if block else []
    quoted = {number for number, _ in quotes}
    quotes += [(number, "") for number in dict.fromkeys(cited) if number not in quoted]
    citations, unknown = resolve(quotes, sources)
    if unknown:
        named = ", ".join(f"[{number}]" for number in unknown)
        warnings.append(f"the reply cites {named}, which is not among the sources")
    answered = True
    if block is not None:
        # An empty list and no [n] anywhere is how models that forget the object say "not here".
        answered = block.answered if block.answered is not None else bool(quotes)
    if not answered:
        return Written(text, answered=False, citations=tuple(citations), warnings=tuple(warnings))
    return Written(text, True, tuple(citations), unsupported(text, citations), tuple(warnings))


class ReplyFilter:
    """Pieces of a reply in; the text to show out, with fenced citations kept back.

    A fence that is named `citations`, `json` or nothing is held until it closes: only then is
    it known whether it holds citations. Ones that do not are shown.
    """

    def __init__(self) -> None:
        self._text = ""  # not shown yet
        self._open = False  # inside a fence that is shown
        self._held: list[tuple[str, bool]] = []  # content of blocks, whether named citations

    def feed(self, piece: str) -> str:
        self._text += piece
        return "".join(self._ready())

    def close(self) -> str:
        """What is left when the reply is over."""
        rest = "".join(self._ready(over=True)) + self._text
        self._text = ""
        return rest.rstrip()

    def block(self) -> tuple[_Block | None, list[str]]:
        """What the citations blocks said together, and warnings."""
        read = [_parse(content) for content, _ in self._held]
        warnings = [
            "the reply's citations could not be read"
            for (_, named), block in zip(self._held, read, strict=True)
            if named and block is None
        ]
        blocks = [block for block in read if block is not None]
        if not blocks:
            return None, warnings
        said = [block.answered for block in blocks if block.answered is not None]
        quotes = tuple(quote for block in blocks for quote in block.quotes)
        return _Block(quotes, said[-1] if said else None), warnings

    def _ready(self, *, over: bool = False) -> Iterator[str]:
        while True:
            if self._open:
                end = _CLOSING.search(self._text)
                if end is None:
                    return
                yield self._take(end.end())
                self._open = False
                continue
            start = self._text.find(_FENCE)
            if start < 0:
                yield self._take(len(self._text) if over else _safe_length(self._text))
                return
            opening = _OPENING.match(self._text, start)
            line_end = self._text.find("\n", start)
            if opening is None or (line_end < 0 and not over):
                yield self._take(_safe_length(self._text[:start]))
                return
            if opening[1].lower() not in ("", "json", "citations"):
                yield self._take(opening.end())
                self._open = True
                continue
            end = _CLOSING.search(self._text, opening.end())
            if end is None and not over:
                yield self._take(_safe_length(self._text[:start]))
                return
            yield from self._hold(start, opening, end.span() if end else None)

    def _hold(
        self, start: int, opening: re.Match[str], end: tuple[int, int] | None
    ) -> Iterator[str]:
        """Keep the block back, or show it where it holds no citations."""
        close, after = end or (len(self._text), len(self._text))
        content = self._text[opening.end() : close]
        named = opening[1].lower() == "citations"
        if named or _parse(content) is not None:
            self._held.append((content, named))
            before = self._text[:start].rstrip()
            self._text = self._text[len(before) : start] + self._text[after:]
            yield before
        else:
            yield self._take(after)

    def _take(self, count: int) -> str:
        taken, self._text = self._text[:count], self._text[count:]
        return taken


def _safe_length(text: str) -> int:
    """How much of `text` can be shown: not the blanks and backticks a fence may follow."""
    return len(text.rstrip().rstrip("`").rstrip())


def _parse(content: str) -> _Block | None:
    """A block's content, repaired where it was cut off; None when it is something else."""
    decoder = json.JSONDecoder(strict=False)
    body = content.strip()
    try:
        value = cast(object, decoder.raw_decode(body)[0])
    except (ValueError, RecursionError):
        value = [
            item for match in re.finditer(r"\{[^{}]*\}", body) if (item := _object(match[0]))
        ] or None
    answered: bool | None = None
    if isinstance(value, dict):
        tree = cast(dict[str, object], value)
        if isinstance(tree.get("answered"), bool):
            answered = tree["answered"] is True
        elif "citations" not in tree and "quote" not in tree:
            return None
        value = [tree] if "quote" in tree else tree.get("citations", [])
    if not isinstance(value, list):
        return None
    items = cast(list[object], value)
    quotes = [quote for item in items if (quote := _quote(item))]
    if items and not quotes and answered is None:
        return None
    return _Block(tuple(quotes), answered)


def _object(text: str) -> object:
    try:
        return cast(object, json.loads(text, strict=False))
    except (ValueError, RecursionError):
        return None


def _quote(item: object) -> tuple[int, str] | None:
    if not isinstance(item, dict):
        return None
    fields = cast(dict[str, object], item)
    number = _NUMBER.search(str(fields.get("n", fields.get("number", ""))))
    quote = fields.get("quote")
    return (int(number[0]), quote) if number and isinstance(quote, str) else None


def resolve(
    cited: Sequence[tuple[int, str]], sources: Sequence[Source]
) -> tuple[list[Citation], list[int]]:
    """The checked citations, each pair once, and the numbers that name no source."""
    by_number = {source.number: source for source in sources if source.units}
    citations: list[Citation] = []
    for number, quote in dict.fromkeys(cited):
        source = by_number.get(number)
        if source is None:
            continue
        says_it: Passage | None = None
        if quote:
            says_it = next((unit for unit in source.units if check(quote, unit.text)), None)
        unit = says_it or source.units[0]
        citations.append(
            Citation(number, unit.id, unit.document, unit.title, quote, says_it is not None)
        )
    return citations, sorted({number for number, _ in cited} - by_number.keys())


def markers(text: str) -> list[int]:
    """The numbers cited in `text`, in order: [2] and [2, 5]."""
    return [int(number) for mark in MARKER.finditer(text) for number in _NUMBER.findall(mark[1])]


def unsupported(answer: str, citations: Sequence[Citation]) -> tuple[str, ...]:
    """The sentences of `answer` that no verified citation supports.

    Headings, rules and the borders of tables are no sentences; list marks are left out.
    """
    verified = {citation.number for citation in citations if citation.verified}
    lines = (_LIST_MARK.sub("", line) for line in answer.splitlines() if not _HEADING.match(line))
    return tuple(
        sentence
        for line in lines
        for sentence in _sentences(line)
        if any(character.isalnum() for character in MARKER.sub("", sentence))
        and not verified.intersection(markers(sentence))
    )


def _sentences(line: str) -> Iterator[str]:
    """Sentences of one line; markers behind a full stop belong to the sentence before them."""
    held = ""
    for start, end in analysis.sentences(line):
        sentence = line[start:end]
        leading = _LEADING_MARKERS.match(sentence) if held else None
        if leading:
            held += " " + leading[0].strip()
            sentence = sentence[leading.end() :].strip()
        if sentence:
            if held:
                yield held
            held = sentence
    if held:
        yield held
