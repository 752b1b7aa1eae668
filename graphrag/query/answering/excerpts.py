"""Cut text units into the excerpts that an answer can quote: contiguous, and each part whole.

Parts are what a reader takes in at once: a paragraph, a list, a table, a block of code; of long
ones a sentence, an item, a row, a line. From each part an excerpt goes on under the same heading
for as long as it stays short.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import TypeAlias

from graphrag import text as analysis
from graphrag.query.context import Unit
from graphrag.query.context.words import QuestionWords
from graphrag.text.blocks import Block, blocks
from graphrag.text.scripts import UNSPACED

SAME = 0.7  # of two excerpts' words; beyond it they say the same
LONGEST = 600  # characters of an excerpt, and from which a block falls into parts
WINDOW = 3  # sentences in which words stand close together
MAX_LEAD = 300  # characters of the line or the table's head that introduces a part
MIN_EXCERPT = 3  # characters
MIN_ALONE = 60  # characters of an excerpt beside others, if it is no sentence
MAX_GAP = 600  # characters between two excerpts that are quoted as one
MIN_TITLE = 6  # letters
MIN_LABELS = 3  # items of a list that may be a page's menu
LABEL_WORDS = 8  # of an item, its mark included
NEARLY = 0.9  # of an excerpt's question words in the paragraph before it, to quote that first
AT_MOST = 1.5  # of the longest, for what a line with a colon introduces

_ITEM = re.compile(r"(?m)^[ \t]*(?:[-*+•]|\d{1,9}[.)])[ \t]+\S")
_TITLE = re.compile(
    r"\s*[^\n]*[^\s.!?:;…。！？]\s*"
)  # a line that is no sentence says little alone
# "- Tables in a Join" before a paragraph: a title that a page has set as a list of one.
_ITEM_TITLE = re.compile(
    r"[ \t]*(?:[-*+•]|\d{1,9}[.)])[ \t]+[^\W\d_][^\n]{0,120}[^\s.!?:;…。！？][ \t]*\n"
    r"\s*(?=[^\W\d_])"
)
_LIST_MARK = re.compile(r"\s*(?:>\s*)*(?:[-*+•–]|\d{1,3}[.)])\s+")
_SECTION = re.compile(r"\s*(?:[-*+•]\s+)?\d{1,3}(?:\.\d{1,3})+\.?\s+\D[^\n]{0,120}[^\s.!?:;]\s*")
# "It", "This is why", "generates the same": what is meant stands before.
_BACKWARD = re.compile(
    r"(?:[a-z]|(?i:this|that|these|those|it|they|he|she|such|however|but|otherwise|instead)\b"
    r"|(?i:after|for|if|in|with) (?:both|it|such|that|these|this|those)\b"
    r"|[^.\n]{0,40}\b(?:above|also)\b)"
)
_LINK_TARGET = re.compile(r"\]\([^()\n]*\)")
_FENCE = re.compile(r"(?m)^ {0,3}(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>\S*)")
_QUOTED = re.compile(r"[ \t]*>[ \t]*(?![-*+•>#|`~]|\d{1,3}[.)])\S")
_SENTENCE_LINE = re.compile(r"(?m)^ {0,3}[^\W\d_][^\n{}=<>|;]{30,}[.:?!)]$")
MAX_SENTENCE = 400  # characters of a quote that stands for a finding


# By document and letters: ordinal of the text unit, and where in it.
Titles: TypeAlias = Mapping[tuple[str, str], tuple[int, int]]
_NO_TITLES: Titles = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Part:
    """`unit.text[start:end]`. `head`: of its table, where it is a row; `place`: its page."""

    start: int
    end: int
    kind: str  # of its block, if it is no sentence or item
    headings: tuple[str, ...]
    head: tuple[int, int] | None = None
    place: int = 0


@dataclass(frozen=True)
class Excerpt:
    """Parts of a unit that follow one another, with how often they have the question's terms."""

    unit: Unit
    parts: tuple[Part, ...]
    terms: Counter[str]
    around: frozenset[str]  # terms of title and headings

    @classmethod
    def of(
        cls, unit: Unit, parts: tuple[Part, ...], words: QuestionWords, *, around: frozenset[str]
    ) -> Excerpt:
        terms = words.counts(unit.text[parts[0].start : parts[-1].end], unit.language)
        return cls(unit, parts, terms, around)

    @property
    def start(self) -> int:
        return self.parts[0].start

    @cached_property
    def quote(self) -> str:
        return self.unit.text[self.start : self.parts[-1].end].strip()

    @property
    def headings(self) -> tuple[str, ...]:
        return self.parts[0].headings

    @property
    def lead(self) -> str:
        """The head of the table whose rows it begins with, if it does."""
        head = self.parts[0].head
        return self.unit.text[slice(*head)].strip() if head and head[1] <= self.start else ""

    @cached_property
    def _opening(self) -> str:
        return self.unit.text[self.start : self.parts[0].end].strip()

    @cached_property
    def held(self) -> frozenset[str]:
        return self.around.union(self.terms)

    @cached_property
    def spoken(self) -> frozenset[str]:
        return frozenset(word.casefold() for word in analysis.words(self.quote))

    def phrases(self, words: QuestionWords) -> float:
        """The share of the question's neighbouring words that stand side by side here, too."""
        told = "\n".join((self.unit.title, *self.headings, self.quote))
        return words.side_by_side(told, self.unit.language)

    def cut(self, begin: int, words: QuestionWords) -> Excerpt:
        """What of it is left from character `begin` of its quote on, as one part."""
        start = self.unit.text.index(self.quote, self.start) + begin
        part = Part(start, self.parts[-1].end, self.parts[0].kind, self.headings)
        return Excerpt.of(self.unit, (part,), words, around=self.around)

    def fitted(self, size: int, words: QuestionWords) -> Excerpt | None:
        """As much of its beginning as takes at most `size` characters; none if no sentence does."""
        kept = sum(part.end - self.start <= size for part in self.parts)
        if kept == len(self.parts):
            return self
        begun = _beginning(self.unit, self.parts[kept], self.start + size)
        parts = (*self.parts[:kept], *begun)
        return Excerpt.of(self.unit, parts, words, around=self.around) if parts else None

    def with_antecedent(self, words: QuestionWords, titles: Titles) -> Excerpt:
        """From one part further up, where its first words speak of what stands there."""
        if not _BACKWARD.match(self.quote):
            return self
        parts = list(_parts(self.unit, LONGEST, titles))
        at = next((at for at, part in enumerate(parts) if part.start == self.start), 0)
        before = parts[at - 1]
        if at == 0 or not _follows(parts[at], before):
            return self
        whole = Excerpt.of(self.unit, (before, *self.parts), words, around=self.around)
        if whole.parts[-1].end - whole.start <= AT_MOST * LONGEST:
            return whole
        # What has nearly as much of the question comes first, at the cost of the end.
        first = words.counts(self.unit.text[before.start : before.end], self.unit.language)
        begun = whole.fitted(int(AT_MOST * LONGEST), words)
        is_alike = words.weight(first) >= NEARLY * words.weight(self.terms)
        return begun if begun and is_alike else self

    def is_scrap(self) -> bool:
        """Whether it says too little to stand alone: a label, or what promises more."""
        if self.parts[0].kind == "table" or UNSPACED.search(self.quote):
            return False
        is_short = len(self.quote) < MIN_ALONE and not self.quote.endswith((".", "!", "?"))
        return is_short or self.quote.endswith(":")

    def with_next(self, other: Excerpt, words: QuestionWords) -> Excerpt | None:
        """One excerpt of this and `other`, of this unit, if that follows soon under one heading."""
        gap = other.start - self.parts[-1].end
        if not (0 <= gap <= MAX_GAP and _follows(other.parts[0], self.parts[0])):
            return None
        parts = (*self.parts, *other.parts)
        return Excerpt.of(self.unit, parts, words, around=self.around)

    def says_the_same(self, other: Excerpt) -> bool:
        """Whether it overlaps `other`, or has most of its words from it."""
        one, two = (range(it.start, it.parts[-1].end) for it in (self, other))
        if self.unit.id == other.unit.id and one.start < two.stop and two.start < one.stop:
            return True
        # Two units that overlap: what one begins with, for its words, the other has already.
        openings = ((self._opening, other), (other._opening, self))
        if any(len(said) >= MIN_ALONE and said in it.quote for said, it in openings):
            return True
        return len(self.spoken & other.spoken) > SAME * min(len(self.spoken), len(other.spoken))


