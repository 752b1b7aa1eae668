// A document and the entities that it is most about, with the text units that mention them
// :param namespace => 'default'
// :param source => 'notes/cable.md'
MATCH (document:__Document__)
WHERE document.key STARTS WITH $namespace + ':' AND document.source = $source
CALL (document) {
  MATCH (document)<-[:PART_OF]-(:__Chunk__)-[said:MENTIONS]->(entity:__Entity__)
  WITH entity, sum(said.owner) + count(said) AS share
  RETURN entity ORDER BY share DESC, entity.name LIMIT 15
}
CALL (document, entity) {
  MATCH mention = (document)<-[:PART_OF]-(unit:__Chunk__)-[said:MENTIONS]->(entity)
  RETURN mention ORDER BY said.owner DESC, unit.ordinal LIMIT 2
}
RETURN mention
