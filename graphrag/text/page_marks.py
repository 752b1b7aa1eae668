"""Pages, slides and sheets as lines of a text, and back: where in its document a quote stands.

A reader puts a line such as `###### Page 3` before what stands on page 3. The line opens no
section: it says where the text under it is found, and citations show it.
"""

from __future__ import annotations

import re

_NAME = r"Page \d{1,6}|Slide \d{1,6}|Sheet: \S[^\n]{0,60}"
_LINE = re.compile(rf" {{0,3}}######[ \t]+({_NAME})[ \t]*$")
_LINES = re.compile(rf"^ {{0,3}}######[ \t]+({_NAME})[ \t]*$", re.MULTILINE)
_OPENING_WORDS = 6  # of a quote that is not word for word there


def place_line(place: str) -> str:
    """The line that says that what follows stands in `place`: "Page 3", "Sheet: Costs"."""
    return f"###### {place}"


def read_place(line: str) -> str:
    """The place that `line` names, or nothing."""
    match = _LINE.match(line) if "######" in line else None
    return match[1].strip() if match else ""


def is_place(line: str) -> bool:
    """Whether `line` does nothing but name a place."""
    return bool(read_place(line.rstrip("\n")))


def without_places(text: str) -> str:
    """`text` without the lines that name places."""
    return _LINES.sub("", text) if "######" in text else text


def find_place(quote: str, text: str) -> str:
    """The place in which `text` has `quote`, or nothing where it names none or has it nowhere."""
    marks = list(_LINES.finditer(text)) if "######" in text else []
    if not marks:
        return ""
    at = _find(quote, text)
    if at is None:
        places = {mark[1].strip() for mark in marks}
        return places.pop() if len(places) == 1 else ""
    before = [mark[1].strip() for mark in marks if mark.start() <= at]
    return before[-1] if before else ""


def _find(quote: str, text: str) -> int | None:
    """Where `quote` begins in `text`, whatever the white space and case."""
    words = quote.split()
    for wanted in (words, words[:_OPENING_WORDS]):
        if wanted:
            pattern = r"\s+".join(map(re.escape, wanted))
            match = re.search(pattern, text, re.IGNORECASE)
            if match:
                return match.start()
    return None
