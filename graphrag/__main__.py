"""`python -m graphrag` is the `graphrag` command."""

from graphrag.cli import main

main(prog_name="graphrag")
