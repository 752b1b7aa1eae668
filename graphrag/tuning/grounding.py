"""Check whether a text holds the names that a model reports."""

from __future__ import annotations

import re
from functools import cached_property

from graphrag.text import normalise, sentences

# Endings that a name takes in a sentence (genitives, cases), on names of so many letters.
_ENDING = r"\w{0,3}"
_INFLECTED = 5
_SPACED = re.compile(r"[\u0041-\u052f\u1e00-\u1fff]")  # Latin, Greek, Cyrillic
_WINDOW = 2  # sentences next to each other in which two names count as together


class SourceText:
    """A text, normalised once, in which names are looked for."""

    def __init__(self, text: str) -> None:
        self.text = text

    def holds(self, name: str) -> bool:
        """Whether `name` occurs, as whole words where words are set apart by spaces."""
        return _holds(self._folded, name)

    def brings_together(self, first: str, second: str) -> bool:
        """Whether both names occur in one sentence or in two that follow each other."""
        return any(_holds(window, first) and _holds(window, second) for window in self._windows)

    @cached_property
    def _folded(self) -> str:
        return normalise(self.text)

    @cached_property
    def _windows(self) -> list[str]:
        spans = sentences(self.text)
        lines = [self.text[start:end] for start, end in spans]
        return [
            normalise(" ".join(lines[at : at + _WINDOW]))
            for at in range(max(1, len(lines) - _WINDOW + 1))
        ]


def _holds(folded: str, name: str) -> bool:
    wanted = normalise(name)
    if not wanted:
        return False
    if not _SPACED.search(wanted):
        return wanted.replace(" ", "") in folded.replace(" ", "")
    ending = _ENDING if len(wanted) >= _INFLECTED and wanted[-1].isalpha() else ""
    return re.search(rf"(?<!\w){re.escape(wanted)}{ending}(?!\w)", folded) is not None