def find_titles(units: Iterable[Unit]) -> Titles:
    """The last place of each heading, and of each line that is a paragraph, by its document."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for unit in units:
        for block in _blocks(unit.text):
            line = unit.text[block.start : block.end].strip()
            if block.kind in ("heading", "paragraph") and "\n" not in line:
                key, place = (unit.document_id, _letters(line)), (unit.ordinal, block.start)
                found[key] = max(place, found.get(key, place))
    return found


def excerpts(
    unit: Unit,
    words: QuestionWords,
    *,
    longest: int = LONGEST,
    titles: Titles = _NO_TITLES,
) -> Iterator[Excerpt]:
    """The excerpts of `unit` that have words of the question, in the order of the text.

    `longest`: characters of an excerpt of several parts, and of a block that is one part.
    `titles`: of its document; what lists them says little beside what stands under them.
    """
    parts = list(_parts(unit, longest, titles))
    counts = [words.counts(unit.text[part.start : part.end], unit.language) for part in parts]
    around: dict[tuple[str, ...], frozenset[str]] = {}
    last = -1
    menus = _menus(unit, parts, counts)
    for first, part in enumerate(parts):
        if first in menus:
            continue
        end = _reach(unit, parts, first, longest)
        end = next((at - 1 for at in range(first + 1, end + 1) if at in menus), end)
        while end > first and not counts[end] and _is_frame(unit, parts[end - 1], parts[end]):
            end -= 1
        if end <= last or len(unit.text[part.start : part.end].strip()) < MIN_EXCERPT:
            continue
        last = end
        if not any(counts[first : end + 1]):
            continue
        if part.headings not in around:
            above = "\n".join((unit.title, *part.headings))
            around[part.headings] = frozenset(words.found(above, unit.language))
        begun: tuple[Part, ...] = ()
        if _is_title(unit, parts[end]):
            if first and end + 1 == len(parts):
                continue  # what it is the title of stands in the next unit
            if end + 1 < len(parts) and _follows(parts[end + 1], part):
                begun = _beginning(unit, parts[end + 1], part.start + longest)
        told = (*parts[first : end + 1], *begun)
        yield Excerpt.of(unit, told, words, around=around[part.headings])


def _menus(unit: Unit, parts: Sequence[Part], counts: Sequence[Counter[str]]) -> set[int]:
    """The lists of labels before a document's first heading that say nothing new."""
    if unit.ordinal:
        return set()
    found = {at for at, part in enumerate(parts) if not part.headings and _is_labels(unit, part)}
    rest = set[str]().union(*(terms for at, terms in enumerate(counts) if at not in found))
    return {at for at in found if rest.issuperset(counts[at])}


