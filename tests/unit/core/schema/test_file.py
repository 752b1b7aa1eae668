"""A schema's file: what it holds, and how clearly a wrong one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.errors import SettingsError
from graphrag.core.schema import (
    Attribute,
    EntityType,
    Schema,
    Triple,
    load_schema,
    parse_schema,
    render_schema,
)
from tests.hostile import sized

SHIPS = """
mode: strict
types:
  ship:
    description: A vessel
    aliases: [steamer, HMS]
    attributes:
      length: {type: number, unit: m}
      launched: date
  company: Who owns ships
triples:
  - [ship, laid, "*"]
  - {source: company, relation: owns, target: ship}
"""


def test_the_short_and_the_long_forms_are_read() -> None:
    length, launched = Attribute("length", "number", "m"), Attribute("launched", "date")
    ship = EntityType(
        "ship", "A vessel", {"length": length, "launched": launched}, ("steamer", "HMS")
    )
    company = EntityType("company", "Who owns ships")
    triples = Triple("ship", "laid", "*"), Triple("company", "owns", "ship")
    expected = Schema("strict", {"ship": ship, "company": company}, triples)
    assert parse_schema(SHIPS) == expected
    assert parse_schema(render_schema(expected)) == expected


def test_words_are_found_whatever_their_form() -> None:
    schema = parse_schema(SHIPS)
    assert [schema.type_of(word) for word in ("Ship", "STEAMER", " hms ", "boat")] == [
        "ship", "ship", "ship", None,
    ]  # fmt: skip
    assert schema.attribute_of("ship", "Length") == Attribute("length", "number", "m")
    assert schema.attribute_of("company", "length") is None
    assert schema.allows("ship", "Laid", "company")
    assert schema.allows("company", "owns", "ship")
    assert not schema.allows("ship", "owns", "company")
    assert Schema("strict", schema.types).allows("ship", "owns", "company")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("types: &a {ship: *a}", "types.ship.ship (line 1): no such key"),
        ("types:\n  a: {aliases: [b]}\n  b: {aliases: [a]}", "a circle: a → b → a"),
        ("types:\n  a: {aliases: [b]}\n  b: x", "types.a.aliases.1 (line 2): 'b' is a type of"),
        ("types:\n  a: {aliases: [x]}\n  b: {aliases: [X]}", "'X' is an alias of 'a', too"),
        ("types:\n  a b: x\n  A-B: x", "'A-B' and 'a b' are one name"),
        ("types:\n  a: x\n  a: y", "types.a (line 2): this key is there twice"),
        ("types: {a: x}\ntriples:\n  - [a, to, port]", "triples.1 (line 3): 'port' is no type"),
        ("types: {a: {aliases: [b]}}\ntriples:\n  - [b, to, a]", "write 'a', which it stands for"),
        ("types: {a: x}\ntriples:\n  - [a, to]", "a triple is [source, relation, target]"),
        ("types: {a: x}\ntriples:\n  - [a, to, a]\n  - [a, to, a]", "a to a is there twice"),
        ("types: {a: {attributes: {l: num}}}", "'num' is no type of an attribute"),
        ("types: {a: {attributes: {l: {unit: m}}}}", "a text has no unit ('m')"),
        ("types: {a: {attributes: {l: date, L: date}}}", "'L' and 'l' are one name"),
        ("types: {'!': x}", "'!' is no name"),
        (f"types: {{{'a' * 61}: x}}", "at most 60 characters"),
        ("mode: closed\ntypes: {a: x}", "mode (line 1): 'closed' is no mode"),
        ("types: [a]", "types (line 1): this is a list, where keys belong"),
        ("- a", "file (line 1): this is a list"),
        ("tipes: {a: x}", "tipes (line 1): no such key; there are mode, types, triples"),
        ("", "there is no type"),
        ("types: {a: [", "is no YAML"),
        ("[" * sized(5000), "is no YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_schema(path)
    assert str(path) in str(caught.value)
    assert told in str(caught.value)
    assert caught.value.hint


def test_all_that_is_wrong_with_a_file_is_told_at_once() -> None:
    text = """
mode: closed
types:
  bridge:
    aliases: [viaduct]
    attributes: {opened: year}
    size: 3
  river: {aliases: [viaduct]}
relations: []
triples:
  - engineer designed bridge
  - [bridge, crosses, river]
  - [engineer, crosses, river]
"""
    with pytest.raises(SettingsError) as caught:
        parse_schema(text)
    places = [one.partition(":")[0] for one in str(caught.value).partition(": ")[2].split("; ")]
    assert [place for place in places if "line" in place] == [
        "mode (line 2)",
        "types.bridge.attributes.opened (line 6)",
        "types.bridge.size (line 7)",
        "types.river.aliases.1 (line 8)",
        "relations (line 9)",
        "triples.1 (line 11)",
        "triples.3 (line 13)",
    ]


def test_what_follows_from_a_mistake_is_no_other_one() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_schema("types: [a]\ntriples:\n  - [a, to, a]")
    assert str(caught.value).endswith("types (line 1): this is a list, where keys belong")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml"):
        load_schema(tmp_path / "none.yaml")


NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=9)


@given(
    st.text()
    | st.builds(
        "types:\n  {}:\n    aliases: [{}]\ntriples: [[{}, x, {}]]".format,
        NAMES,
        NAMES,
        NAMES,
        NAMES,
    )
)
def test_whatever_a_file_holds_it_is_a_schema_or_refused(text: str) -> None:
    try:
        schema = parse_schema(text)
    except SettingsError:
        return
    assert parse_schema(render_schema(schema)) == schema
