"""A question without a model on a cover of many reports: which of them are read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from graphrag.core.settings import Settings
from graphrag.models.models import Models
from graphrag.query.context import Evidence, Question, Resources
from graphrag.query.global_search import map_reduce as global_
from graphrag.stores import Filter, GraphStore
from tests.integration.conftest import Place
from tests.integration.graphs import (
    community,
    document,
    entity,
    mention,
    report,
    run,
    snapshot,
    unit,
)

PORTS: Final = [f"port{number:02}" for number in range(30)]
GOODS: Final = ("timber", "salt", "wool")


def tell(number: int) -> str:
    return f"In the harbour of {PORTS[number]} the ships were laden with {GOODS[number % 3]}."


def rows() -> dict[str, list[dict[str, object]]]:
    """A report for each port, the later ones rated lower; one above all that says the same."""
    numbers = range(len(PORTS))
    told: list[dict[str, object]] = []
    for number in numbers:
        own = unit(PORTS[number], PORTS[number], tell(number))
        finding = {"summary": tell(number), "explanation": "", "text_unit_ids": [own["id"]]}
        told.append(
            report(PORTS[number], PORTS[number], tell(number))
            | {"rating": 9 - number / 10, "findings": [finding]}
        )
    above = report("all", "All ports", " ".join(map(tell, numbers))) | {"rating": 10.0}
    return {
        "documents": [document(name, metadata={"port": name}) for name in PORTS],
        "text_units": [unit(name, name, tell(at)) for at, name in enumerate(PORTS)],
        "entities": [entity(name) for name in PORTS],
        "mentions": [mention(name, name) for name in PORTS],
        "communities": [
            community("all", PORTS),
            *(
                community(name, [name], level=1) | {"parent_id": community("all", [])["id"]}
                for name in PORTS
            ),
        ],
        "reports": [above, *told],
    }


async def ask(store: GraphStore, text: str, *filters: Filter, most: int = 8) -> Evidence:
    settings = Settings()
    models = Models(chat=None, embedder=None, settings=settings)
    resources = Resources(store, models, settings, Path())
    return await global_.retrieve(Question(text, filters=filters), resources, most=most)


def titles(evidence: Evidence) -> list[str]:
    return [report.title for report in evidence.reports]


def test_reports_that_speak_of_the_subject_are_read(place: Place) -> None:
    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(rows()))
        for text in ("Who laded wool in port29?", "Which harbour sold wool at port08?"):
            few = await ask(store, text)
            every = await ask(store, text, most=1000)
            assert len(few.reports) == 8 < len(every.reports) == len(PORTS)
            assert few.passages[0] == every.passages[0]
            scores = [[one.score for one in found.passages] for found in (few, every)]
            assert scores[0] == scores[1]
            assert few.trace["reports_left"] == len(PORTS) - 8
            assert every.trace["reports_left"] == 0

    run(place, scenario)


def test_without_a_subject_the_best_rated_reports_are_read(place: Place) -> None:
    async def scenario(store: GraphStore) -> None:
        await store.commit(snapshot(rows()))
        found = await ask(store, "What are the main themes across the documents?")
        assert titles(found) == PORTS[:8]
        only = Filter("port", "=", ("port20", "port21"))
        kept = await ask(store, "What are the main themes across the documents?", only)
        assert titles(kept) == PORTS[20:22]
        named = await ask(store, "Who laded wool in a harbour?", only)
        assert titles(named) == PORTS[20:22]

    run(place, scenario)
