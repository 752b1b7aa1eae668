"""Build the memory-mapped arrays of path search from text units and entities.

Which arrays there are: `path_index`. Which names a unit is about: `subjects`.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graphrag import text as analysis
from graphrag.core.tables import stable_id
from graphrag.stores.arrays import unit_words
from graphrag.stores.arrays.facts import NO_FACTS, Sentences, with_facts
from graphrag.stores.arrays.packed import Flags, Floats, Ints, Lists, Strings, as_bytes
from graphrag.stores.arrays.path_index import FEW_OWNERS, PathIndex, fold, folder_of, name_of
from graphrag.stores.arrays.postings import Head, Postings, read_units
from graphrag.stores.arrays.subjects import owned_names
from graphrag.stores.arrays.unit_words import UnitWords
from graphrag.text.subjects import defined_name

VERSION = "7"
K1, B = 1.2, 0.5  # BM25's saturation and length correction
_BETWEEN = re.compile("[,;()/]")
MIN_LANGUAGE = 0.05  # of the units; a language of fewer is a wrong guess more often than not


def discard(work_folder: Path, *, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Remove the arrays of an earlier content."""
    old, new = folder_of(work_folder, before), folder_of(work_folder, now)
    if old != new:
        shutil.rmtree(old, ignore_errors=True)


def content_hash(
    text_units: pl.DataFrame,
    documents: pl.DataFrame,
    entities: pl.DataFrame,
    *,
    facts: pl.DataFrame = NO_FACTS,
) -> str:
    """Of all that the arrays are made from."""
    aliases = pl.col("aliases").list.join("\n")
    parts = (
        text_units.select("id", "document_id"),
        documents.select("id", "title", "language"),
        entities.select("name", aliases),
        facts,
    )
    return stable_id(VERSION, *(part.write_csv() for part in parts))


def build(
    text_units: pl.DataFrame,
    documents: pl.DataFrame,
    entities: pl.DataFrame,
    *,
    facts: pl.DataFrame = NO_FACTS,
    words: UnitWords | None = None,
) -> PathIndex:
    """The arrays for these tables, whatever the order of their rows.

    `facts` are those of `find_facts`, `words` those of the text units, where they have been read.
    """
    described = documents.select(pl.col("id").alias("document_id"), "title", "language")
    units = text_units.select("id", "document_id", "text").join(
        described, on="document_id", how="left"
    )
    filled = units.with_columns(pl.col("title").fill_null(""), pl.col("language").fill_null("und"))
    builder = _Builder(filled.sort("id"), entities, words or unit_words.read(text_units))
    return builder.build(facts)


