"""Derive entities, relationships, communities and vectors from evidence."""
