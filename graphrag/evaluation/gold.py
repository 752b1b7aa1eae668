"""Find the text units that are gold for each question.

A gold title or document stands for the text units of that document, a gold text for the units
that hold it; a gold item is found when any of its units is. An item that the index does not hold
is missing, and its question cannot be scored.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from graphrag import text as analysis
from graphrag.evaluation.questions import EvalQuestion
from graphrag.stores import GraphStore

GRAM = 3  # words that are compared together
MIN_HELD = 0.5  # share of a gold text that one unit holds: the larger half, where it was cut in two
MIN_INSIDE = 0.8  # share of a unit that lies in a gold text longer than the unit

Grams = frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Gold:
    """Of one question. `items`: by label the text units that count; `missing`: not in the index."""

    items: Mapping[str, frozenset[str]]
    missing: tuple[str, ...] = ()


async def find_gold(questions: Sequence[EvalQuestion], store: GraphStore) -> list[Gold]:
    """The gold of each question, in their order."""
    documents = await store.read("documents", columns=["id", "source", "title"])
    units = await store.read("text_units", columns=["id", "document_id", "text"])
    known = _Known(documents, units, _gold_texts(questions))
    return [known.gold_of(question) for question in questions]


class _Known:
    """What the index holds, by the names that gold may use."""

    def __init__(
        self, documents: pl.DataFrame, units: pl.DataFrame, texts: Mapping[str, Grams]
    ) -> None:
        of_document: dict[str, list[str]] = defaultdict(list)
        for unit, document in units.select("id", "document_id").iter_rows():
            of_document[document].append(unit)
        self._titles: dict[str, set[str]] = defaultdict(set)
        self._sources: dict[str, set[str]] = defaultdict(set)
        self._exact: dict[str, set[str]] = {}
        for document, source, title in documents.iter_rows():
            self._titles[_folded(title)].update(of_document[document])
            self._exact[source] = {*of_document[document]}
            for name in _names_of(source):
                self._sources[name].update(of_document[document])
        self._texts = _units_of_texts(units, texts)

    def gold_of(self, question: EvalQuestion) -> Gold:
        items: dict[str, frozenset[str]] = {}
        missing: list[str] = []
        for label in question.gold:
            found = frozenset(self._units(question, label))
            if not found:
                missing.append(label)
            elif found not in items.values():
                # Two gold texts in one unit are one thing to find.
                items[label] = found
        return Gold(items, tuple(missing))

    def _units(self, question: EvalQuestion, label: str) -> Iterable[str]:
        match question.gold_kind:
            case "titles":
                return self._titles.get(_folded(label), ())
            case "documents":
                return self._exact.get(label) or self._sources.get(label, ())
            case "texts":
                return self._texts.get(label, ())
            case "":
                return ()


def _folded(title: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", title).casefold().split())


def _names_of(source: str) -> set[str]:
    """`a/b.csv#7` is also `b.csv#7`, and one of the documents of `a/b.csv` and `b.csv`."""
    head, _, row = source.partition("#")
    parts = head.split("/")
    ends = ["/".join(parts[place:]) for place in range(len(parts)) if parts[place]]
    return {*ends, *(f"{end}#{row}" for end in ends if row)}


def _gold_texts(questions: Sequence[EvalQuestion]) -> dict[str, Grams]:
    """The word groups of each gold text."""
    texts = {label for one in questions if one.gold_kind == "texts" for label in one.gold}
    return {text: _grams(text, GRAM) for text in sorted(texts)}


def _grams(text: str, size: int) -> Grams:
    """Groups of words that follow each other; a shorter text is one group."""
    # Without a language: no stemming and no stop list, and bigrams for scripts without spaces.
    terms = analysis.terms(text, "und")
    size = min(size, len(terms))
    return frozenset(
        tuple(terms[at : at + size]) for at in range(len(terms) - size + 1 if size else 0)
    )


def _units_of_texts(units: pl.DataFrame, texts: Mapping[str, Grams]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    wanted: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for text, grams in texts.items():
        for gram in grams:
            wanted[gram].append(text)
    # Texts shorter than a group are looked for with groups of their own length.
    sizes = {len(gram) for gram in wanted} - {GRAM}
    for unit, body in units.select("id", "text").iter_rows() if wanted else ():
        own = _grams(body, GRAM)
        shorter = [gram for size in sizes for gram in _grams(body, size)]
        held: dict[str, int] = defaultdict(int)
        for gram in (*own, *shorter):
            for text in wanted.get(gram, ()):
                held[text] += 1
        for text, count in held.items():
            inside = count >= MIN_INSIDE * len(own) and len(own) >= GRAM
            if count >= MIN_HELD * len(texts[text]) or inside:
                found[text].add(unit)
    return found
