"""Define what applications may pass as `chat=` and `embed=`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from graphrag.models.replies.completion import Completion
    from graphrag.prompts import Message


class ChatModel(Protocol):
    """What `chat=` takes: any object with these. Raises ModelError (and its kinds) only."""

    @property
    def name(self) -> str:
        """Identifies the model in cache keys."""
        ...

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Completion:
        """One reply. `schema` is a JSON schema with a `title` that the text should follow."""
        ...

    def stream(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        """The reply in pieces, as they arrive."""
        ...


class Embedder(Protocol):
    """What `embed=` takes."""

    @property
    def name(self) -> str: ...

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors, shape (len(texts), dimensions)."""
        ...
