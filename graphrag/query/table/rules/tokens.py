"""Tell the parts of a question: words that count, and what the graph has of the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from graphrag.core.tables import stable_id
from graphrag.query.table.graph import Graph
from graphrag.query.table.rules import forms
from graphrag.query.table.rules.forms import Degree, Language, Tag
from graphrag.text import is_stop_word, normalise, terms

Kind: TypeAlias = (
    Tag
    | Literal[
        "type", "relation", "attribute", "key", "name", "value", "number", "year", "degree", "word"
    ]
)

MAX_WORDS = 80
_VERB = 4  # letters of a stem
_ENDINGS = ("t", "st", "te", "e", "d", "s", "n")  # that a stem may have kept
_LONGEST = 7  # words of a name
_WORD = re.compile(r"\d+(?:[.,]\d+)*(?:-\d\d(?:-\d\d)?)?|[^\W\d_]+(?:['’\-][^\W\d_]+)*|[,;]")
_YEAR = re.compile(r"1\d{3}|20\d\d|\d{4}-\d\d(?:-\d\d)?")
_QUOTES = re.compile('["“”„«»]')


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a question. `means`: by kind, the names that the graph has for it."""

    kind: Kind
    text: str
    means: Mapping[Kind, tuple[str, ...]]
    degree: Degree | None = None

    def name(self, kind: Kind) -> str:
        return self.means[kind][0]

    @property
    def number(self) -> float:
        return float(self.text.replace(",", ""))


def aliases_in(text: str, graph: Graph) -> dict[str, str]:
    """By type, the word of `text` that is read as it and is another one."""
    tokens, language = read(text, graph)
    types = [(token.name("type"), token.text) for token in tokens if token.kind == "type"]

    def stems(phrase: str) -> list[str]:
        return ["".join(terms(word, language)) for word in normalise(phrase).split()]

    return {
        name: word
        for name, word in types
        if stems(word) not in [stems(one.replace("_", " ")) for one in (name, *graph.types[name])]
    }


def read(text: str, graph: Graph) -> tuple[list[Token], Language]:
    """The parts of `text` in order; the longest that means something is one."""
    words = _WORD.findall(_QUOTES.sub(" ", text))[:MAX_WORDS]
    language = forms.language_of(words)
    return list(_Reader(words, graph, language).tokens()), language


class _Reader:
    def __init__(self, words: list[str], graph: Graph, language: Language) -> None:
        self._words = words
        self._language: Language = language
        self._tags = forms.tagged(language)
        self._known = _vocabulary(graph, language)
        self._relations = {
            stems[0]: names for stems, names in self._known.items()
            if len(stems) == 1 and "relation" in names
        }  # fmt: skip
        self._names = _names_in(words, graph)

    def tokens(self) -> Iterator[Token]:
        at = 0
        while at < len(self._words):
            length, token = self._longest(at)
            yield token
            at += length

    def _longest(self, at: int) -> tuple[int, Token]:
        for length in range(min(_LONGEST, len(self._words) - at), 0, -1):
            words = self._words[at : at + length]
            token = self._token(words)
            if token:
                return length, token
        word = self._words[at]
        return 1, self._single(word)

    def _token(self, words: list[str]) -> Token | None:
        lower = tuple(word.lower() for word in words)
        text = " ".join(words)
        stems = tuple("".join(terms(word, self._language)) or word.lower() for word in words)
        means = dict(self._known.get(stems) or self._known.get(lower) or {})
        named = dict(self._names.get(" ".join(lower), {}))
        if "name" in named:
            named["name"] = (text,)  # as it is written
        tag = self._tags.get(lower)
        content = any(kind in means for kind in ("type", "relation", "attribute"))
        if tag and not content and not (named and len(words) > 1):
            return Token(tag, text, named)
        proper = any(word[:1].isupper() or word[:1].isdigit() for word in words)
        if proper and "name" in named and not ("type" in means and len(words) == 1):
            return Token("name", text, {**named, **means})
        degree = forms.degree(lower[0], self._language) if len(words) == 1 else None
        if degree and not means.keys() - {"attribute"}:
            return Token("degree", text, {}, degree)
        if means:
            return Token(next(iter(means)), text, {**means, **named})
        if named and not (len(words) == 1 and words[0].isdigit()):
            return Token(next(iter(named)), text, named)
        return None

    def _single(self, word: str) -> Token:
        if word in (",", ";"):
            return Token("comma", word, {})
        if _YEAR.fullmatch(word):
            return Token("year", word, {})
        if word[0].isdigit():
            return Token("number", word, {})
        said = forms.number(word.lower(), self._language)
        if said is not None:
            return Token("number", str(said), {})
        if is_stop_word(word.lower(), self._language):
            return Token("filler", word, {})
        inflected = self._inflected("".join(terms(word, self._language)))
        return Token("relation", word, inflected) if inflected else Token("word", word, {})

    def _inflected(self, stem: str) -> Mapping[Kind, tuple[str, ...]]:
        """The relation that a form of its verb names, which the stemmer leaves apart."""
        if self._language == "de" and stem.removeprefix("ge") in self._relations:
            return self._relations[stem.removeprefix("ge")]  # "gemalt" of "malte"
        found = [
            names
            for known, names in self._relations.items()
            for short, long in (sorted((known, stem), key=len),)
            if len(short) >= _VERB and long.startswith(short) and long[len(short) :] in _ENDINGS
        ]
        return found[0] if len(found) == 1 else {}


