"""Table names and polars schemas: the contract between the steps, the stores and the exports.

Ids are hashes of content, so the same input gives the same ids on every machine and run.
Embeddings are not columns here: a store keeps them beside the row they belong to
(`VECTOR_TABLES`), and exports that carry them add an `embedding` column.
"""

from __future__ import annotations

import hashlib

import polars as pl

SCHEMA_VERSION = "1"

FINDING = pl.Struct(
    {"summary": pl.String, "explanation": pl.String, "text_unit_ids": pl.List(pl.String)}
)

DOCUMENTS = pl.Schema(
    {
        "id": pl.String,
        "source": pl.String,
        "title": pl.String,
        "content_hash": pl.String,
        "language": pl.String,
        "metadata": pl.String,  # a JSON object: str, number, bool or null by key, keys sorted
        "n_tokens": pl.Int64,
        "status": pl.String,  # ok, partial (a unit failed), failed (could not be read)
        "error": pl.String,
    }
)
TEXT_UNITS = pl.Schema(
    {
        "id": pl.String,
        "document_id": pl.String,
        "ordinal": pl.Int64,  # position in the document, from 0
        "headings": pl.List(pl.String),  # outermost first
        "context": pl.String,  # one situating line, or null
        "text": pl.String,
        "n_tokens": pl.Int64,
        "evidence_key": pl.String,
    }
)
EVIDENCE = pl.Schema(
    {
        "key": pl.String,  # evidence_key(text_hash, extractor)
        "text_hash": pl.String,
        "extractor": pl.String,
        # JSON list of {name, type, description, sentences?, kind?, aliases?}
        "entities": pl.String,
        # JSON list of {source, target, type, description, strength, sentences?}
        "relationships": pl.String,
        "claims": pl.String,  # JSON list of the columns of CLAIMS
        "status": pl.String,  # ok, failed
        "error": pl.String,
        "transient": pl.Boolean,
        "usage": pl.String,  # JSON {prompt_tokens, completion_tokens, calls}
    }
)
ENTITIES = pl.Schema(
    {
        "id": pl.String,
        "name": pl.String,
        "type": pl.String,
        "aliases": pl.List(pl.String),  # other spellings, sorted
        "description": pl.String,
        "n_mentions": pl.Int64,  # text units that mention it
        "degree": pl.Int64,  # distinct neighbours
    }
)
RELATIONSHIPS = pl.Schema(
    {
        "id": pl.String,
        "source_id": pl.String,
        "target_id": pl.String,
        "type": pl.String,
        "description": pl.String,
        "weight": pl.Float64,
        "n_mentions": pl.Int64,
        "text_unit_ids": pl.List(pl.String),  # sorted
    }
)
MENTIONS = pl.Schema(
    {
        "text_unit_id": pl.String,
        "entity_id": pl.String,
        "description": pl.String,  # of the entity in this unit
        "owner": pl.Float64,  # 0-1: how far the unit is about the entity
        "sentences": pl.List(pl.Int64),  # ordinals of the unit's sentences that name it
    }
)
CLAIMS = pl.Schema(
    {
        "id": pl.String,
        "subject": pl.String,
        "object": pl.String,
        "type": pl.String,
        "status": pl.String,
        "start": pl.String,
        "end": pl.String,
        "description": pl.String,
        "text_unit_id": pl.String,
    }
)
COMMUNITIES = pl.Schema(
    {
        "id": pl.String,
        "level": pl.Int64,  # 0 is the coarsest
        "parent_id": pl.String,
        "size": pl.Int64,  # entities
        "entity_ids": pl.List(pl.String),  # sorted
    }
)
REPORTS = pl.Schema(
    {
        "community_id": pl.String,
        "title": pl.String,
        "summary": pl.String,
        "findings": pl.List(FINDING),
        "rating": pl.Float64,  # 0-10
        "rating_explanation": pl.String,
        "method": pl.String,  # model, extractive
        "n_tokens": pl.Int64,  # of the rendered report
        "input_hash": pl.String,
    }
)

TABLES: dict[str, pl.Schema] = {
    "documents": DOCUMENTS,
    "text_units": TEXT_UNITS,
    "evidence": EVIDENCE,
    "entities": ENTITIES,
    "relationships": RELATIONSHIPS,
    "mentions": MENTIONS,
    "claims": CLAIMS,
    "communities": COMMUNITIES,
    "reports": REPORTS,
}
KEYS: dict[str, tuple[str, ...]] = {
    "documents": ("id",),
    "text_units": ("id",),
    "evidence": ("key",),
    "entities": ("id",),
    "relationships": ("id",),
    "mentions": ("text_unit_id", "entity_id"),
    "claims": ("id",),
    "communities": ("id",),
    "reports": ("community_id",),
}
VECTOR_TABLES = ("text_units", "entities", "reports")


def stable_id(*parts: str) -> str:
    """A 32-digit hexadecimal id of `parts`: equal parts, equal id."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:32]


def evidence_key(text_hash: str, extractor: str) -> str:
    """The key of what `extractor` found in the text with `text_hash`."""
    return stable_id("evidence", text_hash, extractor)


def empty(table: str) -> pl.DataFrame:
    """`table` with no row."""
    return TABLES[table].to_frame()
