"""Hold what every part stands on: errors, settings, tables, answers, concurrency, logs."""