class _Builder:
    def __init__(self, units: pl.DataFrame, entities: pl.DataFrame, words: UnitWords) -> None:
        self.units = units
        self.words = words
        self.owners: dict[str, dict[int, float]] = {}
        self.defining: set[int] = set()  # units that begin by saying what something is
        self.nodes: dict[str, str] = {}  # spelling -> the spelling that stands for the node
        self.parts: dict[str, list[str]] = {}  # spelling -> the names that it is put together from
        for name, aliases in entities.select("name", "aliases").iter_rows():
            own = name_of(name)
            for spelling in (name, *(aliases or ())):
                self.nodes.setdefault(name_of(spelling), own)
                if parts := _parts(spelling):
                    self.parts[name_of(spelling)] = parts
        self.nodes.pop("", None)

    def build(self, facts: pl.DataFrame) -> PathIndex:
        self._find_owners()
        node_names = sorted(set(self.nodes.values()) | self.owners.keys())
        node_ids = {name: number for number, name in enumerate(node_names)}
        spellings = sorted(self.nodes, key=as_bytes)
        lookup = {name: node_ids[self.nodes[name]] for name in spellings}
        inner = self._inner_names()
        read = self._read(lookup, inner)
        vocabulary = sorted(read.terms, key=as_bytes)
        term_ids = {term: number for number, term in enumerate(vocabulary)}
        renumbered = np.array([term_ids[term] for term in read.terms], dtype=np.int32)
        term_units, term_weights = _postings(read, renumbered)
        owners = [sorted(self.owners.get(name, {}).items()) for name in node_names]
        owned = Lists.pack([[unit for unit, _ in row] for row in owners])
        weights = [weight for row in owners for _, weight in row]
        defining = [unit in self.defining for row in owners for unit, _ in row]
        defines = np.array(defining, dtype=np.bool_)
        named = {name: [lookup[one] for one in (name, *inner.get(name, ()))] for name in spellings}
        sentences = with_facts(read, facts, self.units, named)
        unit_nodes, node_units = _named(sentences, owned, n_units=self.units.height)
        of_nodes = np.repeat(np.arange(len(sentences.nodes.ends) - 1), sentences.nodes.lengths())
        by_node = np.argsort(sentences.nodes.items, kind="stable")
        name_nodes = np.array([lookup[name] for name in spellings], dtype=np.int32)
        return PathIndex(
            units=Strings.pack(self.units["id"].to_list()),
            terms=Strings.pack(vocabulary),
            names=Strings.pack(spellings),
            name_nodes=name_nodes,
            node_names=np.unique(name_nodes, return_index=True)[1].astype(np.int32),
            term_units=term_units,
            term_weights=term_weights,
            node_units=node_units,
            node_owners=owned,
            owner_weights=np.array(weights, dtype=np.float32),
            owner_defines=defines,
            node_terms=_name_terms(lookup, term_ids, n_nodes=len(node_names)),
            unit_nodes=unit_nodes,
            unit_sentences=sentences.ends,
            sentence_terms=_sorted_rows(sentences.terms, renumbered),
            sentence_nodes=sentences.nodes,
            node_sentences=_grouped(
                sentences.nodes.items[by_node], of_nodes[by_node], n_rows=len(node_names)
            ),
            languages=Strings.pack(_languages(self.units["language"])),
            shares=_shares(node_units, owned, defines, n_units=self.units.height),
        )

    def _find_owners(self) -> None:
        common = _common_words(self.words)
        for number, (title, text) in enumerate(self.units.select("title", "text").iter_rows()):
            if defined_name(text):
                self.defining.add(number)
            for name, weight in owned_names(title, text, common=common).items():
                owned = self.owners.setdefault(self.nodes.setdefault(name, name), {})
                owned[number] = max(weight, owned.get(number, 0.0))

    def _read(self, lookup: Mapping[str, int], inner: Mapping[str, Sequence[str]]) -> Postings:
        heads = [Head(*row) for row in self.units.select("title", "language").iter_rows()]
        return read_units(self.words, heads, lookup, inner=inner)

    def _inner_names(self) -> dict[str, list[str]]:
        """By name that no unit is about: its first and last word, where a unit is about those two,
        and the known names that it is put together from."""
        owned = self.owners.keys()
        inner: dict[str, list[str]] = {}
        for name, node in self.nodes.items():
            if node in owned:
                continue
            words = name.split()
            short = f"{words[0]} {words[-1]}" if 3 <= len(words) <= 5 else ""
            found = [short] if short in owned else []
            found += [part for part in self.parts.get(name, ()) if part in self.nodes]
            if found:
                inner[name] = found
        return inner


def _parts(name: str) -> list[str]:
    """The runs of words with capitals in a name that has others, folded: "Colombo, Sri Lanka",
    "Hiran region of Somalia"."""
    runs = _BETWEEN.split(name)
    parts: list[str] = []
    for run in runs:
        words: list[str] = []
        for word in [*analysis.words(run), ""]:
            if word[:1].isupper():
                words.append(fold(word))
            elif words:
                parts.append(" ".join(words))
                words = []
    return [part for part in parts if part != name_of(name)]


def _languages(of_units: pl.Series) -> list[str]:
    counts = Counter(cast(list[str], of_units.to_list()))
    return sorted(name for name, count in counts.items() if count >= MIN_LANGUAGE * len(of_units))


