"""The columns of every table: the contract between the steps, the stores and the queries.

Ids are hashes of content, so the same input gives the same ids on every machine and run.
Embeddings are not columns here: a store keeps them beside the row they belong to
(`VECTOR_TABLES`), and exports that carry them add an `embedding` column. `tables` has the same
as polars schemas; what only reads rows starts without polars.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

SCHEMA_VERSION = "1"
CO_OCCURS = "co-occurs"  # type of a relationship that the rules found

Kind = Literal["text", "integer", "real", "boolean", "texts", "integers", "findings"]

COLUMNS: Mapping[str, Mapping[str, Kind]] = {
    "documents": {
        "id": "text",
        "source": "text",
        "title": "text",
        "text": "text",  # as it was read; null of what could not be, and before it was kept
        "content_hash": "text",
        "language": "text",
        "metadata": "text",  # a JSON object: str, number, bool or null by key, keys sorted
        "n_tokens": "integer",
        # ok, partial (a unit failed), failed (could not be read), skipped (a near-duplicate)
        "status": "text",
        "error": "text",
    },
    "text_units": {
        "id": "text",
        "document_id": "text",
        "ordinal": "integer",  # position in the document, from 0
        # The characters of the document's text that it covers; `text` may repeat more before
        # them: the line of the page, the head of the table. Null where that text is not kept.
        "start": "integer",
        "end": "integer",
        "headings": "texts",  # outermost first
        "page": "text",  # the page, slide or sheet on which it begins, or null
        "context": "text",  # one situating line, or null
        "text": "text",
        "n_tokens": "integer",
        "evidence_key": "text",
    },
    "windows": {  # what the embedding model reads of a unit at a time; none without a model
        "text_unit_id": "text",
        "ordinal": "integer",  # position in the unit, from 0
        "start": "integer",  # as of the unit
        "end": "integer",
    },
    "evidence": {
        "key": "text",  # evidence_key(text_hash, extractor)
        "text_hash": "text",
        "extractor": "text",
        # JSON list of {name, type, description, attributes?, sentences?, kind?, aliases?};
        # attributes: [{name, value, unit}], as the text has them
        "entities": "text",
        # JSON list of {source, target, type, description, strength, sentences?}
        "relationships": "text",
        "claims": "text",  # JSON list of the columns of CLAIMS
        "status": "text",  # ok, failed
        "error": "text",
        "transient": "boolean",
        "usage": "text",  # JSON {prompt_tokens, completion_tokens, calls}
        # JSON: types, attributes and triples that a model was asked for; null before it was kept
        "asked": "text",
    },
    "entities": {
        "id": "text",
        "name": "text",
        "type": "text",
        "aliases": "texts",  # other spellings, sorted
        "description": "text",
        "n_mentions": "integer",  # text units that mention it
        "degree": "integer",  # distinct neighbours
        # JSON list of {name, value, unit, text_unit_ids}, sorted by the first three: what the
        # schema asks of its type, numbers in the schema's unit where they can be put exactly
        "attributes": "text",
    },
    "relationships": {
        "id": "text",
        "source_id": "text",
        "target_id": "text",
        "type": "text",
        "description": "text",
        "weight": "real",
        "n_mentions": "integer",
        "text_unit_ids": "texts",  # sorted
    },
    "mentions": {
        "text_unit_id": "text",
        "entity_id": "text",
        "description": "text",  # of the entity in this unit
        "owner": "real",  # 0-1: how far the unit is about the entity
        "sentences": "integers",  # ordinals of the unit's sentences that name it
    },
    "claims": {
        "id": "text",
        "subject": "text",
        "object": "text",
        "type": "text",
        "status": "text",
        "start": "text",
        "end": "text",
        "description": "text",
        "text_unit_id": "text",
    },
    "communities": {
        "id": "text",
        "level": "integer",  # 0 is the coarsest
        "parent_id": "text",
        "size": "integer",  # entities
        "entity_ids": "texts",  # sorted
    },
    "reports": {
        "community_id": "text",
        "title": "text",
        "summary": "text",
        "findings": "findings",
        "rating": "real",  # 0-10
        "rating_explanation": "text",
        "method": "text",  # model, extractive
        "n_tokens": "integer",  # of the rendered report
        "input_hash": "text",
    },
}
KEYS: dict[str, tuple[str, ...]] = {
    "documents": ("id",),
    "text_units": ("id",),
    "windows": ("text_unit_id", "ordinal"),
    "evidence": ("key",),
    "entities": ("id",),
    "relationships": ("id",),
    "mentions": ("text_unit_id", "entity_id"),
    "claims": ("id",),
    "communities": ("id",),
    "reports": ("community_id",),
}
SEARCH_TABLES = ("text_units", "entities", "reports")
# A text unit is found by its windows; it has a vector of its own in an index made before them.
WINDOW_MARK = "#"  # sorts before what ids are made of, so that units stay in order
VECTOR_TABLES = ("windows", *SEARCH_TABLES)


def stable_id(*parts: str) -> str:
    """A 32-digit hexadecimal id of `parts`: equal parts, equal id."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:32]


def window_id(text_unit_id: str, ordinal: int) -> str:
    """The id of a window among the rows that have a vector."""
    return f"{text_unit_id}{WINDOW_MARK}{ordinal}"


def evidence_key(text_hash: str, extractor: str) -> str:
    """The key of what `extractor` found in the text with `text_hash`."""
    return stable_id("evidence", text_hash, extractor)
