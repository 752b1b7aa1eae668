"""Type names by the words in and beside them, where no model did: what a schema's aliases tell.

"the steamer Faraday", "HMS Agamemnon", "River Aske", "Faraday, a cable ship of", "ships Niagara
and Gorgon", a cell of the column "ship", a list below the heading "Ships", "Weidenbrücke".
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import cast

import polars as pl

from graphrag.core.schema import Schema
from graphrag.indexing.extraction.evidence import CurrentEvidence
from graphrag.indexing.extraction.lexicon import (
    CAPITAL_NOUNS,
    EVENT,
    LINKS,
    LOCATION,
    ORGANIZATION,
)
from graphrag.text import is_stop_word, normalise, terms

_TOKEN = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*|[^\w\s]")
_APPOSITION = 8  # tokens after a name in which the word of its type may stand
_SIGN = 4  # letters of a word without which no sentence has a form of it
_COMPOUNDING = frozenset(
    ("de", "nl", "sv", "da", "nb", "no")
)  # languages: the last part is what it is
_PART = 4  # letters of a word that may end a compound
_HEADING = r"^#{1,6}\s+(.+)$"
_KINDS = ORGANIZATION | EVENT | LOCATION  # what a name is that ends so: "River Street"
_LIST_ITEM = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+")
_TABLE = re.compile(
    r"^\|(.+)\|[ \t]*\n\|(?:[ \t:]*-+[ \t:]*\|)+[ \t]*\n((?:\|.*\|[ \t]*(?:\n|$))*)", re.MULTILINE
)
_OPENS = frozenset(",(–—") | {"is", "was", "ist", "war", "est", "es", "era"}  # what a name is
_LINKS = frozenset((",", "and", "und", "et", "y", "e", "en", "och", "og", "&"))  # of a list
_DIVIDED = [[link] for link in _LINKS]
_MARKS = frozenset("*_\"'“”‘’«»„`")
_LABEL = frozenset(":=")

Stems = tuple[str, ...]


class TypeWords:
    """The words of a schema's types, by their stems, in one language."""

    def __init__(self, schema: Schema, language: str) -> None:
        self.language = language
        self.types: dict[Stems, str] = {}
        self._single: set[str] = set()
        self.prefixes: set[Stems] = set()  # words in capitals, which open a name
        for name, kind in schema.types.items():
            for word in (name, *kind.aliases):
                stems = _stems(word, language)
                self.types.setdefault(stems, name)
                if word.isupper():
                    self.prefixes.add(stems)
                self._single.add(word.casefold().rpartition(" ")[2])
        self.types.pop((), None)
        self.longest = max(map(len, self.types), default=0)
        self._parts: dict[str, str] = {}  # what a compound ends with
        for name, kind in schema.types.items() if language in _COMPOUNDING else ():
            for word in (name, *kind.aliases):
                if len(word) >= _PART and word.isalpha():
                    self._parts.setdefault(word.casefold(), name)

    def ending_at(self, stems: Sequence[str], end: int) -> tuple[str, int] | None:
        """The type whose words end before `end`, and where they begin."""
        for start in range(max(0, end - self.longest), end):
            if (found := self.types.get(tuple(stems[start:end]))) is not None:
                return found, start
        return None

    def opening(self, tokens: Sequence[str]) -> tuple[str, int] | None:
        """The type whose words with a capital open a name, "River Aske", and where they end."""
        stems = [_stem(token, self.language) for token in tokens[: self.longest + 1]]
        for end in range(min(self.longest, len(tokens) - 1), 0, -1):
            found = self.types.get(tuple(stems[:end]))
            goes_on = tokens[end][:1].isupper() or tokens[end] in LINKS
            if found is not None and goes_on and not self.is_plural(tokens[end - 1]):
                return (found, end) if tokens[0][:1].isupper() else None
        return None

    def compound(self, word: str) -> str | None:
        """The type of a word with a capital that its last part tells: "Weidenbrücke"."""
        if not word[:1].isupper():
            return None
        folded = word.casefold()
        fits = [part for part in self._parts if folded.endswith(part) and folded != part]
        return self._parts[max(fits, key=len)] if fits else None

    def is_plural(self, token: str) -> bool:
        """Whether it is another form of a word of a type than the schema has."""
        return token.casefold() not in self._single


