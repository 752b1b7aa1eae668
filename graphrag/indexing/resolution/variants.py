"""Make the key that all ways to write a name share, and note what was left out on the way.

Two names with one key differ in form only: accents, hyphens, an article, an honorific, a legal
form, an abbreviation, singular and plural. A name never loses so much that one word is left,
for one shared word proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from graphrag.indexing.extraction.lexicon import (
    HONORIFICS,
    LINKS,
    MARRIED,
    SECOND_LINKS,
    UNMARRIED,
)
from graphrag.text import fold
from graphrag.text.stopwords import ARTICLES

ACCENTS = "accents"
SPACING = "hyphens, dots or spaces"
ARTICLE = "leading article"
HONORIFIC = "honorific"
LEGAL_FORM = "legal form"
ABBREVIATION = "abbreviation"
SPELLING = "British and American spelling"
PLURAL = "singular and plural"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Said of men, of women: a name cannot have both.
MALE = _words("mr mister sir lord king prince count duke baron monsieur herr señor father")
FEMALE = (
    UNMARRIED
    | MARRIED
    | _words("lady dame queen princess countess duchess baroness empress madam mother")
)
# "General Post Office", "President Street", "Major League": these words are not always titles.
_DOUBTFUL = _words("general major gen maj president judge senator master count hon")
_NO_TITLE = _words("saint pope king queen emperor empress uncle aunt messrs sirs")
_STRIPPED = (HONORIFICS | {"agent", "governor", "commander", "private"}) - MARRIED - _NO_TITLE
_LEGAL_FORMS = _words("inc incorporated ltd llc plc gmbh")
_LINKING = LINKS | SECOND_LINKS | _words("and the a an in on at for to und et")
_ABBREVIATED = {
    "dept": "department", "univ": "university", "govt": "government", "intl": "international",
    "natl": "national", "assn": "association", "bros": "brothers", "jr": "junior",
    "sr": "senior", "corp": "corporation", "co": "company",
}  # fmt: skip
_ABBREVIATED_FIRST = {"st": "saint", "mt": "mount", "ft": "fort"}
_ABBREVIATED_LAST = {"st": "street", "rd": "road", "ave": "avenue", "sq": "square"}
_AMERICAN = {
    "centre": "center", "theatre": "theater", "labour": "labor", "defence": "defense",
    "harbour": "harbor", "colour": "color", "honour": "honor", "favour": "favor",
    "neighbour": "neighbor", "programme": "program", "armour": "armor",
    "jewellery": "jewelry", "aluminium": "aluminum", "catalogue": "catalog",
}  # fmt: skip
_SPECIAL = frozenset(_ABBREVIATED).union(_ABBREVIATED_FIRST, _ABBREVIATED_LAST, _AMERICAN, ("and",))
_IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "feet": "foot", "teeth": "tooth",
    "vertebrae": "vertebra", "wives": "wife", "knives": "knife", "lives": "life",
    "wolves": "wolf", "leaves": "leaf", "halves": "half", "shelves": "shelf",
}  # fmt: skip
# Their plural is another thing: officials, states, goods for sale, a dwelling.
_OTHER_PLURAL = _words(
    "authorities powers arms goods customs forces quarters works spirits manners means terms "
    "letters respects regards damages duties securities spectacles glasses premises looks brains "
    "minutes papers heavens grounds pains airs wages colours colors greens lines rights"
)
_NO_PLURAL = ("ss", "us", "is", "ous", "ews", "ics", "ies")
_MIN_ACCENTED = 5  # letters of a single word; shorter ones differ by their accents ("Bär", "Bar")
_MIN_JOINED = 7  # letters of two words written as one


@dataclass(frozen=True, slots=True)
class Variant:
    """`key` is equal for all ways to write a name; `steps` is what this way leaves to undo."""

    key: str
    words: tuple[str, ...]
    """Of the bare name, without accents."""
    steps: frozenset[str]
    titles: frozenset[str]
    """The honorifics that were left out."""


def variant(spelling: str, norm: str) -> Variant:
    """How `norm`, written as `spelling`, is written barely."""
    folded = fold(norm)
    steps = {ACCENTS} if folded != norm else set[str]()
    words = folded.split() or [norm]  # nothing is left of a lone accent
    if not _SPECIAL.isdisjoint(words) or "isation" in folded:
        words = _expanded(words, steps)
    words = _initialised(words)
    if len(words) > 2 and words[0] in ARTICLES:
        words = words[1:]
        steps.add(ARTICLE)
    if len(words) > 2 and words[-1] in _LEGAL_FORMS:
        words = words[:-1]
        steps.add(LEGAL_FORM)
    words, titles = _untitled(words, steps)
    if len(words) > 1 and spelling.split()[-1].islower() and words[-1] not in _OTHER_PLURAL:
        singular = _singular(words[-1])
        if singular != words[-1]:
            words = [*words[:-1], singular]
            steps.add(PLURAL)
    return Variant(_joined(words, norm), tuple(words), frozenset(steps), titles)


def difference(first: Variant, second: Variant) -> str:
    """What tells two ways to write one name apart."""
    steps = sorted(first.steps ^ second.steps)
    if first.titles != second.titles and HONORIFIC not in steps:
        steps.append(HONORIFIC)
    if first.words != second.words or not steps:
        steps.append(SPACING)
    return ", ".join(steps)


def initials(words: tuple[str, ...]) -> list[str]:
    """The letters that may stand for a name of several words: all, or only the weighty ones."""
    every = "".join(word[0] for word in words)
    weighty = "".join(word[0] for word in words if word not in _LINKING)
    return sorted({every, weighty})


def numbers(words: tuple[str, ...]) -> frozenset[str]:
    """What counts or ranks: two names that differ in it are two things."""
    return frozenset(word for word in words if _is_number(word))


def bare_of_links(words: tuple[str, ...]) -> tuple[str, ...]:
    """The weighty words in sort order: "University of Oxford" and "Oxford University" share it."""
    return tuple(sorted(word for word in words if word not in _LINKING))


def has_links(words: Sequence[str]) -> bool:
    """Whether the name says what something is of, in or for."""
    return not _LINKING.isdisjoint(words)


def gender(norm: str) -> str:
    """ "m" or "f" where the honorific of a name tells."""
    first = norm.partition(" ")[0]
    return "m" if first in MALE else "f" if first in FEMALE else ""


def _initialised(words: list[str]) -> list[str]:
    """Single letters in a row as one word: "U.S. Army" is also written "US Army"."""
    if len(words) < 2 or not any(len(word) == 1 for word in words):
        return words
    found: list[str] = []
    in_run = False
    for word in words:
        letter = len(word) == 1 and word.isalpha()
        if letter and in_run:
            found[-1] += word
        else:
            found.append(word)
        in_run = letter
    # Two letters alone are as often a word of the language ("us", "it", "am").
    return found if len(found) > 1 or len(found[0]) > 2 else words


def _expanded(words: list[str], steps: set[str]) -> list[str]:
    """Without abbreviations, in American spelling."""
    last = len(words) - 1
    found: list[str] = []
    for place, word in enumerate(words):
        long = _ABBREVIATED.get(word) if place else None
        if place < last:
            long = long or _ABBREVIATED_FIRST.get(word)
        elif place:
            long = long or _ABBREVIATED_LAST.get(word)
        american = _american(word)
        if long is not None:
            steps.add(ABBREVIATION)
        elif american != word:
            steps.add(SPELLING)
        if word == "and" and 0 < place < last:
            steps.add(ABBREVIATION)  # "Smith & Wesson": the sign is no word
        else:
            found.append(long or american)
    return found


def _american(word: str) -> str:
    if len(word) > 8 and "isation" in word:
        return word.replace("isation", "ization")
    return _AMERICAN.get(word, word)


def _untitled(words: list[str], steps: set[str]) -> tuple[list[str], frozenset[str]]:
    """Without the honorifics in front, as long as two words are left."""
    titles: set[str] = set()
    while len(words) > 2 and words[0] in _STRIPPED and words[1] not in _LINKING:
        titles.add(words[0])
        words = words[1:]
    if titles:
        steps.add(HONORIFIC)
    return words, frozenset(titles)


def only_doubtful(titles: frozenset[str]) -> bool:
    """Whether all these honorifics are words that also stand in other names."""
    return bool(titles) and titles <= _DOUBTFUL


def _singular(word: str) -> str:
    known = _IRREGULAR.get(word)
    if known is not None:
        return known
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith(("ses", "xes", "ches", "shes", "zes")):
        return word[:-2] if not word.endswith("ses") or word.endswith("sses") else word[:-1]
    if len(word) > 3 and word.endswith("s") and not word.endswith(_NO_PLURAL):
        return word[:-1]
    return word


def _joined(words: list[str], norm: str) -> str:
    """The letters without the spaces; spaces between numbers stay, and so do short names."""
    if len(words) == 1 and len(words[0]) < _MIN_ACCENTED:
        return norm
    if sum(map(len, words)) < _MIN_JOINED or len(words) == 1:
        return " ".join(words)
    parts = [words[0]]
    for before, word in pairwise(words):
        if (before[-1].isdigit() and word[0].isdigit()) or len(word) == 1 or len(before) == 1:
            parts.append(" ")
        parts.append(word)
    return "".join(parts)


def _is_number(word: str) -> bool:
    if any(map(str.isdigit, word)):
        return True
    return word in _NUMBER_WORDS or (len(word) <= 5 and set(word) <= _ROMAN and word not in _WORDS)


_ROMAN = frozenset("ivxlc")
_WORDS = _words("i c l v x mix civil civic ill lil vic villi")  # letters and words, not numbers
_NUMBER_WORDS = _words(
    "one two three four five six seven eight nine ten first second third fourth fifth sixth "
    "seventh eighth ninth tenth eleventh twelfth junior senior elder younger"
)
