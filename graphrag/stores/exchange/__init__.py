"""Bring indexes in and out: exports, copies, Microsoft's tables, GraphML."""
