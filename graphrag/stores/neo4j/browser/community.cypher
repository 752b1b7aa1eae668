// A community: its report, the community above it and its best connected members
// :param namespace => 'default'
// :param title => 'Great Eastern, James Anderson'
MATCH (community:__Community__)
WHERE community.key STARTS WITH $namespace + ':' AND community.title = $title
OPTIONAL MATCH above = (community)-[:PARENT_COMMUNITY]->(:__Community__)
CALL (community) {
  MATCH member = (community)<-[:IN_COMMUNITY]-(entity:__Entity__)
  RETURN member ORDER BY entity.degree DESC, entity.name LIMIT 12
}
RETURN community.level AS level,
       community.title AS title,
       community.rating AS rating,
       community.summary AS summary,
       above,
       collect(member) AS members
