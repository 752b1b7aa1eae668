"""Search lazily: test relevance best-first under a budget, without reports."""
