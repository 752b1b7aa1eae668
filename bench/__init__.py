"""Measurements of the product: tables to read, never assertions. See README.md beside this."""
