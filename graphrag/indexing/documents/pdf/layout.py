"""Put the words of a page into lines, in the order in which a person reads them."""

from __future__ import annotations

import statistics
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from graphrag.indexing.documents.pdf.pdfium import Word

_SAME_LINE = 0.45  # of the size of the letters: raised figures stand so far above their line
_PART = 1.0  # letters' size: a wider gap divides a line into parts
_COLUMN_LINES = 4  # of a column at least
_COLUMN_WORDS = 3  # of a line in a column, in the middle: fewer are cells of a table
_MAX_ACROSS = 0.4  # of the parts that may run across columns
_EDGE = 3.0  # points within which edges are one
_EVEN = 0.01  # letters' size: how far the widths of a typewriter's letters differ
_FIXED_WORDS = 4  # different ones that tell a typewriter's font
_MAX_FIXED = 0.5  # of all letters; more is a document set like that, and no code
_MAX_INDENT = 60  # spaces
_RIGHT_TO_LEFT = ("R", "AL")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page: its text, the size of its letters and its height on the page.

    `column` counts the columns of the page; `x` and `pitch` (the width of a letter) are of code.
    """

    text: str
    size: float
    y: float
    column: int = 0
    x: float = 0.0
    pitch: float = 0.0


@dataclass(frozen=True, slots=True)
class _Part:
    """Words of one line without a wide gap between them."""

    words: tuple[Word, ...]
    x: float
    end: float
    y: float
    row: int


def page_lines(words: Sequence[Word], fixed: Collection[str]) -> list[Line]:
    """The lines of a page in reading order; what stands turned follows."""
    turns = Counter(word.turn for word in words)
    lines: list[Line] = []
    for turn, _ in turns.most_common():
        parts = _parts([word for word in words if word.turn == turn])
        for column in _columns(parts):
            number = lines[-1].column + 1 if lines else 0
            lines.extend(_line(row, number, fixed) for row in _rows(column))
    return lines


def fixed_fonts(pages: Iterable[Sequence[Word]]) -> frozenset[str]:
    """The fonts whose letters all have one width, as code is set in."""
    widths: dict[str, dict[str, float]] = defaultdict(dict)
    letters: Counter[str] = Counter()
    for words in pages:
        for word in words:
            letters[word.font] += len(word.text)
            # Figures have one width in most fonts, and so have signs of East Asia.
            is_latin = word.text.isascii() and word.text.isalpha()
            if is_latin and len(word.text) > 2 and word.advance > 0 and word.size > 0:
                widths[word.font][word.text] = word.advance / word.size
    fixed = {
        font
        for font, found in widths.items()
        if font and len(found) >= _FIXED_WORDS and max(found.values()) - min(found.values()) < _EVEN
    }
    share = sum(letters[font] for font in fixed) / max(1, letters.total())
    return frozenset(fixed) if share <= _MAX_FIXED else frozenset()


def _parts(words: Sequence[Word]) -> list[_Part]:
    """From the top down, in each line from the left."""
    parts: list[_Part] = []
    for number, line in enumerate(_same_height(words)):
        held: list[Word] = []
        for word in sorted(line, key=lambda one: one.x):
            if held and word.x - held[-1].end > _PART * max(word.size, held[-1].size):
                parts.append(_part(held, number))
                held = []
            held.append(word)
        parts.append(_part(held, number))
    return parts


def _same_height(words: Sequence[Word]) -> Iterator[list[Word]]:
    line: list[Word] = []
    largest = None
    for word in sorted(words, key=lambda one: -one.y):
        if largest is not None:
            near = _SAME_LINE * max(word.size, largest.size)
            if largest.y - word.y > near:
                yield line
                line, largest = [], None
        line.append(word)
        if largest is None or word.size > largest.size:
            largest = word
    if line:
        yield line


def _part(words: Sequence[Word], row: int) -> _Part:
    largest = max(words, key=lambda word: (word.size, len(word.text)))
    return _Part(tuple(words), words[0].x, max(word.end for word in words), largest.y, row)


def _columns(parts: list[_Part]) -> list[list[_Part]]:
    """`parts` divided where they stand in columns; what runs across divides these again."""
    edge = _gutter(parts)
    if edge is None:
        return [parts] if parts else []
    found: list[list[_Part]] = []
    left: list[_Part] = []
    right: list[_Part] = []
    for part in parts:
        if part.x >= edge - _EDGE:
            right.append(part)
        elif part.end <= edge:
            left.append(part)
        else:
            found.extend([*_columns(left), *_columns(right)])
            found.append([part])
            left, right = [], []
    return [*found, *_columns(left), *_columns(right)]


def _gutter(parts: Sequence[_Part]) -> float | None:
    """Where a second column of text begins: its lines share an edge that few parts cross."""
    if len(parts) < 2 * _COLUMN_LINES:
        return None
    leftmost = min(part.x for part in parts)
    edges = Counter(round(part.x / _EDGE) for part in parts if part.x > leftmost + 10 * _EDGE)
    for edge, count in edges.most_common(3):
        if count < _COLUMN_LINES:
            return None
        x = edge * _EDGE
        right = [part for part in parts if part.x >= x - _EDGE]
        left = [part for part in parts if part.end <= x and part.x < x - _EDGE]
        across = len(parts) - len(right) - len(left)
        is_text = min(_usual_words(left), _usual_words(right)) >= _COLUMN_WORDS
        if is_text and across <= _MAX_ACROSS * len(parts):
            return x
    return None


def _usual_words(parts: Sequence[_Part]) -> float:
    if len(parts) < _COLUMN_LINES:
        return 0.0
    return statistics.median(len(part.words) for part in parts)


def _rows(column: Sequence[_Part]) -> Iterator[list[Word]]:
    for _, parts in groupby(column, key=lambda part: part.row):
        yield [word for part in parts for word in part.words]


def _line(words: list[Word], column: int, fixed: Collection[str]) -> Line:
    sizes: Counter[float] = Counter()
    for word in [word for word in words if not word.label] or words:
        sizes[word.size] += len(word.text)
    size = sizes.most_common(1)[0][0]
    y = next(word.y for word in words if word.size == size)
    if fixed and all(word.font in fixed for word in words):
        pitch = next((word.advance for word in words if word.advance > 0), 0.5 * size)
        return Line(_spaced(words, pitch), size, y, column, words[0].x, pitch)
    texts = list(_labelled(words))
    if _is_right_to_left(words):
        texts.reverse()
    return Line(" ".join(texts), size, y, column)


def _labelled(words: Sequence[Word]) -> Iterator[str]:
    """The texts of a line; a form field has its own label where none stands before it."""
    has_label = False
    for word in words:
        yield word.text if has_label or not word.label else f"{word.label}: {word.text}"
        has_label = not word.label


def _spaced(words: Sequence[Word], pitch: float) -> str:
    """A line of code with the gaps that it has."""
    text = ""
    for word in words:
        wanted = min(round((word.x - words[0].x) / pitch), len(text) + _MAX_INDENT)
        text += " " * max(wanted - len(text), 1 if text else 0) + word.text
    return text


def _is_right_to_left(words: Sequence[Word]) -> bool:
    letters = [word.text for word in words if not word.text.isascii()]
    turned = sum(unicodedata.bidirectional(text[0]) in _RIGHT_TO_LEFT for text in letters)
    return 2 * turned > len(words)
