"""Decide which names mean one entity."""
