"""Find the spans of a sentence that look like names, with what they may be and their aliases.

Capital letters are a hint that has to be supported: words that open a sentence or a quotation
count as names only where the rest of the text uses them as names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from graphrag.indexing.extraction import lexicon
from graphrag.text import is_stop_word
from graphrag.text.stopwords import ARTICLES, STOP_WORDS

Kind = Literal["title", "name", "phrase", "hint"]

# What a token is, as far as the rules need to know.
STOP, CAPITAL_STOP, NAME, LOWER, NUMBER, CASELESS = range(6)

_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u0900-\u0963"
    "\u0971-\u0de5\u0e31-\u0e4e\u0eb1-\u0ecd\u1000-\u1049\u17b4-\u17d3\u3099\u309a"
)
_TOKEN = re.compile(
    rf"((?:[^\W\d_]\.)+[^\W\d_](?!\w)|\w[\w{_MARKS}]*(?:['’&-](?![sS]\b)\w[\w{_MARKS}]*)*)"
    r"(['’][sS]\b)?"
)
# Addresses, and Markdown's pictures: nobody says these words.
_ADDRESS = re.compile(
    r"!\[[^\[\]]*\]\([^()\s]*\)|(?<=\]\()[^()\s]+|\b(?:[a-z]+://|www\.)[^\s<>\"')\]]+"
)
_ROMAN = re.compile(r"[IVXLC]+")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)")
_OPENERS = frozenset("\"'“‘„«‹「『*#>")
_AFTER_THESE = frozenset(":•.!?…|")
_LIFE = re.compile(r"\s*(?:\(\s*(?:born\b|b\.|[^()]{0,40}\b\d{3,4}\s*[–-]\s*[^()]*\d)|was born\b)")
_COPULAS = (["is"], ["was"], ["are"], ["were"])  # "Phullu is a film": a text that opens so
_MEMO_LIMIT = 200_000


@dataclass(frozen=True, slots=True)
class Sentence:
    """The tokens of one sentence: as written, casefolded, what they are and where they stand."""

    ordinal: int
    words: list[str] = field(default_factory=list[str])
    folded: list[str] = field(default_factory=list[str])
    codes: list[int] = field(default_factory=list[int])
    starts: list[int] = field(default_factory=list[int])
    ends: list[int] = field(default_factory=list[int])
    possessive: list[bool] = field(default_factory=list[bool])


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens `first` to `last` of a sentence that name something."""

    first: int
    last: int
    name: str
    kind: Kind
    type: str = "name"
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Habits:
    """How one text writes its words: what it has in lower case, what with a capital inside."""

    lower: frozenset[str]
    capital: frozenset[str]
    nouns_capitalised: bool


def tokenise(text: str, spans: Sequence[tuple[int, int]], language: str) -> list[Sentence]:
    """The sentences of `text` at `spans`, in tokens."""
    codes = _codes(language)
    plain = _ADDRESS.sub(lambda found: "|" * len(found[0]), text).replace("_", " ")
    sentences: list[Sentence] = []
    for ordinal, (start, end) in enumerate(spans):
        sentence = Sentence(ordinal)
        shouted = plain[start:end].isupper()  # capitals throughout say nothing
        for match in _TOKEN.finditer(plain, start, end):
            word = match.group(1)
            code = codes[word]
            if shouted and code in (NAME, CAPITAL_STOP):
                code = codes[word.lower()]
            sentence.words.append(word)
            sentence.folded.append(word.lower())
            sentence.codes.append(code)
            sentence.starts.append(match.start())
            sentence.ends.append(match.end(1))
            sentence.possessive.append(match.group(2) is not None)
        sentences.append(sentence)
    return sentences


def habits(text: str, sentences: Sequence[Sentence], title: Sentence, language: str) -> Habits:
    """What the whole of `text` and its title say about capital letters.

    A title without any, as file names often are, says nothing.
    """
    lower: set[str] = set()
    capital: set[str] = set()
    for sentence in (*sentences, title) if NAME in title.codes else sentences:
        for index, code in enumerate(sentence.codes):
            if code == LOWER:
                lower.add(sentence.folded[index])
            elif code == NAME and (sentence is title or not _opens(text, sentence, index)):
                capital.add(sentence.folded[index])
    return Habits(frozenset(lower), frozenset(capital), language in lexicon.CAPITAL_NOUNS)


