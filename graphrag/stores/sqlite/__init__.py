"""Keep a namespace in one SQLite file: rows, full text, vectors."""
