"""A schema of pydantic classes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import cast

import pytest
from pydantic import BaseModel, ConfigDict, Field

from graphrag.core.errors import SettingsError, UsageError
from graphrag.core.schema import Attribute, EntityType, Schema, Triple
from graphrag.core.schema.classes import schema_of
from graphrag.engine.options import given_schema


class CableShip(BaseModel):
    """A vessel."""

    model_config = ConfigDict(json_schema_extra={"aliases": ["steamer", "HMS"]})

    length: float | None = Field(None, description="over all", json_schema_extra={"unit": "m"})
    launched: date
    is_iron: bool = True
    builder: str = ""
    sister_of: CableShip | None = None


class Company(BaseModel):
    owns: list[CableShip]


def test_classes_are_types_their_fields_attributes_and_triples() -> None:
    schema = schema_of([Company])
    ship = EntityType(
        "cable ship",
        "A vessel.",
        {
            "length": Attribute("length", "number", "m", "over all"),
            "launched": Attribute("launched", "date"),
            "is iron": Attribute("is iron", "boolean"),
            "builder": Attribute("builder"),
        },
        ("steamer", "HMS"),
    )
    assert schema == Schema(
        "strict",
        {"company": EntityType("company"), "cable ship": ship},
        (
            Triple("company", "owns", "cable ship"),
            Triple("cable ship", "sister of", "cable ship"),
        ),
    )
    assert given_schema([Company, CableShip]) == schema


def test_what_is_given_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("types: {ship: A vessel}", encoding="utf-8")
    schema = given_schema(path)
    assert given_schema(str(path)) == schema == given_schema(schema)
    with pytest.raises(SettingsError, match="no type of this schema"):
        given_schema(Schema("open", schema.types, (Triple("ship", "laid", "cable"),)))
    for wrong in (cast(Schema, 5), [], cast("list[type[BaseModel]]", [int])):
        with pytest.raises(UsageError, match="is no schema"):
            given_schema(wrong)
