"""Find pairs of names that may be one entity, each with a reason and a decision.

Rules decide what the form of two names and the texts they share decide; the rest is left to a
model, or refused. Names meet only in blocks (a shared key, word or beginning), and large blocks
are left out, so the work grows with the number of names and not with its square.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeVar

from graphrag.indexing.resolution import variants
from graphrag.indexing.resolution.variants import Variant
from graphrag.text import normalise

RULES = "rules:2"  # name and version: the rules here and in `variants` make joins what they are

ACRONYM = "acronym"
INITIALS = "initials"
INVERTED = "first name after a comma"
TYPING = "one letter differs"
ALIKE = "alike in spelling"
SAME_WORDS = "same words in another order"
SHARED_WORD = "one shared word"
SHARED_WORDS = "one name within the other"
MEANING = "alike in meaning"

Key = TypeVar("Key", bound="tuple[str, ...] | str")
Decision = Literal["join", "ask", "refuse"]

_MAX_BLOCK = 40  # names; a larger block shares something too common to mean anything
_MAX_LONG_FORMS = 4  # names that one short name may stand for, to be asked about
_WINDOW = 3  # neighbours in sort order that are compared
_MIN_TYPED_WORD = 6  # letters of a word in which a letter may be missing
_MIN_REPLACED = 8  # letters of one in which a letter may be replaced: Miss Stoner, Miss Stoper
_MIN_ALIKE = 10  # letters of a name that is compared as a whole
_MAX_ACRONYM = 8  # letters
_TYPES = frozenset(("person", "organization", "location", "event", "geo"))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two normalised names, sorted, that may be one entity."""

    first: str
    second: str
    reason: str
    score: float  # 0 to 1
    decision: Decision
    note: str = ""  # why, or why not
    decided_by: str = ""  # the model's name; empty for a rule

    @property
    def is_form(self) -> bool:
        """Whether the form of the names decides alone, as equal keys do."""
        return self.score == 1.0


@dataclass(frozen=True, slots=True)
class NameProfile:
    """What the current evidence says of one normalised name."""

    norm: str
    spelling: str  # the one with most mentions
    type: str  # the most frequent one that says something, casefolded
    is_name: bool  # not just a phrase or a hint
    units: frozenset[int]  # text units that mention it
    documents: frozenset[int]
    variant: Variant

    @property
    def count(self) -> int:
        return len(self.units)

    @property
    def words(self) -> tuple[str, ...]:
        return self.variant.words

    @property
    def is_proper(self) -> bool:
        """A name of which every weighty word has a capital, where the script has capitals."""
        return self.is_name and not any(
            word[0].islower() and len(word) > 3 for word in self.spelling.split()
        )


def find_pairs(names: Iterable[NameProfile], *, threshold: float) -> list[Pair]:
    """Pairs of `names` that may be one entity, each pair once, sorted by names.

    `threshold` is the least similarity (0 to 1) of two spellings that are worth a question.
    """
    known = {name.norm: name for name in sorted(names, key=lambda name: name.norm)}
    return best_pairs(_Finder(known, threshold).pairs())


def best_pairs(pairs: Iterable[Pair]) -> list[Pair]:
    """Each pair of names once, with what says most about it, sorted by names."""
    best: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        place = pair.first, pair.second
        if pair.first == pair.second:
            continue  # "H. H." meets itself
        if place not in best or _weight(pair) < _weight(best[place]):
            best[place] = pair
    return [best[place] for place in sorted(best)]


def conflict(first: NameProfile, second: NameProfile) -> str:
    """What in the names themselves says that they are two things; empty when nothing does."""
    one, other = first.words, second.words
    if variants.numbers(one) != variants.numbers(other):
        return "different numbers"
    if len({variants.gender(first.norm), variants.gender(second.norm)} - {""}) > 1:
        return "one is a man, one a woman"
    if _are_namesakes(one, other) and "person" in (first.type, second.type):
        return "one family name, different first names"
    return ""


