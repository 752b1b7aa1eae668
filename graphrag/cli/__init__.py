"""Parse the command line, call the engine, print."""
