"""Gather model calls into jobs of the Batch API."""
