"""Search by chains between the names and words of a question."""

from graphrag.query.path.search import retrieve

__all__ = ["retrieve"]
