"""Derive the attributes of entities from what live evidence states of them.

A value is put in the form of the schema where that is exact: a number in the schema's unit, a
date as far as it is given, a boolean. Else it stays as it is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import TypeAlias

import polars as pl

from graphrag.core.schema import Attribute, Schema

NONE = "[]"  # of an entity without attributes

Value: TypeAlias = str | int | float | bool

# Exact by definition. A ton or a gallon means several things, so neither is here.
_LENGTH = {"mm": "1/1000", "cm": "1/100", "m": "1", "km": "1000", "mi": "1609.344"} | {
    "in": "0.0254", "ft": "0.3048", "yd": "0.9144", "nmi": "1852"
}  # fmt: skip
_MASS = {"mg": "1/1000000", "g": "1/1000", "kg": "1", "t": "1000", "lb": "0.45359237"}
_TIME = {"ms": "1/1000", "s": "1", "min": "60", "h": "3600", "d": "86400"}
_AREA = {"m2": "1", "ha": "10000", "km2": "1000000"}
_VOLUME = {"ml": "1/1000", "l": "1", "m3": "1000"}
_SPEED = {"m/s": "1", "km/h": "5/18", "kn": "463/900"}
_POWER = {"w": "1", "kw": "1000"}
_SHARE = {"1": "1", "%": "1/100"}
_UNITS: Mapping[str, tuple[int, Fraction]] = {
    unit: (kind, Fraction(size))
    for kind, sizes in enumerate((_LENGTH, _MASS, _TIME, _AREA, _VOLUME, _SPEED, _POWER, _SHARE))
    for unit, size in sizes.items()
}
_SPELLED = {
    "metre": "m", "meter": "m", "kilometre": "km", "kilometer": "km", "centimetre": "cm",
    "centimeter": "cm", "millimetre": "mm", "millimeter": "mm", "inch": "in", "inche": "in",
    "foot": "ft", "feet": "ft", "yard": "yd", "mile": "mi", "nautical mile": "nmi",
    "kilogram": "kg", "gram": "g", "tonne": "t", "metric ton": "t", "pound": "lb",
    "second": "s", "sec": "s", "minute": "min", "hour": "h", "day": "d", "hectare": "ha",
    "m²": "m2", "km²": "km2", "m³": "m3", "litre": "l", "liter": "l", "kmh": "km/h",
    "knot": "kn", "watt": "w", "kilowatt": "kw", "percent": "%", "per cent": "%",
}  # fmt: skip
_NUMBER = re.compile(r"([-+−]?(?:\d[\d.,'’ \u00a0\u202f]*\d|\d))\s*(\D.*)?", re.DOTALL)
_GROUPED = re.compile(r"[-+]?\d{1,3}([.,])\d{3}(\1\d{3})*")
_ISO = re.compile(r"(\d{4})(?:-(0?[1-9]|1[0-2])(?:-(0?[1-9]|[12]\d|3[01]))?)?(?:T.*)?")
_MAX_DIGITS = 40  # of what is read as a number
_DATES = (
    *((form, "%Y-%m-%d") for form in ("%d %B %Y", "%d %b %Y", "%B %d %Y", "%b %d %Y")),
    *((form, "%Y-%m") for form in ("%B %Y", "%b %Y")),
)
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}


def add_attributes(
    entities: pl.DataFrame, found: pl.DataFrame, schema: Schema
) -> tuple[pl.DataFrame, int]:
    """`entities` (entity, type …) with `attributes`: what `found` states of each.

    One entry by name, value and unit, with the text units that state it. And how many statements
    are left out, for the schema asks no such thing of the type.
    """
    if not any(kind.attributes for kind in schema.types.values()):
        none = entities.with_columns(pl.lit(NONE).alias("attributes"))
        return none, found["attributes"].explode().drop_nulls().len() if schema.types else 0
    stated = (
        found.select("text_unit_id", "entity", "attributes")
        .explode("attributes")
        .drop_nulls("attributes")
        .unnest("attributes")
        .join(entities.select("entity", "type"), on="entity")
        .unique()
        .sort("entity", "name", "value", "unit", "text_unit_id")
    )
    out = 0
    units: dict[str, dict[tuple[str, Value, str | None], list[str]]] = {}
    for unit_id, entity, name, value, unit, type_ in stated.iter_rows():
        attribute = schema.attribute_of(type_ or "", name or "")
        if attribute is None or not (value or "").strip():
            out += 1
            continue
        one = (attribute.name, *normalised(attribute, value, unit or ""))
        units.setdefault(entity, {}).setdefault(one, []).append(unit_id)
    rows = {entity: _json(entries) for entity, entries in units.items()}
    stated_of = pl.col("entity").replace_strict(rows, default=NONE, return_dtype=pl.String)
    return entities.with_columns((stated_of if rows else pl.lit(NONE)).alias("attributes")), out


def _json(entries: Mapping[tuple[str, Value, str | None], list[str]]) -> str:
    """The entries in an order that does not depend on that of their rows."""
    listed = [
        {"name": name, "value": value, "unit": unit, "text_unit_ids": sorted(set(unit_ids))}
        for (name, value, unit), unit_ids in entries.items()
    ]
    ordered = sorted(listed, key=lambda one: json.dumps(one, ensure_ascii=False))
    return json.dumps(ordered, ensure_ascii=False)


def normalised(attribute: Attribute, value: str, unit: str = "") -> tuple[Value, str | None]:
    """A value and its unit, as the schema wants them where that is exact, else as said."""
    said = " ".join(value.split())
    match attribute.type:
        case "number":
            return _number(said, " ".join(unit.split()), attribute.unit)
        case "date":
            return _date(said), None
        case "boolean":
            return _TRUTHS.get(said.casefold(), said), None
        case "text":
            return said, unit.strip() or None


def _number(said: str, unit: str, wanted: str | None) -> tuple[Value, str | None]:
    match = _NUMBER.fullmatch(said)
    number = _read_number(match[1]) if match and len(match[1]) <= _MAX_DIGITS else None
    if match is None or number is None:
        return said, unit or None
    unit = unit or (match[2] or "").strip()
    if wanted is None or not unit or _unit(unit) == _unit(wanted):
        return _plain(number), wanted or unit or None
    (kind, size), (other, one) = _size(unit), _size(wanted)
    return (_plain(number * size / one), wanted) if kind == other >= 0 else (_plain(number), unit)


def _read_number(text: str) -> Fraction | None:
    """A number in whichever of the usual forms: 1,500.5, 1.500,5, 1 500; 1,500 is no fraction."""
    digits = re.sub(r"['’ \u00a0\u202f]", "", text).replace("−", "-")
    marks = [mark for mark in digits if mark in ".,"]
    if len(set(marks)) == 2:  # the last one divides
        digits = digits.replace(marks[0], "").replace(marks[-1], ".")
    elif marks and (_GROUPED.fullmatch(digits) and (marks[0] == "," or len(marks) > 1)):
        digits = digits.replace(marks[0], "")
    else:
        digits = digits.replace(",", ".")
    try:
        return Fraction(digits)
    except ValueError:
        return None


def _plain(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 else float(number)


def _unit(name: str) -> str:
    """The one spelling of a unit."""
    key = name.casefold().strip(" .")
    for form in (key, key.removesuffix("s"), key.replace("^", "")):
        if form in _UNITS or form in _SPELLED:
            return _SPELLED.get(form, form)
    return key


def _size(name: str) -> tuple[int, Fraction]:
    """What kind of unit it is, and how large; -1 of one that is not known."""
    return _UNITS.get(_unit(name), (-1, Fraction(1)))


def _date(said: str) -> str:
    """ISO 8601 as far as the day is given: 1866, 1866-07, 1866-07-27."""
    if match := _ISO.fullmatch(said):
        year, month, day = match.groups()
        return "-".join([year, *(part.zfill(2) for part in (month, day) if part)])
    plain = re.sub(r"(?<=\d)(st|nd|rd|th)\b|[.,]|\bof\b", "", said)
    for form, iso in _DATES:
        try:
            return datetime.strptime(" ".join(plain.split()), form).strftime(iso)
        except ValueError:
            continue
    return said
