"""Score what a retrieval finds against labelled questions."""