def worth(pair: Pair, known: Mapping[str, NameProfile]) -> float:
    """How much is won by knowing: likely pairs of names that are often mentioned."""
    seldom = min(known[pair.first].count, known[pair.second].count)
    return pair.score * math.log2(1 + seldom)


def make_pair(
    one: NameProfile,
    other: NameProfile,
    reason: str,
    score: float,
    *,
    decision: Decision,
    note: str = "",
) -> Pair:
    """The pair of two names; what in them speaks against it refuses it."""
    first, second = sorted((one.norm, other.norm))
    note = note or conflict(one, other)
    return Pair(first, second, reason, round(score, 3), "refuse" if note else decision, note)


def _weight(pair: Pair) -> tuple[int, float, str]:
    return ({"join": 0, "refuse": 1, "ask": 2}[pair.decision], -pair.score, pair.reason)


def _are_namesakes(one: Sequence[str], other: Sequence[str]) -> bool:
    """ "Sherlock Holmes" and "Mycroft Holmes"; an initial may stand for any name."""
    if len(one) < 2 or len(other) < 2 or one[-1] != other[-1]:
        return False
    first, second = one[0], other[0]
    if len(first) == 1 or len(second) == 1:
        return first[0] != second[0]
    return first != second and first not in other and second not in one


class _Finder:
    """The blocks in which names meet."""

    def __init__(self, known: Mapping[str, NameProfile], threshold: float) -> None:
        self._known = known
        self._threshold = threshold
        self._proper = [name for name in known.values() if name.is_proper]

    def pairs(self) -> Iterator[Pair]:
        yield from self._same_key()
        yield from self._acronyms()
        yield from self._initials()
        yield from self._inverted()
        yield from self._typing()
        yield from self._alike()
        yield from self._shared_words()

    def _same_key(self) -> Iterator[Pair]:
        """Ways to write one name, each paired with the one that is most mentioned."""
        for group in _blocks(
            ((name.variant.key, name) for name in self._known.values()), at_most=len(self._known)
        ):
            best = min(group, key=lambda name: (-name.count, name.spelling))
            for name in group:
                if name is not best:
                    yield self._variant_pair(best, name)

    def _variant_pair(self, first: NameProfile, second: NameProfile) -> Pair:
        reason = variants.difference(first.variant, second.variant)
        titles = first.variant.titles, second.variant.titles
        note = conflict(first, second)
        if not note and any(map(variants.only_doubtful, titles)):
            # "Captain America Comics", "General Post Office": said of a person only?
            plain = second if titles[0] else first
            if plain.type != "person":
                note = "the title may be a part of the name"
        if not note and all(titles) and titles[0] != titles[1] and not _meet(first, second):
            note = "different titles in different texts"
        if not note and variants.PLURAL in reason and first.units.isdisjoint(second.units):
            # The hand of one passage and the hands of another are hardly one thing.
            return make_pair(first, second, reason, 0.8, decision="ask")
        return make_pair(
            first, second, reason, 1.0, decision="refuse" if note else "join", note=note
        )

    def _acronyms(self) -> Iterator[Pair]:
        """ "WHO" and "World Health Organization"."""
        short: defaultdict[str, list[NameProfile]] = defaultdict(list)
        for name in self._known.values():
            letters = _acronym(name)
            if letters:
                short[letters].append(name)
        long: defaultdict[str, list[NameProfile]] = defaultdict(list)
        for name in self._proper:
            if len(name.words) > 1:
                for letters in variants.initials(name.words):
                    if letters in short:
                        long[letters].append(name)
        for letters in sorted(long):
            keys = {name.variant.key for name in long[letters]}
            if len(long[letters]) > _MAX_BLOCK:
                continue
            for one in short[letters]:
                for other in long[letters]:
                    yield self._acronym_pair(one, other, letters=letters, only=len(keys) == 1)

    def _acronym_pair(
        self, short: NameProfile, long: NameProfile, *, letters: str, only: bool
    ) -> Pair:
        together = bool(short.units & long.units)
        sure = only and together and len(letters) > 2 and not _types_differ(short, long)
        score = 0.5 + 0.2 * only + 0.2 * together
        return make_pair(short, long, ACRONYM, score, decision="join" if sure else "ask")

    def _initials(self) -> Iterator[Pair]:
        """ "John H. Watson" and "John Watson"; "J. Watson" is asked about."""
        people = [name for name in self._proper if len(name.words) > 1 and _may_be_person(name)]
        for block in _blocks(((name.words[0], name.words[-1]), name) for name in people):
            middles = [name.words[1:-1] for name in block]
            agree = all(_middles_agree(one, other) for one, other in combinations(middles, 2))
            for one, other in combinations(block, 2):
                if one.variant.key == other.variant.key:
                    continue
                initials = _only_initials(one, other)
                sure = agree and _meet(one, other) and (initials or _is_short_form(one, other))
                score = 0.9 if initials else 0.7
                yield make_pair(one, other, INITIALS, score, decision="join" if sure else "ask")
        for block in _blocks(((name.words[0][0], name.words[-1]), name) for name in people):
            for one, other in combinations(block, 2):
                lengths = sorted((len(one.words[0]), len(other.words[0])))
                if lengths[0] == 1 and lengths[1] > 1 and _meet(one, other):
                    yield make_pair(one, other, INITIALS, 0.6, decision="ask")

    def _inverted(self) -> Iterator[Pair]:
        """ "Holmes, Sherlock"."""
        for name in self._proper:
            last, comma, first = name.spelling.partition(",")
            if comma and "," not in first and len(name.words) < 6:
                straight = self._known.get(normalise(f"{first} {last}"))
                if straight is not None and straight is not name:
                    yield make_pair(name, straight, INVERTED, 1.0, decision="join")

    def _typing(self) -> Iterator[Pair]:
        """Names that differ in one word, and there in one or two letters."""
        masked = (
            ((str(place), *words[:place], *words[place + 1 :]), name)
            for name in self._proper
            if 1 < len(words := name.words) < 8
            for place in range(len(words))
            if len(words[place]) >= _MIN_TYPED_WORD
        )
        for key, block in _keyed_blocks(masked):
            for one, other in combinations(block, 2):
                yield from self._typing_pair(one, other, int(key[0]))

    def _typing_pair(self, one: NameProfile, other: NameProfile, place: int) -> Iterator[Pair]:
        first, second = one.words[place], other.words[place]
        distance = _distance(first, second)
        if distance > 2 or one.variant.key == other.variant.key:
            return
        # The first and the last letter decide who is meant: Pavlov and Pavlova.
        ends = first[0] == second[0] and first[-1] == second[-1]
        sure = distance == 1 and ends and _meet(one, other) and not _types_differ(one, other)
        long = len(first) != len(second) or len(first) >= _MIN_REPLACED
        sure = sure and long and min(one.count, other.count) <= 2
        score = 1 - distance / max(len(first), len(second))
        if sure or score >= self._threshold - 0.1:
            yield make_pair(one, other, TYPING, score, decision="join" if sure else "ask")

    def _alike(self) -> Iterator[Pair]:
        """Neighbours in sort order whose letters are mostly the same, and other orders."""
        from rapidfuzz import fuzz

        long = [("".join(name.words), name) for name in self._proper]
        ordered = sorted((text, name.norm) for text, name in long if len(text) >= _MIN_ALIKE)
        for place, (text, norm) in enumerate(ordered):
            for near, other in ordered[place + 1 : place + 1 + _WINDOW]:
                ratio = fuzz.ratio(text, near) / 100
                if text != near and ratio >= self._threshold:
                    pair = self._known[norm], self._known[other]
                    yield make_pair(*pair, ALIKE, ratio, decision="ask")
        several = ((variants.bare_of_links(n.words), n) for n in self._proper if len(n.words) > 1)
        for block in _blocks(several):
            for one, other in combinations(block, 2):
                if one.variant.key != other.variant.key:
                    yield make_pair(one, other, SAME_WORDS, 0.8, decision="ask")

    def _shared_words(self) -> Iterator[Pair]:
        """ "Holmes" and "Sherlock Holmes": never joined for that alone."""
        ends: defaultdict[tuple[str, ...], list[NameProfile]] = defaultdict(list)
        for name in self._proper:
            words = name.words
            if 1 < len(words) < 6 and _may_be_person(name) and not variants.has_links(words):
                for part in {words[-1:], words[:1], words[1:]}:
                    ends[part].append(name)
        for short in self._proper:
            long = [
                name
                for name in ends.get(short.words, ())
                if _meet(short, name) and not _types_differ(short, name)
            ]
            if len(long) > _MAX_BLOCK:
                continue
            scored = sorted(((_company(short, name), name.norm) for name in long), reverse=True)
            reason = SHARED_WORD if len(short.words) == 1 else SHARED_WORDS
            for share, norm in scored[:_MAX_LONG_FORMS]:
                score = 0.5 + 0.45 * share
                yield make_pair(short, self._known[norm], reason, score, decision="ask")


