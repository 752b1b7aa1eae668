"""Name what a text is about, by its title, its headings and its opening words.

An article begins by naming its subject and saying what that is ("Leo Fong (born 1928) was …").
That tells names from words that merely open a text, and collections of articles from others.
Each name is weighted from 0 to 1; the caller says by which `key` names are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence

from graphrag.text.analysis import is_stop_word, words
from graphrag.text.normalisation import normalise
from graphrag.text.stopwords import ARTICLES

TITLE, NO_ARTICLE, OPENING, HEADING, BEFORE_MARK, SHORT = 1.0, 0.9, 0.7, 0.6, 0.6, 0.5
OPENING_CHARACTERS = 80
SUBJECT_CHARACTERS = 100  # of the name that a definition begins with
FIRST_CHARACTERS = 400  # where other names of the subject stand
MAX_HEADING_WORDS = 10

Key = Callable[[str], str]

_PARENTHESIS = re.compile(r"\s*\([^()]*\)")
# The site or the series that a title names beside its subject stands behind one of these.
_TITLE_MARKS = (",", " - ", " – ", " — ", " | ", " · ", " / ")
_HEADING = re.compile(r"#*[ \t]*(?P<heading>[^\n]{2,100}[^\n.:;,!?])\s*\n(?=\s*\S)")
_NUMBERING = re.compile(r"^[\W\d_]*(?:[IVXLC]+\.\s+)?")
_NO_TOPIC = re.compile(
    r"(?:chapter|part|section|appendix|book|volume|act)\b.{0,8}|[ivxlc]+|introduction|summary|"
    r"conclusions?|overview|references|bibliography|contents|table of contents|notes|background|"
    r"abstract|preface|foreword|index|see also|external links"
)
_SEPARATOR = re.compile(r"[^\w'’.\-\s]|\n")
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


def bare_title(title: str) -> str:
    """ "Blood Street" of "Blood Street (film)": what its own text calls it."""
    return " ".join(_PARENTHESIS.sub(" ", title).split())


def heading_topic(heading: str) -> str:
    """The heading without its number; empty when it only labels a part of the document."""
    topic = _NUMBERING.sub("", " ".join(heading.split())).strip(" .:#*")
    key = normalise(topic)
    if len(topic) < 2 or len(key.split()) > MAX_HEADING_WORDS or _NO_TOPIC.fullmatch(key):
        return ""
    return topic


def title_names(title: str, *, key: Key) -> dict[str, float]:
    """The title, also without a parenthesis, an article, or what a mark sets apart."""
    bare = bare_title(title)
    article, _, rest = bare.partition(" ")
    heads = {bare.partition(mark)[0] for mark in _TITLE_MARKS} - {bare}
    return _weighted(
        [
            (key(title), TITLE),
            (key(bare), TITLE),
            (key(rest) if article.lower() in ARTICLES else "", NO_ARTICLE),
            *((name, BEFORE_MARK) for name in map(key, sorted(heads)) if len(name) > 2),
        ]
    )


def opening_names(
    text: str, *, title: str, key: Key, common: Container[str] = ()
) -> dict[str, float]:
    """The names that the beginning of `text` gives its subject.

    Where there is a title, only names that share a word with it count. A `common` word names
    nothing by opening a text.
    """
    titled = frozenset(key(title).split())
    below = split_heading(text)[1]
    names: list[tuple[str, float]] = []
    opening = key(_opening_name(below))
    parts = opening.split()
    if opening not in common and (not titled or (len(parts) > 1 and titled.intersection(parts))):
        names.append((opening, OPENING))
        names += ((name, SHORT) for name in _short_names(parts))
    subject = key(defined_name(below))
    parts = subject.split()
    if subject and subject not in common and (not titled or titled.intersection(parts)):
        names += ((name, OPENING) for name in (subject, *map(key, _other_names(below))))
        names += ((name, SHORT) for name in _short_names(parts))
    return _weighted(names)


def defined_name(text: str) -> str:
    """The name that `text` begins with and at once says what it is; else ""."""
    found = _DEFINITION.match(split_heading(text)[1])
    name = words(found["name"]) if found else []
    meaning = [word for word in name if not is_stop_word(word.casefold())]
    if (
        not any(word[0].isupper() for word in meaning)
        or not all(_is_proper(word) for word in meaning)
        or not _is_proper(name[-1])
    ):
        return ""
    return " ".join(name)


def split_heading(text: str) -> tuple[str, str]:
    """A first line that is a heading, and the text below it."""
    found = _HEADING.match(text)
    return (found["heading"], text[found.end() :]) if found else ("", text)


def _weighted(names: Iterable[tuple[str, float]]) -> dict[str, float]:
    """By name its highest weight."""
    weights: dict[str, float] = {}
    for name, weight in names:
        if name:
            weights[name] = max(weight, weights.get(name, 0.0))
    return weights


def _short_names(name: Sequence[str]) -> Iterator[str]:
    """First and last name, and each name between with the last."""
    if 3 <= len(name) <= 6:
        for word in name[:-1]:
            if not word.isdigit() and not is_stop_word(word):
                yield f"{word} {name[-1]}"


def _other_names(text: str) -> Iterator[str]:
    """What else, by its first sentences, the subject of `text` is known as."""
    for found in _KNOWN_AS.finditer(text[:FIRST_CHARACTERS]):
        yield _opening_name(text[found.end() : found.end() + OPENING_CHARACTERS])


def _opening_name(text: str) -> str:
    """The first run of capitalised words within the first characters.

    What stands before it are stop words and numbers: "The Ems is" and not "I saw Ems".
    """
    run: list[str] = []
    for part in _SEPARATOR.split(text[:OPENING_CHARACTERS]):
        for word in words(part):
            capital, stop = word[0].isupper(), is_stop_word(word.casefold())
            if (capital and (run or not stop)) or (run and stop):
                run.append(word)
            elif run or not (stop or word[0].isdigit()):
                return _trimmed(run)
        if run:
            break
    return _trimmed(run)


def _trimmed(run: Sequence[str]) -> str:
    """The run up to its last word that is capitalised and no stop word."""
    end = len(run)
    while end and (not run[end - 1][0].isupper() or is_stop_word(run[end - 1].casefold())):
        end -= 1
    name = " ".join(run[:end])
    return name if len(name) > 2 else ""


def _is_proper(word: str) -> bool:
    return word[0].isupper() or word[0].isdigit()
