"""Keep a namespace in Neo4j."""
