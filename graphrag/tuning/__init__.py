"""Documents in, prompts for their domain and language out, with the evidence that they help."""