def find_names(
    text: str, sentence: Sentence, known: Habits, taken: dict[int, Span]
) -> Iterator[Span]:
    """The names of `sentence` in order; `taken` are spans already decided, by first token."""
    index, size = 0, len(sentence.words)
    while index < size:
        span = taken.get(index)
        if span is not None:
            yield span
            index = span.last + 1
            continue
        if sentence.codes[index] == NAME or _starts_name(text, sentence, index):
            last = _extend(text, sentence, index, taken)
            span = _judge(text, sentence, (index, last), known)
            if span is not None:
                yield span
            index = last
        index += 1


def find_definitions(text: str, sentence: Sentence) -> Iterator[Span]:
    """Names that the sentence abbreviates: "Full Name (FN)"."""
    for index, word in enumerate(sentence.words):
        if not (2 <= len(word) <= 8 and word.isupper() and word.isalpha() and index > 1):
            continue
        if not _gap(text, sentence, index).endswith("("):
            continue
        if text[sentence.ends[index] : sentence.ends[index] + 1] != ")":
            continue
        first = _spelled_out(sentence, index, word.lower())
        if first is not None:
            name = _written(text, sentence, first, index - 1)
            kind = guess_type(sentence.folded[first:index])
            yield Span(first, index, name, "name", kind, (word,))


def guess_type(folded: Sequence[str]) -> str:
    """What a name may be, by its own words; "name" when they do not tell."""
    if not folded:
        return "name"
    if folded[0] in lexicon.HONORIFICS and len(folded) > 1:
        return "person"
    of = folded.index("of") if "of" in folded[1:] else len(folded)
    head = folded[max(of - 1, 0)]
    if head in lexicon.ORGANIZATION:
        return "organization"
    if head in lexicon.EVENT:
        return "event"
    if len(folded) > 1 and (head in lexicon.LOCATION or folded[0] in lexicon.LOCATION_FIRST):
        return "location"
    return "name"


def is_person(text: str, sentence: Sentence, first: int, last: int) -> bool:
    """Whether what stands around the name is said of people: dates of a life, speaking."""
    around = sentence.folded[last + 1 : last + 2]
    if first:
        around = [*around, sentence.folded[first - 1]]
    if any(word in lexicon.SAYING for word in around):
        return True
    return _LIFE.match(text, sentence.ends[last]) is not None


def without_article(name: str) -> str:
    """`name` without a leading article: another way to write it."""
    first, _, rest = name.partition(" ")
    return rest if rest and first.lower() in ARTICLES else name


