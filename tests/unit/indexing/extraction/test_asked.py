"""Which answers of a model serve which schema."""

from __future__ import annotations

import asyncio
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrag.core.schema import Attribute, EntityType, Mode, Schema, Triple
from graphrag.core.tables import EVIDENCE, evidence_key
from graphrag.indexing.extraction.asked import Answers, Ask, find_answers, move_answers
from graphrag.stores.sqlite.store import SQLiteStore

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


NEW, OLD = evidence_key("h", "new"), evidence_key("h", "old")


def row(key: str, extractor: str, entities: str, asked: Ask | None) -> dict[str, object]:
    return {
        "key": key,
        "text_hash": "h",
        "extractor": extractor,
        "entities": entities,
        "status": "ok",
        "asked": asked.written() if asked else None,
    }


def settle(tmp_path: Path, wanted: Ask, *rows: dict[str, object]) -> tuple[Answers, pl.DataFrame]:
    """What the store holds after answers have moved."""
    asks = {"old": ask("open", "ship"), "new": ask("open", "person")}

    async def main() -> tuple[Answers, pl.DataFrame]:
        store = await SQLiteStore.open(tmp_path / "graph.db", namespace="a")
        await store.put_evidence(pl.DataFrame(rows, schema=EVIDENCE))
        kept = await store.read("evidence")
        answers = find_answers(kept, {NEW: "h"}, wanted=wanted, asks=asks)
        await move_answers(store, answers, extractor="new", asks=asks)
        held = await store.read("evidence")
        await store.close()
        return answers, held

    return asyncio.run(main())


def test_evidence_under_a_former_name_takes_the_place_and_says_what_it_was_asked(
    tmp_path: Path,
) -> None:
    answers, held = settle(tmp_path, ask("strict", "ship"), row(OLD, "old", "[1]", None))
    assert answers.elsewhere == {NEW: OLD}
    assert not answers.unasked
    placed = held.row(by_predicate=pl.col("key") == NEW, named=True)
    assert (placed["extractor"], placed["entities"]) == ("new", "[1]")
    assert Ask.read(placed["asked"]) == ask("open", "ship")
    assert held.height == 2


def test_an_answer_gives_its_place_up_and_comes_back(tmp_path: Path) -> None:
    port, ship = ask("strict", "port"), ask("strict", "ship")
    answers, held = settle(tmp_path, ship, row(NEW, "new", "[1]", port))
    assert (answers.elsewhere, answers.unasked) == ({}, {NEW})
    (aside,) = answers.aside.values()
    assert set(held["key"]) == {NEW, aside}
    answers, held = settle(tmp_path, port, row(NEW, "new", "[2]", ship))
    assert answers.elsewhere == {NEW: aside}
    assert held.row(by_predicate=pl.col("key") == NEW, named=True)["entities"] == "[1]"
    assert sorted(held["entities"]) == ["[1]", "[1]", "[2]"]
