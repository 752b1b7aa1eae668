"""Write text that breaks at words and has colours in a terminal, and is plain in a pipe."""

from __future__ import annotations

import os
import re
import shutil
import sys

import click

from graphrag.cli.options import harmless

BOLD, DIM, GREEN, YELLOW, RED = "1", "2", "32", "33", "31"
NO_BREAK = "\xa0"  # a space at which no line ends
MARKED = "1;33"  # what fits the question

# Between these signs a line may end; what closes or follows stays with the one before it.
_WIDE = "\u2e80-\u3000\u3003-\u3007\u3012-\u9fff\uf900-\ufaff\uff04-\uff07\uff10-\uff19"
_CLOSING = (
    "\u3001\u3002\u3009\u300b\u300d\u300f\u3011\u3015\uff01\uff09\uff0c\uff0e\uff1a\uff1b\uff1f"
)
_PIECE = re.compile(rf"\n|[^\S\n\xa0]+|[{_WIDE}]|[{_CLOSING}]+|(?:[^\s{_WIDE}{_CLOSING}]|\xa0)+")
_ENTRY = re.compile(r"[-*+•]|\d{1,3}[.)]|\[\d+\]")
_VERBATIM_INDENT = 4  # columns from which Markdown reads code


class Terminal:
    """Text as it comes, in pieces; words are held back until they are whole.

    Code blocks and rows of tables keep their lines. `width` 0 means a pipe: nothing is broken.
    """

    def __init__(self, *, width: int = 0, has_colour: bool = False, err: bool = False) -> None:
        self._width = width
        self._has_colour = has_colour
        self._err = err
        self._word: list[tuple[str, str]] = []  # text and style
        self._space = ""
        self._column = 0
        self._indent = 0
        self._is_line_start = True
        self._is_verbatim = False
        self._is_fenced = False

    @classmethod
    def attached(cls, *, err: bool = False) -> Terminal:
        """What stdout or stderr leads to."""
        if not (sys.stderr if err else sys.stdout).isatty():
            return cls(err=err)
        has_colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(width=shutil.get_terminal_size().columns, has_colour=has_colour, err=err)

    @property
    def is_pipe(self) -> bool:
        return self._width == 0

    def write(self, text: str, style: str = "") -> None:
        text = harmless(text)
        if self.is_pipe:
            self._column = 0 if text.endswith("\n") else self._column + len(text)
            self._put(text)
            return
        for piece in _PIECE.findall(text):
            if piece == "\n":
                self._end_line()
            elif piece.isspace() and piece[0] != NO_BREAK:
                self._end_word()
                self._space += piece
            else:
                if self._ends_before(piece):
                    self._end_word()
                self._word.append((piece, style))

    def end(self) -> None:
        """Write what is held back, and end the line if one has begun."""
        self._end_word()
        if self._column:
            self._end_line()

    def _ends_before(self, piece: str) -> bool:
        """Whether a line may end between the word so far and `piece`, which no blank parts."""
        if not self._word or re.match(f"[{_CLOSING}]", piece):
            return False
        return (
            re.match(f"[{_WIDE}]", piece) is not None
            or re.match(f"[{_WIDE}{_CLOSING}]", self._word[-1][0]) is not None
        )

    def _end_line(self) -> None:
        self._end_word()
        self._put("\n")
        self._space = ""
        self._column = self._indent = 0
        self._is_line_start = True

    def _end_word(self) -> None:
        if not self._word:
            return
        from rich.cells import cell_len

        word = "".join(text for text, _ in self._word)
        blank = self._space if self._is_line_start or self._is_verbatim else " " * bool(self._space)
        if self._is_line_start:
            self._begin_line(word)
        size = cell_len(word)
        is_full = self._column + len(blank) + size > self._width
        if is_full and self._column > self._indent and not self._is_verbatim:
            self._put("\n" + " " * self._indent)
            self._column, blank = self._indent, ""
        for text, style in ((blank, ""), *self._word):
            self._put(f"\x1b[{style}m{text}\x1b[0m" if style and self._has_colour else text)
        self._column += len(blank) + size
        self._word, self._space = [], ""

    def _begin_line(self, word: str) -> None:
        """Decide by its blanks and first word where the lines begin that follow from it."""
        indent = len(self._space.expandtabs(_VERBATIM_INDENT))
        is_fence = word.startswith("```")
        self._is_verbatim = (
            self._is_fenced or is_fence or word.startswith("|") or indent >= _VERBATIM_INDENT
        )
        self._is_fenced ^= is_fence
        indent += len(word) + 1 if _ENTRY.fullmatch(word) else 0
        self._indent = min(indent, self._width // 2)
        self._is_line_start = False

    def _put(self, text: str) -> None:
        if text:
            click.echo(text, nl=False, err=self._err, color=self._has_colour)