class _Codes(dict[str, int]):
    """What each word met so far is, in one language."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._language = language if language in STOP_WORDS else ""

    def __missing__(self, word: str) -> int:
        if len(self) >= _MEMO_LIMIT:
            self.clear()
        code = self[word] = self._classify(word)
        return code

    def _classify(self, word: str) -> int:
        lower = word.lower()
        if word[0].isdigit() and word == lower:
            return NUMBER
        if word[0].islower() and "." in word:
            return STOP  # "z.B.", "i.e."
        if word == lower:
            if word.upper() == word:
                return STOP if self._language and self._is_stop(word) else CASELESS
            return STOP if self._is_stop(word) else LOWER
        return CAPITAL_STOP if self._is_stop(word) else NAME

    def _is_stop(self, word: str) -> bool:
        # English words stand in texts of every language; short ones are mostly grammar.
        if self._language:
            return is_stop_word(word, self._language)
        return (len(word) <= 3 and word.islower()) or is_stop_word(word, "en")


@cache
def _codes(language: str) -> _Codes:
    return _Codes(language)


def _opens(text: str, sentence: Sentence, index: int) -> bool:
    """Whether the token would have a capital letter anyway."""
    if index == 0:
        return True
    gap = _gap(text, sentence, index)
    if gap == " ":
        return False
    if gap[-1] in _OPENERS:
        return True
    marks = gap.rstrip()
    if not marks or marks[-1] not in _AFTER_THESE:
        return False
    return marks[-1] != "." or not _is_abbreviated(sentence, index - 1)


def _gap(text: str, sentence: Sentence, index: int) -> str:
    """What stands between the token and the one before it."""
    return text[sentence.ends[index - 1] : sentence.starts[index]]


def _is_abbreviated(sentence: Sentence, index: int) -> bool:
    return len(sentence.words[index]) == 1 or sentence.folded[index] in lexicon.ABBREVIATED


def _starts_name(text: str, sentence: Sentence, index: int) -> bool:
    """ "The Hague" inside a sentence, "20th Century Fox": a name before its first capital."""
    following = index + 1
    if following >= len(sentence.words) or sentence.codes[following] != NAME:
        return False
    if not _joined(text, sentence, following):
        return False
    if sentence.codes[index] == CAPITAL_STOP:
        article = sentence.folded[index] in ARTICLES and "." not in _gap(text, sentence, following)
        return article and not _opens(text, sentence, index)
    return bool(_ORDINAL.fullmatch(sentence.words[index]))


def _extend(text: str, sentence: Sentence, first: int, taken: dict[int, Span]) -> int:
    """The last token of the name that starts at `first`."""
    last, size = first, len(sentence.words)
    while True:
        after = last + 1
        if sentence.possessive[last] and not _is_part(sentence, after):
            return last
        if _is_regnal(text, sentence, after):
            last, after = after, after + 1
        while after < size and after - last <= 3 and _links(sentence, after, last):
            if not _joined(text, sentence, after):
                return last
            after += 1
        if after >= size or after in taken or not _joined(text, sentence, after):
            return last
        if sentence.codes[after] != NAME:
            # "Apollo 11", but not the page number of a table of contents
            number = sentence.codes[after] == NUMBER and len(sentence.words[after]) <= 2
            near = after == last + 1 and _gap(text, sentence, after) == " "
            return after if number and near else last
        last = after


def _is_part(sentence: Sentence, after: int) -> bool:
    """After a possessive: "King's College" goes on by one word, "Doyle's Sherlock Holmes" ends."""
    codes = sentence.codes
    return codes[after : after + 1] == [NAME] and codes[after + 1 : after + 2] != [NAME]


def _links(sentence: Sentence, index: int, last: int) -> bool:
    word = sentence.folded[index]
    if sentence.codes[index] == CAPITAL_STOP:
        return word not in lexicon.PRONOUNS
    if word in lexicon.LINKS:
        return True
    if word not in lexicon.SECOND_LINKS:
        return False
    if index - 1 > last:
        return True
    return (
        word == "the"
        and sentence.folded[index + 1 : index + 2] != []
        and (sentence.folded[index + 1] in lexicon.EPITHETS)
    )


def _is_regnal(text: str, sentence: Sentence, index: int) -> bool:
    """ "William I of Orange", "William I, Prince of Orange": no pronoun goes on like this."""
    if sentence.words[index : index + 1] != ["I"] or _gap(text, sentence, index) != " ":
        return False
    after = text[sentence.ends[index] : sentence.ends[index] + 4]
    return after == " of " or after[:1] == "," or after.lstrip()[:1] == "("


def _joined(text: str, sentence: Sentence, index: int) -> bool:
    """Whether the token belongs to the one before it by what stands between them."""
    gap = _gap(text, sentence, index)
    if gap == " ":
        return True
    if sentence.possessive[index - 1]:
        gap = gap[2:]
    if gap.isspace():
        return gap.count("\n") < 2
    if gap in ("' ", "’ "):
        return sentence.folded[index - 1].endswith("s")  # Thirty Years' War
    bare = gap.strip()
    if bare == ".":
        return _is_abbreviated(sentence, index - 1) or "." in sentence.words[index - 1]
    return bare in ("&", "-", "") and "\n" not in gap


def _judge(text: str, sentence: Sentence, tokens: tuple[int, int], known: Habits) -> Span | None:
    """The span as a name, or None when it is just a word with a capital letter."""
    first, last = tokens
    folded = sentence.folded
    opens = _opens(text, sentence, first)
    while first < last and (
        folded[first] in lexicon.NO_NAMES
        or (
            opens
            and sentence.codes[first + 1] == NAME
            and folded[first] in known.lower
            and folded[first] not in lexicon.HONORIFICS
        )
    ):
        first, opens = first + 1, False
    while first < last and sentence.codes[first] not in (NAME, NUMBER, CAPITAL_STOP):
        first += 1
    bare = first
    while bare <= last and folded[bare] in lexicon.HONORIFICS:
        bare += 1
    if bare <= last and folded[bare] in lexicon.LINKS:
        bare = first  # King of Bohemia
    if bare > last or sentence.codes[bare : last + 1] == [NUMBER]:
        return None
    words = folded[first : last + 1]
    kind = _kind(sentence, (first, last), known, opens)
    if kind is None:
        return None
    type_ = guess_type(words)
    if type_ == "name" and kind == "name" and is_person(text, sentence, first, last):
        type_ = "person"
    name, aliases = _forms(text, sentence, (first, bare, last))
    return Span(first, last, name, kind, type_, aliases)


def _kind(sentence: Sentence, tokens: tuple[int, int], known: Habits, opens: bool) -> Kind | None:
    first, last = tokens
    word = sentence.folded[first]
    if first < last:
        shouted = last - first > 2 and all(map(str.isupper, sentence.words[first : last + 1]))
        return None if shouted else "name"
    if len(word) < 2 or word in lexicon.NO_NAMES or _ROMAN.fullmatch(sentence.words[first]):
        return None
    if sentence.words[first].isupper():
        return "name"
    if opens and word not in known.capital:
        # It may be a name that other texts know; alone it proves nothing.
        if word in known.lower:
            return None
        defined = sentence.ordinal == 0 and sentence.folded[last + 1 : last + 2] in _COPULAS
        return "name" if defined else "hint"
    return "phrase" if known.nouns_capitalised or word in known.lower else "name"


def _forms(
    text: str, sentence: Sentence, tokens: tuple[int, int, int]
) -> tuple[str, tuple[str, ...]]:
    """The name and its aliases: "Sherlock Holmes" also "Mr. Sherlock Holmes", "Mr. Holmes" also
    "Holmes"; `tokens` are the first, the first after honorifics and the last."""
    first, bare, last = tokens
    full = _written(text, sentence, first, last)
    if sentence.codes[first] == CAPITAL_STOP:
        return full, (_written(text, sentence, first + 1, last),)
    honorifics = set(sentence.folded[first:bare])
    if not honorifics:
        return full, ()
    short = _written(text, sentence, bare, last)
    if last == bare:
        return full, (short,) if honorifics <= lexicon.ALIASED else ()
    personal = honorifics <= lexicon.ALIASED | lexicon.UNMARRIED | lexicon.NOBLE
    if personal and guess_type(sentence.folded[bare : last + 1]) == "name":
        return short, (full,)
    return full, ()


def _spelled_out(sentence: Sentence, index: int, short: str) -> int | None:
    """The token before `index` from which the initials of the words spell `short`."""
    farthest = max(-1, index - 2 * len(short) - 2)
    for with_grammar in (False, True):
        left = len(short)
        for position in range(index - 1, farthest, -1):
            word = sentence.folded[position]
            grammar = sentence.codes[position] in (STOP, CAPITAL_STOP) or word in lexicon.LINKS
            if grammar and not (with_grammar and word[0] == short[left - 1]):
                continue
            if word[0] != short[left - 1]:
                break
            left -= 1
            if left == 0:
                return position
    return None


def _written(text: str, sentence: Sentence, first: int, last: int) -> str:
    """The tokens as the text has them, in one line."""
    end = sentence.ends[last]
    if "." in sentence.words[last] and text[end : end + 1] == ".":
        end += 1  # U.S.
    return " ".join(text[sentence.starts[first] : end].split())
