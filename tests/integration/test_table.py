"""Counting questions on planted collections: every store, every row, every refusal."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

import pytest

from graphrag.core.answers import Answer
from graphrag.core.schema import FILE_NAME, render_schema
from graphrag.core.settings import Settings
from graphrag.core.tables import CO_OCCURS
from graphrag.models.models import Models
from graphrag.query.context import Question, Resources
from graphrag.query.router import answer as ask
from graphrag.query.table import cypher
from graphrag.query.table.data import read
from graphrag.query.table.graph import Refusal, load
from graphrag.query.table.rules.parsing import plan_of
from graphrag.query.table.run import run
from graphrag.stores import GraphStore, parse_filter
from graphrag.stores.neo4j.rows import Values
from tests.integration.graphs import snapshot
from tests.integration.neo4j_server import connect
from tests.tables import Asked, World, fleet, gallery, questions, snapshot_rows

if TYPE_CHECKING:
    from tests.integration.conftest import Place

WORLDS = {"fleet": fleet, "gallery": gallery}
MOST = 1000


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    return WORLDS[str(request.param)]()


def in_store(
    place: Place, world: World, work: Callable[[GraphStore, Resources], Awaitable[None]]
) -> None:  # fmt: skip
    """`work` on a store that holds the collection, with its schema.

    Its file is no file of the root: other tests use the same server at the same time.
    """

    async def main(folder: str) -> None:
        file = Path(folder, FILE_NAME)
        file.write_text(render_schema(world.schema), encoding="utf-8")
        options = Settings.model_validate({"schema": str(file)})
        models = Models(chat=None, embedder=None, settings=options)
        async with place.open() as store:
            await store.commit(snapshot(snapshot_rows(world), meta={"language": world.language}))
            await work(store, Resources(store, models, options, place.root))

    with TemporaryDirectory() as folder:
        asyncio.run(main(folder))


def test_planted_questions_are_answered_exactly_or_refused(place: Place, world: World) -> None:
    wrong: list[str] = []

    async def work(store: GraphStore, resources: Resources) -> None:
        for asked in some(questions(world), place):
            filters = tuple(parse_filter(text) for text in asked.filters)
            question = Question(asked.question, method="table", filters=filters)
            answer = await ask(question, resources)
            problem = problem_of(asked, answer)
            if problem:
                wrong.append(f"{asked.question} {problem}: {answer.answer}")

    in_store(place, world, work)
    assert not wrong


def some(asked: list[Asked], place: Place) -> list[Asked]:
    """All questions on SQLite; a server plans each statement anew, which takes a while."""
    every = 1 if place.url is None or "GRAPHRAG_SOAK" in os.environ else 8
    return asked[::every]


def problem_of(asked: Asked, answer: Answer) -> str:
    """What is wrong with an answer, if anything."""
    if asked.refused or not answer.answered:
        return "" if asked.refused != answer.answered else "refused, or not"
    assert answer.table
    got = {tuple(map(text_of, row)) for row in answer.table.rows}
    want = {tuple(map(text_of, row)) for row in asked.rows}
    width = {len(row) for row in want}
    if got != want and not (width == {1} and {row[:1] for row in got} == want):
        return f"{sorted(got)} and not {sorted(want)}"
    if asked.value is not None and f"**{text_of(asked.value)}**" not in answer.answer and want:
        return f"does not say {asked.value}"
    if not want and "None" not in answer.answer:
        return "does not say that there is none"
    if asked.trap == "ties" and len(want) > 1 and "tie" not in answer.answer:
        return "does not say that there is a tie"
    verified = {one.number for one in answer.citations if one.verified}
    unproven = [
        row
        for row, numbers in zip(answer.table.rows, answer.table.citations, strict=True)
        if not verified.intersection(numbers) and row[-1] != 0
    ]
    return f"does not prove {unproven}" if unproven else ""


def text_of(cell: object) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def test_there_are_enough_questions_and_traps() -> None:
    asked = [one for make in WORLDS.values() for one in questions(make())]
    assert len(asked) >= 200
    assert sum(bool(one.trap) for one in asked) >= len(asked) / 5


@pytest.mark.neo4j
def test_the_cypher_shown_gives_the_same_rows(place: Place, world: World) -> None:
    if place.url is None:
        pytest.skip("SQLite speaks no Cypher")
    connection = connect(place.root)
    wrong: list[str] = []

    async def work(store: GraphStore, resources: Resources) -> None:
        graph = await load(store, world.schema)
        for asked in some(questions(world), place):
            filters = tuple(parse_filter(text) for text in asked.filters)
            try:
                plan = plan_of(asked.question, graph)
                data = await read(plan, graph, store, filters)
                result = run(plan, graph, data, most_rows=MOST)
            except Refusal:
                continue
            made = cypher.statement(plan, graph, data, namespace=store.namespace)
            assert made
            rows = await connection.query(made.text, **made.parameters)
            if cells(rows) != cells(result.rows):
                wrong.append(f"{asked.question}: {rows[:3]} and not {result.rows[:3]}\n{made}")
        await connection.close()

    in_store(place, world, work)
    assert not wrong, "\n".join(wrong[:3])


def cells(rows: object) -> list[tuple[str, ...]]:
    return [tuple(map(text_of, row)) for row in cast("Values", rows)]


def test_without_types_of_relations_sentences_are_asked(place: Place) -> None:
    world = fleet()
    untyped = snapshot_rows(world)
    for edge in untyped["relationships"]:
        edge["type"] = CO_OCCURS
    laid = {ship: world.targets(ship, "laid") for ship in world.names("ship")}
    counts = {(ship, str(len(cables))) for ship, cables in laid.items() if cables}
    to_torvik = world.sources("Torvik", "lands at")
    land = {(ship,) for ship, cables in laid.items() if cables & to_torvik}
    wanted = {
        "Which ships laid cables that land at Torvik?": land,
        "Which ships laid the cables landing at the harbour Torvik?": land,
        "Which cables laid by the Altair land at Torvik?": {
            (cable,) for cable in laid["Altair"] & to_torvik
        },
        "How many ships laid cables, and which laid most?": counts,
        "Which ships laid Line Amber?": {(one,) for one in world.sources("Line Amber", "laid")},
        "Which harbour laid the most cables?": set[tuple[str, ...]](),
        "Which ships laid no cables?": {(ship,) for ship, cables in laid.items() if not cables},
    }

    async def work(store: GraphStore, resources: Resources) -> None:
        declared = json.dumps({"declared": world.schema.to_dict()})
        await store.commit(snapshot(untyped, meta={"language": "en", "schema": declared}))
        graph = await load(store, world.schema)
        for question, rows in wanted.items():
            plan = plan_of(question, graph)
            data = await read(plan, graph, store, ())
            result = run(plan, graph, data, most_rows=MOST)
            assert {tuple(map(text_of, row)) for row in result.rows} == rows, question
            answer = await ask(Question(question, method="table"), resources)
            assert answer.answer.count("The relations of this graph have no types") == 1
            assert "altair" not in answer.answer
            assert all(one.verified for one in answer.citations)
            if place.url is not None:
                made = cypher.statement(plan, graph, data, namespace=store.namespace)
                assert made
                connection = connect(place.root)
                by_hand = await connection.query(made.text, **made.parameters)
                await connection.close()
                assert cells(by_hand) == cells(result.rows), question
        for question, said in {
            "How many ships sank?": "no sentence of these documents has “sank”",
            "Which ship sank the most cables?": "no sentence of these documents has “sank”",
            "How many cables did Peter Smith lay?": "no entity 'Peter Smith'",
            "Welche Schiffe laid Line Amber nicht?": "no type 'Schiffe'",
            "Welche ships laid die meisten cables und Line Amber?": "another language (de)",
        }.items():
            answer = await ask(Question(question, method="table"), resources)
            assert not answer.answered
            assert said in answer.answer
        for question, counted in {
            "Which ships laid Line Amber?": True,
            "Which ships laid cables that land at Torvik?": True,
            "Which ship laid Line Amber?": False,
            "Which ships look beautiful?": False,
            "Which ships carry trains?": False,
        }.items():
            answer = await ask(Question(question, method="auto"), resources)
            assert (answer.method == "table") == counted, question

    in_store(place, world, work)
