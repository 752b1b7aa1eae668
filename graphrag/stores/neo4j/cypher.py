"""Hold the Cypher of the Neo4j store: constants, and what they are put together from.

Values are parameters. Those whose size varies come in the map `$given`: a statement is planned anew
for each order of magnitude of the texts and lists among its parameters, and a small one then takes
25 ms instead of 2; what is in a map the planner does not measure. Capital words (LABEL, PREFIX)
stand for fragments of this module; the name of a namespace's own label, made by a closed function,
is the only text that comes from outside. Every statement starts at a unique key or a prefix of
one, so nothing of others is ever touched.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, LiteralString
from urllib.parse import quote

if TYPE_CHECKING:
    from graphrag.core.answers import Answer

RELATED = "RELATED"  # a relationship whose type is rare, or that rules alone found
OWN_TYPES = frozenset(
    [
        "HAS_CLAIM",
        "HAS_EVIDENCE",
        "IN_COMMUNITY",
        "MENTIONS",
        "NEXT_CHUNK",
        "OF",
        "PARENT_COMMUNITY",
        "PART_OF",
    ]
)
_MAX_LABEL = 60
_MAX_SHOWN = 25  # text units
_MOST_MENTIONS = 10  # of each, best connected first: a picture of more cannot be read

LABELS: dict[str, LiteralString] = {
    "documents": "__Document__",
    "text_units": "__Chunk__",
    "windows": "__Window__",
    "evidence": "__Evidence__",
    "entities": "__Entity__",
    "claims": "__Claim__",
    "communities": "__Community__",
    "reports": "__Community__",
}
# When a namespace is emptied the meta node goes last, for it says that this was begun, and the
# lease stays.
DATA_LABELS: tuple[LiteralString, ...] = (*dict.fromkeys(LABELS.values()), "__Reply__", "__Meta__")
# The names of indexes hold this word, and the properties by which a node is searched, such as
# z_chunk_terms. An index is of all nodes of a namespace that have the property.
PREFIXES: dict[str, LiteralString] = {
    "windows": "window",
    "text_units": "chunk",
    "entities": "entity",
    "reports": "report",
}
_VECTOR_PROPERTIES: dict[str, LiteralString] = {
    "windows": "embedding",
    "text_units": "z_chunk_embedding",
    "entities": "z_entity_embedding",
    "reports": "z_report_embedding",
}
# What only the engine needs has names that Browser, which sorts them, shows last.
OWN = "z_"
_COLUMNS: dict[str, LiteralString] = {
    "documents": "n.id n.source n.title n.text n.z_content_hash n.language n.z_metadata n.n_tokens"
    " n.status n.error",
    "text_units": "n.id n.document_id n.ordinal n.start n.end n.headings n.page n.context n.text"
    " n.n_tokens n.z_evidence_key",
    "windows": "n.text_unit_id n.ordinal n.start n.end",
    "evidence": "n.text_hash n.extractor n.status n.error n.transient n.usage n.asked",
    "entities": "n.id n.name n.type n.aliases n.description n.n_mentions n.degree n.z_attributes",
    "relationships": "r.id r.type r.description r.weight r.n_mentions r.text_unit_ids",
    "mentions": "r.description r.owner r.sentences",
    "claims": "n.id n.subject n.object n.type n.status n.start n.end n.description n.text_unit_id",
    "communities": "n.id n.level n.parent_id n.size n.z_entity_ids",
    "reports": "n.title n.summary n.findings n.rating n.rating_explanation n.method n.n_tokens"
    " n.z_input_hash",
}
_RENAMED: dict[str, dict[str, LiteralString]] = {
    "evidence": {
        "key": "n.id",
        "entities": "n.payload",
        "relationships": "n.payload",
        "claims": "n.payload",
    },
    "entities": {"attributes": "coalesce(n.z_attributes, '[]')"},  # none before it was kept
    "relationships": {"source_id": "n.id", "target_id": "m.id"},
    "mentions": {"text_unit_id": "n.id", "entity_id": "m.id"},
    "reports": {"community_id": "n.id"},
}
PROPERTIES: dict[str, dict[str, str]] = {
    table: {
        name.removeprefix(OWN): name
        for name in (column.rpartition(".")[2] for column in columns.split())
    }
    for table, columns in _COLUMNS.items()
}
COLUMNS: dict[str, dict[str, LiteralString]] = {
    table: {
        **dict(zip(PROPERTIES[table], columns.split(), strict=True)),
        **_RENAMED.get(table, {}),
    }
    for table, columns in _COLUMNS.items()
}

# Rows come in pages, a page in one record: the driver's work is by record. The pages are in the
# order of the unique key, so each begins where the one before ended.
_PAGE: LiteralString = """
MATCH (n:LABEL)
WHERE n.key > $after AND n.key < $end
WITH n ORDER BY n.key LIMIT $page
WITH collect(n) AS page
RETURN page[-1].key, COLLECT {
  UNWIND page AS n
  ROWS
}"""
_COUNT: LiteralString = """
MATCH (n:LABEL)
WHERE n.key > $after AND n.key < $end
MORE
WHERE_EXISTS
RETURN count(*)"""
_BY_KEYS: LiteralString = """
UNWIND $given.keys AS key
ROWS
WITH collect(row) AS rows
RETURN null, rows"""
_EDGE_START: dict[str, LiteralString] = {"relationships": "__Entity__", "mentions": "__Chunk__"}
_EDGES: dict[str, LiteralString] = {
    "relationships": "MATCH (n)-[r]->(m:__Entity__)",
    "mentions": "MATCH (n)-[r:MENTIONS]->(m:__Entity__)",
}
_EXISTS: dict[str, LiteralString] = {
    "reports": "n.z_report_hash IS NOT NULL",
    "relationships": "r.id IS NOT NULL",  # an edge that somebody drew by hand has none
}
_NODE_BY_KEY: LiteralString = "MATCH (n:LABEL {key: key})"
_BY_KEY: dict[str, LiteralString] = {
    "document_id": "MATCH (:__Document__ {key: key})<-[:PART_OF]-(n:__Chunk__)",
    "source_id": "MATCH (n:__Entity__ {key: key})-[r]->(m:__Entity__)",
    "target_id": "MATCH (n:__Entity__)-[r]->(m:__Entity__ {key: key})",
    "entity_id": "MATCH (n:__Chunk__)-[r:MENTIONS]->(m:__Entity__ {key: key})",
}
_MENTIONS_BY_CHUNK: LiteralString = "MATCH (n:__Chunk__ {key: key})-[r:MENTIONS]->(m:__Entity__)"
_HAS_VECTOR: LiteralString = "n.PREFIX_embedding IS NOT NULL"
_NODE_KEYS = {"evidence": "key", "reports": "community_id"}
_ENDS_BY_KEY: LiteralString = """
MATCH (:__Entity__ {key: key})-[r]-(:__Entity__)
WHERE r.id IS NOT NULL
WITH DISTINCT r, startNode(r) AS n, endNode(r) AS m
ORDER BY n.key IN $given.keys AND m.key IN $given.keys DESC, r.weight DESC, r.id
LIMIT $most"""
_DOCUMENTS_BY_KEY: LiteralString = """MATCH (c:__Chunk__ {key: key})
WITH DISTINCT $prefix + c.document_id AS document
MATCH (n:__Document__ {key: document})"""
_MEMBERSHIPS_BY_KEY: LiteralString = "MATCH (e:__Entity__ {key: key})-[:IN_COMMUNITY]->(n)"

SHOW_SCHEMA: LiteralString = """
SHOW INDEXES YIELD name
WHERE name STARTS WITH 'graphrag_'
RETURN collect(name)"""
SHOW_INDEXES: LiteralString = """
SHOW INDEXES YIELD name, properties, options
WHERE name STARTS WITH $start
RETURN name, options['indexConfig']['vector.dimensions'], properties"""
AWAIT_INDEXES: LiteralString = "CALL db.awaitIndexes(600)"
DROP_INDEX: LiteralString = "DROP INDEX $name IF EXISTS"
_CONSTRAINT: LiteralString = """
CREATE CONSTRAINT $name IF NOT EXISTS
FOR (n:LABEL) REQUIRE n.key IS UNIQUE"""
_VECTOR_KEY_INDEX: LiteralString = """
CREATE INDEX $name IF NOT EXISTS
FOR (n:LABEL) ON (n.z_vector_key)"""
CONSTRAINTS: dict[str, LiteralString] = {
    f"graphrag_{label.strip('_').lower()}_key": _CONSTRAINT.replace("LABEL", label)
    for label in (*DATA_LABELS, "__Lease__")
}
VECTOR_KEY_INDEXES: dict[str, LiteralString] = {
    f"graphrag_{LABELS[table].strip('_').lower()}_z_vector_key": _VECTOR_KEY_INDEX.replace(
        "LABEL", LABELS[table]
    )
    for table in PREFIXES
}
FULL_TEXT_INDEX: LiteralString = """
CREATE FULLTEXT INDEX $name IF NOT EXISTS
FOR (n:LABEL) ON EACH [n.z_PREFIX_terms]
OPTIONS {indexConfig: {`fulltext.analyzer`: 'whitespace',
                       `fulltext.eventually_consistent`: false}}"""
VECTOR_INDEX: LiteralString = """
CREATE VECTOR INDEX $name IF NOT EXISTS
FOR (n:LABEL) ON (n.PREFIX_embedding)
OPTIONS {indexConfig: {`vector.dimensions`: $dimensions,
                       `vector.similarity_function`: 'cosine',
                       `vector.hnsw.ef_construction`: 64,
                       `vector.quantization.enabled`: false}}"""
# From 2026 on, a vector index can hold a property that a search filters by.
FILTERING_VECTOR_INDEX: LiteralString = VECTOR_INDEX.replace(
    "CREATE VECTOR", "CYPHER 25 CREATE VECTOR"
).replace("OPTIONS", "WITH [n.document_id]\nOPTIONS")

READ_META: LiteralString = """
MATCH (m:__Meta__ {key: $key})
RETURN m.schema_version, m.state, m.entries, m.searched, m.dimensions, m.stamp, m.written"""
CREATE_META: LiteralString = """
MERGE (m:__Meta__ {key: $key})
ON CREATE SET m.namespace = $namespace,
              m.label = $label,
              m.schema_version = $schema_version,
              m.state = 'empty'
