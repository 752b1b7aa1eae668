"""Find where the sentences of a text begin and end."""

from __future__ import annotations

import re

from graphrag.text.analysis import WORD, is_stop_word

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
    word = WORD.match(text, at)
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
