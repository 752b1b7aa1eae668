"""Ours and other systems on the same corpora and the same model server. See docs/benchmarks.md."""
