"""Attributes: what evidence states, in the schema's form where that is exact."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import polars as pl
import pytest

from graphrag.core.schema import Attribute, EntityType, Schema
from graphrag.indexing.graph.attributes import Value, add_attributes, normalised


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("211", "m", (211, "m")),
        ("0.5", "kilometres", (500, "m")),
        ("0,5 km", "", (500, "m")),
        ("100", "feet", (30.48, "m")),
        ("2 nautical miles", "", (3704, "m")),
        ("1,500.25", "m", (1500.25, "m")),
        ("1.500,25", "m", (1500.25, "m")),
        ("1,500", "m", (1500, "m")),
        ("1 234 567", "m", (1234567, "m")),
        ("1.234.567", "", (1234567, "m")),
        ("1.500", "", (1.5, "m")),
        ("692", "", (692, "m")),
        ("3", "fathoms", (3, "fathoms")),
        ("3", "t", (3, "t")),
        ("about a mile", "", ("about a mile", None)),
        ("9" * 5000, "", ("9" * 5000, None)),
    ],
)
def test_numbers_are_put_in_the_unit_of_the_schema(
    value: str, unit: str, expected: tuple[Value, str | None]
) -> None:
    assert normalised(Attribute("length", "number", "m"), value, unit) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1866", "1866"),
        ("1866-7", "1866-07"),
        ("1866-07-27", "1866-07-27"),
        ("27 July 1866", "1866-07-27"),
        ("July 27th, 1866", "1866-07-27"),
        ("27th of July 1866", "1866-07-27"),
        ("July 1866", "1866-07"),
        ("1866-27-07", "1866-27-07"),
        ("im Juli 1866", "im Juli 1866"),
    ],
)
def test_dates_are_iso_as_far_as_they_are_given(value: str, expected: str) -> None:
    assert normalised(Attribute("launched", "date"), value) == (expected, None)


def test_truths_and_texts() -> None:
    assert normalised(Attribute("iron", "boolean"), "Yes") == (True, None)
    assert normalised(Attribute("iron", "boolean"), "in part") == ("in part", None)
    assert normalised(Attribute("builder"), " J.  Scott Russell ") == ("J. Scott Russell", None)
    assert normalised(Attribute("cost", "number"), "5 pounds") == (5, "pounds")


Stated = tuple[str, str, Sequence[Mapping[str, str]]]


def derived(stated: Sequence[Stated], schema: Schema) -> list[str]:
    found = pl.DataFrame(
        stated,
        schema={
            "text_unit_id": pl.String,
            "entity": pl.String,
            "attributes": pl.List(
                pl.Struct({"name": pl.String, "value": pl.String, "unit": pl.String})
            ),
        },
        orient="row",
    )
    entities = pl.DataFrame({"entity": ["a", "b"], "type": ["ship", "port"]})
    derived, _ = add_attributes(entities, found, schema)
    return derived["attributes"].to_list()


def length(value: str, unit: str = "", name: str = "Length") -> dict[str, str]:
    return {"name": name, "value": value, "unit": unit}


def test_equal_values_are_one_entry_with_all_their_text_units() -> None:
    schema = Schema(
        "open", {"ship": EntityType("ship", "", {"length": Attribute("length", "number", "m")})}
    )
    stated: list[Stated] = [
        ("u2", "a", [length("0.2", "km"), length("9", name="crew")]),
        ("u1", "a", [length("200")]),
        ("u3", "a", [length("692", "ft"), length("")]),
        ("u1", "b", [length("200")]),
        ("u1", "a", []),
    ]
    expected = [
        {"name": "length", "value": 200, "unit": "m", "text_unit_ids": ["u1", "u2"]},
        {"name": "length", "value": 210.9216, "unit": "m", "text_unit_ids": ["u3"]},
    ]
    ship, port = derived(stated, schema)
    assert json.loads(ship) == expected
    assert port == "[]"
    assert derived(stated[::-1], schema) == [ship, port]
    assert derived(stated, Schema()) == ["[]", "[]"]
