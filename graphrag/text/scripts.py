"""Tell scripts apart, and take the endings off Korean words."""

from __future__ import annotations

import re

# Ranges for a character class of a regular expression.
HAN_CHARS = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
KANA_CHARS = "\u3040-\u30ff\u31f0-\u31ff"
HANGUL_CHARS = "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"
# No spaces between words: Han and kana, and Thai, Lao, Burmese and Khmer.
SPACELESS_CHARS = f"{HAN_CHARS}{KANA_CHARS}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
# With Hangul, whose spaces do not part a noun from its particle.
UNSPACED_CHARS = SPACELESS_CHARS + HANGUL_CHARS

HAN, KANA, HANGUL = (re.compile(f"[{chars}]") for chars in (HAN_CHARS, KANA_CHARS, HANGUL_CHARS))
SPACELESS = re.compile(f"[{SPACELESS_CHARS}]")
UNSPACED = re.compile(f"[{UNSPACED_CHARS}]")
BY_SCRIPT = re.compile(f"[{UNSPACED_CHARS}]+|[^{UNSPACED_CHARS}]+")

# Letters and digits, without "_", with the marks that other scripts set on their letters.
MARK = (
    "[\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u0900-\u0963\u0971-\u0de5\u0df2-\u0df3\u0e31-\u0e4e\u0eb1-\u0ecd\u1000-\u1049\u1050-\u109f"
    "\u17b4-\u17d3\u3099\u309a]"
)
CHAR = rf"(?:[^\W_]|{MARK})"

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


def without_ending(word: str) -> str:
    """A Korean word without its particle or the ending of its verb; at least two syllables."""
    return _ENDINGS.sub("", word) if HANGUL.match(word) else word
