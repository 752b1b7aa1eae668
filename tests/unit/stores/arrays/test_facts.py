"""Facts of a model as sentences of their units: what is one, and what question it answers."""

from __future__ import annotations

import polars as pl

from graphrag.query.path.chains import ChainSearch
from graphrag.stores.arrays import building
from graphrag.stores.arrays.facts import find_facts
from tests.unit.stores.arrays.test_path_index import tables, units_of

TEXTS = {
    "Acta": "A review. It has been edited at an institute since 1963.",
    "Harbour": "Ships land at the quay, and many go on to the north.",
    "Otters": "Otters swim in rivers and eat fish.",
}
NO_ALIASES: list[str] = []
ENTITIES = pl.DataFrame(
    {"id": ["e0", "e1"], "name": ["Acta", "Lund"], "aliases": [NO_ALIASES, NO_ALIASES]},
    schema_overrides={"aliases": pl.List(pl.String)},
)


def related(*rows: tuple[str, str, str, str, list[str]]) -> pl.DataFrame:
    """Relationships: source, type, target, description, text units."""
    columns = ["source_id", "type", "target_id", "description", "text_unit_ids"]
    return pl.DataFrame(list(rows), schema=columns, orient="row")


FOUND = related(
    ("e0", "edited in", "e1", "The review is edited in Lund.", ["u0", "u1"]),
    ("e0", "co-occurs", "e1", "Acta. Lund.", ["u2"]),
)


def test_each_unit_has_the_facts_that_a_model_found_there() -> None:
    facts = find_facts(FOUND, ENTITIES)
    said = "Acta edited in Lund: The review is edited in Lund."
    assert facts.rows() == [("u0", "Acta", "Lund", said), ("u1", "Acta", "Lund", said)]


def test_a_fact_is_a_sentence_that_names_both_ends() -> None:
    units, documents, _ = tables(TEXTS)
    plain = building.build(units, documents, ENTITIES)
    index = building.build(units, documents, ENTITIES, facts=find_facts(FOUND, ENTITIES))
    assert units_of(plain, "lund") == []
    assert units_of(index, "lund") == ["u0", "u1"]
    assert len(index.sentence_terms.ends) == len(plain.sentence_terms.ends) + 2
    assert index.term_units.items.tolist() == plain.term_units.items.tolist()  # BM25 reads texts
    last = int(index.unit_sentences[1]) - 1  # of the first unit
    assert {index.spelling(node) for node in index.sentence_nodes[last].tolist()} == {
        "acta", "lund",
    }  # fmt: skip


def test_a_chain_leads_over_a_fact_that_the_text_does_not_spell() -> None:
    units, documents, _ = tables(TEXTS)
    question = "Where do ships land at the institute that Acta is edited at?"

    def gain(facts: pl.DataFrame) -> float:
        index = building.build(units, documents, ENTITIES, facts=facts)
        return ChainSearch(index, question).rank(2).gain

    assert gain(find_facts(FOUND, ENTITIES)) > gain(find_facts(FOUND.clear(), ENTITIES)) == 0


def test_the_content_hash_follows_facts() -> None:
    parts = tables(TEXTS)
    facts = find_facts(FOUND, ENTITIES)
    assert building.content_hash(*parts, facts=facts) != building.content_hash(*parts)
    shuffled = find_facts(FOUND.reverse(), ENTITIES)
    assert building.content_hash(*parts, facts=facts) == building.content_hash(
        *parts, facts=shuffled
    )
