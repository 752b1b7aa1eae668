"""Link the entities that a question mentions: by name, by alias, by vector, by words."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from graphrag import text as analysis
from graphrag.core.answers import EntityHit
from graphrag.core.columns import stable_id
from graphrag.core.concurrency import together
from graphrag.query.context import Question, Resources
from graphrag.query.context.rows import EntityRow, UnitPlace
from graphrag.query.context.words import QuestionWords
from graphrag.query.search.basic import Embedded, search_vectors
from graphrag.text.scripts import UNSPACED

MAX_WORDS = 200  # of the question that are looked up
LONGEST_NAME = 8
LONGEST_UNSPACED = 10  # characters, in scripts without spaces
COMMON = 0.5  # trust in a name that the question writes as a common noun
SEARCHED = 40  # entities that full-text search brings, for their other names
BY_WORDS = 3  # entities that share a name's word with the question, at most

How = Literal["name", "alias", "vector", "words"]
# A name in the question is the best of reasons; a like meaning and a shared word are hints.
_TRUST: Mapping[How, float] = {"name": 1.0, "alias": 0.9, "vector": 0.5, "words": 0.3}


@dataclass(frozen=True, slots=True)
class Linked:
    """An entity of the question. `weight` grows with trust in the link and with rarity, 0 to 1."""

    id: str
    name: str
    type: str
    description: str
    n_mentions: int
    weight: float
    how: How

    @property
    def hit(self) -> EntityHit:
        return EntityHit(self.id, self.name, self.type, self.description)


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    name: str
    type: str
    aliases: tuple[str, ...]
    description: str
    n_mentions: int


@dataclass(frozen=True, slots=True)
class Found:
    """By id: entities that a text may be about, why, and how far that is to be trusted."""

    reasons: Mapping[str, tuple[_Row, How, float]]
    warnings: tuple[str, ...]


class _Said(NamedTuple):
    text_unit_id: str
    entity_id: str
    description: str | None


class _Names:
    """Every run of words of a text that can be a name, in canonical form."""

    def __init__(self, text: str) -> None:
        self.tokens = analysis.normalise(text).split()[:MAX_WORDS] if text.strip() else []
        self.spans: dict[str, list[tuple[int, int]]] = {}
        for start in range(len(self.tokens)):
            for end in range(start + 1, min(start + LONGEST_NAME, len(self.tokens)) + 1):
                self.spans.setdefault(" ".join(self.tokens[start:end]), []).append((start, end))
            for part in _unspaced(self.tokens[start]):
                self.spans.setdefault(part, []).append((start, start + 1))
        for word in [*self.spans]:
            if all(map(analysis.is_stop_word, word.split())):
                del self.spans[word]
        # The first word has a capital anyway.
        self.capitals = {
            analysis.normalise(word)
            for place, word in enumerate(analysis.words(text))
            if word[0].isupper() and (place or not analysis.is_stop_word(word))
        }

    def is_proper(self, name: str) -> bool:
        """Whether the text writes `name` as a name: with a capital, where it uses capitals."""
        uncased = name.upper() == name
        return uncased or not self.capitals or not self.capitals.isdisjoint(name.split())

    def longest(self, names: Iterable[str]) -> set[str]:
        """Those of `names` that do not stand wholly inside a longer one."""
        free = set(range(len(self.tokens)))
        chosen: set[str] = set()
        for name in sorted(names, key=lambda name: (-len(name.split()), -len(name), name)):
            for start, end in self.spans[name]:
                if free.intersection(range(start, end)):
                    free.difference_update(range(start, end))
                    chosen.add(name)
        return chosen


async def find(
    text: str,
    question: Question,
    resources: Resources,
    *,
    limit: int,
    embedded: Awaitable[Embedded],
) -> Found:
    """Whatever `text` may be about, before the rarity of its words is known."""
    names = _Names(text)
    async with together() as tasks:
        by_name = tasks.create_task(_find(names, text, question, resources))
        by_vector = tasks.create_task(
            search_vectors(
                "entities",
                text,
                question=question,
                resources=resources,
                k=limit,
                embedded=embedded,
            )
        )
    rows, named, hits = by_name.result()
    how: dict[str, tuple[How, float]] = {
        key: (reason, 1.0 if names.is_proper(name) else COMMON)
        for key, (reason, name) in named.items()
    }
    shared = [
        key
        for key in hits
        if key not in how
        and names.capitals.intersection(analysis.normalise(rows[key].name).split())
    ]
    for key in shared[:BY_WORDS]:
        how[key] = ("words", 1.0)
    similar, warnings = by_vector.result()
    rows |= await _load(resources, similar.keys() - rows.keys())
    for key, score in similar.items():
        if score > 0 and key in rows:
            how.setdefault(key, ("vector", score))
    return Found({key: (rows[key], *reason) for key, reason in how.items()}, tuple(warnings))


async def link(
    found: Found, words: QuestionWords, question: Question, resources: Resources, *, limit: int
) -> list[Linked]:
    """The entities that the question's text names, the surest first."""
    linked = [
        _linked(row, reason, share, words.n_units) for row, reason, share in found.reasons.values()
    ]
    linked = await _allowed(linked, question, resources)
    return sorted(linked, key=lambda one: (-one.weight, one.id))[:limit]


