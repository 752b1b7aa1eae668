"""Find the phrases of a sentence that may be a term: runs of content words.

With spaces between words these are runs of two or three words between stop words and marks;
scripts without capital letters give shorter runs too, scripts without spaces runs of one script.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from graphrag.indexing.extraction import lexicon
from graphrag.indexing.extraction.names import CASELESS, LOWER, Sentence
from graphrag.text import without_ending
from graphrag.text.scripts import HAN, HAN_CHARS, HANGUL, SPACELESS

_RUNS = re.compile(rf"[{HAN_CHARS}\u30a1-\u30fa\u30fc-\u30ff]+(?:・[\u30a1-\u30fa\u30fc-\u30ff]+)*")
_HIRAGANA = re.compile("[\u3041-\u309f]")
# Grammar and the commonest verbs of Chinese, each a character of its own.
_PARTICLES = re.compile(
    "[的了是在和与及或也都就而但不没我你他她它们这那之其为以于从到把被让给对向说]"
)

_MIN_CASELESS = 4  # letters; shorter words of Arabic or Hebrew are mostly grammar
_MAX_WORDS = 3
_MAX_GRAM = 6  # characters of a Chinese term


def find_phrases(text: str, sentence: Sentence) -> Iterator[tuple[int, str]]:
    """First token and text of each candidate, in order."""
    run: list[int] = []
    for index, code in enumerate(sentence.codes):
        word = sentence.words[index]
        content = code == LOWER or (code == CASELESS and _is_content(word))
        if run and not (content and _follows(text, sentence, index)):
            yield from _candidates(text, sentence, run)
            run = []
        if code == CASELESS and SPACELESS.search(word):
            yield from ((index, part) for part in _split_unspaced(word))
        elif content:
            run.append(index)
    if run:
        yield from _candidates(text, sentence, run)


def recurring_runs(text: str, spans: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    """Han character runs that come back in the text, with the ordinals of their sentences.

    Chinese marks no words, so a run of two to six characters that recurs in two sentences is
    taken for one, unless a longer one recurs just as often. Japanese sets kana between its runs.
    """
    found: defaultdict[str, dict[int, None]] = defaultdict(dict)
    parts = _whole_runs if _HIRAGANA.search(text) else _grams
    for ordinal, (start, end) in enumerate(spans):
        for match in _RUNS.finditer(text, start, end):
            for part in parts(match.group()):
                found[part][ordinal] = None
    often = {gram: list(places) for gram, places in found.items() if len(places) > 1}
    inside = {
        part
        for gram, places in often.items()
        for part in (gram[1:], gram[:-1])
        if len(often.get(part, ())) == len(places)
    }
    return {gram: places for gram, places in often.items() if gram not in inside}


def _whole_runs(run: str) -> Iterator[str]:
    if len(run) > 1:
        yield run


def _grams(run: str) -> Iterator[str]:
    for part in _PARTICLES.split(run):
        for size in range(2, min(_MAX_GRAM, len(part)) + 1):
            for start in range(len(part) - size + 1):
                yield part[start : start + size]


def _is_content(word: str) -> bool:
    return bool(HANGUL.match(word)) or len(word) >= _MIN_CASELESS


def _follows(text: str, sentence: Sentence, index: int) -> bool:
    gap = text[sentence.ends[index - 1] : sentence.starts[index]]
    return gap == " " or (gap.isspace() and gap.count("\n") < 2)


def _candidates(text: str, sentence: Sentence, run: list[int]) -> Iterator[tuple[int, str]]:
    first, last = run[0], run[-1]
    caseless = sentence.codes[first] == CASELESS
    if caseless and HANGUL.match(sentence.words[first]):
        for index in run:
            yield index, without_ending(sentence.words[index])
    elif caseless and len(run) > _MAX_WORDS:
        for index in run:
            yield index, sentence.words[index]
    elif caseless or 2 <= len(run) <= _MAX_WORDS:
        name = " ".join(text[sentence.starts[first] : sentence.ends[last]].split()).lower()
        if caseless or _is_term(sentence.folded[first : last + 1]):
            yield first, name


def _is_term(folded: Sequence[str]) -> bool:
    """Not an English run with an adverb, a verb form at its end or a very common word."""
    first, last = folded[0], folded[-1]
    if first.endswith("ly") or last.endswith(("ly", "ed")) or "'" in last or "’" in last:
        return False
    return lexicon.LIGHT.isdisjoint(folded)


def _split_unspaced(word: str) -> Iterator[str]:
    japanese = _HIRAGANA.search(word) is not None
    for match in _RUNS.finditer(word):
        run = match.group()
        for part in [run] if japanese else _PARTICLES.split(run):
            if 2 <= len(part) <= _MAX_GRAM or (len(part) > 1 and not HAN.match(part)):
                yield part
