"""Documents in, a knowledge graph with communities and reports out; `pipeline` has the order."""
