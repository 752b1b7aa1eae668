"""Score texts for a query by any server with a Cohere-shaped /rerank."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel

from graphrag.core.errors import BadReplyError
from graphrag.core.settings import RerankSettings
from graphrag.models.http_client import Policy, Post, Server
from graphrag.models.limits.load import Load
from graphrag.models.spending import RateLimiter, upper_estimate

RERANK_PATH = "/rerank"


class RerankEndpoint:
    """POST {base_url}/rerank with {model, query, documents, top_n}."""

    def __init__(self, server: Server, settings: RerankSettings) -> None:
        self.server = server
        self.name = settings.model or ""
        no_limit = RateLimiter(requests=None, tokens=None)
        self._policy = Policy(
            self.name,
            settings.max_retries,
            no_limit,
            Load(settings.candidates, timeout_s=settings.timeout_s),
        )

    async def rerank(self, query: str, documents: Sequence[str]) -> list[float]:
        """A score for each document in their order; higher is better. Raises ModelError."""
        body = {
            "model": self.name,
            "query": query,
            "documents": [*documents],
            "top_n": len(documents),
        }
        reply = await self.server.call(
            Post(RERANK_PATH, body),
            _Reply.model_validate_json,
            self._policy,
            tokens=sum(map(upper_estimate, [query, *documents])),
        )
        scores = {item.index: item.relevance_score for item in reply.results}
        if scores.keys() - set(range(len(documents))) or not all(
            map(math.isfinite, scores.values())
        ):
            raise BadReplyError(
                f"the rerank server scored {sorted(scores)} of {len(documents)} documents",
                hint="Use a server that follows Cohere's rerank API.",
            )
        # Servers leave out what they find irrelevant.
        lowest = min(scores.values(), default=0.0) - 1.0
        return [scores.get(place, lowest) for place in range(len(documents))]


class _Item(BaseModel):
    index: int
    relevance_score: float


class _Reply(BaseModel):
    results: list[_Item]

    @property
    def total_tokens(self) -> int:
        return 0
