"""Make a knowledge graph with communities and reports of documents; `pipeline` has the order."""
