"""Read what a model sends: its schema, its end, its thoughts, its JSON."""
