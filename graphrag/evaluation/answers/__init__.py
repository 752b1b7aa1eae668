"""Judge and compare the answers of systems."""