def find_types(
    evidence: CurrentEvidence,
    entity_of: pl.DataFrame,
    sentences: pl.DataFrame,
    schema: Schema,
    *,
    documents: pl.DataFrame,
    common: Collection[str] = (),
) -> dict[str, str]:
    """By entity that rules found: the type that most of the words in and beside it name.

    Ties go to the type that the schema has first. A name that ends with a `common` word is not
    what it begins with: "River Authority".
    """
    if not schema.types or not evidence.units["rules"].any():
        return {}
    found_names = (
        evidence.entities.filter("rules")
        .select("text_unit_id", "norm", "name", "kind", "sentences")
        .join(entity_of, on="norm")
        .join(evidence.units.select("text_unit_id", "document_id", "headings"), on="text_unit_id")
        .join(
            documents.select(document_id="id", title="title", language="language"), on="document_id"
        )
    )
    named = found_names.filter(pl.col("kind").ne_missing("phrase"))
    spoken = {language: TypeWords(schema, language) for language in _languages(documents)}
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    names = named.select("entity", "name", "language").unique()
    for entity, name, language in names.iter_rows():
        votes[entity][_of_name(name, spoken[language or "und"], common) or ""] += 1
    for entity, kind in _of_nouns(found_names, spoken, common):
        votes[entity][kind] += 1
    for entity, name, language, headings, sentence in _beside(named, sentences, schema):
        found = _of_sentence(name, sentence, headings, spoken[language or "und"])
        votes[entity][found or ""] += 1
    entities = dict(entity_of.select("norm", "entity").iter_rows())
    columns = _of_tables(evidence.units, schema)
    for norm, kind in (*columns, *_of_metadata(documents, schema)):
        if norm in entities:
            votes[entities[norm]][kind] += 1
    order = {name: place for place, name in enumerate(schema.types)}
    best: dict[str, str] = {}
    for entity, counted in sorted(votes.items()):
        del counted[""]
        if counted:
            best[entity] = min(counted, key=lambda kind: (-counted[kind], order[kind]))
    return best


def bare_names(evidence: CurrentEvidence, schema: Schema) -> list[tuple[str, str]]:
    """Names without the word before them that says their type, with it: Agamemnon, HMS Agamemnon.

    Only of names that the evidence has both with and without. Where the word is none in capitals
    and leaves one word ("River Aske"), most of the documents with that word have both, and no
    other type has it.
    """
    if not schema.types:
        return []
    words = TypeWords(schema, "und")
    rows = evidence.entities.select("text_unit_id", "norm", "name").join(
        evidence.units.select("text_unit_id", "document_id"), on="text_unit_id"
    )
    known = set(rows["norm"].to_list())
    longer: list[tuple[str, str, str]] = []
    found: list[tuple[str, str]] = []
    for name in rows["name"].unique().sort().to_list():
        prefix, _, rest = name.partition(" ")
        if prefix.isupper() and _stems(prefix, "und") in words.prefixes:
            if normalise(rest) in known:
                found.append((rest, name))
        elif opened := words.opening(name.split()):
            bare = " ".join(name.split()[opened[1] :])
            if bare[:1].isupper() and normalise(bare) in known:
                longer.append((bare, name, opened[0]))
    return sorted([*found, *_one_thing(longer, rows)])