def _vocabulary(
    graph: Graph, language: Language
) -> dict[tuple[str, ...], dict[Kind, tuple[str, ...]]]:
    """By stems, the types, relations, attributes and metadata keys that are called so."""
    found: dict[tuple[str, ...], dict[Kind, tuple[str, ...]]] = {}

    def add(kind: Kind, name: str, phrases: Iterable[str]) -> None:
        for phrase in phrases:
            words = normalise(phrase.replace("_", " ")).split()
            stems = [terms(word, language) for word in words]
            whole = tuple("".join(s) or word for s, word in zip(stems, words, strict=True))
            bare = tuple("".join(s) for s in stems if s)
            for key in {whole, bare, tuple(words)} - {()}:
                names = found.setdefault(key, {})
                names[kind] = tuple(dict.fromkeys((*names.get(kind, ()), name)))

    for name, spellings in graph.types.items():
        declared = graph.schema.types.get(name)
        add("type", name, (name, *spellings, *(declared.aliases if declared else ())))
    for name, spellings in graph.relations.items():
        add("relation", name, (name, *spellings))
    for name in graph.has:
        add("attribute", name, (name,))
    for name in graph.keys:
        add("key", name, (name,))
    return found


def _names_in(words: list[str], graph: Graph) -> dict[str, dict[Kind, tuple[str, ...]]]:
    """By lower-case span: the entities called so, and the attributes that have it as a value."""
    spans = {
        " ".join(words[start:end])
        for start in range(len(words))
        for end in range(start + 1, min(start + _LONGEST, len(words)) + 1)
    }
    spans = {span for span in spans if "," not in span and ";" not in span}
    by_id = {stable_id("entity", normalise(span)): span.lower() for span in sorted(spans)}
    lower = sorted({span.lower() for span in spans})
    found: dict[str, dict[Kind, tuple[str, ...]]] = {}
    for (key,) in graph.entities.filter(pl.col("id").is_in([*by_id])).select("id").iter_rows():
        found[by_id[key]] = {"name": (by_id[key],)}
    spelled = pl.concat(
        [
            graph.entities.select(pl.col("name").str.to_lowercase().alias("word")),
            graph.entities.select(pl.col("aliases").alias("word"))
            .explode("word")
            .select(pl.col("word").str.to_lowercase()),
        ]
    )
    for word in spelled.filter(pl.col("word").is_in(lower))["word"].unique().sort():
        found.setdefault(word, {"name": (word,)})
    values = graph.attributes.filter(
        pl.col("value").str.to_lowercase().is_in(lower) & pl.col("number").is_null()
    ).select(pl.col("value").str.to_lowercase(), "name")
    for value, name in values.unique().sort("value", "name").iter_rows():
        means = found.setdefault(value, {})
        means["value"] = (*means.get("value", ()), name)
    return found
