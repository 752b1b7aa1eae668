"""Keep calls within what the server of a model takes."""
