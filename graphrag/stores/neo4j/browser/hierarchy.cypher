// The broadest communities, each with the three largest below it, twenty at a time
// :param namespace => 'default'
// :param page => 0
MATCH (broad:__Community__ {level: 0})
WHERE broad.key STARTS WITH $namespace + ':' AND broad.title IS NOT NULL
WITH broad ORDER BY broad.size DESC, broad.id SKIP 5 * toInteger($page) LIMIT 5
CALL (broad) {
  OPTIONAL MATCH below = (broad)<-[:PARENT_COMMUNITY]-(part:__Community__)
  WHERE part.title IS NOT NULL
  RETURN below ORDER BY part.size DESC, part.id LIMIT 3
}
RETURN broad, below
