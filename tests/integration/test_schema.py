"""A schema as a contract: what its changes cost, and what they make of the graph."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graphrag import GraphRAG
from graphrag.cli.main import main
from graphrag.core.errors import SettingsError
from graphrag.core.schema import Schema, parse_schema
from graphrag.testing import ChatRequest, Fault, Rule, TestServer

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXTS = {
    "one.txt": "The Faraday of Siemens laid the northern cable from Brest. She was 110 m long.",
    "two.txt": "The Hooper of Telegraph Works laid the southern cable from Lisbon.",
    "three.txt": "Brest and Lisbon are ports. Captain Halpin sailed the Monarch to Brest.",
}
TRUE_TYPES = {
    "Faraday": "ship", "Hooper": "ship", "Monarch": "ship", "Siemens": "company",
    "Telegraph Works": "company", "Brest": "port", "Lisbon": "port", "Captain Halpin": "captain",
}  # fmt: skip
ATTRIBUTES = {
    "Faraday": [("length", "110", "m"), ("launched", "1874", "")],
    "Hooper": [("length", "0.103", "km")],
}
TRIPLES = [
    ("Faraday", "sailed from", "Brest"), ("Siemens", "owns", "Faraday"),
    ("Telegraph Works", "owns", "Hooper"), ("Hooper", "sailed from", "Lisbon"),
    ("Captain Halpin", "commands", "Monarch"), ("Monarch", "sailed to", "Brest"),
]  # fmt: skip


def asked(request: ChatRequest) -> Schema:
    """The schema that the model was told; without one, what it is to look for first."""
    told = request.instructions.partition("<schema>")[2].partition("</schema>")[0]
    return parse_schema(told) if told else Schema()


def extract(request: ChatRequest) -> str:
    """What the texts say, of what a schema asks for."""
    schema, text = asked(request), request.block("text")
    names = [
        name
        for name, kind in TRUE_TYPES.items()
        if name in text and (kind in schema.types or not schema.is_strict)
    ]
    entities = [
        {
            "name": name,
            "type": TRUE_TYPES[name],
            "description": f"{name} is a {TRUE_TYPES[name]}.",
            "attributes": [
                {"name": key, "value": value, "unit": unit}
                for key, value, unit in ATTRIBUTES.get(name, [])
                if schema.attribute_of(TRUE_TYPES[name], key)
            ],
        }
        for name in names
    ]
    relationships = [
        {"source": source, "target": target, "type": kind, "description": "So.", "strength": 2}
        for source, kind, target in TRIPLES
        if source in names
        and target in names
        and (not schema.is_strict or schema.allows(TRUE_TYPES[source], kind, TRUE_TYPES[target]))
    ]
    return json.dumps({"entities": entities, "relationships": relationships})


@pytest.fixture
def server() -> Iterator[TestServer]:
    rule = Rule("extract", lambda request: {"entities", "relationships"} <= request.fields, extract)
    with TestServer(rules=[rule]) as running:
        yield running


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def opened(server: TestServer, root: Path, schema: Schema | None) -> GraphRAG:
    root.mkdir(exist_ok=True)
    options: dict[str, object] = {
        "chat.base_url": server.url,
        "chat.api_key": "none",
        "chat.model": "test",
        "communities.update": "exact",
    }
    return GraphRAG.open(root, embed=None, options=options, schema=schema)


def extractions(server: TestServer) -> int:
    return server.stats().get("chat", {}).get("extract", {}).get("calls", 0)


def exported(rag: GraphRAG, folder: Path) -> dict[str, bytes]:
    """All tables but evidence, which also keeps the answers of before."""
    files = {path.name: path.read_bytes() for path in rag.export(folder, format="csv")}
    del files["evidence.csv"]
    return files


def made(mode: str, types: Mapping[str, object], *triples: tuple[str, str, str]) -> Schema:
    content = {"mode": mode, "types": dict(types), "triples": [[*one] for one in triples]}
    return parse_schema(json.dumps(content))


SHIP: dict[str, object] = {"aliases": ["steamer"]}
LONG_SHIP = {**SHIP, "attributes": {"length": {"type": "number", "unit": "m"}}}
FULL_SHIP = {"attributes": {"length": {"type": "number", "unit": "km"}, "launched": "date"}}
OWNS = ("company", "owns", "ship")
FROM = ("ship", "sailed from", "port")
# Each with whether all texts must be asked about again.
CHANGES = [
    (made("strict", {"ship": SHIP, "port": "a town"}), True),
    (made("strict", {"ship": SHIP}), False),
    (made("strict", {"ship": LONG_SHIP, "port": "", "company": ""}), True),
    (made("strict", {"ship": SHIP, "company": "who owns"}), False),
    (made("strict", {"company": "", "ship": SHIP}, OWNS), True),
    (made("open", {"ship": FULL_SHIP, "company": "", "port": ""}, OWNS, FROM), True),
    (made("strict", {"ship": LONG_SHIP, "port": ""}, FROM), False),
    (made("strict", {"ship": FULL_SHIP, "company": ""}, OWNS), False),
    (made("strict", {"ship": SHIP, "port": "a town"}), False),
    (made("open", {"ship": {"aliases": ["vessel"]}, "captain": ""}), True),
]


def test_ten_changes_cost_what_diff_said_and_give_what_a_new_index_gives(
    server: TestServer, documents: Path, tmp_path: Path
) -> None:
    root = tmp_path / "changing"
    with opened(server, root, None) as rag:
        rag.index([documents])
    for step, (schema, asks) in enumerate(CHANGES):
        with opened(server, root, schema) as rag:
            told = rag.schema_diff()
            before = extractions(server)
            result = rag.index()
            calls = extractions(server) - before
            assert calls == told["extract"]["calls"] == (len(TEXTS) if asks else 0), step
            if not calls and not told["extract"]["reports"]:
                assert result.usage.chat_calls == 0
            again = rag.schema_diff()
            assert again["extract"]["calls"] == again["extract"]["reports"] == 0
            assert again["entities"]["now"] == again["entities"]["then"] == result.entities
            if not asks:  # the diff knew all of it
                assert told["entities"]["then"] == result.entities
                assert told["relationships"]["then"] == result.relationships
                assert result.schema is not None
                assert told["left_out"] == result.schema["left_out"]
            graph = exported(rag, tmp_path / f"csv-{step}")
        with opened(server, tmp_path / f"new-{step}", schema) as rag:
            rag.index([documents])
            assert exported(rag, tmp_path / f"new-csv-{step}") == graph, step


def test_what_does_not_fit_stays_and_comes_back(
    server: TestServer, documents: Path, tmp_path: Path
) -> None:
    open_, strict = made("open", {"ship": LONG_SHIP}), made("strict", {"ship": LONG_SHIP})
    with opened(server, tmp_path / "kb", open_) as rag:
        result = rag.index([documents])
        assert result.entities == len(TRUE_TYPES)
        whole = exported(rag, tmp_path / "whole")
    calls = extractions(server)
    with opened(server, tmp_path / "kb", strict) as rag:
        told, result = rag.schema_diff(), rag.index()
        assert result.entities == 3
        assert told["entities"] == {"now": 8, "then": 3, "added": 0, "dropped": 5}
        assert result.schema is not None
        assert result.schema["left_out"]["types"] == {"company": 2, "port": 2, "captain": 1}
        assert rag.status()["schema"] == result.schema
        fit = rag.schema_check()
        assert fit["by_type"] == {"ship": 3}
        assert fit["entities"] == {"fit": 3, "other": 0}
    with opened(server, tmp_path / "kb", open_) as rag:
        rag.index()
        assert exported(rag, tmp_path / "back") == whole
        proposed = rag.schema_discover()
        assert proposed["types"] == {"ship": 3, "company": 2, "port": 2, "captain": 1}
        assert proposed["attributes"] == {"ship": {"length": 2}}
        assert [one["relation"] for one in proposed["triples"]] == ["owns", "sailed from"]
        schema = parse_schema(proposed["yaml"])
        assert schema.allows("company", "owns", "ship")
        fit = rag.schema_check()
        assert fit["other_types"] == {"company": 2, "port": 2, "captain": 1}
    assert extractions(server) == calls


def test_an_answer_stays_until_what_is_asked_anew_is_answered(
    server: TestServer, documents: Path, tmp_path: Path
) -> None:
    narrow, wide = made("strict", {"ship": ""}), made("strict", {"ship": "", "port": ""})
    with opened(server, tmp_path / "kb", narrow) as rag:
        rag.index([documents])
    with opened(server, tmp_path / "kb", wide) as rag:
        server.set_faults(Fault(status=400, match="Hooper"))
        result = rag.index()
        (failure,) = result.failed
        assert failure.source.endswith("two.txt")
        assert "not asked yet" in failure.reason
        assert "Hooper" in {one.name for one in rag.entities()}
        assert "Lisbon" in {one.name for one in rag.entities()}  # of the third text
        assert rag.schema_diff()["extract"]["calls"] == 1
        server.set_faults()
        assert not rag.index().failed
        assert rag.schema_diff()["extract"]["calls"] == 0


def test_an_index_of_before_asks_were_kept_serves_what_its_types_asked_for(
    server: TestServer, documents: Path, tmp_path: Path
) -> None:
    root = tmp_path / "kb"
    with opened(server, root, None) as rag:
        rag.index([documents])
    forget_asks(root)
    for types, calls in ((["person"], 0), (["person", "location"], 0), (["ship"], 3)):
        options: dict[str, object] = {"extraction.entity_types": types}
        with GraphRAG.open(
            root,
            embed=None,
            options=options
            | {
                "chat.base_url": server.url,
                "chat.api_key": "none",
                "chat.model": "test",
            },
        ) as rag:
            assert rag.plan().to_extract == calls
    with opened(server, root, made("strict", {"person": "x"})) as rag:
        assert rag.plan().to_extract == 0
        assert rag.index().entities == 0
    with opened(server, root, made("strict", {"person": "x", "ship": "y"})) as rag:
        assert rag.schema_diff()["extract"]["text_units"] == len(TEXTS)


def forget_asks(root: Path) -> None:
    import sqlite3

    with sqlite3.connect(root / ".graphrag" / "graph.db") as connection:
        connection.execute("UPDATE evidence_1 SET asked = NULL")
    connection.close()


def test_the_samples_have_their_ships_without_a_model(tmp_path: Path) -> None:
    schema = EXAMPLES / "schema.yaml"
    with GraphRAG.open(tmp_path, chat=None, embed=None, schema=schema) as rag:
        result = rag.index([EXAMPLES / "documents"])
        assert result.schema is not None
        ships = rag.entities(type="ship")
        joined = {
            name
            for one in rag.entity_joins()["entities"]
            for name in [other["name"] for other in one["joined"]]
        }
    names = {ship.name for ship in ships} | joined
    assert {
        "Great Eastern", "Faraday", "Niagara", "USS Niagara", "Agamemnon", "HMS Agamemnon",
        "Monarch", "Hooper", "Mackay-Bennett", "Propontis", "Goliath", "HMS Terrible", "Blazer",
    } <= names  # fmt: skip
    assert result.schema["types"]["ship"] == len(ships) == 25
    assert not names & {"Brunel", "Ireland", "Royal Navy", "Carried", "Built", "Valentia"}


def test_a_wrong_schema_stops_an_index_before_any_work(
    server: TestServer, documents: Path, tmp_path: Path
) -> None:
    (tmp_path / "schema.yaml").write_text("types: {a: {aliases: [b]}, b: {aliases: [a]}}")
    with opened(server, tmp_path, None) as rag, pytest.raises(SettingsError, match="in a circle"):
        rag.index([documents])
    assert server.stats().get("chat", {}) == {}


def test_the_commands_tell_what_the_methods_do(tmp_path: Path) -> None:
    notes, root = tmp_path / "notes", ["--root", str(tmp_path)]
    notes.mkdir()
    (notes / "a.md").write_text("The steamer Faraday left Brest.\n\nIn Brest they met Anderson.")

    def called(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["schema", *arguments, *root])

    done = called("check")
    assert done.exit_code == 2
    assert "there is no schema" in done.output
    (tmp_path / "schema.yaml").write_text("mode: strict\ntypes: {ship: {aliases: [steamer]}}")
    assert "1 types, 0 triples" in called("check").output
    assert called("diff").exit_code == 1  # nothing is indexed yet
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index([notes])
        wider = tmp_path / "wider.yaml"
        wider.write_text("mode: open\ntypes: {ship: {aliases: [steamer]}}")
        told = called("diff", str(wider), "--json")
        assert json.loads(told.output) == rag.schema_diff(wider)
        assert "entities: 1 now, " in called("diff", str(wider)).output
        assert json.loads(called("check", "--json").output) == rag.schema_check()
        assert json.loads(called("discover", "--json").output) == rag.schema_discover()
    proposed = tmp_path / "proposed.yaml"
    assert called("discover", "--output", str(proposed)).exit_code == 0
    assert proposed.read_text() == called("discover").output
    assert parse_schema(proposed.read_text()).type_of("ship") == "ship"
    assert called("discover", "--output", str(proposed)).exit_code == 2
    done = called("discover")
    assert "No model read the documents" in done.output
    wider.write_text("types: {a: {aliases: [b]}, b: {aliases: [a]}}")
    done = called("diff", str(wider))
    assert (done.exit_code, "types.a.aliases.1" in done.output) == (2, True)


def test_a_type_without_an_entity_is_told_with_what_to_do(tmp_path: Path) -> None:
    notes, root = tmp_path / "notes", ["--root", str(tmp_path)]
    notes.mkdir()
    (notes / "a.md").write_text(
        "The Aske Bridge stands. The Brenn Bridge fell; a bridge falls. They saw the Corvy Bridge. "
        "There came the steamer Faraday, the steamer Hooper and the steamer Monarch. It left."
    )
    (tmp_path / "schema.yaml").write_text("mode: strict\ntypes: {bridge: x, canal: x, ship: x}")

    def called(*arguments: str) -> str:
        done = CliRunner().invoke(main, [*arguments, *root], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    indexed = called("index", str(notes), "--method", "fast")
    counts = {"bridge": 3, "canal": 0, "ship": 0}
    assert json.loads(called("status", "--json"))["schema"]["types"] == counts
    assert json.loads(called("schema", "check", "--json"))["by_type"] == counts
    for output in (indexed, called("status"), called("schema", "check")):
        assert "3 bridge, 0 canal, 0 ship" in output
        assert "No entity is of type 'canal' or 'ship': give the type" in output
    words = {"bridge": 3, "steamer": 3}
    proposed = json.loads(called("schema", "discover", "--json"))
    assert proposed["candidates"] == words
    assert "#   steamer: 3 names" in proposed["yaml"]
    assert parse_schema(proposed["yaml"]).types.keys() == {"bridge"}


def test_a_name_may_be_asked_for_without_the_word_for_its_type(tmp_path: Path) -> None:
    rivers = "mode: strict\ntypes:\n  bridge: A way over a river.\n  river: Running water.\n"
    (tmp_path / "schema.yaml").write_text(rivers, encoding="utf-8")
    for name, text in {
        "one.txt": "The Harrow Bridge crosses the River Aske. It is old.",
        "two.txt": "The Lindow Bridge crosses the River Aske, too.",
        "three.txt": "The Kestrel Bridge crosses the River Brenn.",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index([tmp_path], method="fast")
        table = rag.query("Which bridges cross the Aske?", method="table").table
    assert table is not None
    assert [row[0] for row in table.rows] == ["Harrow Bridge", "Lindow Bridge"]
