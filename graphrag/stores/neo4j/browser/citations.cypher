// Where an answer's citations come from: text units, documents and entities
// :param keys => ['default:0791778465918f61e3df4f11c7d42a9a']
MATCH (chunk:__Chunk__)
WHERE chunk.key IN $keys
MATCH source = (chunk)-[:PART_OF]->(:__Document__)
OPTIONAL MATCH mention = (chunk)-[:MENTIONS]->(:__Entity__)
RETURN source, collect(mention) AS mentions
