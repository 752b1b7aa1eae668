"""The saved queries for Browser, run on an indexed namespace beside another one."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import LiteralString, cast

import pytest
from click.testing import CliRunner

from graphrag import Document, GraphRAG
from graphrag.cli.main import main
from graphrag.stores import open_store
from graphrag.stores.neo4j import cypher, explore
from graphrag.stores.neo4j.rows import Values, utf8
from tests.conftest import VERSIONS
from tests.hostile import HOSTILE
from tests.integration.graphs import entity, snapshot
from tests.integration.neo4j_server import Servers, clear, connect

pytestmark = pytest.mark.neo4j

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "graphrag" / "stores" / "neo4j" / "browser"
QUERIES = {path.stem: path for path in sorted(FOLDER.glob("*.cypher"))}
DOCUMENTS = [
    Document(
        source="notes/engine.md",
        title="The engine",
        text="Ada Lovelace wrote about the Analytical Engine. "
        "Mr. Charles Babbage designed the Analytical Engine in London.",
        metadata={"year": 1871},
    ),
    Document(
        source="notes/society.md",
        title="The society",
        text="Charles Babbage founded the Astronomical Society with John Herschel in London.",
    ),
]
# Two people of one name, a captain of another story with more acquaintances than the rest.
PEOPLE = (
    "Mr. Sherlock Holmes met Dr. Watson. Mr. Mycroft Holmes met Mr. Sherlock Holmes. Mr. Mycroft"
    " Holmes saw Mrs. Hudson, Miss Stoner and Mr. Wilson. Mr. Sherlock Holmes saw Mrs. Hudson, Miss"
    " Stoner and Mr. Wilson. Mr. Sherlock Holmes asked Mrs. Turner.",
    "Captain Ahab met Mr. Starbuck. Captain Ahab saw Mr. Stubb and Captain Boomer. Captain Ahab saw"
    " Mr. Flask.",
)
LONG = Document(
    source="long.md",
    text="\n\n".join(
        f"Mr. Adam Smith{n} wrote to Mrs. Eve Brown{n} about Great London and the River{n} Board."
        for n in range(60)
    ),
)


class Indexed:
    """The documents in a namespace of a running server, and once more in another."""

    def __init__(self, root: Path, prefix: str) -> None:
        self.root = root
        self.namespace = f"{prefix}one"
        self.long = f"{prefix}long"
        self.keys: list[str] = []
        with GraphRAG.open(root, store="local", namespace=self.long, chat=None, embed=None) as rag:
            rag.index(documents=[LONG])
        for namespace in (self.namespace, f"{prefix}one more"):
            with GraphRAG.open(
                root, store="local", namespace=namespace, chat=None, embed=None
            ) as rag:
                rag.index(documents=DOCUMENTS)
                if namespace == self.namespace:
                    answer = rag.query("Who designed the Analytical Engine?")
                    self.keys = [f"{namespace}:{cited.text_unit_id}" for cited in answer.citations]

    def run(self, text: str, **parameters: object) -> Values:
        async def main() -> Values:
            connection = connect(self.root)
            try:
                return await connection.query(cast(LiteralString, text), **parameters)
            finally:
                await connection.close()

        return asyncio.run(main())

    def saved(self, name: str, **parameters: object) -> Values:
        return self.run(QUERIES[name].read_text(encoding="utf-8"), **parameters)


@pytest.fixture(scope="module")
def indexed(neo4j_servers: Servers) -> Iterator[Indexed]:
    root = neo4j_servers.root(VERSIONS[0])
    prefix = f"{uuid.uuid4().hex}-"
    yield Indexed(root, prefix)
    clear(root, prefix)


def test_entities_of_a_document(indexed: Indexed) -> None:
    rows = indexed.saved("document-entities", namespace=indexed.namespace, source="notes/engine.md")
    names = names_in(rows)
    assert {"Ada Lovelace", "Analytical Engine", "Charles Babbage"} <= names
    assert "John Herschel" not in names
    [drawn] = indexed.run(
        "MATCH (d:__Document__ {source: $source})<-[:PART_OF]-()-[:MENTIONS]->(e:__Entity__)"
        " WHERE d.key STARTS WITH $start RETURN count(e)",
        source="notes/engine.md",
        start=indexed.namespace + ":",
    )
    assert [len(rows)] == drawn  # none comes from the other namespace


def test_a_community_with_its_report_and_members(indexed: Indexed) -> None:
    found = indexed.run(
        "MATCH (c:__Community__) WHERE c.key STARTS WITH $start RETURN c.title, c.size",
        start=indexed.namespace + ":",
    )
    assert found
    for title, size in found:
        rows = indexed.saved("community", namespace=indexed.namespace, title=title)
        assert [row[1] for row in rows] == [title]
        level, _, rating, summary, _, members = rows[0]
        assert level is not None
        assert rating is not None
        assert summary
        assert len(cast("list[object]", members)) == size


def test_how_two_entities_connect(indexed: Indexed) -> None:
    ends = {"from": "Ada Lovelace", "to": "John Herschel"}
    rows = indexed.saved("connection", namespace=indexed.namespace, **ends)
    assert {row[0] for row in rows} <= {1, 2, 3}
    told = [row[1:5] for row in rows if row[0] == 1]
    assert told[0][0] == ends["from"]
    assert told[-1][2] == ends["to"]
    assert all(one[2] == then[0] for one, then in pairwise(told))
    assert all(how == "named with" and because for _, how, _, because in told)
    [drawn] = [row[5] for row in rows if row[5] is not None]
    nodes = nodes_in(drawn)
    assert [node["name"] for node in nodes] == [ends["from"], *(step[2] for step in told)]
    # No other two of them are related: Browser, which draws that too, shows the way alone.
    [[related]] = indexed.run(
        "MATCH (a:__Entity__)-[r]->(b:__Entity__) WHERE a.key IN $keys AND b.key IN $keys"
        " RETURN count(r)",
        keys=[node["key"] for node in nodes],
    )
    assert related == len(told)
    same = {"from": "Ada Lovelace", "to": "Ada Lovelace"}
    assert indexed.saved("connection", namespace=indexed.namespace, **same) == []


def test_where_citations_come_from(indexed: Indexed) -> None:
    assert indexed.keys
    rows = indexed.saved("citations", keys=indexed.keys)
    assert len(rows) == len(set(indexed.keys))
    assert "The engine" in str(rows)


def test_the_hierarchy(indexed: Indexed) -> None:
    expected = indexed.run(
        "MATCH (c:__Community__ {level: 0}) WHERE c.key STARTS WITH $start RETURN c.title",
        start=indexed.namespace + ":",
    )
    rows = indexed.saved("hierarchy", namespace=indexed.namespace, page=0)
    assert 0 < len(expected) <= 5
    titles = {cast("dict[str, str]", row[0])["title"] for row in rows}
    assert titles == {str(title) for (title,) in expected}
    assert indexed.saved("hierarchy", namespace=indexed.namespace, page=1) == []


def test_the_best_connected(indexed: Indexed) -> None:
    rows = indexed.saved("overview", namespace=indexed.namespace)
    assert {"Analytical Engine", "Charles Babbage"} <= names_in(rows)


def test_queries_are_filled_with_what_the_index_holds(indexed: Indexed) -> None:
    asked = ["neo4j", "explore", "--root", str(indexed.root), "--namespace", indexed.namespace]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    queries = [part for part in done.stdout.split(";\n") if part.strip()]
    assert len(queries) == 5
    for query in queries:
        assert "$" not in query
        assert indexed.run(query), query
    assert '"notes/engine.md"' in done.stdout  # the only one with a year
    assert "/browser/?" in done.stderr


def test_types_that_the_style_does_not_name_get_colours_by_rank(tmp_path: Path) -> None:
    kinds = ["Port", "road sign", "мост", "person", *(f"kind {n}" for n in range(9))]
    given = [
        entity(f"{kind} {n}", type=kind) for at, kind in enumerate(kinds) for n in range(20 - at)
    ]

    async def coloured(rows: list[dict[str, object]]) -> list[str]:
        store = await open_store(None, root=tmp_path, namespace="default")
        try:
            await store.commit(snapshot({"entities": rows}))
            return await explore.add_colours(store, tmp_path)
        finally:
            await store.close()

    labels = asyncio.run(coloured(given))
    assert labels == ["Port", "RoadSign", "Мост", *(f"Kind{n}" for n in range(5))]
    told = explore.browser_commands(tmp_path)
    rules = json.loads(told.split("; style ")[1].split("; clear")[0])
    fills = [rules[f"node.{label}"]["color"] for label in (*labels, "Person", "__Entity__")]
    assert len(set(fills)) == len(fills)
    assert explore.style_file(tmp_path).is_relative_to(tmp_path)
    # Without any there is ours alone.
    assert asyncio.run(coloured([entity("Ada", type="person"), entity("Oslo", type="name")])) == []
    assert not explore.style_file(tmp_path).is_relative_to(tmp_path)


def test_what_a_query_draws_stays_readable(indexed: Indexed) -> None:
    asked = ["neo4j", "explore", "--root", str(indexed.root), "--namespace", indexed.long]
    done = CliRunner().invoke(main, asked)
    queries = [part for part in done.stdout.split(";\n") if part.strip()]
    assert len(queries) == 5
    for query in queries:
        rows = indexed.run(query)
        assert rows
        assert len(nodes_in(rows)) <= 50, query


def test_the_two_people_are_of_one_community_and_no_two_names_of_one(tmp_path: Path) -> None:
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        documents = [Document(source=str(n), text=text) for n, text in enumerate(PEOPLE)]
        rag.index(documents=documents)
        degrees = {one.name: one.degree for one in rag.entities() if one.type == "person"}

    async def main() -> str:
        store = await open_store(None, root=tmp_path, namespace="default", create=False)
        try:
            queries = await explore.saved_queries(store)
        finally:
            await store.close()
        return next(query.cypher for query in queries if "SHORTEST" in query.cypher)

    ranked = sorted(degrees, key=lambda name: (-degrees[name], name))
    assert ranked[:2] == ["Sherlock Holmes", "Captain Ahab"]
    assert "Mycroft Holmes" in ranked
    first, second = re.findall(r'\.name = "(.+?)"', asyncio.run(main()))
    assert first == "Sherlock Holmes"
    assert "Holmes" not in second
    assert second in PEOPLE[0]


def test_hostile_values_stay_values(indexed: Indexed) -> None:
    for text in HOSTILE.values():
        if utf8(text) == text:
            query = explore.fill("// x\nRETURN $value", {"value": text})
            assert query is not None
            assert indexed.run(query.cypher) == [[text]]


def test_each_saved_query_says_what_it_shows_and_is_one_reading_statement() -> None:
    assert set(QUERIES) == {
        "citations",
        "community",
        "connection",
        "document-entities",
        "hierarchy",
        "overview",
    }
    for name, path in QUERIES.items():
        text = path.read_text(encoding="utf-8")
        assert re.match(r"// \w", text), name
        sample = set(re.findall(r"^// :param (\w+) => ", text, re.MULTILINE))
        assert sample == set(re.findall(r"\$(\w+)", text)), name
        assert ";" not in text
        assert not re.search(r"\b(CREATE|MERGE|SET|DELETE|REMOVE)\b", text)


def test_the_style_knows_every_label_and_relationship(indexed: Indexed) -> None:
    style = (FOLDER / "graphrag.grass").read_text(encoding="utf-8")
    styled = set(re.findall(r"^(?:node|relationship)\.(\w+) \{$", style, re.MULTILINE))
    labels = set(cypher.LABELS.values())
    kinds = indexed.run(
        "MATCH (n)-[r]->() WHERE n.key STARTS WITH $start RETURN DISTINCT type(r)",
        start=indexed.namespace + ":",
    )
    assert labels | {str(kind) for (kind,) in kinds} <= styled
    # Browser's parser knows no comments and gives up without a word on a brace too many.
    assert style.count("{") == style.count("}")
    assert "/*" not in style
    assert "//" not in style


def test_cypher_of_the_page_runs(indexed: Indexed) -> None:
    page = (REPOSITORY / "docs" / "neo4j.md").read_text(encoding="utf-8")
    found = re.findall(r"^```cypher\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(found) >= 3
    own = f"{indexed.namespace}:"
    rows = [
        indexed.run(block.replace("default:", own).replace("Great Eastern", "Analytical Engine"))
        for block in found
    ]
    assert all(rows)


def names_in(rows: Values) -> set[str]:
    """The names of the entities in the paths of `rows`."""
    return {str(node["name"]) for node in nodes_in(rows) if node.get("name")}


def nodes_in(value: object) -> list[Mapping[str, object]]:
    """The nodes of `value`, of its paths and of the lists in it, each once."""
    found: dict[str, Mapping[str, object]] = {}
    if isinstance(value, list):
        for one in cast("list[object]", value):
            found |= {str(node["key"]): node for node in nodes_in(one)}
    elif hasattr(value, "nodes"):
        return nodes_in(list(cast("Sequence[object]", getattr(value, "nodes", ()))))
    elif hasattr(value, "labels"):
        node = cast("Mapping[str, object]", value)
        found[str(node["key"])] = node
    return list(found.values())
