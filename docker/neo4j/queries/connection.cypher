// How two entities connect: a shortest way over at most six relationships
// :param namespace => 'default'
// :param from => 'Cyrus Field'
// :param to => 'Great Eastern'
MATCH (first:__Entity__)
WHERE first.key STARTS WITH $namespace + ':' AND first.name = $from
MATCH (last:__Entity__)
WHERE last.key STARTS WITH $namespace + ':' AND last.name = $to AND last <> first
MATCH way = shortestPath((first)-[:RELATED*..6]-(last))
RETURN way
