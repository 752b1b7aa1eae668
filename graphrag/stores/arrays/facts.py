"""Read what a model extracted as facts: sentences that name both ends of a relationship.

A passage says "it was first published in 1960", the relationship whose journal that was: so a
question is matched with it, and a chain leads over it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graphrag import text as analysis
from graphrag.core.tables import CO_OCCURS
from graphrag.stores.arrays.packed import Ints, Lists
from graphrag.stores.arrays.path_index import name_of

if TYPE_CHECKING:
    from graphrag.stores.arrays.postings import Postings

NO_FACTS = pl.DataFrame(
    schema={
        "text_unit_id": pl.String,
        "source": pl.String,
        "target": pl.String,
        "text": pl.String,
    }
)


@dataclass(frozen=True, slots=True)
class Sentences:
    """The sentences of all units, and behind those of each unit its facts."""

    ends: NDArray[np.int64]  # of units: the first sentence of each, and the end
    terms: Lists
    nodes: Lists


def find_facts(relationships: pl.DataFrame, entities: pl.DataFrame) -> pl.DataFrame:
    """The relationships that a model found, as `NO_FACTS`, in one order; each for every unit.

    What stands together by the rules is in the units' own sentences.
    """
    names = dict(entities.select("id", "name").iter_rows())
    found = relationships.filter(pl.col("type") != CO_OCCURS)
    ends = [pl.col(f"{end}_id").replace_strict(names).alias(end) for end in ("source", "target")]
    text = pl.format("{} {} {}: {}", "source", "type", "target", "description")
    return (
        found.select(pl.col("text_unit_ids").alias("text_unit_id"), "type", "description", *ends)
        .explode("text_unit_id")
        .select("text_unit_id", "source", "target", text.alias("text"))
        .sort(NO_FACTS.columns)
    )


def with_facts(
    read: Postings,
    facts: pl.DataFrame,
    units: pl.DataFrame,
    nodes: Mapping[str, Collection[int]],
) -> Sentences:
    """`read` with the facts of its `units` (id, language), which are in order; terms as there.

    `nodes` has what each name names.
    """
    ends = np.array(read.unit_sentences, dtype=np.int64)
    terms, named = read.sentence_terms.lists(), read.sentence_nodes.lists()
    if facts.is_empty():
        return Sentences(ends, terms, named)
    numbered = units.select("language", text_unit_id="id").with_row_index("unit")
    rows = facts.join(numbered, on="text_unit_id").sort("unit", "source", "target", "text")
    unit_of = np.concatenate([np.repeat(np.arange(len(ends) - 1), np.diff(ends)), rows["unit"]])
    order = np.argsort(unit_of, kind="stable")
    return Sentences(
        np.searchsorted(unit_of[order], np.arange(len(ends))).astype(np.int64),
        _appended(terms, Lists.pack([*_terms(rows, read)])).take(order),
        _appended(named, Lists.pack([*_ends(rows, nodes)])).take(order),
    )


def _terms(rows: pl.DataFrame, read: Postings) -> Iterator[list[int]]:
    """Of each fact: its terms, of those that texts have."""
    for text, language in rows.select("text", "language").iter_rows():
        found = map(read.terms.get, analysis.terms(text, language))
        yield sorted({term for term in found if term is not None})


def _ends(rows: pl.DataFrame, nodes: Mapping[str, Collection[int]]) -> Iterator[list[int]]:
    for source, target in rows.select("source", "target").iter_rows():
        yield sorted({*nodes.get(name_of(source), ()), *nodes.get(name_of(target), ())})


def _appended(first: Lists, second: Lists) -> Lists:
    ends = np.concatenate([first.ends, second.ends[1:] + first.ends[-1]])
    items: Ints = np.concatenate([first.items, second.items])
    return Lists(ends, items)
