// The best connected entity of each of the twenty largest communities, and what is said between them
// :param namespace => 'default'
MATCH (broad:__Community__ {level: 0})
WHERE broad.key STARTS WITH $namespace + ':'
WITH broad ORDER BY broad.size DESC, broad.id LIMIT 20
CALL (broad) {
  MATCH (broad)<-[:IN_COMMUNITY]-(entity:__Entity__)
  WHERE entity.type <> 'date'
  RETURN entity ORDER BY entity.degree DESC, entity.name LIMIT 1
}
WITH collect(entity) AS chosen
UNWIND chosen AS one
OPTIONAL MATCH way = (one)-[said]->(other:__Entity__)
WHERE other IN chosen AND said.id IS NOT NULL
RETURN one, way
