"""Retrieve text units and entities for a question."""
