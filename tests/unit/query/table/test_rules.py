"""Which questions the rules read, and which they refuse by the word that they cannot read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graphrag.query.table.data import read
from graphrag.query.table.graph import Graph, Refusal, load
from graphrag.query.table.rules.forms import may_count
from graphrag.query.table.rules.parsing import plan_of
from graphrag.query.table.run import run
from graphrag.stores.sqlite.store import SQLiteStore
from tests.integration.graphs import snapshot
from tests.tables import World, fleet, gallery, snapshot_rows

Names = Callable[[str], list[str]]
English = tuple[Names, World]


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Iterator[English]:
    yield from asking(tmp_path_factory.mktemp("fleet"), fleet())


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Iterator[English]:
    yield from asking(tmp_path_factory.mktemp("gallery"), gallery())


def asking(folder: Path, world: World) -> Iterator[English]:
    """What a question names first in each row, on a store that holds the collection."""
    with asyncio.Runner() as runner:
        store = runner.run(SQLiteStore.open(folder / "graph.db", namespace="main"))
        runner.run(store.commit(snapshot(snapshot_rows(world))))
        graph: Graph = runner.run(load(store, world.schema))

        def names(question: str) -> list[str]:
            plan = plan_of(question, graph)
            data = runner.run(read(plan, graph, store, ()))
            return [str(row[0]) for row in run(plan, graph, data, most_rows=100).rows]

        yield names, world
        runner.run(store.close())


def test_neither_nor_denies_both(english: English) -> None:
    names, world = english
    without = [
        ship
        for ship in world.names("ship")
        if not world.targets(ship, "laid") & {"Line Amber", "Line Beryl"}
    ]
    assert names("How many ships laid neither Line Amber nor Line Beryl?") == without


def test_a_condition_belongs_to_the_nearest_noun_that_can_have_it(english: English) -> None:
    names, world = english
    deep = {cable.name for cable in world.of("cable") if float(cable.attributes["depth"][0]) > 1500}
    laid = [ship for ship in world.names("ship") if world.targets(ship, "laid") & deep]
    assert names("Which ships laid cables deeper than 1500 m?") == laid
    danish = world.names("ship", lambda ship: ship.attributes["flag"][0] == "Danish")
    by_danes = {cable for ship in danish for cable in world.targets(ship, "laid")}
    assert names("How many cables were laid by Danish ships?") == sorted(by_danes)


def test_a_word_behind_a_key_is_its_value(english: English) -> None:
    names, _ = english
    assert names("How many ships with year unknown are there?") == []


def test_a_limit_keeps_what_is_tied_with_the_last_row(english: English) -> None:
    names, world = english
    lengths = {
        ship.name: float(ship.attributes["length"][0])
        for ship in world.of("ship")
        if "length" in ship.attributes
    }
    third = sorted(lengths.values(), reverse=True)[2]
    wanted = {name for name, length in lengths.items() if length >= third}
    assert set(names("Name the three longest ships.")) == wanted
    assert set(names("What are the top 3 ships by length?")) == wanted


def test_each_counts_by_what_stands_behind_it(german: English) -> None:
    names, world = german
    shown = [one for one in world.names("Museum") if world.targets(one, "zeigt")]
    assert names("Wie viele Gemälde zeigt jedes Museum?") == shown


def test_a_participle_is_a_form_of_its_verb(german: English) -> None:
    names, world = german
    assert names("Welche Gemälde wurden von Adler gemalt?") == sorted(
        world.targets("Adler", "malte")
    )


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How many submarines are there?", "submarines"),
        ("How many ships sank a cable?", "sank"),
        ("Which ships laid Line Amber or Line Beryl?", "or"),
        ("How many ships laid only Line Amber?", "only"),
        ("Which ships laid every cable?", "every"),
        ("How many ships per harbour laid cables?", "ship to harbour"),
        ("How many ships were launched per year?", "launched"),
        ("How many ships laid cables before 1870?", "before 1870"),
        ("Are all ships Danish?", "no number"),
        ("Which ships are longer than 100 feet?", "feet"),
        ("Which ships are faster than 10?", "faster"),
        ("Which ships have a depth over 10?", "depth"),
        ("What is the average length of ships?", "'average' is not understood"),
        ("Which ship has the highest year?", "'year' is metadata"),
        ("What is the total year of ships?", "'year' is metadata"),
        ("Which balloon laid the most cables?", "'balloon' is not understood"),
        ("", "no type"),
    ],
)
def test_what_cannot_be_read_is_named(english: English, question: str, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        english[0](question)


@pytest.mark.parametrize(
    ("question", "counts"),
    [
        ("How many ships are there?", True),
        ("Wie viele Maler malten Gemälde?", True),
        ("Which ship laid the most cables?", True),
        ("What is the longest cable?", True),
        ("List all ships.", True),
        ("Why did the cable of 1858 fail?", False),
        ("Who was Cyrus Field?", False),
        ("Which river flows through Ghent?", False),
    ],
)
def test_whether_a_question_counts_is_seen_in_its_words(question: str, counts: bool) -> None:
    assert may_count(question) is counts