def _keyed_blocks(
    keyed: Iterable[tuple[Key, NameProfile]], *, at_most: int = _MAX_BLOCK
) -> Iterator[tuple[Key, list[NameProfile]]]:
    """The names of each key, where there are two and not too many."""
    blocks: defaultdict[Key, list[NameProfile]] = defaultdict(list)
    for key, name in keyed:
        blocks[key].append(name)
    for key, block in blocks.items():
        if 1 < len(block) <= at_most:
            yield key, block


def _blocks(
    keyed: Iterable[tuple[Key, NameProfile]], *, at_most: int = _MAX_BLOCK
) -> Iterator[list[NameProfile]]:
    for _, block in _keyed_blocks(keyed, at_most=at_most):
        yield block


def _meet(one: NameProfile, other: NameProfile) -> bool:
    """Whether one document has both."""
    return not one.documents.isdisjoint(other.documents)


def _company(short: NameProfile, long: NameProfile) -> float:
    """Share of the units of the rarer name that have both."""
    return len(short.units & long.units) / (min(len(short.units), len(long.units)) or 1)


def _types_differ(one: NameProfile, other: NameProfile) -> bool:
    return one.type in _TYPES and other.type in _TYPES and one.type != other.type


def _may_be_person(name: NameProfile) -> bool:
    return name.type == "person" or name.type not in _TYPES