async def find_names(question: Question, resources: Resources) -> list[str]:
    """The entities that the question calls by a proper name, in its order."""
    names = _Names(question.text)
    rows, named, _ = await _find(names, question.text, question, resources)
    proper = {
        name: rows[key].name
        for key, (_, name) in named.items()
        if names.is_proper(name) and not rows[key].name[:1].islower()
    }
    return [proper[name] for name in names.spans if name in proper]


async def _find(
    names: _Names, text: str, question: Question, resources: Resources
) -> tuple[dict[str, _Row], dict[str, tuple[How, str]], list[str]]:
    """Entities by id, how and by which words those named were found, and what a search hit."""
    by_name = {stable_id("entity", name): name for name in names.spans}
    async with together() as tasks:
        so_named = tasks.create_task(_load(resources, by_name))
        searched = tasks.create_task(
            resources.store.search_text("entities", text, k=SEARCHED, filters=question.filters)
        )
    rows, found = so_named.result(), searched.result()
    known = {by_name[key]: key for key in rows}
    rows |= await _load(resources, [hit.id for hit in found if hit.id not in rows])
    hits = [hit.id for hit in found if hit.id in rows]
    aliases = {
        alias: key
        for key in reversed(hits)
        for alias in map(analysis.normalise, rows[key].aliases)
        if alias in names.spans and alias not in known
    }
    named: dict[str, tuple[How, str]] = {}
    for name in sorted(names.longest([*known, *aliases])):
        if name in known:
            named[known[name]] = ("name", name)
        else:
            named.setdefault(aliases[name], ("alias", name))
    return rows, named, hits


def rarity(n_mentions: int, n_units: int) -> float:
    """1 for an entity of one text unit, towards 0 for one that all units mention."""
    most = math.log(1 + n_units)
    return min(1.0, math.log(1 + n_units / max(1, n_mentions)) / most) if most else 1.0


def _linked(row: _Row, how: How, share: float, n_units: int) -> Linked:
    weight = round(_TRUST[how] * share * rarity(row.n_mentions, n_units), 6)
    return Linked(row.id, row.name, row.type, row.description, row.n_mentions, weight, how)


async def _load(resources: Resources, ids: Iterable[str]) -> dict[str, _Row]:
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = await resources.store.rows("entities", EntityRow, where=("id", wanted))
    return {
        key: _Row(key, name, kind or "", tuple(aliases or ()), description or "", n_mentions)
        for key, name, kind, aliases, description, n_mentions in rows
    }


async def _allowed(linked: list[Linked], question: Question, resources: Resources) -> list[Linked]:
    """With filters: those that a matching document mentions, with what it says of them."""
    if not question.filters or not linked:
        return linked
    store = resources.store
    documents = await store.matching_documents(question.filters)
    units = await store.rows("text_units", UnitPlace, where=("document_id", documents))
    ids = [one.id for one in linked]
    mentions = await store.rows("mentions", _Said, where=("entity_id", ids))
    allowed = {unit.id for unit in units}
    said: dict[str, list[str]] = {}
    for unit, entity, description in mentions:
        if unit in allowed:
            said.setdefault(entity, []).append(description or "")
    return [
        replace(one, description=" ".join(filter(None, dict.fromkeys(said[one.id]))))
        for one in linked
        if one.id in said
    ]


def _unspaced(token: str) -> Iterable[str]:
    """Parts of a run of characters that sets no spaces between words."""
    if token.isascii() or not UNSPACED.search(token):
        return
    for start in range(len(token)):
        for end in range(start + 2, min(start + LONGEST_UNSPACED, len(token)) + 1):
            yield token[start:end]
