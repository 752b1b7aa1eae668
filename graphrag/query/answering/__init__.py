"""Write answers and check their citations."""