def _one_thing(
    longer: Sequence[tuple[str, str, str]], rows: pl.DataFrame
) -> Iterator[tuple[str, str]]:
    """Of short names, long ones and their types: those that name one thing."""
    wanted = {normalise(name) for bare, long, _ in longer for name in (bare, long)}
    where: defaultdict[str, set[str]] = defaultdict(set)
    for norm, document in (
        rows.filter(pl.col("norm").is_in(sorted(wanted))).select("norm", "document_id").iter_rows()
    ):
        where[norm].add(document)
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for bare, _, kind in longer:
        kinds[normalise(bare)].add(kind)
    for bare, name, _ in longer:
        short, long = where[normalise(bare)], where[normalise(name)]
        sure = " " in bare or 2 * len(short & long) > len(short)
        if sure and len(kinds[normalise(bare)]) == 1:
            yield bare, name


def _languages(documents: pl.DataFrame) -> list[str]:
    return documents["language"].fill_null("und").unique().sort().to_list()


def _beside(
    named: pl.DataFrame, sentences: pl.DataFrame, schema: Schema
) -> Iterator[tuple[str, str, str | None, list[str], str]]:
    """Each name in a sentence, or below a heading, that may have the word of a type."""
    words = [word for name, kind in schema.types.items() for word in (name, *kind.aliases)]
    starts = sorted({_tokens(word)[-1][:_SIGN].casefold() for word in words if _tokens(word)})
    where = pl.concat_str("sentence", "heading", "title", ignore_nulls=True)
    nearest = pl.coalesce("above", pl.col("headings").list.last())
    yield from (
        named.explode("sentences")
        .drop_nulls("sentences")
        .join(
            _with_headings(sentences),
            left_on=["text_unit_id", "sentences"],
            right_on=["text_unit_id", "ordinal"],
        )
        .with_columns(nearest.alias("heading"))
        .filter(where.str.to_lowercase().str.contains_any(starts))
        .select(
            "entity",
            "name",
            "language",
            pl.concat_list("title", "heading").list.drop_nulls(),
            "sentence",
        )
        .unique()
        .iter_rows()
    )


def _with_headings(sentences: pl.DataFrame) -> pl.DataFrame:
    """`sentences` with the heading `above` each in its text unit; null where there is none."""
    above = pl.col("sentence").str.extract(_HEADING).forward_fill().over("text_unit_id")
    return sentences.sort("text_unit_id", "ordinal").with_columns(above.alias("above"))


