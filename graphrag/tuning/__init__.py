"""Make prompts for a domain and language from its documents, and prove that they help."""
