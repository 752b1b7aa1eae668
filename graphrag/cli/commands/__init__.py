"""Hold the commands, each a thin call of the engine."""
