"""Read an output folder of Microsoft's graphrag as documents, evidence, communities and reports.

Each text unit gets one piece of evidence of the extractor `import`, so that later runs keep what
was paid for elsewhere, and the graph is merged from it as from any other evidence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import polars as pl

from graphrag.core.errors import UsageError
from graphrag.core.tables import (
    COMMUNITIES,
    EVIDENCE,
    REPORTS,
    TEXT_UNITS,
    empty,
    evidence_key,
    stable_id,
)
from graphrag.indexing.documents import files as documents
from graphrag.indexing.documents.files import Document
from graphrag.indexing.extraction.extract import IMPORT_EXTRACTOR
from graphrag.text import normalise

IMPORTED = "import"  # the input hash of a report that came with an import
REQUIRED = ("documents", "text_units", "entities", "relationships")
MAX_CITED = 10  # text units of one finding

_DATA = re.compile(r"\s*\[Data:([^\]]*)\]")
_REFERENCE = re.compile(
    r"(Entities|Relationships|Sources|Text ?units)\s*\(([^)]*)\)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Imported:
    """Tables in our shapes, and the communities and reports as they were read."""

    documents: pl.DataFrame
    text_units: pl.DataFrame
    evidence: pl.DataFrame
    names: Mapping[str, str]  # entity id there: its name
    communities: pl.DataFrame
    reports: pl.DataFrame
    cited: Mapping[tuple[str, int], tuple[str, ...]]  # (kind, number there): text unit ids

    def entity_ids(self, entities: pl.DataFrame) -> list[str]:
        """Those of the merged graph that the import names."""
        ours = _by_spelling(entities)
        return sorted({ours[n] for n in self._spellings(self.names) if n in ours})

    def adopt(self, entities: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The communities and their reports, about the entities of the merged graph."""
        ours = _by_spelling(entities)
        found = {
            number: sorted({ours[n] for n in self._spellings(ids) if n in ours})
            for number, ids in self.communities.select("community", "entity_ids").iter_rows()
        }
        levels = self.communities.select("community", "level", "parent").rows()
        keys = {
            number: stable_id("community", str(level), *found[number])
            for number, level, _ in levels
            if found[number]
        }
        rows = {
            keys[number]: {
                "id": keys[number],
                "level": level,
                "parent_id": keys.get(parent),
                "size": len(found[number]),
                "entity_ids": found[number],
            }
            for number, level, parent in levels
            if number in keys
        }
        communities = pl.DataFrame(list(rows.values()), schema=COMMUNITIES).sort("id")
        return communities, self._reports(keys)

    def _spellings(self, ids: Iterable[str]) -> list[str]:
        return [normalise(self.names[key]) for key in ids if key in self.names]

    def _reports(self, keys: Mapping[int, str]) -> pl.DataFrame:
        rows: dict[str, dict[str, object]] = {}
        for row in self.reports.iter_rows(named=True):
            key = keys.get(row["community"])
            if key is not None:
                rows[key] = {
                    "community_id": key,
                    "title": row["title"] or "",
                    "summary": _plain(row["summary"] or ""),
                    "findings": [self._finding(item) for item in row["findings"] or ()],
                    "rating": row["rank"],
                    "rating_explanation": row["rating_explanation"] or "",
                    "method": "model",
                    "n_tokens": len(row["full_content"] or "") // 4,
                    "input_hash": IMPORTED,
                }
        return pl.DataFrame(list(rows.values()), schema=REPORTS).sort("community_id")

    def _finding(self, finding: Mapping[str, str | None]) -> dict[str, object]:
        explanation = finding["explanation"] or ""
        units = dict.fromkeys(
            unit for reference in _references(explanation) for unit in self.cited.get(reference, ())
        )
        return {
            "summary": _plain(finding["summary"] or ""),
            "explanation": _plain(explanation),
            "text_unit_ids": sorted(list(units)[:MAX_CITED]),
        }


