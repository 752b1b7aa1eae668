"""Tell the language of a text."""

from __future__ import annotations

from graphrag.text.analysis import words
from graphrag.text.scripts import HAN, HANGUL, KANA
from graphrag.text.stopwords import STOP_WORDS

_SAMPLE = 4000  # characters that tell the language
_MIN_LETTERS = 20


def detect_language(text: str) -> str:
    """ISO 639-1 code of the language of `text`; "und" when it is too short to tell."""
    sample = text[:_SAMPLE]
    letters = sum(map(str.isalpha, sample))
    for pattern, language, share in ((KANA, "ja", 0.05), (HANGUL, "ko", 0.3), (HAN, "zh", 0.3)):
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
