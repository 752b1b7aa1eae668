"""An answer in, the Cypher that shows its evidence in Neo4j Browser out."""

from __future__ import annotations

import json
from urllib.parse import quote

from graphrag.core.answers import Answer

MAX_UNITS = 25


def evidence_cypher(answer: Answer, *, namespace: str) -> str:
    """A query for Browser: the cited text units, else those read, with documents and entities.

    Names are quoted as JSON, whose escapes are Cypher's too.
    """
    cited = [citation.text_unit_id for citation in answer.citations]
    units = cited or [passage.id for passage in answer.context.text_units]
    prefix = quote(namespace, safe="")
    keys = [f"{prefix}:{unit}" for unit in dict.fromkeys(units)][:MAX_UNITS]
    return (
        f"MATCH (chunk:__Chunk__)\nWHERE chunk.key IN {json.dumps(keys)}\n"
        "OPTIONAL MATCH source = (chunk)-[:PART_OF]->(:__Document__)\n"
        "OPTIONAL MATCH mention = (chunk)-[:MENTIONS]->(:__Entity__)\n"
        "RETURN chunk, source, mention"
    )
