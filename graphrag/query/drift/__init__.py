"""Search by DRIFT: primer, follow-up rounds, reduce."""

from graphrag.query.drift.search import answer, retrieve

__all__ = ["answer", "retrieve"]