SET m:$([$label])"""
MARK_COMMITTING: LiteralString = """
MATCH (m:__Meta__ {key: $key})
SET m.state = 'committing'"""
MARK_RENAMED: LiteralString = """
MATCH (m:__Meta__ {key: $key})
SET m.schema_version = $schema_version"""
WRITE_META: LiteralString = """
UNWIND $given.rows AS row
MERGE (m:__Meta__ {key: row.key})
SET m += row.props
SET m:$([row.props.label])"""
NAMESPACES: LiteralString = """
MATCH (m:__Meta__)
WHERE m.namespace IS NOT NULL
RETURN m.namespace ORDER BY m.namespace LIMIT 10"""

# The write lock comes first, so that two writers read the holder one after the other.
READ_LEASE: LiteralString = """
MERGE (l:__Lease__ {key: $key})
SET l.asked = timestamp()
SET l:$([$label])
RETURN l.token, l.host, l.pid, l.expires"""
WRITE_LEASE: LiteralString = """
MATCH (l:__Lease__ {key: $key})
SET l.token = $token, l.host = $host, l.pid = $pid, l.expires = $expires"""
RENEW_LEASE: LiteralString = """
MATCH (l:__Lease__ {key: $key, token: $token})
SET l.expires = $expires
RETURN count(*)"""
LEASE_HOLDER: LiteralString = """
MATCH (l:__Lease__ {key: $key})
RETURN l.token, l.host, l.pid, l.expires"""
DELETE_LEASE: LiteralString = """
MATCH (l:__Lease__ {key: $key, token: $token})
DELETE l"""

UPSERT: LiteralString = """
UNWIND $given.rows AS row
MERGE (n:LABEL {key: row.key})
SET n += row.props
SET n:$(row.labels)"""
UPSERT_ENTITIES: LiteralString = """
UNWIND $given.rows AS row
MERGE (n:__Entity__ {key: row.key})
REMOVE n:$([label IN [n.z_type_label] WHERE label IS NOT NULL])
SET n += row.props
SET n:$(row.labels)"""
SET_REPORTS: LiteralString = """
UNWIND $given.rows AS row
MATCH (n:__Community__ {key: row.key})
SET n += row.props"""
UPSERT_REPLIES: LiteralString = UPSERT.replace("LABEL", "__Reply__")
CLEAR_VECTORS: LiteralString = """
UNWIND $given.rows AS row
MATCH (n:LABEL {key: row.key})
REMOVE n.PREFIX_embedding, n.z_vector_key"""
WRITE_VECTORS: LiteralString = """
UNWIND $given.rows AS row
MATCH (n:LABEL {key: row.key})
CALL db.create.setNodeVectorProperty(n, 'PREFIX_embedding', row.vector)
SET n.z_vector_key = row.vector_key"""
DELETE: LiteralString = """
UNWIND $given.rows AS row
MATCH (n:LABEL {key: row.key})
DETACH DELETE n"""
DELETE_REPLIES: LiteralString = DELETE.replace("LABEL", "__Reply__")
LINK_CHUNKS: LiteralString = """
UNWIND $given.rows AS row
MATCH (n:__Chunk__ {key: row.key})
CALL (n) {
  MATCH (n)-[old:PART_OF|NEXT_CHUNK|HAS_EVIDENCE]->(:__Document__|__Chunk__|__Evidence__)
  DELETE old
}
CALL (n, row) {
  MATCH (other:__Document__ {key: row.document})
  CREATE (n)-[:PART_OF]->(other)
}
CALL (n, row) {
  MATCH (other:__Chunk__ {key: row.next})
  CREATE (n)-[:NEXT_CHUNK]->(other)
}
CALL (n, row) {
  MATCH (other:__Evidence__ {key: row.evidence})
  CREATE (n)-[:HAS_EVIDENCE]->(other)
}
SET n.z_row_hash = row.hash, n.name = row.name"""
LINK_WINDOWS: LiteralString = """
UNWIND $given.rows AS row
MATCH (n:__Window__ {key: row.key})
CALL (n) {
  MATCH (n)-[old:OF]->(:__Chunk__)
  DELETE old
}
CALL (n, row) {
  MATCH (other:__Chunk__ {key: row.chunk})
  CREATE (n)-[:OF]->(other)
}
SET n.z_row_hash = row.hash"""
LINK_CLAIMS: LiteralString = """
UNWIND $given.rows AS row
MATCH (n:__Claim__ {key: row.key})
CALL (n) {
  MATCH (:__Chunk__)-[old:HAS_CLAIM]->(n)
  DELETE old
}
CALL (n, row) {
  MATCH (other:__Chunk__ {key: row.chunk})
  CREATE (other)-[:HAS_CLAIM]->(n)
}
SET n.z_row_hash = row.hash"""
LINK_COMMUNITIES: LiteralString = """
UNWIND $given.rows AS row
MATCH (n:__Community__ {key: row.key})
CALL (n) {
  MATCH (n)-[old:PARENT_COMMUNITY]->(:__Community__)
  DELETE old
}
CALL (n) {
  MATCH (:__Entity__)-[old:IN_COMMUNITY]->(n)
  DELETE old
}
CALL (n, row) {
  MATCH (other:__Community__ {key: row.parent})
  CREATE (n)-[:PARENT_COMMUNITY]->(other)
}
CALL (n, row) {
  UNWIND row.members AS member
  MATCH (other:__Entity__ {key: member})
  CREATE (other)-[:IN_COMMUNITY {level: row.level}]->(n)
}
SET n.z_row_hash = row.hash
SET n:$(row.label)"""
# New ones are created: a MERGE would look through all that its ends have. They come by the node
# that they start at, which is then looked up once, and with their properties, which costs the
# server less than to set them afterwards.
RELATE: LiteralString = """
UNWIND $given.rows AS row
MATCH (a:__Entity__ {key: row.source})
UNWIND row.edges AS edge
MATCH (b:__Entity__ {key: edge.target})
CREATE (a)-[:$(edge.kind) {
  id: edge.id, type: edge.type, description: edge.description, weight: edge.weight,
  n_mentions: edge.n_mentions, text_unit_ids: edge.text_unit_ids, z_row_hash: edge.z_row_hash
}]->(b)"""
RELATE_AGAIN: LiteralString = """
UNWIND $given.rows AS row
MATCH (:__Entity__ {key: row.source})-[r {id: row.id}]->(:__Entity__ {key: row.target})
WHERE type(r) = row.kind
SET r += row.props"""
MENTION: LiteralString = """
UNWIND $given.rows AS row
MATCH (a:__Chunk__ {key: row.source})
UNWIND row.edges AS edge
MATCH (b:__Entity__ {key: edge.target})
CREATE (a)-[:MENTIONS {
  description: edge.description, owner: edge.owner, sentences: edge.sentences,
  z_row_hash: edge.z_row_hash
}]->(b)"""
MENTION_AGAIN: LiteralString = """
UNWIND $given.rows AS row
MATCH (:__Chunk__ {key: row.source})-[r:MENTIONS]->(:__Entity__ {key: row.target})
SET r += row.props"""
UNRELATE: LiteralString = """
UNWIND $given.rows AS row
MATCH (:__Entity__ {key: row.source})-[r {id: row.id}]->(:__Entity__ {key: row.target})
WHERE type(r) = row.kind
DELETE r"""
UNMENTION: LiteralString = """
UNWIND $given.rows AS row
MATCH (:__Chunk__ {key: row.source})-[r:MENTIONS]->(:__Entity__ {key: row.target})
DELETE r"""
DELETE_SOME: LiteralString = """
MATCH (n:LABEL)
WHERE n.key STARTS WITH $prefix
WITH n LIMIT 5000
DETACH DELETE n
RETURN count(*)"""

_NODE_STATE: LiteralString = "n.id, n.z_row_hash, n.z_terms_hash, n.z_vector_key, []"
_STATES: dict[str, LiteralString] = {
    "documents": "n.id, n.z_row_hash, null, null, [p IN keys(n) WHERE p STARTS WITH 'meta_']",
    "text_units": _NODE_STATE,
    "windows": _NODE_STATE,
    "entities": "n.id, n.z_row_hash, n.z_terms_hash, n.z_vector_key,"
    " [p IN keys(n) WHERE p STARTS WITH 'attr_']",
    "claims": _NODE_STATE,
    "communities": "n.id, n.z_row_hash, null, null, []",
    "reports": "n.id, n.z_report_hash, n.z_terms_hash, n.z_vector_key, []",
    "relationships": "r.id, n.id, m.id, type(r), r.z_row_hash",
    "mentions": "'', n.id, m.id, type(r), r.z_row_hash",
}
STATE_TABLES = tuple(_STATES)


def labelled(statement: LiteralString, table: str) -> LiteralString:
    """`statement` about the nodes of `table`."""
    return with_properties(statement.replace("LABEL", LABELS[table]), table)


def with_properties(statement: LiteralString, table: str) -> LiteralString:
    """`statement` with the properties by which the nodes of `table` are searched."""
    if table not in PREFIXES:
        return statement
    named = statement.replace("PREFIX_embedding", _VECTOR_PROPERTIES[table])
    return named.replace("PREFIX", PREFIXES[table])


def read_all(table: str, columns: list[str]) -> LiteralString:
    """Pages of all rows of `table`."""
    return _page(table, _list(table, columns))


def read_where(table: str, columns: list[str], column: str) -> tuple[LiteralString, bool]:
    """The rows whose `column` is one of the given `values`, and whether to give them as `keys`."""
    row = _list(table, columns)
    match = _BY_KEY.get(column)
    if table == "mentions" and column == "text_unit_id":  # a claim has one too
        match = _MENTIONS_BY_CHUNK
    if match is None and table not in _EDGES and column == _NODE_KEYS.get(table, "id"):
        match = labelled(_NODE_BY_KEY, table)
    if match is None:
        return _page(table, row, condition=COLUMNS[table][column] + " IN $given.values"), False
    return _by_keys(match, row, condition=_EXISTS.get(table)), True


def read_relationships_of(columns: list[str]) -> LiteralString:
    """The first $most relationships with an end among the entities of the given keys."""
    return _by_keys(_ENDS_BY_KEY, _list("relationships", columns))


def read_documents_of(columns: list[str]) -> LiteralString:
    """The documents of the text units of the given keys."""
    return _by_keys(_DOCUMENTS_BY_KEY, _list("documents", columns))


def read_memberships_of() -> LiteralString:
    """Each entity of the given keys with each community that it is in."""
    return _by_keys(_MEMBERSHIPS_BY_KEY, "[e.id, n.id, n.level, n.parent_id]")


def read_state(table: str) -> LiteralString:
    """Pages of what `neo4j_commit.Stored` keeps of `table`."""
    return _page(table, "[" + _STATES[table] + "]")


def read_ids(label: LiteralString) -> LiteralString:
    return _fill(_PAGE, label, "RETURN n.id")


def count_rows(table: str) -> LiteralString:
    label = _EDGE_START[table] if table in _EDGES else LABELS[table]
    exists = _EXISTS.get(table)
    counted = _COUNT.replace("LABEL", label).replace("MORE", _EDGES.get(table, "WITH n"))
    return counted.replace("WHERE_EXISTS", "WHERE " + exists if exists else "")


def read_vectors(table: str, *, by_id: bool) -> LiteralString:
    """Ids and vectors of `table`, of all rows or of those of the given keys."""
    row: LiteralString = "[n.id, n.PREFIX_embedding]"
    if by_id:
        return labelled(_by_keys(_NODE_BY_KEY, row, condition=_HAS_VECTOR), table)
    return labelled(_page(table, row, condition=_HAS_VECTOR), table)


def read_embedded(table: str) -> LiteralString:
    """Pages of ids and vector keys of `table`."""
    return labelled(_page(table, "[n.id, n.z_vector_key]", condition=_HAS_VECTOR), table)


def read_vector_keys(table: str) -> LiteralString:
    """Those of the given keys that a row of `table` has a vector by."""
    return labelled(_by_keys("MATCH (n:LABEL {z_vector_key: key})", "key"), table)


def read_vectors_by_key(table: str) -> LiteralString:
    row: LiteralString = "[key, n.PREFIX_embedding]"
    return labelled(_by_keys("MATCH (n:LABEL {z_vector_key: key})", row), table)


def read_replies() -> LiteralString:
    return _by_keys("MATCH (n:__Reply__ {key: key})", "[n.id, n.text]")


def read_all_replies() -> LiteralString:
    return _fill(_PAGE, "__Reply__", "RETURN [n.id, n.text]")


def key_prefix(namespace: str) -> str:
    """What the keys of `namespace` begin with; no other namespace's prefix begins so."""
    return quote(namespace, safe="") + ":"


