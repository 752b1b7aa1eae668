// Where an answer's citations come from: text units, documents, the ten best connected entities of each
// :param keys => ['default:0791778465918f61e3df4f11c7d42a9a']
MATCH (chunk:__Chunk__)
WHERE chunk.key IN $keys
MATCH source = (chunk)-[:PART_OF]->(:__Document__)
CALL (chunk) {
  OPTIONAL MATCH mention = (chunk)-[:MENTIONS]->(entity:__Entity__)
  RETURN mention ORDER BY entity.degree DESC LIMIT 10
}
RETURN source, collect(mention) AS mentions
