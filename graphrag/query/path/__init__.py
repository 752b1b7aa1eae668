"""Search along two-hop chains and personalised PageRank."""