def namespace_label(namespace: str) -> str:
    """The label of all nodes of `namespace`: ASCII letters, digits and underscores."""
    readable = re.sub(r"[^A-Za-z0-9]+", "_", namespace).strip("_")[:30]
    digest = hashlib.sha256(namespace.encode()).hexdigest()[:12]
    return f"NS_{readable}_{digest}" if readable else f"NS_{digest}"


def type_label(kind: str) -> str:
    """`kind`, which a model wrote, as a label: "legal entity" is "LegalEntity".

    Letters and digits of any script, nothing else, so it needs no quoting and cannot be one of
    the engine's own labels, which have underscores.
    """
    parts = re.findall(r"[^\W_]+", kind)
    label = "".join(part[:1].upper() + part[1:] for part in parts)[:_MAX_LABEL]
    if not label:
        return "Untyped"
    return label if label[0].isalpha() else f"T{label}"


def relationship_type(kind: str) -> str:
    """`kind`, which a model wrote, as a relationship type: "works for" is WORKS_FOR.

    Letters and digits of any script and single underscores. It is none of the engine's own types.
    """
    name = "_".join(re.findall(r"[^\W_]+", kind)).upper()[:_MAX_LABEL].strip("_")
    if not name:
        return RELATED
    return f"REL_{name}" if name in OWN_TYPES or not name[0].isalpha() else name


