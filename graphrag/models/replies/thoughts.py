"""Take a model's thoughts out of its replies: `<think>…</think>`, the opening tag or not."""

from __future__ import annotations

import re

# A tag after a backtick stands in code, as in a text about such tags.
_OPENING = re.compile(r"(?<!`)<think(?:ing)?>")
_CLOSING = re.compile(r"(?<!`)</think(?:ing)?>")
_PAIR = re.compile(r"(?<!`)<(think|thinking)>.*?(?<!`)</\1>", re.DOTALL)
_LONGEST_TAG = len("</thinking>")


def without_thoughts(text: str) -> str:
    """`text` without thoughts. An object of JSON stays as it is: its strings may hold anything."""
    if "think" not in text or text.lstrip().startswith("{"):
        return text
    spoken = _PAIR.sub("", text)
    if _OPENING.match(spoken.lstrip()):  # it was cut off while it thought
        return ""
    *_, end = [0, *(tag.end() for tag in _CLOSING.finditer(spoken))]
    return text if spoken == text and not end else spoken[end:].lstrip()


def thinks_aloud(text: str) -> bool:
    """Whether thoughts stand in `text` without an opening tag: it was part of the prompt."""
    without_json = "" if text.lstrip().startswith("{") else text
    return bool(_CLOSING.search(_PAIR.sub("", without_json)))


class ThoughtFilter:
    """Take thoughts out of a reply that comes in pieces.

    `aloud` is set where a closing tag shows that what was passed on before were thoughts.
    """

    def __init__(self) -> None:
        self._waiting = ""
        self._thinking = False
        self._thought = False
        self._shown = False
        self.aloud = False

    def feed(self, piece: str) -> str:
        """What of the reply so far can be shown."""
        searched = max(0, len(self._waiting) - _LONGEST_TAG)
        self._waiting += piece
        shown = ""
        while tag := (_CLOSING if self._thinking else _OPENING).search(self._waiting, searched):
            shown += "" if self._thinking else self._waiting[: tag.start()]
            self._waiting = self._waiting[tag.end() :]
            self._thinking, searched = not self._thinking, 0
            self._thought = True
        if not self._thinking:
            end = self._tag_start()
            shown, self._waiting = shown + self._waiting[:end], self._waiting[end:]
        return self._pass_on(shown)

    def close(self) -> str:
        """What was held back, but for thoughts that begin the reply."""
        return "" if self._thinking and not self._shown else self._pass_on(self._waiting)

    def _tag_start(self) -> int:
        """Where a tag may begin that the next piece completes, with the sign before it."""
        start = self._waiting.rfind("<", max(0, len(self._waiting) - _LONGEST_TAG))
        if start < 0 or ">" in self._waiting[start:]:
            end = len(self._waiting.removesuffix("`"))
        else:
            end = max(0, start - 1)
        # Space before thoughts is no part of the reply.
        return end if self._shown or self._waiting[:end].strip() else 0

    def _pass_on(self, text: str) -> str:
        if closing := _CLOSING.search(text):
            self.aloud = self.aloud or self._shown
            self._thought = True
            text = text[closing.end() :]
        if self._thought and not self._shown:
            text = text.lstrip()
        self._shown = self._shown or bool(text)
        return text
