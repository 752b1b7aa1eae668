"""Answer questions about the whole from community reports: map and reduce."""

from graphrag.query.global_search.map_reduce import answer, retrieve

__all__ = ["answer", "retrieve"]
