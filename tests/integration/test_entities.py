"""The list of entities, from every store and from the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from graphrag import Document, GraphRAG, ListedEntity, NoIndexError, UsageError
from graphrag.cli.main import main
from graphrag.engine.entities import list_entities
from graphrag.stores import GraphStore
from tests.integration.conftest import Place
from tests.integration.graphs import entity, run, snapshot


def test_every_store_lists_ranks_and_selects(place: Place) -> None:
    rows = [
        entity("fram", name="Fram", type="ship", n_mentions=3, degree=2),
        entity("gjoa", name="Gjøa", type="Ship", n_mentions=3, degree=1, aliases=["GJØA of 1872"]),
        entity("nansen", name="Nansen", type="person", n_mentions=5, degree=4),
    ]

    async def scenario(store: GraphStore) -> None:
        with pytest.raises(NoIndexError):
            await list_entities(store, type=None, search=None, limit=None)
        async with store.writing():
            await store.commit(snapshot({"entities": rows}, meta={"method": "fast"}))
        listed = await list_entities(store, type=None, search=None, limit=None)
        assert [one.name for one in listed] == ["Nansen", "Fram", "Gjøa"]
        assert (listed[0].type, listed[0].mentions, listed[0].degree) == ("person", 5, 4)
        for options, names in (
            ({"type": "SHIP"}, ["Fram", "Gjøa"]),
            ({"search": "gjøa OF"}, ["Gjøa"]),
            ({"search": "a"}, ["Nansen", "Fram", "Gjøa"]),
            ({"search": ".*"}, []),
            ({"type": "ship", "search": "fram"}, ["Fram"]),
        ):
            chosen = {"type": None, "search": None, **options}
            found = await list_entities(store, **chosen, limit=None)
            assert [one.name for one in found] == names, options
        assert await list_entities(store, type=None, search=None, limit=2) == listed[:2]
        with pytest.raises(UsageError, match="limit is 0"):
            await list_entities(store, type=None, search=None, limit=0)

    run(place, scenario)


def test_the_command_and_python_list_the_same(tmp_path: Path) -> None:
    text = "Captain Ann Smith sailed the Corvus. Ann Smith and Ben Wood met at Port Vell."
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index(documents=[Document(source="a", text=text)])
        listed = rag.entities()
    assert len(listed) > 2

    def entities(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["entities", *arguments, "--root", str(tmp_path)])
        assert done.exit_code == code, done.output
        return done.output

    assert [ListedEntity(**row) for row in json.loads(entities("--json"))] == listed
    (row,) = json.loads(entities("--json", "--search", "ANN"))
    assert row["name"] == "Ann Smith"
    lines = entities("--limit", "2").splitlines()
    assert lines[0].split() == ["name", "type", "mentions", "degree"]
    assert lines[1].startswith(listed[0].name)
    assert lines[3] == f"2 of {len(listed)} entities: --limit shows more."
    assert "--duplicates" in entities("--duplicates", "--limit", "2", code=2)
