"""Compare what a run was given with what is stored."""

GRAIN_S = 2.0  # of the times that file systems keep
