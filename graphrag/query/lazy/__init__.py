"""Search by relevance tests under one budget: LazyGraphRAG."""

from graphrag.query.lazy.search import answer, retrieve

__all__ = ["answer", "retrieve"]
