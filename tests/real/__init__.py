"""Runs against real models, which `make real` fetches; no part of the test suite."""