def _of_nouns(
    names: pl.DataFrame, spoken: Mapping[str, TypeWords], common: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Compounds in languages where a noun's capital does not tell a name: "Weidenbrücke"."""
    nouns = names.filter(
        pl.col("language").is_in(sorted(CAPITAL_NOUNS)),
        pl.col("kind") == "phrase",
        ~pl.col("norm").is_in(sorted(common)),
    )
    for entity, name, language in nouns.select("entity", "name", "language").unique().iter_rows():
        if (kind := spoken[language].compound(name)) is not None:
            yield entity, kind


def _of_tables(units: pl.DataFrame, schema: Schema) -> Iterator[tuple[str, str]]:
    """The cells below a head that is a word of a type."""
    tables = units.filter(pl.col("text").str.contains("|\n|", literal=True))["text"]
    for text in tables.unique().to_list():
        for head, rows in _TABLE.findall(text):
            kinds = [schema.type_of(cell) for cell in head.split("|")]
            for row in rows.splitlines() if any(kinds) else ():
                for kind, cell in zip(kinds, row.strip().strip("|").split("|"), strict=False):
                    if kind is not None and cell.strip():
                        yield normalise(cell), kind


def _of_metadata(documents: pl.DataFrame, schema: Schema) -> Iterator[tuple[str, str]]:
    """What stands in the metadata under the name of a type: the column "ship" of a table."""
    for (metadata,) in documents.select("metadata").iter_rows():
        for key, value in cast("dict[str, object]", json.loads(metadata or "{}")).items():
            kind = schema.type_of(key)
            if kind is not None and isinstance(value, str) and value.strip():
                yield normalise(value), kind


def _of_name(name: str, words: TypeWords, common: Collection[str]) -> str | None:
    """The type that a name says itself: "HMS Agamemnon", "River Aske", "Telegraph Company"."""
    tokens = _tokens(name)
    stems = [_stem(token, words.language) for token in tokens]
    for end in range(1, len(stems)):
        if tuple(stems[:end]) in words.prefixes and "".join(tokens[:end]).isupper():
            return words.types[tuple(stems[:end])]
    if not tokens or not tokens[-1][:1].isupper():
        return None
    found = words.ending_at(stems, len(stems))
    if found is not None:
        return found[0] if found[1] > 0 else None
    last = tokens[-1].casefold()
    opened = None if last in _KINDS or normalise(last) in common else words.opening(tokens)
    return opened[0] if opened else words.compound(tokens[-1])


def _of_sentence(name: str, sentence: str, headings: Sequence[str], words: TypeWords) -> str | None:
    """The type that stands beside `name` in the sentence."""
    tokens = _tokens(sentence)
    wanted = _tokens(name)
    if not wanted:
        return None
    stems = [_stem(token, words.language) for token in tokens]
    for first in range(len(tokens) - len(wanted) + 1):
        if tokens[first : first + len(wanted)] != wanted:
            continue
        found = _before(tokens, stems, first, words) or _after(
            tokens, stems, first + len(wanted), words
        )
        if found is not None:
            return found
    listed = _LIST_ITEM.match(sentence)
    if listed and headings and _tokens(sentence[listed.end() :])[: len(wanted)] == wanted:
        for heading in headings[::-1]:
            head = _stems(heading, words.language)
            if (found := words.ending_at(head, len(head))) is not None:
                return found[0]
    return None


def _before(
    tokens: Sequence[str], stems: Sequence[str], first: int, words: TypeWords
) -> str | None:
    """ "the steamer Faraday", "ship: Faraday", "the ships Niagara, Gorgon and Faraday"."""
    end = first
    while end and tokens[end - 1] in _LABEL:
        end -= 1
    if (found := words.ending_at(stems, end)) is not None:
        return found[0]
    # Back over a list of names: words with a capital, and what divides and opens them.
    while end:
        token = tokens[end - 1]
        is_article = is_stop_word(token, words.language) and tokens[end - 2 : end - 1] in _DIVIDED
        if not (token in _LINKS or token[:1].isupper() or is_article):
            return None
        end -= 1
        found = words.ending_at(stems, end)
        if found is not None and tokens[end - 1][:1].islower():
            return found[0] if words.is_plural(tokens[end - 1]) else None
    return None


def _after(tokens: Sequence[str], stems: Sequence[str], start: int, words: TypeWords) -> str | None:
    """ "Faraday, a new steam ship of", "Faraday was a ship": the word is the head of its phrase."""
    if start >= len(tokens):
        return None
    if tokens[start] not in _OPENS:
        return None
    article = start + 1
    if article >= len(tokens) or not is_stop_word(tokens[article], words.language):
        return None
    stop = article + 1
    while stop < len(tokens) and stop < start + _APPOSITION and tokens[stop][:1].isalnum():
        if is_stop_word(tokens[stop], words.language):
            break
        stop += 1
    # Of a phrase the last word is what it is: "a ship captain" is no ship.
    found = words.ending_at(stems, stop)
    return found[0] if found is not None and found[1] > article else None


def _tokens(text: str) -> list[str]:
    return [token for token in _TOKEN.findall(text) if token not in _MARKS]


def _stems(word: str, language: str) -> Stems:
    return tuple(_stem(token, language) for token in _tokens(word))


@lru_cache(maxsize=1 << 15)
def _stem(token: str, language: str) -> str:
    """One stem for a token; a stop word and a mark are their own."""
    found = terms(token, language)
    return found[0] if len(found) == 1 else token.casefold()