def _is_frame(unit: Unit, before: Part, part: Part) -> bool:
    """Whether it is a list of labels that no line introduces: "Prev", "Up", "Home"."""
    ended = unit.text[before.start : before.end].rstrip().endswith((".", "!", "?"))
    return _is_labels(unit, part) and (ended or _is_labels(unit, before))


def _is_labels(unit: Unit, part: Part) -> bool:
    """Whether it is a list of three items or more, each of a few words and no sentence."""
    lines = unit.text[part.start : part.end].split("\n")
    items = [line for line in lines if line.strip()]
    return (
        part.kind == "list"
        and len(items) >= MIN_LABELS
        and all(
            _LIST_MARK.match(line)
            and len(line.split()) <= LABEL_WORDS
            and not line.rstrip().endswith((".", "!", "?", ";"))
            for line in items
        )
    )


def _reach(unit: Unit, parts: Sequence[Part], first: int, longest: int) -> int:
    """The last of the parts that an excerpt has which begins with `first`."""
    part, end = parts[first], first
    while (
        end + 1 < len(parts)
        and _follows(parts[end + 1], part)
        and parts[end + 1].end - part.start <= longest
    ):
        end += 1
    if _introduces(unit, parts[end]):
        # What a line with a colon promises belongs to it, as far as that is not too long.
        kind = parts[end + 1].kind if end + 1 < len(parts) else ""
        while (
            end + 1 < len(parts)
            and parts[end + 1].kind == kind
            and _follows(parts[end + 1], part)
            and parts[end + 1].end - part.start <= AT_MOST * longest
        ):
            end += 1
    while end > first and (_is_title(unit, parts[end]) or _introduces(unit, parts[end])):
        end -= 1
    return end


