"""Make question sets from an index."""
