"""Evidence to graph: what counts, what is dropped, and that nothing else matters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from graphrag.core.schema import Schema, parse_schema
from graphrag.core.settings import ExtractionSettings, ResolutionSettings, Settings
from graphrag.core.tables import (
    CLAIMS,
    DOCUMENTS,
    ENTITIES,
    EVIDENCE,
    MENTIONS,
    RELATIONSHIPS,
    TEXT_UNITS,
    stable_id,
)
from graphrag.indexing.extraction import rules as nlp
from graphrag.indexing.graph.merging import Graph, merge
from graphrag.text import normalise
from tests.hostile import SOAK

Item = Mapping[str, object]
MODEL = "model:1"


@dataclass(frozen=True)
class Unit:
    """A text unit with its evidence; without `entities` the rules read the text."""

    text: str
    entities: Sequence[Item] | None = None
    relationships: Sequence[Item] = ()
    claims: Sequence[Item] = ()
    title: str = ""
    headings: Sequence[str] = ()
    ordinal: int = 0
    status: str = "ok"
    source: str = field(default="")
    language: str = "en"

    @property
    def document(self) -> str:
        return stable_id("document", self.source or self.title or self.text)

    @property
    def id(self) -> str:
        return stable_id("text_unit", self.document, self.text, str(self.ordinal))


def frames(units: Sequence[Unit]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    documents: dict[str, tuple[object, ...]] = {}
    rows: list[tuple[object, ...]] = []
    evidence: dict[str, tuple[object, ...]] = {}
    for unit in units:
        source = unit.source or f"{unit.title}.txt"
        documents[unit.document] = (
            unit.document, source, unit.title, unit.text, "", unit.language, "{}", 1, "ok", None,
        )  # fmt: skip
        extractor = MODEL
        found: tuple[object, object] = (unit.entities, unit.relationships)
        if unit.entities is None:
            extractor = nlp.EXTRACTOR
            extraction = nlp.extract(
                unit.text, title=unit.title, headings=unit.headings, language=unit.language
            )
            found = (extraction.entities, extraction.relationships)
        content = [json.dumps(item) for item in (*found, list(unit.claims))]
        key = stable_id(extractor, unit.text, unit.status, *content)
        evidence[key] = (key, "", extractor, *content, unit.status, None, False, "{}", None)
        place = unit.ordinal, 0, len(unit.text), list(unit.headings), None, None
        rows.append((unit.id, unit.document, *place, unit.text, 1, key))
    return (
        pl.DataFrame(list(documents.values()), schema=DOCUMENTS, orient="row"),
        pl.DataFrame(rows, schema=TEXT_UNITS, orient="row"),
        pl.DataFrame(list(evidence.values()), schema=EVIDENCE, orient="row"),
    )


def merged(*units: Unit, settings: Settings | None = None, schema: Schema | None = None) -> Graph:
    documents, text_units, evidence = frames(units)
    return merge(
        documents=documents,
        text_units=text_units,
        evidence=evidence,
        settings=settings or Settings(),
        schema=schema or Schema(),
    )


def entity(graph: Graph, name: str) -> dict[str, object]:
    return graph.entities.filter(pl.col("name") == name).row(0, named=True)


def names(graph: Graph) -> set[str]:
    return set(graph.entities["name"])


def edges(graph: Graph) -> dict[tuple[str, str, str], float]:
    name = dict(zip(graph.entities["id"], graph.entities["name"], strict=True))
    return {
        (name[source], name[target], kind): weight
        for source, target, kind, weight in graph.relationships.select(
            "source_id", "target_id", "type", "weight"
        ).iter_rows()
    }


def mention(graph: Graph, unit: Unit, name: str) -> dict[str, object]:
    found = graph.mentions.filter(
        (pl.col("text_unit_id") == unit.id) & (pl.col("entity_id") == entity(graph, name)["id"])
    )
    return found.row(0, named=True)


def named(name: str, kind: str = "", description: str = "") -> Item:
    return {"name": name, "type": kind, "description": description}


def related(source: str, target: str, kind: str = "knows", strength: float = 1.0) -> Item:
    return {
        "source": source,
        "target": target,
        "type": kind,
        "description": f"{source} {kind} {target}",
        "strength": strength,
    }


def test_mentions_of_one_name_become_one_entity() -> None:
    graph = merged(
        Unit("a", [named("Acme Inc.", "Organization", "Makes anvils.")]),
        Unit("b", [named("ACME INC", "ORGANIZATION", "Makes anvils. In Ohio.")]),
        Unit("c", [named("ACME INC", "company", "Sued.")]),
    )
    assert graph.entities.schema == ENTITIES
    assert graph.entities.rows(named=True) == [
        {
            "id": stable_id("entity", "acme inc"),
            "name": "ACME INC",
            "type": "organization",
            "aliases": ["Acme Inc."],
            "description": "Makes anvils. In Ohio.\nSued.",
            "n_mentions": 3,
            "degree": 0,
            "attributes": "[]",
        }
    ]


def test_a_merged_entity_keeps_the_better_type() -> None:
    def type_of(*units: Unit) -> object:
        one = Settings(resolution=ResolutionSettings(always_join=(("Alder", "Mr. Alder"),)))
        return entity(merged(*units, settings=one), "Alder")["type"]

    plain = [Unit(f"In the year {n} Alder left Oslo for good.", source=str(n)) for n in range(9)]
    titled = Unit("Mr. Alder left Rome for good.", source="titled")
    assert type_of(*plain) == "name"
    assert type_of(*plain, titled) == "person"
    # A model's word counts before the guesses of the rules, more units of it before fewer.
    said = [Unit(f"m{n}", [named("Alder", kind)]) for n, kind in enumerate(["tree", "elf", "elf"])]
    assert type_of(*plain, titled, *said) == "elf"
    assert type_of(titled, *said[:1]) == "tree"
    assert type_of(titled, Unit("m", [named("Alder")])) == "person"


def test_an_end_of_a_relationship_that_no_entity_lists_becomes_one() -> None:
    graph = merged(Unit("a", [named("A", "person", "x")], [related("A", "B")]))
    assert entity(graph, "B")["type"] == ""
    assert entity(graph, "B")["degree"] == 1
    assert graph.mentions.height == 2


def test_dead_evidence_counts_for_nothing_and_what_is_whole_of_a_failed_reply_counts() -> None:
    live = Unit("a", [named("A")])
    failed = Unit("b", [named("B")], status="failed")
    documents, text_units, evidence = frames([live, failed, Unit("c", [named("C")])])
    graph = merge(
        documents=documents,
        text_units=text_units.filter(pl.col("text") != "c"),
        evidence=evidence,
        settings=Settings(),
    )
    assert names(graph) == {"A", "B"}


@pytest.mark.parametrize("size", [1, 3])
def test_the_size_of_the_parts_changes_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    units = [
        Unit(
            f"Alder met {name}. Then {name} left for {place}.",
            [
                named("Alder", "person", "a" * number),
                named(name, "person", f"{name} left for {place}."),
                named(place, "place", "somewhere"),
            ],
            [related("Alder", name), related(name, place, strength=number)],
        )
        for number, (name, place) in enumerate(
            (name, place) for name in ("Birch", "Cedar", "Hazel") for place in ("Rome", "Oslo")
        )
    ]
    whole = merged(*units)
    monkeypatch.setattr("graphrag.indexing.extraction.evidence._SLICE", size)
    monkeypatch.setattr("graphrag.indexing.graph.merging._PART", size)
    parts = merged(*units)
    assert entity(parts, "Alder")["description"] == "aaaaa"
    assert mention(parts, units[0], "Birch")["sentences"] == [0, 1]
    for table in ("entities", "relationships", "mentions", "claims"):
        assert getattr(parts, table).equals(getattr(whole, table)), table


def test_no_evidence_gives_empty_tables_of_the_right_shape() -> None:
    graph = merged(Unit("b", [], status="failed"))
    assert graph.entities.equals(ENTITIES.to_frame())
    assert graph.relationships.equals(RELATIONSHIPS.to_frame())
    assert graph.mentions.equals(MENTIONS.to_frame())
    assert graph.claims.equals(CLAIMS.to_frame())


def test_evidence_shared_by_two_units_counts_for_both() -> None:
    items = [named("A", "person", "x"), named("B")]
    units = [Unit("same", items, [related("A", "B", strength=2)], source=source) for source in "xy"]
    graph = merged(*units)
    assert entity(graph, "A")["n_mentions"] == 2
    assert edges(graph) == {("A", "B", "knows"): 4.0}
    assert graph.relationships["text_unit_ids"].to_list() == [sorted(unit.id for unit in units)]


def test_optional_fields_may_be_missing_or_null() -> None:
    graph = merged(
        Unit("a", [{"name": "A"}, {"name": "  "}, {"name": "B", "type": None}], [
            {"source": "A", "target": "B"},
            {"source": "A", "target": ""},
        ])
    )  # fmt: skip
    assert names(graph) == {"A", "B"}
    assert edges(graph) == {("A", "B", ""): 1.0}


def test_two_directions_and_two_types_stay_apart_but_spellings_of_a_type_do_not() -> None:
    items = [named("A"), named("B")]
    graph = merged(
        Unit("a", items, [related("A", "B", "Works for", 2), related("B", "A", "hires", 3)]),
        Unit("b", items, [related("A", "B", "WORKS_FOR", 5), related("A", "B", "likes", 1)]),
        Unit("c", items, [related("A", "B", "Works for", 4)]),
    )
    assert edges(graph) == {
        ("A", "B", "Works for"): 11.0,
        ("B", "A", "hires"): 3.0,
        ("A", "B", "likes"): 1.0,
    }


def test_self_loops_that_joins_make_are_dropped_and_counted() -> None:
    settings = Settings(resolution=ResolutionSettings(always_join=(("A", "B"),)))
    graph = merged(
        Unit("a", [named("A"), named("B"), named("C")], [related("A", "B"), related("B", "C")]),
        settings=settings,
    )
    assert graph.dropped_self_loops == 1
    assert edges(graph) == {("A", "C", "knows"): 1.0}
    assert graph.joins.select("alias", "canonical", "reason").rows() == [
        ("B", "A", "resolution.always_join")
    ]
    assert entity(graph, "A")["aliases"] == ["B"]


def test_a_phrase_needs_other_units_and_a_hint_needs_a_name() -> None:
    first = Unit("The blue carbuncle was here. Watson left. Nobody spoke.")
    second = Unit("I saw the blue carbuncle. It was a grey goose.")
    assert names(merged(first, second)) == {"blue carbuncle"}
    third = Unit("So I met Watson and Ann Lee in 1887.")
    graph = merged(first, second, third)
    assert names(graph) == {"blue carbuncle", "Watson", "Ann Lee"}
    assert entity(graph, "Watson")["n_mentions"] == 2
    strict = Settings(extraction=ExtractionSettings(min_phrase_mentions=3))
    assert names(merged(first, second, settings=strict)) == set()


def test_what_the_corpus_writes_small_elsewhere_is_no_entity() -> None:
    first = Unit("So Ann Lee saw (See below) the Reply here.", source="a")
    second = Unit("Ann Lee will see a reply, and they reply and see it.", source="b")
    assert names(merged(first)) == {"Ann Lee", "See", "Reply"}
    assert names(merged(first, second)) == {"Ann Lee"}


def test_a_title_is_an_entity_whatever_its_word() -> None:
    unit = Unit("They reply. The reply is sent.", title="Reply")
    assert names(merged(unit)) == {"Reply"}


def test_a_phrase_is_related_where_two_units_show_it() -> None:
    units = [Unit("So Ann Lee has the blue carbuncle.", source=day) for day in ("x", "y")]
    other = Unit("So Cy Fox has the blue carbuncle.", source="z")
    assert set(edges(merged(*units, other))) == {("Ann Lee", "blue carbuncle", "co-occurs")}


def test_a_description_has_no_marks_of_markdown() -> None:
    unit = Unit("- **Ann Lee** saw `SELECT * FROM a` in [the _Guide_](guide.html). She left.")
    description = "Ann Lee saw SELECT * FROM a in the Guide."
    assert entity(merged(unit), "Ann Lee")["description"] == description


def test_a_sentence_that_overlapping_units_repeat_is_one_occurrence() -> None:
    shared = "It was where the blue carbuncle lay hidden from the others and from him."
    first = Unit(f"Here it began. {shared}", source="x")
    second = Unit(f"blue carbuncle{shared.partition('blue carbuncle')[2]} So it was.", source="x")
    assert names(merged(first, second)) == set()


def test_sentences_describe_what_the_rules_found_the_owners_first() -> None:
    about = Unit("Ann Lee was a chemist. She died young.", title="Ann Lee")
    other = Unit("I wrote a long letter about everything there was to tell to my friend Ann Lee.")
    graph = merged(about, other)
    description = cast(str, entity(graph, "Ann Lee")["description"])
    assert description.splitlines() == ["Ann Lee was a chemist.", other.text]
    assert mention(graph, about, "Ann Lee")["owner"] == 1.0
    assert mention(graph, other, "Ann Lee")["owner"] == 0.0
    assert mention(graph, about, "Ann Lee")["sentences"] == [0]


def test_a_pair_that_meets_oftener_than_chance_weighs_more() -> None:
    units = (
        [Unit(f"So Ann Lee met Bob Ray on day {day}.", source=f"a{day}") for day in range(3)]
        + [
            Unit(f"So Ann Lee met Cy Fox. So {name} met Cy Fox.", source=name)
            for name in ("Di Roe", "Ed Poe", "Flo Coe")
        ]
        + [
            Unit(f"So Cy Fox met {name}.", source=name)
            for name in ("Gus Orr", "Hal Ure", "Ian Ash")
        ]
    )
    weights = edges(merged(*units))
    assert weights["Ann Lee", "Bob Ray", "co-occurs"] > weights["Ann Lee", "Cy Fox", "co-occurs"]
    assert min(weights.values()) > 0


@pytest.mark.parametrize(
    ("title", "text", "name", "owner"),
    [
        ("Blue Moon (song)", "Blue Moon is a song.", "Blue Moon", 1.0),
        ("Ann Lee, Countess of Kent", "People saw Ann Lee.", "Ann Lee", 0.6),
        ("Olof Palme", "Sven Olof Joachim Palme was a politician.", "Sven Olof Joachim Palme", 0.7),
        ("Olof Palme", "I saw Cy Fox.", "Cy Fox", 0.0),
    ],
)
def test_what_a_unit_is_about(title: str, text: str, name: str, owner: float) -> None:
    unit = Unit(text, title=title)
    assert mention(merged(unit), unit, name)["owner"] == owner


def test_a_title_is_also_owned_without_its_article() -> None:
    unit = Unit("Blue Moon won.", [named("Blue Moon")], title="The Blue Moon")
    assert mention(merged(unit), unit, "Blue Moon")["owner"] == 0.9


def test_a_unit_owns_the_short_form_of_its_opening_name_where_others_use_it() -> None:
    about = Unit("Sven Olof Joachim Palme was a politician.", title="Sven Palme (1927)")
    other = Unit("So I saw Joachim Palme.", title="Diary")
    graph = merged(about, other)
    assert mention(graph, about, "Joachim Palme")["owner"] == 0.5


def test_a_heading_is_what_its_units_are_about() -> None:
    unit = Unit("They turn light into power.", headings=("Guide", "2 Solar panels"), title="Guide")
    assert mention(merged(unit), unit, "Solar panels")["owner"] == 0.6


def test_sentences_are_found_where_a_model_gave_none() -> None:
    unit = Unit(
        "Nothing yet. Then ACME’s boat sank. The Acme Corp. paid; acmegraph did not. 東京で会う。",
        [named("Acme"), named("Acme Corp"), named("東京"), named("Absent")],
        title="Log",
    )
    settings = Settings(resolution=ResolutionSettings(always_join=(("Acme", "Acme Corp"),)))
    graph = merged(unit, settings=settings)
    assert mention(graph, unit, "Acme")["sentences"] == [1, 2]
    assert mention(graph, unit, "東京")["sentences"] == [3]
    assert mention(graph, unit, "Absent")["sentences"] == []


def test_a_unit_mentions_what_its_title_names_even_when_the_model_missed_it() -> None:
    missed = Unit("The plot is thin.", [named("Plot")], title="Blue Moon", ordinal=3)
    other = Unit("He wrote Blue Moon.", [named("Blue Moon", "song", "A song.")], title="Hart")
    graph = merged(missed, other)
    assert mention(graph, missed, "Blue Moon")["owner"] == 1.0
    assert mention(graph, missed, "Blue Moon")["description"] == ""
    assert entity(graph, "Blue Moon")["n_mentions"] == 2


def test_claims_are_made_under_the_names_of_entities() -> None:
    settings = Settings(resolution=ResolutionSettings(always_join=(("Acme", "Acme Corp"),)))
    claim = {"subject": "ACME CORP", "object": "Nobody", "type": "fraud", "status": "SUSPECTED"}
    unit = Unit("x", [named("Acme Corp")], claims=[claim, claim])
    graph = merged(unit, settings=settings)
    assert graph.claims.schema == CLAIMS
    row = graph.claims.row(0, named=True)
    assert (row["subject"], row["object"], row["start"]) == ("Acme", "Nobody", "")
    assert (graph.claims.height, row["text_unit_id"]) == (1, unit.id)


NAMES = ("Ann Lee", "ANN LEE", "Bob Ray", "Cy Fox", "Dr. Cy Fox", "Di Roe")
model_units = st.builds(
    Unit,
    st.sampled_from(["So Ann Lee met Bob Ray.", "Cy Fox left. Ann Lee stayed.", "Silence."]),
    st.lists(
        st.builds(
            named, st.sampled_from(NAMES), st.sampled_from(["person", "Person", "", "thing"]),
            st.sampled_from(["", "Tall.", "Tall. And old.", "Rich."]),
        ),
        max_size=4,
    ),
    st.lists(
        st.builds(
            related, st.sampled_from(NAMES), st.sampled_from(NAMES),
            st.sampled_from(["knows", "is"]), st.floats(min_value=0.1, max_value=9.9),
        ),
        max_size=4,
    ),
    title=st.sampled_from(["Ann Lee", "Bob Ray (pilot)", "notes"]),
    status=st.sampled_from(["ok", "ok", "failed"]),
)  # fmt: skip
rule_units = st.builds(
    Unit,
    st.lists(
        st.sampled_from(
            [
                "So Ann Lee met Bob Ray in 1887.",
                "Watson saw the opium den.",
                "The opium den was shut by Mr. Cy Fox, said Watson.",
                "So Cy Fox and Ann Lee (AL) left.",
            ]
        ),
        max_size=4,
    ).map(" ".join),
    title=st.sampled_from(["Ann Lee", "Watson", "notes"]),
)


@hypothesis_settings(max_examples=100 if SOAK else 5)
@given(units=st.lists(st.one_of(model_units, rule_units), max_size=7), seed=st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(units: list[Unit], seed: int) -> None:
    documents, text_units, evidence = frames(units)
    text_units = text_units.unique("id", maintain_order=True)
    graph = merge(
        documents=documents, text_units=text_units, evidence=evidence, settings=Settings()
    )
    shuffled = [
        frame.sample(fraction=1.0, shuffle=True, seed=seed)
        for frame in (documents, text_units, evidence)
    ]
    again = merge(
        documents=shuffled[0], text_units=shuffled[1], evidence=shuffled[2], settings=Settings()
    )
    for table in ("entities", "relationships", "mentions", "claims", "joins"):
        frame = cast(pl.DataFrame, getattr(graph, table))
        assert frame.equals(cast(pl.DataFrame, getattr(again, table))), table
    assert graph.dropped_self_loops == again.dropped_self_loops
    check_integrity(graph)


@pytest.mark.data
def test_gold_titles_stay_entities_of_a_real_corpus(test_data: Path) -> None:
    folder = test_data / "2wiki"
    passages = [
        cast(dict[str, str], json.loads(line))
        for line in (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    ][: None if SOAK else 120]
    graph = merged(*(Unit(passage["text"], title=passage["title"]) for passage in passages))
    check_integrity(graph)
    known = {normalise(name) for name in graph.entities["name"]}
    known |= {normalise(name) for name in graph.entities["aliases"].explode().drop_nulls()}
    gold = {
        normalise(title)
        for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
        for title in cast(dict[str, list[str]], json.loads(line))["gold_titles"]
    } & {normalise(passage["title"]) for passage in passages}
    assert len(gold) > 25
    assert len(gold & known) >= 0.95 * len(gold)


def check_integrity(graph: Graph) -> None:
    ids = set(graph.entities["id"])
    assert graph.entities["id"].is_unique().all()
    assert graph.relationships["id"].is_unique().all()
    assert graph.mentions.select("text_unit_id", "entity_id").is_unique().all()
    assert set(graph.mentions["entity_id"]) == ids
    assert set(graph.relationships["source_id"]) | set(graph.relationships["target_id"]) <= ids
    assert (graph.relationships["source_id"] != graph.relationships["target_id"]).all()
    for frame in (graph.entities, graph.relationships, graph.mentions):
        assert frame.null_count().sum_horizontal().item() == 0
    assert graph.entities["id"].is_sorted()
    assert graph.mentions.select("text_unit_id", "entity_id").equals(
        graph.mentions.select("text_unit_id", "entity_id").sort("text_unit_id", "entity_id")
    )


SHIPS = """
types:
  ship: {aliases: [steamer, HMS, cable ship], attributes: {length: {type: number, unit: m}}}
  Port Town: {aliases: [harbour]}
