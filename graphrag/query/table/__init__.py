"""Answer questions that count, list and compare: a plan over the graph, its rows as a table."""
