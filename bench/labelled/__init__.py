"""Compare two versions of the code on every labelled set, without a model."""
