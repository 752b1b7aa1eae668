// How two entities connect: the surest of the short ways as a picture, three in words as a table
// :param namespace => 'default'
// :param from => 'Cyrus Field'
// :param to => 'Great Eastern'
MATCH (first:__Entity__)
WHERE first.key STARTS WITH $namespace + ':' AND first.name = $from
MATCH (last:__Entity__)
WHERE last.key STARTS WITH $namespace + ':' AND last.name = $to AND last <> first
CALL (first, last) {
  MATCH way = SHORTEST 50 (first)(
    (:__Entity__)-[said]-(next:__Entity__)
    WHERE said.id IS NOT NULL AND (next = last OR next.type <> 'date' AND next.degree < 30)
  ){1,6}(last)
  UNWIND said AS step
  WITH way, min(step.weight) AS weakest
  RETURN way ORDER BY length(way), weakest DESC LIMIT 3
}
WITH collect(way) AS ways
UNWIND range(1, size(ways)) AS number
UNWIND range(1, length(ways[number - 1])) AS step
WITH ways, number, step, ways[number - 1] AS way
WITH *, relationships(way)[step - 1] AS said
WITH *, CASE said.type
  WHEN 'co-occurs' THEN [nodes(way)[step - 1].name, 'named with', nodes(way)[step].name]
  ELSE [startNode(said).name, said.type, endNode(said).name]
END AS words
RETURN number AS way,
       words[0] AS one,
       words[1] AS how,
       words[2] AS other,
       said.description AS because,
       // In the last row: a path makes its row of the table taller than the window.
       CASE WHEN number = size(ways) AND step = length(way) THEN ways[0] END AS drawn
