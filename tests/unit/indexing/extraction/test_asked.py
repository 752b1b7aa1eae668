"""Which answers of a model serve which schema."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.schema import Attribute, EntityType, Mode, Schema, Triple
from graphrag.indexing.extraction.asked import Ask

NAMES = ("ship", "port", "company")
MODES: tuple[Mode, ...] = ("strict", "open")


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    types = {
        name: EntityType(
            name,
            attributes={
                one: Attribute(one) for one in draw(st.lists(st.sampled_from("ab"), unique=True))
            },
        )
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    }
    ends = st.sampled_from([*types, "*"])
    triples = draw(st.lists(st.builds(Triple, ends, st.sampled_from("xy"), ends), max_size=3))
    return Schema(draw(st.sampled_from(MODES)), types, tuple(triples))


@given(schemas())
def test_an_answer_serves_what_it_was_asked_for(schema: Schema) -> None:
    ask = Ask.of(schema, prompt="p")
    assert ask.serves(ask)
    assert Ask.read(ask.written()) == ask


@given(schemas(), schemas(), schemas())
def test_what_serves_one_that_serves_another_serves_the_other(
    first: Schema, second: Schema, third: Schema
) -> None:
    one, two, three = (Ask.of(schema, prompt="p") for schema in (first, second, third))
    if one.serves(two) and two.serves(three):
        assert one.serves(three)


def ask(mode: Mode, *names: str, triples: tuple[tuple[str, str, str], ...] = ()) -> Ask:
    types: dict[str, EntityType] = {}
    for name in names:
        kind, _, attribute = name.partition(".")
        attributes = {attribute: Attribute(attribute)} if attribute else {}
        types[kind] = EntityType(kind, attributes=attributes)
    return Ask.of(Schema(mode, types, tuple(Triple(*one) for one in triples)))


@pytest.mark.parametrize(
    ("kept", "wanted", "serves"),
    [
        (ask("open", "ship", "port"), ask("strict", "Ship"), True),
        (ask("strict", "ship", "port"), ask("strict", "ship"), True),
        (ask("strict", "ship"), ask("open", "ship"), False),  # others were not looked for
        (ask("open", "ship"), ask("open", "ship", "port"), False),
        (ask("open", "ship.length"), ask("open", "ship"), True),
        (ask("open", "ship"), ask("open", "ship.length"), False),
        (ask("open", "a"), ask("strict", "a", triples=(("a", "x", "a"),)), False),
        (
            ask("strict", "a", triples=(("a", "x", "*"),)),
            ask("strict", "a", triples=(("a", "X", "a"),)),
            True,
        ),
        (
            ask("strict", "a", triples=(("a", "x", "a"),)),
            ask("strict", "a", triples=(("a", "x", "*"),)),
            False,
        ),
        (ask("strict", "a", triples=(("a", "x", "a"),)), ask("strict", "a"), False),
        (ask("open", "a", triples=(("a", "x", "a"),)), ask("strict", "a"), True),
    ],
)
def test_a_narrower_schema_is_served_and_a_wider_one_is_not(
    kept: Ask, wanted: Ask, serves: bool
) -> None:
    assert kept.serves(wanted) is serves


def test_another_prompt_for_schemas_asks_anew() -> None:
    schema = Schema("strict", {"ship": EntityType("ship")})
    told = Ask.of(schema, prompt="new")
    assert not Ask.of(schema, prompt="old").serves(told)
    assert Ask.of(schema).serves(told)  # by the names of types alone
    assert Ask.of(Schema("open", schema.types), prompt="old").serves(
        Ask.of(Schema("open", schema.types))
    )
