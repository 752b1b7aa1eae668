// How two entities connect: short ways over at most six relationships, not by dates or hubs
// :param namespace => 'default'
// :param from => 'Cyrus Field'
// :param to => 'Great Eastern'
MATCH (first:__Entity__)
WHERE first.key STARTS WITH $namespace + ':' AND first.name = $from
MATCH (last:__Entity__)
WHERE last.key STARTS WITH $namespace + ':' AND last.name = $to AND last <> first
MATCH way = SHORTEST 3 (first)(
  (:__Entity__)-[said]-(next:__Entity__)
  WHERE said.id IS NOT NULL AND (next = last OR next.type <> 'date' AND next.degree < 30)
){1,6}(last)
RETURN way