def _is_title(unit: Unit, part: Part) -> bool:
    """Whether it is a line that is no sentence: it says little without what follows."""
    if part.kind == "list":
        item = _ITEM_TITLE.match(unit.text, part.start)
        return item is not None and item.end() == part.end
    return part.kind == "paragraph" and bool(_TITLE.fullmatch(unit.text, part.start, part.end))


def _introduces(unit: Unit, part: Part) -> bool:
    """Whether it ends with a colon: what it says comes next."""
    return unit.text[part.start : part.end].rstrip().endswith((":", "："))


def _follows(part: Part, first: Part) -> bool:
    """Whether it stands under the same heading on the same page."""
    return (part.headings, part.place) == (first.headings, first.place)


def _beginning(unit: Unit, part: Part, end: int) -> tuple[Part, ...]:
    """The sentences of a paragraph that end before a character of `unit`, as a part, if any do."""
    if part.kind != "paragraph":
        return ()
    sentences = _sentences(unit.text[part.start : part.end])
    ends = [part.start + last for _, last in sentences if part.start + last <= end]
    return (replace(part, end=ends[-1]),) if ends else ()


def _sentences(text: str) -> list[tuple[int, int]]:
    """The spans of its sentences; one goes on over the lines of a Markdown quote."""
    found: list[tuple[int, int]] = []
    for start, end in analysis.sentences(text):
        line = text.rfind("\n", 0, found[-1][0]) + 1 if found else 0
        if found and _QUOTED.match(text, line) and _goes_on(text, found[-1][1], start):
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _goes_on(text: str, end: int, start: int) -> bool:
    """Whether the line of a quote that begins at `start` goes on with what ends at `end`."""
    is_next = text[end:start].count("\n") == 1 and _QUOTED.match(text, start) is not None
    return is_next and text[end - 1] not in ".:!?…。！？"


def quoted(unit: Unit, quote: str, words: QuestionWords) -> Excerpt:
    """The excerpt that is `quote`, which stands in `unit`."""
    start = unit.text.find(quote)
    part = Part(start, start + len(quote), "sentence", unit.headings)
    return Excerpt.of(unit, (part,), words, around=frozenset())


def _parts(unit: Unit, longest: int, titles: Titles) -> Iterator[Part]:
    text = unit.text
    path = list(enumerate(unit.headings, start=1))  # no level is kept: as if none were skipped
    place = 0
    for block in _blocks(text):
        if block.kind == "heading":
            path = [(level, title) for level, title in path if level < block.level]
            path.append((block.level, block.title))
        elif block.kind == "place":
            place += 1
        elif not _lists_titles(unit, block, titles):
            headings = tuple(title for _, title in path)
            parts = _divided(text, block, headings, longest)
            yield from (replace(part, place=place) for part in parts)


def _lists_titles(unit: Unit, block: Block, titles: Titles) -> bool:
    """Whether half of its lines are the titles of what stands later: a table of contents."""
    if block.kind not in ("paragraph", "list") or not titles:
        return False
    lines = unit.text[block.start : block.end].split("\n")
    keys = [(line, key) for line in lines if len(key := _letters(line)) >= MIN_TITLE]
    here = (unit.ordinal, block.start)

    def is_told_later(key: str) -> bool:
        place = titles.get((unit.document_id, key), here)
        # The next unit may repeat what this one ends with.
        return place > here and place[0] != unit.ordinal + 1

    told = sum(bool(_SECTION.fullmatch(line)) or is_told_later(key) for line, key in keys)
    return told * 2 >= len(keys) > 0


