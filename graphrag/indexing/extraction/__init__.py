"""Extract evidence from text units, and read it back."""