triples:
  - [ship, sailed to, Port Town]
"""
VOYAGE = Unit(
    "a",
    [
        {**named("Fram", "Steamer"), "attributes": [{"name": "Length", "value": "39", "unit": ""}]},
        {**named("Oslo", "harbour"), "attributes": [{"name": "length", "value": "1", "unit": ""}]},
        named("Nansen", "person"),
    ],
    [related("Fram", "Oslo", "Sailed to"), related("Fram", "Oslo"), related("Nansen", "Oslo")],
)


def test_a_strict_schema_keeps_out_what_does_not_fit_and_counts_it() -> None:
    graph = merged(VOYAGE, schema=parse_schema(f"mode: strict{SHIPS}"))
    assert {row["name"]: row["type"] for row in graph.entities.to_dicts()} == {
        "Fram": "ship",
        "Oslo": "Port Town",
    }
    assert edges(graph).keys() == {("Fram", "Oslo", "Sailed to")}
    assert json.loads(str(entity(graph, "Fram")["attributes"])) == [
        {"name": "length", "value": 39, "unit": "m", "text_unit_ids": [VOYAGE.id]}
    ]
    assert entity(graph, "Oslo")["attributes"] == "[]"
    out = graph.left_out
    assert (out.entities, out.relationships, out.attributes) == (1, 1, 1)
    assert out.types == {"person": 1}
    assert out.triples == {"ship → knows → Port Town": 1}


def test_an_open_schema_names_types_and_keeps_the_others() -> None:
    graph = merged(VOYAGE, schema=parse_schema(f"mode: open{SHIPS}"))
    assert {row["name"]: row["type"] for row in graph.entities.to_dicts()} == {
        "Fram": "ship",
        "Oslo": "Port Town",
        "Nansen": "person",
    }
    assert len(edges(graph)) == 3
    assert graph.left_out.entities == graph.left_out.relationships == 0


def test_one_unit_that_fits_keeps_an_entity_of_which_another_says_something_else() -> None:
    schema = parse_schema(f"mode: strict{SHIPS}")
    other = Unit("b", [named("Fram", "museum")])
    graph = merged(VOYAGE, other, Unit("c", [named("Fram", "museum")]), schema=schema)
    assert entity(graph, "Fram")["type"] == "ship"
    assert entity(graph, "Fram")["n_mentions"] == 3


@pytest.mark.parametrize(
    ("text", "title", "ships"),
    [
        ("They met the steamer Faraday at noon.", "", {"Faraday"}),
        ("They met HMS Sphinx at noon in Ireland. The steamer came late.", "", {"HMS Sphinx"}),
        ("On board was Faraday, a new cable ship of some size.", "", {"Faraday"}),
        ("In May the Faraday was a steamer of some size.", "", {"Faraday"}),
        ("Then came the steamers Niagara, Gorgon and the Faraday.", "",
         {"Niagara", "Gorgon", "Faraday"}),
        ("- Niagara left Ireland\n- Gorgon came later", "Steamers", {"Niagara", "Gorgon"}),
        ("Of 1857. Steamer: Niagara.", "", {"Niagara"}),
        ("| Steamer | Owner |\n| --- | --- |\n| Hooper | Siemens |\n", "", {"Hooper"}),
        ("Carried by a steamer of some size, Anderson came.", "", set[str]()),
        ("Aboard was Anderson, a steamer captain of some fame.", "", set[str]()),
        ("Hudson sailed with the steamers of the Royal Navy.", "", set[str]()),
        ("Nobody saw the steamer. Faraday was in London.", "", set[str]()),
    ],
)  # fmt: skip
def test_words_beside_a_name_tell_its_type_without_a_model(
    text: str, title: str, ships: set[str]
) -> None:
    unit, words = Unit(text, title=title), "types: {ship: {aliases: [steamer, HMS, cable ship]}}"
    graph = merged(unit, schema=parse_schema(words))
    assert {row["name"] for row in graph.entities.to_dicts() if row["type"] == "ship"} == ships
    strict = merged(unit, schema=parse_schema(f"mode: strict\n{words}"))
    assert names(strict) == ships


def test_a_name_with_and_without_the_word_of_its_type_is_one() -> None:
    units = [
        Unit("Then HMS Sphinx sailed from Ireland.", title="x"),
        Unit("In May Hudson saw Sphinx.", title="y"),
    ]
    assert {"HMS Sphinx", "Sphinx"} <= names(merged(*units))
    joined = merged(*units, schema=parse_schema("types: {ship: {aliases: [HMS]}}"))
    (ship,) = joined.entities.filter(pl.col("type") == "ship").to_dicts()
    assert {ship["name"], *ship["aliases"]} == {"HMS Sphinx", "Sphinx"}


WORKS = parse_schema("""
mode: strict
types:
  bridge: {aliases: [viaduct, Brücke, brug]}
  river: {aliases: [Fluss, rivier]}
  engineer: {aliases: [Ingenieur]}
