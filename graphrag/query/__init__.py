"""Answer questions from an index, with citations."""
