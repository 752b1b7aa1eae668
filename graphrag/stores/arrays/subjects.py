"""The title and the text of a unit in; the names that it is about out.

An article begins by naming its subject and saying what that is ("Leo Fong (born 1928) was …").
That tells names from words that merely open a text, and collections of articles from others.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence

from graphrag import text as analysis
from graphrag.stores.arrays.path_index import BEFORE_COMMA, OPENING, SHORT, TITLE, fold, name_of

OPENING_CHARACTERS = 80
SUBJECT_CHARACTERS = 100  # of the name that a definition begins with
FIRST_CHARACTERS = 400  # where other names of the subject stand

_PARENTHESIS = re.compile(r"\(.*?\)")
_SEPARATOR = re.compile(r"[^\w'’.\-\s]|\n")
# The site or the series that a title names beside its subject stands behind one of these.
_TITLE_MARKS = (",", " - ", " – ", " — ", " | ", " · ", " / ")
_FILE_NUMBER = re.compile(r"^\d+[\W_]+(?=\w*_|\w*-\w)")
_FILE_ENDING = re.compile(r"\.(?:txt|md|html?|pdf|docx?|json|csv)$", re.IGNORECASE)
_HEADING = re.compile(r"#*[ \t]*(?P<heading>[^\n]{2,100}[^\n.:;,!?])\s*\n(?=\s*\S)")
# "Leo Fong (born 1928)", "Manila is a city", "Gaby: A True Story is", "Anton – ein Dorf".
_COPULA = "is|was|are|were|ist|war|sind|est|était|sont|es|era|fue|son|è|sono|é|foi|er|var|är"
_DEFINITION = re.compile(
    rf"\W*(?P<name>\w(?:[^\n.;]|(?<=\b\w)\.|(?<=\b\w\w)\.){{0,{SUBJECT_CHARACTERS}}}?)[\"'’”»]*"
    rf"(?:\s*\(|\s+[–—-]\s|,?\s+(?:{_COPULA}|may refer)\s)"
)
_KNOWN_AS = re.compile(
    r"\b(?:(?:known|referred to)(?: \w+){0,2} as (?:the |simply )?|(?:a\.k\.a\.|aka|alias) )"
    r"[\"'“‘]*"
)


def owned_names(title: str, text: str, *, common: Container[str] = ()) -> dict[str, float]:
    """The names that a unit with this title and text is about, and how far (0-1).

    A `common` word names nothing by opening a text.
    """
    heading, below = _split_heading(text)
    # A file name or a number is not what the text is about.
    titles = (one for one in (_bare(title), heading) if _is_spoken(one, below))
    full = next(titles, "")
    owned = _opening_names(below, full=set(name_of(full).split()), common=common)
    if full:
        owned[name_of(full)] = TITLE
        owned[name_of(_PARENTHESIS.sub("", full))] = TITLE
        for head in (full.partition(mark)[0] for mark in _TITLE_MARKS):
            if head != full and len(name_of(head)) > 2:
                owned.setdefault(name_of(head), BEFORE_COMMA)
    return {name: weight for name, weight in owned.items() if name}


def defined_name(text: str) -> str:
    """The name, folded, that `text` begins with and at once says what it is; else ""."""
    found = _DEFINITION.match(_split_heading(text)[1])
    words = analysis.words(found["name"]) if found else []
    meaning = [word for word in words if not analysis.is_stop_word(fold(word))]
    if (
        not any(word[0].isupper() for word in meaning)
        or not all(_is_proper(word) for word in meaning)
        or not _is_proper(words[-1])
    ):
        return ""
    return " ".join(map(fold, words))


def _opening_names(text: str, *, full: set[str], common: Container[str]) -> dict[str, float]:
    """The names that the beginning of `text` gives its subject, whose title has the `full` words.

    Where there is a title, only names that share a word with it count.
    """
    owned: dict[str, float] = {}
    opening = _opening_name(text)
    words = opening.split()
    if opening not in common and (not full or (len(words) > 1 and full.intersection(words))):
        owned[opening] = OPENING
        owned |= dict.fromkeys(_short_names(words), SHORT)
    subject = defined_name(text)
    words = subject.split()
    if subject and subject not in common and (not full or full.intersection(words)):
        owned |= dict.fromkeys((subject, *_other_names(text)), OPENING)
        owned = dict.fromkeys(_short_names(words), SHORT) | owned
    return owned


def _is_spoken(title: str, text: str) -> bool:
    """Whether `text` has a word of `title`; most have one near their beginning."""
    wanted = set(name_of(title).split())
    near = text[: max(0, text.rfind(" ", 0, FIRST_CHARACTERS))]
    return any(
        not wanted.isdisjoint(map(fold, analysis.words(part)))
        for part in (near, text)
        if not part.isascii() or any(map(part.lower().__contains__, wanted))
    )


def _split_heading(text: str) -> tuple[str, str]:
    """A first line that is a heading, and the text below it."""
    found = _HEADING.match(text)
    return (found["heading"], text[found.end() :]) if found else ("", text)


def _bare(title: str) -> str:
    """`title` without the signs of a file name."""
    return _FILE_NUMBER.sub("", _FILE_ENDING.sub("", title)).replace("_", " ")


def _short_names(words: Sequence[str]) -> Iterator[str]:
    """First and last name, and each name between with the last."""
    if 3 <= len(words) <= 6:
        for word in words[:-1]:
            if not word.isdigit() and not analysis.is_stop_word(word):
                yield f"{word} {words[-1]}"


def _other_names(text: str) -> Iterator[str]:
    """What else, by its first sentences, the subject of `text` is known as."""
    for found in _KNOWN_AS.finditer(text[:FIRST_CHARACTERS]):
        yield _opening_name(text[found.end() : found.end() + OPENING_CHARACTERS])


def _opening_name(text: str) -> str:
    """The first run of capitalised words within the first characters."""
    run: list[str] = []
    for part in _SEPARATOR.split(text[:OPENING_CHARACTERS]):
        for word in analysis.words(part):
            capital = word[0].isupper()
            if capital and (run or not analysis.is_stop_word(fold(word))):
                run.append(word)
            elif run and not analysis.is_stop_word(fold(word)):
                break
            elif run:
                run.append(word)
        if run:
            break
    while run and (not run[-1][0].isupper() or analysis.is_stop_word(fold(run[-1]))):
        run.pop()
    name = " ".join(map(fold, run))
    return name if len(name) > 2 else ""


def _is_proper(word: str) -> bool:
    return word[0].isupper() or word[0].isdigit()
