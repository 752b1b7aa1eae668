"""Offer the engine to applications: `GraphRAG` and `AsyncGraphRAG`."""