""")


@pytest.mark.parametrize(
    ("language", "text", "types"),
    [
        ("en", "In May they crossed the River Aske.", {"River Aske": "river"}),
        ("en", "In May they crossed the Aske River.", {"Aske River": "river"}),
        ("en", "They saw the Bridge of Sighs.", {"Bridge of Sighs": "bridge"}),
        ("en", "They met in Bridge Street. A Rivers Trust paid.", {}),
        ("en", "Then the River Authority paid: an authority of the county.", {}),
        ("de", "Man sah den Fluss Elmbach.", {"Fluss Elmbach": "river"}),
        ("de", "Dort war Ingenieur Johann Weber.", {"Ingenieur Johann Weber": "engineer"}),
        ("de", "Man sah die Brücke Hohensteg.", {"Brücke Hohensteg": "bridge"}),
        ("de", "Man sah die Weidenbrücke.", {"Weidenbrücke": "bridge"}),
        ("de", "Man sah die Hängebrücke, denn es ist eine Hängebrücke.", {}),
        ("nl", "Toen zag men de Maasbrug.", {"Maasbrug": "bridge"}),
        ("en", "Then they saw the Weidenbrücke.", {}),
    ],
)
def test_words_in_a_name_tell_its_type(language: str, text: str, types: dict[str, str]) -> None:
    graph = merged(Unit(text, language=language), schema=WORKS)
    assert {row["name"]: row["type"] for row in graph.entities.to_dicts()} == types


def test_a_list_item_has_the_type_of_the_nearest_heading_above_it() -> None:
    text = (
        "# Works\n\n- Harrow\n\n## Rivers\n\n- Aske\n- Brenn\n\n## Engineers\n\n"
        "- Edith Marlow\n\n### Of note\n\n- Thomas Pike"
    )
    graph = merged(Unit(text, title="Works", headings=("Works", "Rivers")), schema=WORKS)
    assert {row["name"]: row["type"] for row in graph.entities.to_dicts()} == {
        "Aske": "river",
        "Brenn": "river",
        "Edith Marlow": "engineer",
    }


def test_a_short_form_is_the_long_one_where_documents_say_both() -> None:
    def aske(*texts: str) -> list[set[str]]:
        units = [Unit(text, source=f"{number}.txt") for number, text in enumerate(texts)]
        graph = merged(*units, schema=parse_schema("types: {river: {}, lake: {}, engineer: {}}"))
        return sorted(
            ({row["name"], *row["aliases"]} for row in graph.entities.to_dicts()), key=sorted
        )

    both, short, long = (
        "They saw the River Aske. It is the Aske.",
        "I see the Aske.",
        "I see River Aske.",
    )
    assert aske(both) == aske(both, f"{both} It is long.", short) == [{"River Aske", "Aske"}]
    assert aske(short, long) == aske(both, short) == [{"Aske"}, {"River Aske"}]
    assert {"Aske"} in aske(both + " They saw the Lake Aske.")
    engineer = ("It was Engineer Edith Marlow.", "It was Edith Marlow.")
    assert aske(*engineer) == [{"Engineer Edith Marlow", "Edith Marlow"}]
