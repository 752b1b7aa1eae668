// How two entities connect: the surest of the short ways, not by dates or hubs
// :param namespace => 'default'
// :param from => 'Cyrus Field'
// :param to => 'Great Eastern'
MATCH (first:__Entity__)
WHERE first.key STARTS WITH $namespace + ':' AND first.name = $from
MATCH (last:__Entity__)
WHERE last.key STARTS WITH $namespace + ':' AND last.name = $to AND last <> first
MATCH way = SHORTEST 50 (first)(
  (:__Entity__)-[said]-(next:__Entity__)
  WHERE said.id IS NOT NULL AND (next = last OR next.type <> 'date' AND next.degree < 30)
){1,6}(last)
UNWIND said AS step
WITH way, min(step.weight) AS weakest
RETURN way ORDER BY length(way), weakest DESC LIMIT 3