def evidence_cypher(answer: Answer, *, namespace: str) -> str:
    """A query for Neo4j Browser: the cited text units, else those read, with what they name most.

    Names are quoted as JSON, whose escapes are Cypher's too.
    """
    cited = [citation.text_unit_id for citation in answer.citations]
    units = cited or [passage.id for passage in answer.context.text_units]
    keys = [key_prefix(namespace) + unit for unit in dict.fromkeys(units)][:_MAX_SHOWN]
    return (
        f"MATCH (chunk:__Chunk__)\nWHERE chunk.key IN {json.dumps(keys)}\n"
        "OPTIONAL MATCH source = (chunk)-[:PART_OF]->(:__Document__)\n"
        "CALL (chunk) {\n"
        "  OPTIONAL MATCH mention = (chunk)-[:MENTIONS]->(entity:__Entity__)\n"
        f"  RETURN mention ORDER BY entity.degree DESC LIMIT {_MOST_MENTIONS}\n"
        "}\n"
        "RETURN chunk, source, mention"
    )


def _list(table: str, columns: list[str]) -> LiteralString:
    return "[" + ", ".join([COLUMNS[table][column] for column in columns]) + "]"


def _page(
    table: str, row: LiteralString, *, condition: LiteralString | None = None
) -> LiteralString:
    match = _EDGES.get(table, "WITH n")
    exists = _EXISTS.get(table)
    both = exists + " AND " + condition if exists and condition else exists or condition
    where: LiteralString = "\n  WHERE " + both if both else ""
    label = _EDGE_START[table] if table in _EDGES else LABELS[table]
    return _fill(_PAGE, label, match + where + "\n  RETURN " + row)


def _fill(page: LiteralString, label: LiteralString, rows: LiteralString) -> LiteralString:
    return page.replace("LABEL", label).replace("ROWS", rows)


def _by_keys(
    match: LiteralString, row: LiteralString, *, condition: LiteralString | None = None
) -> LiteralString:
    where: LiteralString = "\nWHERE " + condition if condition else ""
    return _BY_KEYS.replace("ROWS", match + where + "\nWITH " + row + " AS row")
