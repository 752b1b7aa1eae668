"""Split texts into words, and those into index terms.

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

from graphrag.text.normalisation import fold
from graphrag.text.scripts import BY_SCRIPT, CHAR, MARK, UNSPACED, without_ending
from graphrag.text.stopwords import STOP_WORDS

if TYPE_CHECKING:
    from Stemmer import Stemmer

# What is taken is never given back ("++"): three times as fast as letter by letter.
WORD = re.compile(
    rf"([^\W_]++(?:{MARK}++[^\W_]*+)*(?:['’](?![sS](?!{CHAR}))(?:[^\W_]++|{MARK}++)+)*)"
    rf"(?:['’][sS](?!{CHAR}))?"
)
_ASCII_WORD = re.compile(  # the same, for ASCII text
    r"([a-zA-Z0-9]++(?:'(?![sS](?![a-zA-Z0-9]))[a-zA-Z0-9]++)*)(?:'[sS](?![a-zA-Z0-9]))?"
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


def words(text: str) -> list[str]:
    """The words of `text` in order and as written, without punctuation and possessive 's."""
    return (_ASCII_WORD if text.isascii() else WORD).findall(text)


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
            for run in BY_SCRIPT.findall(part):
                if UNSPACED.match(run):
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


def _bigrams(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def _load_stemmer(language: str) -> Stemmer | None:
    algorithm = _STEMMERS.get(language)
    if algorithm is None:
        return None
    from Stemmer import Stemmer

    return Stemmer(algorithm, 0)  # the memo is its cache
