// The hierarchy of communities, the broadest first
// :param namespace => 'default'
MATCH (community:__Community__)
WHERE community.key STARTS WITH $namespace + ':'
OPTIONAL MATCH above = (community)-[:PARENT_COMMUNITY]->(:__Community__)
RETURN community, above ORDER BY community.level, community.size DESC, community.id
