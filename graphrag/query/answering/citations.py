"""Decide whether a text unit says what a quote says.

A quote is verified when the unit says it word for word. What may differ is typography: Unicode
form (NFKC), case, white space, quote marks, dashes, emphasis marks, invisible characters, and
parts left out behind an ellipsis. Case is folded because a model raises the first letter of a
quote that starts in the middle of a sentence, and case alone can neither add, drop nor swap a
word. What is not word for word has a second, narrow chance: the best window of the unit
(rapidfuzz, 90 or more), if it differs by accents, hyphens, lesser punctuation, a "the", or one
slip in a long common word. Numbers, negations, names and the order of words must be equal
there, so no paraphrase passes. A quote that stops right beside a "not" is refused as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from graphrag.text.page_marks import without_places
from graphrag.text.scripts import SPACELESS_CHARS

MIN_SCORE = 90.0
MIN_WORDS = 3
MIN_LETTERS = 10
MAX_PARTS = 16
WORDS_PER_SLIP = 10
MIN_SLIP_LENGTH = 8

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e01ef]"
)
# NFKC alone would turn 10² into 102 and 1½ into 11⁄2.
_RAISED = re.compile(r"(?<=\d)(?=[\u00b2\u00b3\u00b9\u2070-\u2079\u2080-\u2089])")
_FRACTION = re.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215f\u2189])")
_MARKS = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc\u02b9\u2032\u00b4`", "'"),
        **dict.fromkeys('"\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u2033', " "),
        **dict.fromkeys("\u300c\u300d\u300e\u300f\u301d\u301e\u301f*_", " "),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\u02d7", "-"),
        **dict.fromkeys("\u2014\u2015", " - "),  # never a minus
        "\u2044": "/",
    }
)
_ELLIPSIS = re.compile(r"[\[(]?\s*\.(?:\s?\.){2,}\s*[\])]?")
# Scripts written without spaces: each character is a token of its own.
_WIDE = f"[{SPACELESS_CHARS}]"
_LETTER = rf"(?:(?!{_WIDE})[^\W_])"
_TOKEN = re.compile(
    r"(?P<gap>\.(?:\s?\.){2,})"
    rf"|(?P<wide>{_WIDE})"
    rf"|(?P<number>(?:(?<![^\s(])[-+])?\d+(?:[.,:/]\d+)*{_LETTER}*(?:\s?%)?)"
    rf"|(?P<word>{_LETTER}+(?:'{_LETTER}+)*)"
    r"|(?P<mark>[^\w\s'])"
)
_SENTENCE_END = frozenset(".!?\u3002")
_NEGATION_WORDS = (
    "not no never none nobody nothing nowhere neither nor without cannot "
    "nicht kein keine keinen keinem keiner keines nie niemals niemand ohne "
    "jamais aucun aucune nunca jamás ningún ninguno ninguna tampoco "
    "não niet geen nooit "
    "不 没 沒 未 非 無 无"
)
_NEGATIONS = frozenset(_NEGATION_WORDS.split())


@dataclass(frozen=True, slots=True)
class _Token:
    folded: str
    kind: str  # word, wide, number, mark, gap
    capital: bool


def check(quote: str, unit_text: str) -> bool:
    """Whether `unit_text` says `quote`. A quote of under three words says nothing."""
    parts = [_trim(_tokens(part)) for part in _ELLIPSIS.split(_normalise(quote))]
    parts = [part for part in parts if part]
    return _says_enough(parts) and _Search(parts, _unit_tokens(unit_text)).found()


def _normalise(text: str) -> str:
    text = _FRACTION.sub(" ", _RAISED.sub("^", _INVISIBLE.sub("", text)))
    return unicodedata.normalize("NFKC", text).translate(_MARKS)


def _tokens(text: str) -> list[_Token]:
    """Words, numbers and marks of a normalised text; white space and quote marks are gone."""
    tokens: list[_Token] = []
    for match in _TOKEN.finditer(text):
        kind, value = str(match.lastgroup), match[0]
        if kind == "number":
            value = "".join(value.split())
        tokens.append(_Token(value.casefold(), kind, value[0].isupper()))
    return tokens


@lru_cache(maxsize=64)
def _unit_tokens(text: str) -> tuple[_Token, ...]:
    # A sentence may go on from one page to the next.
    return tuple(_tokens(_normalise(without_places(text))))


def _trim(tokens: Sequence[_Token]) -> list[_Token]:
    """Without the marks at both ends, which quoting adds and drops."""
    places = [place for place, token in enumerate(tokens) if _is_word(token)]
    return list(tokens[places[0] : places[-1] + 1]) if places else []


def _is_word(token: _Token) -> bool:
    return token.kind in ("word", "wide", "number")


def _n_words(tokens: Sequence[_Token]) -> int:
    return sum(map(_is_word, tokens))


def _says_enough(parts: Sequence[Sequence[_Token]]) -> bool:
    if not 0 < len(parts) <= MAX_PARTS or max(map(_n_words, parts)) < 2:
        return False
    words = [token for part in parts for token in part if _is_word(token)]
    letters = sum(3 if token.kind == "wide" else len(token.folded) for token in words)
    return len(words) >= MIN_WORDS and letters >= MIN_LETTERS


def _is_negation(token: _Token) -> bool:
    return token.folded in _NEGATIONS or token.folded.endswith("n't")


class _Search:
    """The parts of a quote in a unit: in order, with no negation left out between or beside."""

    def __init__(self, parts: Sequence[Sequence[_Token]], unit: Sequence[_Token]) -> None:
        self.parts = parts
        self.unit = unit
        self.words = [token.folded for token in unit]
        self.dead_ends: set[tuple[int, int]] = set()

    def found(self, part: int = 0, after: int = 0) -> bool:
        """Whether the parts from `part` on stand at or behind token `after`."""
        if part == len(self.parts):
            return True
        if (part, after) in self.dead_ends:
            return False
        for start, end in self._places(self.parts[part], after):
            fair = self._keeps_negation(start, end) and self._may_omit(part, after, start)
            if fair and self.found(part + 1, end):
                return True
        self.dead_ends.add((part, after))
        return False

    def _places(self, part: Sequence[_Token], after: int) -> Iterator[tuple[int, int]]:
        wanted = [token.folded for token in part]
        exact = False
        for place in range(after, len(self.words) - len(wanted) + 1):
            if self.words[place] == wanted[0] and (
                self.words[place : place + len(wanted)] == wanted
            ):
                exact = True
                yield place, place + len(wanted)
        if not exact and _n_words(part) >= MIN_WORDS:
            near = _nearly(part, self.unit[after:])
            if near:
                yield after + near[0], after + near[1]

    def _keeps_negation(self, start: int, end: int) -> bool:
        before = start > 0 and _is_negation(self.unit[start - 1])
        behind = end < len(self.unit) and _is_negation(self.unit[end])
        return not before and not behind

    def _may_omit(self, part: int, end: int, start: int) -> bool:
        """Whether the ellipsis before `part` may stand for the tokens from `end` to `start`."""
        if part == 0:
            return True
        gap = self.unit[end:start]
        pair = self.parts[part - 1 : part + 1]
        if any(token.folded in _SENTENCE_END for token in gap) and (
            min(map(_n_words, pair)) < MIN_WORDS
        ):
            return False  # single words picked from several sentences
        return not any(map(_is_negation, [*_clause(gap), *_clause(gap[::-1])]))


def _clause(gap: Sequence[_Token]) -> Iterator[_Token]:
    for token in gap:
        if token.kind == "mark":
            return
        yield token


def _nearly(part: Sequence[_Token], unit: Sequence[_Token]) -> tuple[int, int] | None:
    """Where `unit` differs from `part` in typography only: first token and one past the last."""
    from rapidfuzz import fuzz
    from rapidfuzz.distance import Levenshtein

    asked = [place for place in range(len(part)) if _matters(part, place)]
    held = [place for place in range(len(unit)) if _matters(unit, place)]
    wanted = " ".join(part[place].folded for place in asked)
    said = " ".join(unit[place].folded for place in held)
    if len(wanted) > len(said):
        return None
    best = fuzz.partial_ratio_alignment(wanted, said, score_cutoff=MIN_SCORE)
    if best is None:
        return None
    first, last = said.count(" ", 0, best.dest_start), said.count(" ", 0, best.dest_end)
    found = held[max(0, first - 2) : last + 3]
    steps = [
        (step.tag == "equal", step)
        for step in Levenshtein.opcodes(
            [_bare(part[place].folded) for place in asked],
            [_bare(unit[place].folded) for place in found],
        )
    ]
    # The window is a little wide: what it holds before and behind the quote is no difference.
    while steps and steps[0][1].tag == "insert":
        del steps[0]
    while steps and steps[-1][1].tag == "insert":
        del steps[-1]
    if not steps:
        return None
    slips = 0
    for equal, group in groupby(steps, key=lambda pair: pair[0]):
        block = [step for _, step in group]
        if not equal:
            ours = [part[asked[i]] for step in block for i in range(step.src_start, step.src_end)]
            theirs = [
                unit[found[i]] for step in block for i in range(step.dest_start, step.dest_end)
            ]
            slips += _slips(ours, theirs)
    if slips * WORDS_PER_SLIP > _n_words(part):
        return None
    return found[steps[0][1].dest_start], found[steps[-1][1].dest_end - 1] + 1


def _matters(tokens: Sequence[_Token], place: int) -> bool:
    """Words and ends of sentences; the point behind an initial or "Dr" is no end."""
    token = tokens[place]
    short = place > 0 and len(tokens[place - 1].folded) <= 2
    return _is_word(token) or (token.folded in _SENTENCE_END and not short)


def _bare(word: str) -> str:
    """Without the accents of Latin letters. Marks of other scripts make other letters."""
    if word.isascii():
        return word
    letters = (unicodedata.normalize("NFD", letter) for letter in word)
    return "".join(form[0] if form[0].isascii() else form for form in letters)


def _slips(ours: Sequence[_Token], theirs: Sequence[_Token]) -> int:
    """What one difference counts: 0 for typography, 1 for a slip, very much for other words."""
    from rapidfuzz.distance import OSA

    ours = [token for token in ours if token.folded != "the"]
    theirs = [token for token in theirs if token.folded != "the"]
    left, right = ("".join(_bare(token.folded) for token in side) for side in (ours, theirs))
    if left == right and _numbers(ours) == _numbers(theirs):
        negated = any(map(_is_negation, [*ours, *theirs]))
        return 0 if not negated or left == "cannot" else 10**6
    both = [*ours, *theirs]
    a_slip = (
        len(ours) == len(theirs) == 1
        and all(token.kind == "word" and not token.capital for token in both)
        and min(len(left), len(right)) >= MIN_SLIP_LENGTH
        and (left[0], left[-1]) == (right[0], right[-1])
        # A letter more, less or moved; another letter makes another word too often.
        and (len(left) != len(right) or sorted(left) == sorted(right))
        and OSA.distance(left, right) == 1
    )
    return 1 if a_slip else 10**6


def _numbers(tokens: Sequence[_Token]) -> list[str]:
    return [digits for token in tokens for digits in re.findall(r"\d[\d.,:/]*", token.folded)]
