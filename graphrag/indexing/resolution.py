"""Names in, entities out: which names are one entity, under which name, and why.

Names that are equal once normalised are one entity. Further joins come as candidates, pairs of
names with a reason, that all go through one union step: first what the settings demand, then the
aliases that extractors give where they are unambiguous. `never_join` wins over both, along
chains too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from graphrag.settings import ResolutionSettings
from graphrag.text import normalise

SAME_NAME = "same name"
ALIAS = "alias in the text"
ALWAYS_JOIN = "resolution.always_join"

JOINS = pl.Schema({"alias": pl.String, "canonical": pl.String, "reason": pl.String})


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two normalised names that may be one entity."""

    first: str
    second: str
    reason: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """What `resolve` decided."""

    canonical: Mapping[str, str]
    """By normalised name: the normalised name of its entity."""
    names: Mapping[str, str]
    """By normalised name of an entity: its name."""
    aliases: Mapping[str, list[str]]
    """By normalised name of an entity: its other spellings, sorted."""
    joins: pl.DataFrame
    """Every spelling that is not the entity's name, with the reason why it belongs to it."""


def resolve(
    mentions: Mapping[str, int],
    *,
    aliases: Sequence[tuple[str, str]],
    settings: ResolutionSettings,
) -> Resolution:
    """Join the spellings in `mentions` (each with its number of mentions) into entities.

    `aliases` are pairs of an alias and the name that it stands for. An entity's name is its
    spelling with most mentions, ties by sort order, or the first of its `always_join` list.
    """
    counts = dict.fromkeys((name for names in settings.always_join for name in names), 0)
    counts |= dict.fromkeys((alias for alias, _ in aliases), 0)
    counts |= mentions
    spelled = {name: normalise(name) for name in sorted(counts) if name.strip()}
    pairs = {(normalise(alias), normalise(name)) for alias, name in aliases}
    sets = _Sets(settings.never_join)
    for candidate in _demanded(settings):
        sets.join(candidate)
    for candidate in _unambiguous(pairs, sets):
        sets.join(candidate)
    chosen = {sets.find(normalise(names[0])): names[0] for names in reversed(_lists(settings))}
    return _named(counts, spelled, sets, chosen)


def _lists(settings: ResolutionSettings) -> list[list[str]]:
    lists = [[name for name in names if name.strip()] for names in settings.always_join]
    return [names for names in lists if names]


def _demanded(settings: ResolutionSettings) -> Iterator[Candidate]:
    for first, *others in _lists(settings):
        for other in others:
            yield Candidate(normalise(first), normalise(other), ALWAYS_JOIN)


def _unambiguous(pairs: Iterable[tuple[str, str]], sets: _Sets) -> list[Candidate]:
    """The aliases that stand for one entity only; one that stands for two joins neither."""
    targets: defaultdict[str, set[str]] = defaultdict(set)
    for alias, name in pairs:
        if alias and name and alias != name:
            targets[alias].add(name)
    return [
        Candidate(alias, name, ALIAS)
        for alias, names in sorted(targets.items())
        if len({sets.find(name) for name in names}) == 1
        for name in sorted(names)
    ]


class _Sets:
    """Disjoint sets of normalised names that keep forbidden pairs apart."""

    def __init__(self, never_join: Sequence[Sequence[str]]) -> None:
        self._parent: dict[str, str] = {}
        # By root: which name of each `never_join` list the set holds; never two of one list.
        self._apart: dict[str, dict[int, str]] = {}
        self.reasons: dict[str, str] = {}
        for number, names in enumerate(never_join):
            for name in names:
                key = normalise(name)
                self._apart.setdefault(key, {})[number] = key

    def find(self, name: str) -> str:
        root = name
        while (parent := self._parent.get(root, root)) != root:
            root = parent
        while (parent := self._parent.get(name, name)) != root:
            self._parent[name] = root
            name = parent
        return root

    def join(self, candidate: Candidate) -> None:
        first, second = self.find(candidate.first), self.find(candidate.second)
        one, other = self._apart.get(first, {}), self._apart.get(second, {})
        if first == second or any(one[number] != other[number] for number in one.keys() & other):
            return
        self._parent[max(first, second)] = min(first, second)
        if one or other:
            self._apart[min(first, second)] = one | other
        self.reasons.setdefault(candidate.first, candidate.reason)
        self.reasons.setdefault(candidate.second, candidate.reason)


def _named(
    counts: Mapping[str, int],
    spelled: Mapping[str, str],
    sets: _Sets,
    chosen: Mapping[str, str],
) -> Resolution:
    members: defaultdict[str, list[str]] = defaultdict(list)
    for name, key in spelled.items():
        members[sets.find(key)].append(name)
    canonical: dict[str, str] = {}
    names: dict[str, str] = {}
    aliases: dict[str, list[str]] = {}
    joins: list[tuple[str, str, str]] = []
    for root, spellings in members.items():
        if not any(counts[name] for name in spellings):
            continue  # known from settings or as an alias only
        best = chosen.get(root) or min(spellings, key=lambda name: (-counts[name], name))
        key = spelled[best]
        names[key] = best
        aliases[key] = [name for name in spellings if name != best]
        for name in spellings:
            canonical[spelled[name]] = key
        for name in aliases[key]:
            same = spelled[name] == key
            reason = SAME_NAME if same else sets.reasons.get(spelled[name], ALIAS)
            joins.append((name, best, reason))
    frame = pl.DataFrame(joins, schema=JOINS, orient="row").sort("alias", "canonical")
    return Resolution(canonical, names, aliases, frame)