def _acronym(name: NameProfile) -> str:
    """The letters of a name that is nothing but capitals: "WHO", "U.S.A."."""
    letters = name.spelling.replace(".", "").replace(" ", "")
    if not (1 < len(letters) <= _MAX_ACRONYM and letters.isalpha() and letters.isupper()):
        return ""
    dotted = "." in name.spelling or " " not in name.spelling
    return letters.casefold() if dotted else ""


def _middles_agree(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether middle names can be one person's: one a beginning of the other, initials allowed."""
    return all(
        first == second or (1 in (len(first), len(second)) and first[0] == second[0])
        for first, second in zip(one, other, strict=False)
    )


def _only_initials(one: NameProfile, other: NameProfile) -> bool:
    """Whether what one has beyond the other is initials."""
    middles = one.words[1:-1], other.words[1:-1]
    if not _middles_agree(*middles):
        return False
    shorter, longer = sorted(middles, key=len)
    return all(len(word) == 1 for word in longer[len(shorter) :])


def _is_short_form(one: NameProfile, other: NameProfile) -> bool:
    """Whether one is a person's name without the middle ones, in documents with both.

    "Cyrus Field" is Cyrus West Field where no document has him under the short name alone.
    """
    short, long = sorted((one, other), key=lambda name: len(name.words))
    is_person = "person" in (one.type, other.type)
    return is_person and len(short.words) == 2 and short.documents <= long.documents


def _distance(first: str, second: str) -> int:
    """Letters inserted, dropped, replaced or swapped with a neighbour; above 2 it is 3."""
    from rapidfuzz.distance import OSA

    return OSA.distance(first, second, score_cutoff=2)
