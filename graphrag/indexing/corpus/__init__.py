"""Compare what a run was given with what is stored."""
