"""Bring names and texts to the form in which they are compared and kept."""

from __future__ import annotations

import re
import unicodedata

from graphrag.text.scripts import CHAR
from graphrag.text.tokens import encodable

_POSSESSIVE = re.compile(rf"(?<=\w)['’]s(?!{CHAR})")
# A name keeps the signs that end it (C++, C#) unless a letter follows them.
_NAME_PART = re.compile(rf"[^\W_]{CHAR}*(?:(?:\++|#)(?!{CHAR}))?")
_ASCII_POSSESSIVE = re.compile(r"(?<=[a-z0-9_])'s(?![a-z0-9])")  # the same, in lower case
_PLAIN = {code: " " for code in range(128) if not chr(code).isalnum()}  # where no name has a sign
_ACCENTS = re.compile("(?<!\u0438)[\u0300-\u036f]+")  # "й" is a letter of its own
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})
# Joiners shape Arabic, Indic, South-East Asian and Mongolian letters and emoji; a space of no width
# parts words of Thai, Lao, Burmese and Khmer.
_INVISIBLE = re.compile(
    "[\u00ad\u2060\ufeff]"
    "|(?<![\u0600-\u109f\u1780-\u18af\u1980-\u1aaf\ua800-\uabff\u2190-\u2bff\ufe0f"
    "\U00010a00-\U00011fff\U0001f000-\U0001faff])[\u200c\u200d]"
    "|(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1980-\u1aaf\uaa60-\uaa7f])\u200b"
)


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


def without_invisible(text: str) -> str:
    """`text` without soft hyphens and signs of no width that would split its words.

    Joiners stay in the scripts that are written with them, and spaces of no width in those that
    divide their words so.
    """
    return text if text.isascii() else _INVISIBLE.sub("", text)


def fold(word: str) -> str:
    if word.isascii():
        return word
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", word))
    return unicodedata.normalize("NFC", bare).translate(_LETTERS)
