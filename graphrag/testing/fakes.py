"""Models without a server: scripted chat replies and deterministic vectors."""

from __future__ import annotations

import re
import zlib
from array import array
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING

from graphrag.core.errors import ModelError
from graphrag.models.replies.completion import Completion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from graphrag.prompts import Message

Script = Callable[[Sequence["Message"], Mapping[str, object] | None], str]


class FakeChat:
    """A chat model that replies from a queue, or with what a function of the messages returns.

    An exception in the queue is raised. `calls` lists the messages of every call.
    """

    def __init__(
        self, replies: Sequence[str | Exception] | Script, *, name: str = "fake-chat"
    ) -> None:
        self.name = name
        self.calls: list[Sequence[Message]] = []
        self._script = replies if callable(replies) else None
        self._queue = [] if callable(replies) else [*replies]

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Completion:
        """The next reply. Raises ModelError when the queue is empty."""
        self.calls.append(messages)
        text = self._next(messages, schema)
        prompt = sum(len(message.content) // 4 + 1 for message in messages)
        return Completion(text, prompt, len(text) // 4 + 1)

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """The next reply, word by word."""
        self.calls.append(messages)
        for piece in re.findall(r"\S+\s*|\s+", self._next(messages, None)):
            yield piece

    def _next(self, messages: Sequence[Message], schema: Mapping[str, object] | None) -> str:
        if self._script is not None:
            return self._script(messages, schema)
        if not self._queue:
            raise ModelError(
                f"FakeChat has no reply left for call {len(self.calls)}",
                hint="Give it more replies, or a function.",
            )
        reply = self._queue.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


class FakeEmbedder:
    """Unit vectors of hashed words: texts that share words are near each other."""

    def __init__(self, dimensions: int = 256, *, name: str = "fake-embedding") -> None:
        self.name = name
        self.dimensions = dimensions
        self.calls: list[Sequence[str]] = []

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors, shape (len(texts), dimensions)."""
        import numpy as np

        self.calls.append(texts)
        rows = [hashed_words(text, self.dimensions) for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), self.dimensions)


def hashed_words(text: str, dimensions: int) -> array[float]:
    """The unit vector of a bag of words; words of three letters or fewer weigh little."""
    vector = array("f", bytes(4 * dimensions))
    for word in re.findall(r"\w+", text.casefold()):
        number = zlib.crc32(word.encode())
        weight = 1.0 if len(word) > 3 else 0.1
        vector[number % dimensions] += weight if number & 0x80000000 else -weight
    length = sqrt(sum(value * value for value in vector))
    if not length:
        vector[0] = 1.0
        return vector
    return array("f", [value / length for value in vector])