def _by_spelling(entities: pl.DataFrame) -> dict[str, str]:
    """The id of each entity by its normalised names."""
    return {
        normalise(spelling): key
        for key, name, aliases in entities.select("id", "name", "aliases").iter_rows()
        for spelling in (*(aliases or ()), name)
    }


def read_microsoft(folder: Path) -> Imported:
    """Read the Parquet tables in `folder`, or in its `output` folder.

    Raises UsageError naming the table or the columns that are missing.
    """
    place = folder if (folder / "text_units.parquet").is_file() else folder / "output"
    there = [name for name in REQUIRED if (place / f"{name}.parquet").is_file()]
    if len(there) < len(REQUIRED):
        missing = ", ".join(f"{name}.parquet" for name in REQUIRED if name not in there)
        raise UsageError(
            f"{str(folder)!r} lacks {missing}",
            hint="Name the output folder of Microsoft's graphrag (version 1 or later).",
        )
    texts = _read(place, "documents", ("id", "title", "text"))
    units = _read(place, "text_units", ("id", "text", "n_tokens"))
    entities = _read(
        place,
        "entities",
        ("id", "human_readable_id", "title", "type", "description", "text_unit_ids"),
    )
    relationships = _read(
        place,
        "relationships",
        ("human_readable_id", "source", "target", "description", "weight", "text_unit_ids"),
    )
    titles = pl.col("title").replace("", None)
    named = pl.when(titles.is_duplicated()).then(pl.format("{} ({})", titles, "id"))
    sources_of = named.otherwise(titles).fill_null(pl.col("id"))
    given = [
        Document(source=source, title=title or key, text=text)
        for key, title, text, source in texts.select(
            "id", "title", "text", sources_of.alias("source")
        ).iter_rows()
    ]
    text_units, ours = _text_units(units, dict(zip(texts["id"], given, strict=True)))
    communities = _optional(place, "communities", ("community", "level", "parent", "entity_ids"))
    reports = _optional(
        place,
        "community_reports",
        ("community", "title", "summary", "full_content", "rank", "rating_explanation", "findings"),
    )
    return Imported(
        documents=documents.documents_frame(given).sort("id"),
        text_units=text_units,
        evidence=_evidence(text_units, ours, entities, relationships),
        names=dict(entities.select("id", "title").iter_rows()),
        communities=communities,
        reports=reports,
        cited=_cited(units, entities, relationships, ours),
    )


def _read(folder: Path, name: str, columns: Sequence[str]) -> pl.DataFrame:
    path = folder / f"{name}.parquet"
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="Export it again.") from error
    lacking = [column for column in columns if column not in frame.columns]
    if lacking:
        raise UsageError(
            f"{path} lacks the columns {', '.join(lacking)}",
            hint="Only the tables of Microsoft's graphrag 1 and later can be imported.",
        )
    return frame


def _optional(folder: Path, name: str, columns: Sequence[str]) -> pl.DataFrame:
    if not (folder / f"{name}.parquet").is_file():
        return pl.DataFrame({column: [] for column in columns})
    return _read(folder, name, columns)


