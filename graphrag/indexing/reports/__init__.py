"""Write a report of each community."""
