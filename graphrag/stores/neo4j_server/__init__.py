"""Fetch and run a Neo4j server under a root."""