def _common_words(read: UnitWords) -> set[str]:
    """Words (folded) that the texts write in lower case at least as often as with a capital."""
    counts = np.bincount(read.sentence_words.items, minlength=len(read.words))
    balance: Counter[str] = Counter()
    for word, count in zip(read.words, counts.tolist(), strict=True):
        balance[fold(word)] += count if word[0].islower() else -count
    return {word for word, more in balance.items() if more >= 0}


def _postings(read: Postings, renumbered: Ints) -> tuple[Lists, Floats]:
    """By term: the units that have it, and its saturated frequency there."""
    lists = read.unit_terms.lists()
    frequency = np.array(read.frequencies, dtype=np.float64)
    units = np.repeat(np.arange(len(lists.ends) - 1), lists.lengths())
    lengths = np.maximum(np.bincount(units, frequency, len(lists.ends) - 1), 1.0)
    mean = float(lengths.mean()) if len(lengths) else 1.0
    terms = renumbered[lists.items]
    order = np.lexsort((units, terms))
    units, terms, frequency = units[order], terms[order], frequency[order]
    weights = frequency / (frequency + K1 * (1 - B + B * lengths[units] / mean))
    ends = np.searchsorted(terms, np.arange(len(renumbered) + 1))
    return Lists(ends.astype(np.int64), units.astype(np.int32)), weights.astype(np.float32)


def _named(sentences: Sentences, owned: Lists, *, n_units: int) -> tuple[Lists, Lists]:
    """By unit the nodes that it names or is about, and by node those units."""
    n_nodes = len(owned.ends) - 1
    of_sentence = np.repeat(np.arange(n_units), np.diff(sentences.ends))
    units = np.concatenate([np.repeat(of_sentence, sentences.nodes.lengths()), owned.items])
    owned_nodes = np.repeat(np.arange(n_nodes), owned.lengths())
    nodes = np.concatenate([sentences.nodes.items, owned_nodes])
    pairs = np.unique(units.astype(np.int64) * max(1, n_nodes) + nodes)
    units, nodes = np.divmod(pairs, max(1, n_nodes))
    by_node = np.argsort(nodes, kind="stable")
    return (
        _grouped(units, nodes, n_rows=n_units),
        _grouped(nodes[by_node], units[by_node], n_rows=n_nodes),
    )


def _grouped(rows: NDArray[np.integer], items: NDArray[np.integer], *, n_rows: int) -> Lists:
    """`items` by row, where `rows` ascend."""
    ends = np.searchsorted(rows, np.arange(n_rows + 1))
    return Lists(ends.astype(np.int64), items.astype(np.int32))


def _shares(
    node_units: Lists, owned: Lists, defines: Flags, *, n_units: int
) -> NDArray[np.float64]:
    """Of the units: those about a name that another one mentions; those that define something.

    Names that many units are about do not count.
    """
    owners = owned.lengths()
    met = (node_units.lengths() > owners) & (owners <= FEW_OWNERS)
    linked = np.unique(owned.items[np.repeat(met, owners)])
    defining = np.unique(owned.items[defines])
    return np.array([len(linked), len(defining)]) / max(1, n_units)


def _sorted_rows(lists: Lists, renumbered: Ints) -> Lists:
    """The same lists with their items renumbered and sorted."""
    items = renumbered[lists.items]
    rows = np.repeat(np.arange(len(lists.ends) - 1), lists.lengths())
    return Lists(lists.ends, items[np.lexsort((items, rows))])


def _name_terms(lookup: Mapping[str, int], term_ids: Mapping[str, int], *, n_nodes: int) -> Lists:
    """By node: the terms of its spellings."""
    spelled: list[set[int]] = [set() for _ in range(n_nodes)]
    for name, node in lookup.items():
        spelled[node].update(term_ids[term] for term in analysis.terms(name) if term in term_ids)
    return Lists.pack([sorted(terms) for terms in spelled])
