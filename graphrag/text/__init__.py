"""Text in; words, index terms, sentences, names in canonical form and its language out.

Indexing and queries both read text through this module, so what one writes the other finds.
Capital letters are hints here, never conditions; scripts without spaces become bigrams.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from graphrag.text.stopwords import STOP_WORDS
from graphrag.text.tokens import encodable

if TYPE_CHECKING:
    from Stemmer import Stemmer

# Letters and digits, without "_", with the marks that other scripts set on their letters.
_MARK = (
    "[\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u0900-\u0963\u0971-\u0de5\u0df2-\u0df3\u0e31-\u0e4e\u0eb1-\u0ecd\u1000-\u1049\u1050-\u109f"
    "\u17b4-\u17d3\u3099\u309a]"
)
_CHAR = rf"(?:[^\W_]|{_MARK})"
# What is taken is never given back ("++"): three times as fast as letter by letter.
_WORD = re.compile(
    rf"([^\W_]++(?:{_MARK}++[^\W_]*+)*(?:['’](?![sS](?!{_CHAR}))(?:[^\W_]++|{_MARK}++)+)*)"
    rf"(?:['’][sS](?!{_CHAR}))?"
)
_ASCII_WORD = re.compile(  # the same, for ASCII text
    r"([a-zA-Z0-9]++(?:'(?![sS](?![a-zA-Z0-9]))[a-zA-Z0-9]++)*)(?:'[sS](?![a-zA-Z0-9]))?"
)
_POSSESSIVE = re.compile(rf"(?<=\w)['’]s(?!{_CHAR})")
# A name keeps the signs that end it (C++, C#) unless a letter follows them.
_NAME_PART = re.compile(rf"[^\W_]{_CHAR}*(?:(?:\++|#)(?!{_CHAR}))?")
_ASCII_POSSESSIVE = re.compile(r"(?<=[a-z0-9_])'s(?![a-z0-9])")  # the same, in lower case
_PLAIN = {code: " " for code in range(128) if not chr(code).isalnum()}  # where no name has a sign
# Han, kana and Hangul, and the scripts of South-East Asia that set no spaces either.
_UNSPACED_CHARS = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U00020000-\U000323af"
)
_UNSPACED = re.compile(f"[{_UNSPACED_CHARS}]+")
_BY_SCRIPT = re.compile(f"[{_UNSPACED_CHARS}]+|[^{_UNSPACED_CHARS}]+")
_KANA, _HANGUL, _HAN = (
    re.compile("[\u3040-\u30ff]"),
    re.compile("[\u1100-\u11ff\uac00-\ud7af]"),
    re.compile("[\u4e00-\u9fff]"),
)

# What Korean sets behind a noun (particles, "to be") or a verb (tense, mood), longest first.
_ENDINGS = re.compile(
    "(?<=..)(?:"
    "(?:하였|되었|이었|했|됐|었|았|였)(?:습니다|는가|는지|는데|지만|으며|으나|으면|던|다|고|을|음)?"
    "|(?:합|됩|입)니다|인가요|한가요|인가|는가|한가|한다|된다|이다|라는|이라는|하는|되는|하여|되어|해서|하고"
    "|되고|하며|되며|하면|되면|하기|되기|하려고|으려고|려고|으면서|면서|지만"
    "|에서는|에서도|에서의|에게서|에서|에게|에는|에도|으로서|으로써|으로는|으로|로서|로써|께서|한테|까지|부터"
    "|보다|처럼|마다|조차|밖에|이나|이며|이고|과의|와의|과는|와는|들은|들이|들을|들의"
    "|은|는|이|가|을|를|의|에|와|과|도|로|만|한|할|된|될"
    ")$"
)

_STEMMERS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque",
    "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi",
    "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
    "nb": "norwegian", "ne": "nepali", "nl": "dutch", "nn": "norwegian", "no": "norwegian",
    "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_MAX_MEMO = 200_000  # words kept per language
_MAX_MEMO_LENGTH = 48  # longer runs hardly come back
_NOT_STOP = frozenset(("IT", "US", "WHO"))  # abbreviations that look like English stop words
_ACCENTS = re.compile("(?<!\u0438)[\u0300-\u036f]+")  # "й" is a letter of its own
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})

_MAX_SENTENCE = 1000  # characters; a longer span with line breaks is a list or a log
_HARD_BREAK = re.compile(
    r"\n[ \t\r]*(?:(?=\n)|(?=(?:[-*+•–][ \t]|\d{1,3}[.)][ \t]|[#|>]|```|~~~)))"
)
_WHOLE_LINE = re.compile(r"\n[ \t]*(?:#{1,6}[ \t]|\||```|~~~)[^\n]*")
_TERMINATOR = re.compile(r"[.!?…。！？｡।॥؟۔]+")
_AFTER = re.compile(r"[\"'”’»)\]*_」』）】》]*")
_GAP = re.compile(r"\s*[\"'“‘«(\[*_]*")
_LAST_TOKEN = re.compile(r"[^\s\"'“”‘’«»()\[\]*_]+$")
_DOTTED = re.compile(r"[^\W\d_](?:\.[^\W\d_]+)+$")
_UNSPACED_MARKS = frozenset("。！？｡।॥؟۔")
_TITLES = (
    "adm bros bzw ca capt cf cmdr col d.h dr e.g fr gen gov hon hr i.e lt maj messrs mlle mme mr "
    "mrs ms mt pres prof rep rev sen sgt sr sra st ste u.a vgl viz vs z.b"
)
_NUMBERED = "abb art bd ch eq fig figs no nos nr p pp par sec tab vol vols"
_MAY_END = (
    "a.m al approx apr aug co corp dec dept ed eds esq etc feb inc jan jr jul jun ltd mar nov oct "
    "p.m sep sept sr univ usw"
)
_NEVER_LAST, _BEFORE_NUMBER, _MAYBE_LAST = (
    frozenset(line.split()) for line in (_TITLES, _NUMBERED, _MAY_END)
)

_SAMPLE = 4000  # characters that tell the language
_MIN_LETTERS = 20


def normalise(name: str) -> str:
    """The form of `name` that decides identity: "Holmes’s" and "HOLMES" are "holmes".

    Unicode NFKC, casefolded, without possessive 's; punctuation and white space become one
    space. "+" and "#" stay where they follow a letter (C++, C#). Never empty for a name that is
    not blank.
    """
    if name.isascii() and "+" not in name and "#" not in name:  # nine of ten: four times as fast
        folded = name.lower()
        bare = _ASCII_POSSESSIVE.sub("", folded) if "'" in folded else folded
        return " ".join(bare.translate(_PLAIN).split()) or " ".join(folded.split())
    folded = unicodedata.normalize("NFKC", name).casefold()
    # Casefolding can leave a sequence that is no longer composed.
    folded = unicodedata.normalize("NFKC", folded)
    parts = _NAME_PART.findall(_POSSESSIVE.sub("", folded))
    return " ".join(parts) or " ".join(folded.split())


def storable(text: str) -> str:
    """`text` as every store and every model can be given it: no lone surrogates, no NUL."""
    return encodable(text.replace("\0", ""))


def words(text: str) -> list[str]:
    """The words of `text` in order and as written, without punctuation and possessive 's."""
    return (_ASCII_WORD if text.isascii() else _WORD).findall(text)


def terms(text: str, language: str = "en") -> list[str]:
    """Index terms of `text` in order: casefolded, without accents and stop words, stemmed.

    Runs of scripts without spaces become character bigrams, those of Hangul without endings. A
    language without a stemmer or a stop list ("und" too) goes without.
    """
    return terms_of(words(text), language)


def terms_of(words: Iterable[str], language: str = "en") -> list[str]:
    """`terms` of a text whose `words` are known."""
    memo = _memos.get(language)
    if memo is None:
        memo = _memos.setdefault(language, _Memo(language))
    return [term for word in words for term in memo[word]]


@lru_cache(maxsize=1 << 14)
def is_stop_word(word: str, language: str = "en") -> bool:
    """Whether `word` carries no meaning of its own in `language`."""
    stop = STOP_WORDS.get(language)
    return bool(stop) and not _meaningful(word, language, stop)


def sentences(text: str) -> list[tuple[int, int]]:
    """Spans `(start, end)` of the sentences of `text`: in order, apart, all but white space."""
    padded = "\n" + text  # every line begins after a line break
    cuts: set[int] = {match.end() - 1 for match in _HARD_BREAK.finditer(padded)}
    for match in _WHOLE_LINE.finditer(padded):
        cuts.add(match.start())
        cuts.add(match.end() - 1)
    for match in _TERMINATOR.finditer(text):
        end = _sentence_end(text, match.start(), match.end())
        if end:
            cuts.add(end)
    cuts.add(len(text))
    spans: list[tuple[int, int]] = []
    start = 0
    for cut in sorted(cuts):
        _add_span(spans, text, start, cut)
        start = cut
    return spans


def without_ending(word: str) -> str:
    """A Korean word without its particle or the ending of its verb; at least two syllables."""
    return _ENDINGS.sub("", word) if _HANGUL.match(word) else word


def detect_language(text: str) -> str:
    """ISO 639-1 code of the language of `text`; "und" when it is too short to tell."""
    sample = text[:_SAMPLE]
    letters = sum(map(str.isalpha, sample))
    for pattern, language, share in ((_KANA, "ja", 0.05), (_HANGUL, "ko", 0.3), (_HAN, "zh", 0.3)):
        found = len(pattern.findall(sample))
        if found > 1 and found >= share * letters:
            return language
    best, sure = _vote(sample)
    if sure:
        return best
    if letters < _MIN_LETTERS:
        return best or "und"
    import py3langid  # a second of CPU and 100 MB: only where the stop words do not tell

    return py3langid.classify(sample)[0]


class _Memo(dict[str, tuple[str, ...]]):
    """The terms of each word met so far in one language."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._language = language
        self._stop = STOP_WORDS.get(language, frozenset[str]())
        self._stemmer = _load_stemmer(language)
        self._lock = threading.Lock()  # a Snowball stemmer keeps its word in itself

    def __missing__(self, word: str) -> tuple[str, ...]:
        found = tuple(self._analyse(word))
        if len(word) <= _MAX_MEMO_LENGTH:
            if len(self) >= _MAX_MEMO:
                self.clear()
            self[word] = found
        return found

    def _analyse(self, word: str) -> list[str]:
        if word.isascii() and "'" not in word and word not in _NOT_STOP:
            folded = word.lower()
            return [] if folded in self._stop else [self._stem(folded)]
        result: list[str] = []
        for part in _meaningful(word, self._language, self._stop):
            for run in _BY_SCRIPT.findall(part):
                if _UNSPACED.match(run):
                    result.extend(_bigrams(without_ending(run)))
                else:
                    result.append(self._stem(run))
        return result

    def _stem(self, word: str) -> str:
        if self._stemmer is None:
            return fold(word)
        # English keeps no accent that its stemmer reads; elsewhere the endings carry them.
        if self._language == "en":
            word = fold(word)
        with self._lock:
            stem = self._stemmer.stemWord(word)
        return fold(stem)


_memos: dict[str, _Memo] = {}


def _meaningful(word: str, language: str, stop: frozenset[str]) -> list[str]:
    """The parts of `word` (l'homme, O'Brien) that are no stop words, casefolded."""
    if language == "en" and word in _NOT_STOP:
        return [word.casefold()]
    folded = unicodedata.normalize("NFKC", word).casefold().replace("’", "'")
    if "'" not in folded:
        return [] if folded in stop or without_ending(folded) in stop else [folded]
    if language == "en":
        if folded.endswith("n't"):
            return []
        head, _, tail = folded.rpartition("'")
        if tail in ("s", "t", "d", "m", "ll", "re", "ve"):
            folded = head
    return [part for part in folded.split("'") if part and part not in stop]


def fold(word: str) -> str:
    if word.isascii():
        return word
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", word))
    return unicodedata.normalize("NFC", bare).translate(_LETTERS)


def _bigrams(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def _load_stemmer(language: str) -> Stemmer | None:
    algorithm = _STEMMERS.get(language)
    if algorithm is None:
        return None
    from Stemmer import Stemmer

    return Stemmer(algorithm, 0)  # the memo is its cache


def _sentence_end(text: str, start: int, end: int) -> int:
    """Where the sentence ends whose terminators stand at `start:end`; 0 when it goes on."""
    after = _AFTER.match(text, end)
    stop = after.end() if after else end
    if text[end - 1] in _UNSPACED_MARKS:
        return stop
    if stop < len(text) and not text[stop].isspace():
        return 0
    gap = _GAP.match(text, stop)
    following = gap.end() if gap else stop
    if following >= len(text):
        return stop
    upcoming = text[following]
    if upcoming.islower() and "\n\n" not in text[stop:following]:
        return 0
    if text[start:end] == "." and _is_abbreviation(text, start, following):
        return 0
    return stop


def _is_abbreviation(text: str, dot: int, following: int) -> bool:
    token_match = _LAST_TOKEN.search(text, max(0, dot - 20), dot)
    if token_match is None:
        return False
    token = token_match.group()
    folded = token.casefold()
    if len(token) == 1 and token.isalpha():
        return True  # an initial
    if token.isdigit():
        # The number of a list item; elsewhere numbers do end sentences.
        first = token_match.start()
        before = text[max(0, first - 20) : first].rstrip(" \t")
        return len(token) <= 3 and before[-1:] in ("", "\n")
    if folded in _NEVER_LAST:
        return True
    if folded in _BEFORE_NUMBER:
        return text[following].isdigit()
    if folded in _MAYBE_LAST or _DOTTED.match(token):
        return not _starts_sentence(text, following)
    return False


def _starts_sentence(text: str, at: int) -> bool:
    """After "U.S." or "Inc.": a name may go on, "The" or "He" may not."""
    word = _WORD.match(text, at)
    return word is not None and is_stop_word(word.group(1)) and text[at].isupper()


def _add_span(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    bare = piece.lstrip()
    if not bare:
        return
    start += len(piece) - len(bare)
    end = start + len(bare.rstrip())
    if end - start > _MAX_SENTENCE and "\n" in text[start:end]:
        line_start = start
        for line in text[start:end].split("\n"):
            line_end = line_start + len(line)
            bare = line.strip()
            if bare:
                first = line_start + line.index(bare[0])
                spans.append((first, first + len(bare)))
            line_start = line_end + 1
        return
    spans.append((start, end))


def _vote(sample: str) -> tuple[str, bool]:
    """The language whose stop words `sample` uses most, and whether they alone prove it.

    They do for English, German and French, which have no near sister among written languages;
    Spanish lists would win a Catalan text.
    """
    found = [word.casefold() for word in words(sample)]
    counts = sorted(
        ((sum(word in stop for word in found), language) for language, stop in STOP_WORDS.items()),
        reverse=True,
    )
    (most, best), (second, _) = counts[0], counts[1]
    if most == second:
        return "", False
    sure = best in ("de", "en", "fr") and most >= 0.25 * len(found) and most >= 2 * second
    return best, sure
