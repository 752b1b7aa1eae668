// The best connected entities and what is said between them, dates left out
// :param namespace => 'default'
MATCH (entity:__Entity__)
WHERE entity.key STARTS WITH $namespace + ':' AND entity.type <> 'date'
WITH entity ORDER BY entity.degree DESC, entity.name LIMIT 20
WITH collect(entity) AS chosen
UNWIND chosen AS one
MATCH way = (one)-[said]->(other:__Entity__)
WHERE other IN chosen AND said.id IS NOT NULL
RETURN way
