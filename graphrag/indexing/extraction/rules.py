"""Find names, phrases and what stands together in a text unit, without a model.

A pure function of the unit, its title, its headings and its language. What it finds is meant to
be merged: a phrase counts only when other units have it too, a hint (a word with a capital
letter at the start of a sentence) only when another unit knows it as a name, and weights are
derived from counts over all units.

Descriptions are left empty: they are sentences of the unit, given by their ordinals.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from graphrag.core.columns import CO_OCCURS
from graphrag.indexing.extraction.names import (
    Kind,
    Sentence,
    Span,
    find_definitions,
    find_names,
    guess_type,
    habits,
    is_person,
    tokenise,
    without_article,
)
from graphrag.indexing.extraction.phrases import find_phrases, recurring_runs
from graphrag.text import normalise, sentences
from graphrag.text.scripts import HAN
from graphrag.text.subjects import bare_title, heading_topic

# Name and version: the rules here and the sentences of `text` make the evidence what it is.
EXTRACTOR = "nlp:6"

_NAME_WINDOW = 4  # names after it in the sentence that a name is related to
_PHRASE_WINDOW = 2  # the same where one of the two is a phrase or a hint
_MAX_PHRASES = 24  # per unit
_MAX_NAME = 100  # characters
_RANK: dict[Kind, int] = {"title": 0, "name": 1, "phrase": 2, "hint": 3}
_QUOTED = re.compile("[《「『]([^《》「」『』\n]{2,40})[》」』]")


@dataclass(frozen=True, slots=True)
class RuleFindings:
    """Rows in the shapes that `tables.EVIDENCE` names; every value goes into JSON."""

    entities: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    relationships: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    claims: list[dict[str, object]] = field(default_factory=list[dict[str, object]])


@dataclass(slots=True)
class _Found:
    """One entity of the unit."""

    name: str
    kind: Kind
    type: str
    sentences: dict[int, None] = field(default_factory=dict[int, None])
    aliases: set[str] = field(default_factory=set[str])
    count: int = 0


def extract(text: str, *, title: str, headings: Sequence[str], language: str) -> RuleFindings:
    """What the text unit names and which names share a sentence.

    The title and the last heading are entities even when the text does not repeat them.
    """
    unit = _Unit(text, title, language)
    unit.add_title(title)
    unit.add_names()
    unit.add_phrases()
    unit.add_heading(headings)
    return unit.findings()


class _Unit:
    """The entities of one text, gathered rule by rule."""

    def __init__(self, text: str, title: str, language: str) -> None:
        self._text = text.replace("_", " ")  # marks emphasis in plain text
        self._spans = sentences(text)
        self._sentences = tokenise(text, self._spans, language)
        heads = tokenise(title, [(0, len(title))], language)
        self._habits = habits(self._text, self._sentences, heads[0], language)
        self._norms: dict[str, str] = {}
        self._found: dict[str, _Found] = {}
        # By sentence: first token and normalised name of what it mentions.
        self._places: list[list[tuple[int, str]]] = [[] for _ in self._spans]
        self._taken: list[dict[int, Span]] = [{} for _ in self._spans]

    def add_title(self, title: str) -> None:
        title = " ".join(title.split())
        key = self._norm(title)
        if not key:
            return
        bare = bare_title(title)
        kind = guess_type(self._norm(bare).split())
        found = self._found[key] = _Found(title, "title", kind)
        if bare == title and without_article(title) != title:
            found.aliases.add(without_article(title))
        # "Blood Street (film)" is what its own text calls "Blood Street".
        name, key = (title, key) if bare in ("", title) else (bare, self._norm(bare))
        wanted = self._tokens(name)
        # Several words with capitals are a name as they are.
        is_whole = " " in name and name != name.lower()
        for sentence, taken in zip(self._sentences, self._taken, strict=True):
            places = _occurrences(sentence, wanted)
            for first, last in places if is_whole else self._uncut(sentence, places):
                if kind == "name" and is_person(self._text, sentence, first, last):
                    kind = found.type = "person"
                taken[first] = Span(first, last, name, "name", kind)
                if name != title:
                    self._mention(sentence.ordinal, first, Span(first, last, title, "title", kind))

    def _uncut(
        self, sentence: Sentence, places: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, int]]:
        """Those `places` of a title that are no part of a longer name: "Saltgate Bridge".

        What opens a sentence before a title ("Later Saltgate") is no part of it, nor what surrounds
        a line of its own.
        """
        longer = list(find_names(self._text, sentence, self._habits, {})) if places else []
        for first, last in places:
            before = self._text[: sentence.starts[first]].rpartition("\n")[2]
            after = self._text[sentence.ends[last] :].partition("\n")[0]
            alone = not re.search(r"\w", before + after)
            if alone or not any(
                (one.first == first and one.last > last) or 0 < one.first < first <= one.last
                for one in longer
            ):
                yield first, last

    def add_names(self) -> None:
        for sentence, taken in zip(self._sentences, self._taken, strict=True):
            for span in find_definitions(self._text, sentence):
                taken.setdefault(span.first, span)
            for span in find_names(self._text, sentence, self._habits, taken):
                self._mention(sentence.ordinal, span.first, span)
        for ordinal, (start, end) in enumerate(self._spans):
            for match in _QUOTED.finditer(self._text, start, end):
                if HAN.search(match[1]):
                    self._mention(ordinal, match.start(), Span(0, 0, match[1], "name"))

    def add_phrases(self) -> None:
        places: dict[str, list[tuple[int, int]]] = {}
        written: dict[str, str] = {}
        for sentence in self._sentences:
            for first, phrase in find_phrases(self._text, sentence):
                key = self._norm(phrase)
                if key not in self._found:
                    places.setdefault(key, []).append((sentence.ordinal, first))
                    written.setdefault(key, phrase)
        if HAN.search(self._text):
            for run, ordinals in recurring_runs(self._text, self._spans).items():
                places[run] = [(ordinal, 0) for ordinal in ordinals]
                written.setdefault(run, run)
        often = Counter({key: len(where) for key, where in places.items() if key})
        for key, _ in often.most_common(_MAX_PHRASES):
            phrase = written[key]
            # Scripts without capitals have no other sign of a name than that it comes back.
            caseless = phrase.upper() == phrase.lower()
            recurs = len({ordinal for ordinal, _ in places[key]}) > 1
            kind: Kind = "name" if caseless and recurs else "phrase"
            for ordinal, first in places[key]:
                self._mention(ordinal, first, Span(first, first, phrase, kind, "concept"))

    def add_heading(self, headings: Sequence[str]) -> None:
        """The last heading, unless it only numbers or labels a part of the document."""
        heading = heading_topic(headings[-1]) if headings else ""
        key = self._norm(heading)
        if not key:
            return
        if key not in self._found:
            kind = guess_type(key.split())
            found = self._found[key] = _Found(heading, "phrase", kind)
            for sentence in self._sentences:
                for first, _ in _occurrences(sentence, self._tokens(heading)):
                    found.sentences[sentence.ordinal] = None
                    self._places[sentence.ordinal].append((first, key))

    def findings(self) -> RuleFindings:
        entities = [self._entity(found) for found in self._found.values()]
        pairs: dict[tuple[str, str], list[int]] = {}
        for ordinal, places in enumerate(self._places):
            for pair in _pairs(sorted(places), self._found):
                pairs.setdefault(pair, []).append(ordinal)
        relationships: list[dict[str, object]] = [
            {
                "source": self._found[source].name,
                "target": self._found[target].name,
                "type": CO_OCCURS,
                "description": "",
                "strength": len(ordinals),
                "sentences": ordinals,
            }
            for (source, target), ordinals in sorted(pairs.items())
        ]
        return RuleFindings(entities, relationships)

    def _mention(self, ordinal: int, place: int, span: Span) -> None:
        key = self._norm(span.name)
        if not key or len(span.name) > _MAX_NAME:
            return
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = _Found(span.name, span.kind, span.type)
        if _RANK[span.kind] < _RANK[found.kind]:
            found.name, found.kind = span.name, span.kind
        if found.type == "name" or (found.type == "concept" and span.kind == "name"):
            found.type = span.type
        found.aliases.update(span.aliases)
        found.sentences[ordinal] = None
        self._places[ordinal].append((place, key))

    def _entity(self, found: _Found) -> dict[str, object]:
        entity: dict[str, object] = {
            "name": found.name,
            "type": found.type,
            "description": "",
            "sentences": sorted(found.sentences),
            "kind": found.kind,
        }
        aliases = sorted(alias for alias in found.aliases if self._is_alias(alias, found.name))
        return entity | {"aliases": aliases} if aliases else entity

    def _is_alias(self, alias: str, name: str) -> bool:
        """One word of a longer name counts only where the text itself uses it alone."""
        key = self._norm(alias)
        inside = key in self._norm(name).split() and key not in self._found
        return bool(key) and key != self._norm(name) and not inside

    def _norm(self, name: str) -> str:
        known = self._norms.get(name)
        if known is None:
            known = self._norms[name] = normalise(name)
        return known

    def _tokens(self, name: str) -> list[str]:
        if not name:
            return []
        return tokenise(name, [(0, len(name))], "")[0].folded


def _occurrences(sentence: Sentence, wanted: Sequence[str]) -> list[tuple[int, int]]:
    """First and last tokens of the places where `sentence` has the words `wanted`."""
    size, folded = len(wanted), sentence.folded
    if not size or wanted[0] not in folded:
        return []
    wanted = list(wanted)
    return [
        (start, start + size - 1)
        for start in range(len(folded) - size + 1)
        if folded[start : start + size] == wanted
    ]


def _pairs(places: Sequence[tuple[int, str]], found: dict[str, _Found]) -> set[tuple[str, str]]:
    """Pairs of neighbours in one sentence: bounded, for a list of forty names relates none."""
    keys = list(dict.fromkeys(key for _, key in places))
    names = [key for key in keys if found[key].kind in ("title", "name")]
    pairs: set[tuple[str, str]] = set()
    for items, window in ((names, _NAME_WINDOW), (keys, _PHRASE_WINDOW)):
        for index, key in enumerate(items):
            for other in islice(items, index + 1, index + 1 + window):
                pairs.add((key, other) if key < other else (other, key))
    return pairs
