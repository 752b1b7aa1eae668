"""Find the text units on the best chains between the names and words of a question.

Chains of two or three units first (`chains`); where more units are asked for than chains reach,
personalised PageRank over units and names fills the rest. The ranking of `basic` is kept where
chains have nothing to follow: in a corpus whose units are hardly ever about what other units
mention (chat logs), and outside collections of articles for a question that names nothing which
few units are about. No model is needed; vectors are used where they are, and a chat model picks
among the facts that were found and names what to look up (`facts`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphrag.core.settings import WORK_FOLDER
from graphrag.query.context import (
    Evidence,
    Question,
    Resources,
    Unit,
    earlier_questions,
    load_units,
    pack,
)
from graphrag.query.context.rows import UnitPlace
from graphrag.query.context.words import weigh
from graphrag.query.path.facts import Picked, pick, pick_missing, rank_by_facts
from graphrag.query.search import basic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from graphrag.query.path.chains import RankedChains
    from graphrag.stores.arrays.path_index import PathIndex

HISTORY_TURNS = 1
SPARE = 4  # times as many units are ranked as are returned: some may not fit the budget


async def retrieve(
    question: Question,
    resources: Resources,
    *,
    max_tokens: int | None = None,
    filter_facts: bool | None = None,
) -> Evidence:
    """`max_tokens` and `filter_facts` in place of those of the settings."""
    from graphrag.query.path import chains

    settings = resources.settings.query.path
    k, max_tokens = question.k or settings.k, max_tokens or settings.max_context_tokens
    index = await _open_index(resources)
    trace: dict[str, object] = {"chains": False, "linked_share": round(index.linked_share(), 3)}
    text = basic.asked_text(question, turns=HISTORY_TURNS)
    search = chains.ChainSearch(index, text)
    if not search.is_anchored():
        evidence = await basic.search(question, resources, k=k, max_tokens=max_tokens)
        return replace(evidence, trace=trace)
    near, warnings = await basic.search_vectors(
        "text_units", text, question=question, resources=resources, k=chains.CANDIDATES
    )
    allowed = await _allowed(index, question, resources)
    chained = search.rank(SPARE * k, allowed=allowed, similar=near)
    ranked = await _load(index, chained, resources)
    words = await weigh(
        question.text,
        resources.store,
        language=basic.main_language(unit for unit, _ in ranked),
        earlier=earlier_questions(question, turns=HISTORY_TURNS),
    )
    picked = Picked()
    looked_up: Sequence[tuple[Unit, float]] = ()
    filtered = settings.filter_facts if filter_facts is None else filter_facts
    if filtered and resources.models.chat is not None and ranked:
        picked = await pick(question, ranked, resources, words=words)
        if picked.missing:
            missing = chains.ChainSearch(index, "\n".join(picked.missing))
            found = await _load(index, missing.rank(SPARE * k, allowed=allowed), resources)
            looked_up = [pair for pair in found if pair[0].id not in picked.shown]
            picked = await pick_missing(picked, looked_up, question, resources, words=words)
    return Evidence(
        units=pack(rank_by_facts(ranked, looked_up, picked.facts), k=k, max_tokens=max_tokens),
        words=words,
        warnings=(*warnings, *picked.warnings),
        trace={
            **trace,
            "chains": True,
            "gain": round(chained.gain, 6),
            "names": [index.spelling(node) for node in chained.asked],
            **picked.trace,
        },
    )


async def _load(
    index: PathIndex, ranked: RankedChains, resources: Resources
) -> list[tuple[Unit, float]]:
    ids = [index.units[number] for number in ranked.units]
    units = await load_units(resources.store, ids)
    return [
        (units[key], round(score, 6))
        for key, score in zip(ids, ranked.scores, strict=True)
        if key in units
    ]


async def _open_index(resources: Resources) -> PathIndex:
    """The arrays that indexing wrote; built again from the store where they are missing."""
    from graphrag.stores.arrays.path_index import PathIndex, folder_of

    folder = folder_of(resources.root / WORK_FOLDER, await resources.meta())
    index = PathIndex.load(folder)
    if index is not None:
        return index
    from graphrag.stores.arrays.building import build
    from graphrag.stores.arrays.facts import find_facts

    units = await resources.store.read("text_units")
    documents = await resources.store.read("documents")
    entities = await resources.store.read("entities", columns=["id", "name", "aliases"])
    facts = find_facts(await resources.store.read("relationships"), entities)
    built = await asyncio.to_thread(build, units, documents, entities, facts=facts)
    try:
        built.save(folder)
    except OSError:
        return built  # a folder that cannot be written costs only the time of the next build
    return PathIndex.load(folder) or built


async def _allowed(
    index: PathIndex, question: Question, resources: Resources
) -> NDArray[np.bool_] | None:
    """Which units pass the filters; None when there are none."""
    if not question.filters:
        return None
    import numpy as np

    documents = await resources.store.matching_documents(question.filters)
    rows = await resources.store.rows("text_units", UnitPlace, where=("document_id", documents))
    allowed = np.zeros(len(index.units), dtype=np.bool_)
    allowed[
        [number for number in map(index.units.find, [row.id for row in rows]) if number >= 0]
    ] = True
    return allowed