def _letters(line: str) -> str:
    """What two lines have in common that say the same, numbered, marked and linked or not."""
    return "".join(filter(str.isalpha, _LINK_TARGET.sub("]", line))).casefold()


@lru_cache(maxsize=256)  # an answer asks for those of its units three times
def _blocks(text: str) -> Sequence[Block]:
    """The blocks of a unit's text, which may begin inside a block of code."""
    found = blocks(text)
    fence = _FENCE.search(text)
    if fence is None or fence["info"]:
        return found
    begun = f"{fence['fence']}\n"
    inside = [
        replace(block, start=max(0, block.start - len(begun)), end=block.end - len(begun))
        for block in blocks(begun + text)
    ]
    # Sentences stand between blocks of code and seldom in them.
    return min(found, inside, key=lambda some: sum(_prose(text, block) for block in some))


def _prose(text: str, block: Block) -> int:
    """Lines of a block of code that read like sentences."""
    if block.kind != "code":
        return 0
    return len(_SENTENCE_LINE.findall(text, block.start, block.end))


def _divided(text: str, block: Block, headings: tuple[str, ...], longest: int) -> Iterator[Part]:
    """The block, or what a long one consists of."""
    body = text[block.start : block.end]
    if block.kind == "code" and all(is_fence(line) for line in body.split("\n") if line.strip()):
        return  # the end, or the beginning, of one that stands in another unit
    if len(body) <= longest:
        yield Part(block.start, block.end, block.kind, headings)
        return
    head: tuple[int, int] | None = None
    match block.kind:
        case "paragraph":
            spans: Sequence[tuple[int, int]] = _sentences(body)
        case "list":
            begins = [match.start() for match in _ITEM.finditer(body)]
            spans = list(pairwise([0, *(at for at in begins if at), len(body)]))
        case _:
            ends = [match.end() for match in re.finditer(r"\n|$", body)]
            spans = [
                (start, end)
                for start, end in pairwise([0, *ends])
                if body[start:end].strip() and not is_fence(body[start:end])
            ]
            if block.kind == "table" and len(spans) > 1 and spans[1][1] <= MAX_LEAD:
                head = (block.start, block.start + spans[1][1])
    kind = {"paragraph": "sentence", "list": "item"}.get(block.kind, block.kind)
    for start, end in spans:
        yield Part(block.start + start, block.start + end, kind, headings, head)


def is_fence(line: str) -> bool:
    """Whether it begins or ends a block of code."""
    return _FENCE.match(line) is not None


def coverage(units: Sequence[Unit], words: QuestionWords, *, together: float = 0.4) -> float:
    """The share of the question's weight that `units` hold, 0 to 1.

    A word counts in full only where `together` of the weight stands close by: words of any
    question turn up one by one in a text that is long enough.
    """
    company: dict[str, float] = {}
    for unit in units:
        for held in _windows(unit, words):
            share = words.weight(held)
            for term in held:
                company[term] = max(share, company.get(term, 0.0))
    return sum(
        words.weight([term]) * min(1.0, share / together) for term, share in sorted(company.items())
    )


def _windows(unit: Unit, words: QuestionWords) -> Iterator[set[str]]:
    """The question's words in its title and each few sentences that follow one another."""
    title = words.found(unit.title, unit.language)
    spans = analysis.sentences(unit.text)
    sentences = [words.found(unit.text[start:end], unit.language) for start, end in spans]
    for place in range(max(1, len(sentences) - WINDOW + 1)):
        yield title.union(*sentences[place : place + WINDOW])


def quotes(text: str) -> list[str]:
    """The sentences of `text`, without headings and list marks, cut to a length that reads well."""
    found = (text[start:end] for start, end in analysis.sentences(text))
    return [_quote(written) for written in found if not written.startswith("#")]


def _quote(written: str) -> str:
    mark = _LIST_MARK.match(written)
    sentence = written[mark.end() :] if mark else written
    if len(sentence) <= MAX_SENTENCE:
        return sentence
    cut = sentence[:MAX_SENTENCE]
    return cut[: max(cut.rfind(" "), MAX_SENTENCE // 2)].rstrip(" \n\t,;:-–—")