def _text_units(
    units: pl.DataFrame, given: Mapping[str, Document]
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Our table, and our id by the id there."""
    owner = "document_id" if "document_id" in units.columns else "document_ids"
    if owner not in units.columns:
        raise UsageError("text_units.parquet says of no unit which document it is from")
    rows: list[dict[str, object]] = []
    ours: dict[str, str] = {}
    ordinals: dict[str, int] = {}
    reached: dict[str, int] = {}  # by document: where the last unit begins
    occurrences: dict[tuple[str, str], int] = {}
    for key, text, n_tokens, owners in units.select("id", "text", "n_tokens", owner).iter_rows():
        first = owners if isinstance(owners, str) else cast(Sequence[str], owners)[0]
        item = given.get(first)
        if item is None:
            raise UsageError(f"text unit {key!r} is of a document that is not there: {first!r}")
        document = documents.document_id(item.source)
        start = item.text.find(text, reached.get(document, 0))
        if start >= 0:
            reached[document] = start
        seen = occurrences.get((document, text), 0)
        occurrences[document, text] = seen + 1
        ours[key] = stable_id("text_unit", document, text, str(seen))
        rows.append(
            {
                "id": ours[key],
                "document_id": document,
                "ordinal": ordinals.get(document, 0),
                "start": start if start >= 0 else None,
                "end": start + len(text) if start >= 0 else None,
                "headings": [],
                "page": None,
                "context": None,
                "text": text,
                "n_tokens": n_tokens,
                "evidence_key": evidence_key(stable_id(text), IMPORT_EXTRACTOR),
            }
        )
        ordinals[document] = ordinals.get(document, 0) + 1
    return pl.DataFrame(rows, schema=TEXT_UNITS).sort("id"), ours


def _evidence(
    text_units: pl.DataFrame,
    ours: Mapping[str, str],
    entities: pl.DataFrame,
    relationships: pl.DataFrame,
) -> pl.DataFrame:
    found: dict[str, list[dict[str, object]]] = {}
    for name, kind, description, units in entities.select(
        "title", "type", "description", "text_unit_ids"
    ).iter_rows():
        for unit in units or ():
            found.setdefault(unit, []).append(
                {"name": name, "type": kind or "", "description": description or ""}
            )
    related: dict[str, list[dict[str, object]]] = {}
    for source, target, description, weight, units in relationships.select(
        "source", "target", "description", "weight", "text_unit_ids"
    ).iter_rows():
        for unit in units or ():
            related.setdefault(unit, []).append(
                {
                    "source": source,
                    "target": target,
                    "type": "",
                    "description": description or "",
                    "strength": (weight or 0.0) / len(units),
                }
            )
    texts = dict(text_units.select("id", "text").iter_rows())
    rows: dict[str, dict[str, object]] = {}
    for theirs, mine in ours.items():
        text_hash = stable_id(texts[mine])
        key = evidence_key(text_hash, IMPORT_EXTRACTOR)
        rows[key] = {
            "key": key,
            "text_hash": text_hash,
            "extractor": IMPORT_EXTRACTOR,
            "entities": json.dumps(found.get(theirs, []), ensure_ascii=False),
            "relationships": json.dumps(related.get(theirs, []), ensure_ascii=False),
            "claims": "[]",
            "status": "ok",
            "error": None,
            "transient": False,
            "usage": "{}",
        }
    return pl.DataFrame(list(rows.values()), schema=EVIDENCE) if rows else empty("evidence")


def _cited(
    units: pl.DataFrame,
    entities: pl.DataFrame,
    relationships: pl.DataFrame,
    ours: Mapping[str, str],
) -> dict[tuple[str, int], tuple[str, ...]]:
    """Our text unit ids by what a finding's "[Data: …]" may name."""
    cited: dict[tuple[str, int], tuple[str, ...]] = {}
    for kind, frame in (("entities", entities), ("relationships", relationships)):
        for number, ids in frame.select("human_readable_id", "text_unit_ids").iter_rows():
            cited[kind, int(number)] = tuple(ours[unit] for unit in ids or () if unit in ours)
    if "human_readable_id" in units.columns:
        for number, key in units.select("human_readable_id", "id").iter_rows():
            cited["sources", int(number)] = (ours[key],)
    return cited


def _references(text: str) -> list[tuple[str, int]]:
    """The rows that the "[Data: Entities (1, 2); …]" marks in `text` name."""
    return [
        (kind.lower() if kind.lower() in ("entities", "relationships") else "sources", int(number))
        for mark in _DATA.findall(text)
        for kind, numbers in _REFERENCE.findall(mark)
        for number in re.findall(r"\d+", numbers)
    ]


def _plain(text: str) -> str:
    return _DATA.sub("", text).strip()
