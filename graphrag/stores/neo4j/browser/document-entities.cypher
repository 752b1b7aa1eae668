// The entities of one document, with the text units that mention them
// :param namespace => 'default'
// :param source => 'notes/cable.md'
MATCH (document:__Document__)
WHERE document.key STARTS WITH $namespace + ':' AND document.source = $source
MATCH mention = (document)<-[:PART_OF]-(:__Chunk__)-[:MENTIONS]->(:__Entity__)
RETURN mention
