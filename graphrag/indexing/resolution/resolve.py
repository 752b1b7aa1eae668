"""Resolve names to entities: which names are one, under which name, and why.

Names that are equal once normalised are one entity. Further joins come as pairs of names with a
reason: what corrections and then settings demand, the aliases that a text states where they are
unambiguous, and the pairs of `pairs` that a rule or a model decided. `never_join` wins over all
but corrections, along chains too. Similarity links are not transitive: each must connect to the
entity's most mentioned name.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from graphrag.core.errors import SettingsError
from graphrag.core.settings import ResolutionSettings
from graphrag.indexing.extraction.lexicon import HONORIFICS
from graphrag.indexing.resolution.corrections import NO_CORRECTIONS, Corrections
from graphrag.indexing.resolution.pairs import Pair
from graphrag.indexing.resolution.variants import gender, has_links
from graphrag.text import normalise

SAME_NAME = "same name"
ALIAS = "alias in the text"
ALWAYS_JOIN = "resolution.always_join"
NEVER_JOIN = "resolution.never_join"
NOT_ASKED = "no model was asked"
CORRECTED = "corrected by hand"
BY_CORRECTION, BY_SETTINGS, BY_TEXT, BY_RULE = "correction", "settings", "text", "rule"

JOINS = pl.Schema(
    {
        "alias": pl.String,
        "canonical": pl.String,
        "reason": pl.String,
        "via": pl.String,  # the name between the two, where they are not linked directly
        "score": pl.Float64,
        "decided_by": pl.String,  # correction, settings, text, rule or the model's name
        "note": pl.String,
    }
)
REFUSED = pl.Schema(
    {
        "first": pl.String,
        "second": pl.String,
        "reason": pl.String,
        "score": pl.Float64,
        "decided_by": pl.String,
        "note": pl.String,
    }
)


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
    refused: pl.DataFrame
    """Pairs that came near to a join, likely ones first, with the reason against it."""


def check_settings(settings: ResolutionSettings) -> None:
    """Raise SettingsError where `always_join` joins what `never_join` keeps apart."""
    sets = _Sets((), exempt=frozenset())
    for link in _demanded(settings):
        sets.join(link)
    for names in settings.never_join:
        held: dict[str, str] = {}
        for name in names:
            other = held.setdefault(sets.find(normalise(name)), name)
            if normalise(other) != normalise(name):
                raise SettingsError(
                    f"resolution.never_join keeps {other!r} and {name!r} apart, and "
                    "resolution.always_join makes them one",
                    hint="Remove one of the two names from one of the lists.",
                )


def resolve(
    mentions: Mapping[str, int],
    *,
    aliases: Sequence[tuple[str, str]],
    settings: ResolutionSettings,
    pairs: Sequence[Pair] = (),
    corrections: Corrections = NO_CORRECTIONS,
) -> Resolution:
    """Join the spellings in `mentions` (each with its number of mentions) into entities.

    `aliases` are pairs of an alias and the name that it stands for, `pairs` those that a rule or
    a model decided. An entity's name is its spelling with most mentions, ties by sort order, or
    the first of its `always_join` list, or what corrections call it.
    """
    pairs = sorted(pairs, key=_likelihood)
    lists = [*corrections.joined, *_lists(settings)]
    counts = dict.fromkeys((name for names in lists for name in names), 0)
    counts |= dict.fromkeys((alias for alias, _ in aliases), 0)
    counts |= mentions
    spelled = {name: normalise(name) for name in sorted(counts) if name.strip()}
    stated = {(normalise(alias), normalise(name)) for alias, name in aliases}
    demanded = [*_corrected(corrections), *_demanded(settings)]
    exempt = frozenset(name for link in demanded for name in (link.first, link.second))
    sets = _Sets(corrections.keep_apart(settings.never_join), exempt=exempt)
    refused: dict[Pair, str] = {}
    for link in demanded:
        sets.join(link)
    for link in _unambiguous(stated, sets, names=spelled.values()):
        sets.join(link)
    for pair in pairs:
        if pair.decision == "join" and pair.is_form and not sets.join(_link(pair)):
            refused[pair] = NEVER_JOIN
    _link_directly(pairs, sets, refused, _heads(counts, spelled, sets))
    chosen = {sets.find(normalise(names[0])): names[0] for names in reversed(lists)}
    return _named(counts, spelled, sets, chosen=chosen, near=_near(pairs, sets, refused))


@dataclass(frozen=True, slots=True, order=True)
class _Link:
    """Two normalised names that are one entity."""

    first: str
    second: str
    reason: str
    by: str
    score: float = 1.0
    note: str = ""


def _link(pair: Pair) -> _Link:
    return _Link(
        pair.first, pair.second, pair.reason, pair.decided_by or BY_RULE, pair.score, pair.note
    )


def _lists(settings: ResolutionSettings) -> list[list[str]]:
    lists = [[name for name in names if name.strip()] for names in settings.always_join]
    return [names for names in lists if names]


def _demanded(settings: ResolutionSettings) -> Iterator[_Link]:
    for first, *others in _lists(settings):
        for other in others:
            yield _Link(normalise(first), normalise(other), ALWAYS_JOIN, BY_SETTINGS)


def _corrected(corrections: Corrections) -> Iterator[_Link]:
    for first, *others in corrections.joined:
        for norm in map(normalise, others):
            if norm != normalise(first):
                yield _Link(normalise(first), norm, CORRECTED, BY_CORRECTION)


def _unambiguous(
    pairs: Iterable[tuple[str, str]], sets: _Sets, *, names: Iterable[str]
) -> list[_Link]:
    """The aliases that stand for one entity only; one that stands for two joins neither."""
    targets: defaultdict[str, set[str]] = defaultdict(set)
    aliases: defaultdict[str, set[str]] = defaultdict(set)
    for alias, name in pairs:
        if alias and name and alias != name:
            targets[alias].add(name)
            aliases[name].add(alias)
    seen = frozenset(names) | aliases.keys() | targets.keys()
    families = _families(seen)
    both = {
        name for name, held in aliases.items() if len({gender(alias) for alias in held} - {""}) > 1
    }
    return [
        _Link(alias, name, ALIAS, BY_TEXT)
        for alias, found in sorted(targets.items())
        if len({sets.find(name) for name in found}) == 1
        for name in sorted(found)
        if not (gender(alias) and name in both)
        and not _is_family_name(alias, name, families=families, seen=seen)
    ]


def _families(names: Iterable[str]) -> dict[str, set[str]]:
    """By family name: the first names that stand before it."""
    families: defaultdict[str, set[str]] = defaultdict(set)
    for norm in names:
        words = norm.split()
        while len(words) > 1 and words[0] in HONORIFICS:
            words = words[1:]
        if 1 < len(words) < 5 and not has_links(words):
            families[words[-1]].add(" ".join(words[:-1]))
    return families


def _is_family_name(
    alias: str, name: str, *, families: Mapping[str, set[str]], seen: Collection[str]
) -> bool:
    """Whether one of the two is a bare family name that may be somebody else's.

    "Mr. Armitage" is not "Armitage" where the texts know a Percy Armitage whom they never call
    "Mr. Percy Armitage".
    """
    short, long = sorted((alias, name), key=len)
    title, _, rest = long.partition(" ")
    if rest != short or " " in short or title not in HONORIFICS:
        return False
    first = families.get(short, ())
    return len(first) > 1 or any(f"{title} {given} {short}" not in seen for given in first)


def _heads(
    counts: Mapping[str, int], spelled: Mapping[str, str], sets: _Sets
) -> dict[str, tuple[int, str]]:
    """By set: mentions (negative) and spelling of its most mentioned name."""
    heads: dict[str, tuple[int, str]] = {}
    for name, norm in spelled.items():
        root, rank = sets.find(norm), (-counts[name], name)
        if root not in heads or rank < heads[root]:
            heads[root] = rank
    return heads


def _link_directly(
    pairs: Sequence[Pair],
    sets: _Sets,
    refused: dict[Pair, str],
    heads: Mapping[str, tuple[int, str]],
) -> None:
    """Join what resembles, likeliest first, each to the most mentioned name of its entity.

    Two entities are joined only when all parts of the lesser have a link of their own with that
    name, and nothing stands against any two of the parts.
    """
    part_of = {norm: sets.find(norm) for pair in pairs for norm in (pair.first, pair.second)}
    links: dict[frozenset[str], Pair] = {}
    against: set[frozenset[str]] = set()
    for pair in pairs:
        ends = frozenset((part_of[pair.first], part_of[pair.second]))
        if len(ends) == 2 and pair.decision == "refuse":
            against.add(ends)
        elif len(ends) == 2 and pair.decision == "join" and not pair.is_form:
            links[ends] = min(pair, links.get(ends, pair), key=_likelihood)
    parts: dict[str, list[str]] = {}
    for pair in sorted(links.values(), key=_likelihood):
        one, other = (
            parts.get(sets.find(norm)) or [part_of[norm]] for norm in (pair.first, pair.second)
        )
        if one is other:
            continue
        lesser, greater = sorted((one, other), key=lambda p: heads[p[0]], reverse=True)
        together = [*greater, *lesser]
        if any(frozenset((greater[0], part)) not in links for part in lesser):
            refused[pair] = f"nothing links it with {heads[greater[0]][1]!r} itself"
        elif any(frozenset((a, b)) in against for a in greater for b in lesser):
            refused[pair] = "another name of the entity is known to be something else"
        elif not sets.join(_link(pair)):
            refused[pair] = NEVER_JOIN
        else:
            for part in lesser:
                sets.join(_link(links[frozenset((greater[0], part))]))
            parts[sets.find(pair.first)] = together


def _likelihood(pair: Pair) -> tuple[float, str, str]:
    return (-pair.score, pair.first, pair.second)


def _near(
    pairs: Sequence[Pair], sets: _Sets, refused: Mapping[Pair, str]
) -> list[tuple[Pair, str]]:
    """The pairs that stayed apart, with what spoke against them."""
    return [
        (pair, refused.get(pair) or pair.note or (NOT_ASKED if pair.decision == "ask" else ""))
        for pair in pairs
        if sets.find(pair.first) != sets.find(pair.second)
    ]


class _Sets:
    """Disjoint sets of normalised names that keep forbidden pairs apart."""

    def __init__(self, never_join: Sequence[Sequence[str]], *, exempt: frozenset[str]) -> None:
        self._parent: dict[str, str] = {}
        # By root: which name of each `never_join` list the set holds; never two of one list.
        self._apart: dict[str, dict[int, str]] = {}
        self._exempt = exempt
        self.links: dict[str, list[_Link]] = {}
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

    def join(self, link: _Link) -> bool:
        """Whether the two are one now."""
        first, second = self.find(link.first), self.find(link.second)
        if first != second:
            one, other = self._marks(first), self._marks(second)
            if any(one[number] != other[number] for number in one.keys() & other):
                return False
            self._parent[max(first, second)] = min(first, second)
            if one or other:
                self._apart[min(first, second)] = one | other
        self.links.setdefault(link.first, []).append(link)
        self.links.setdefault(link.second, []).append(link)
        return True

    def _marks(self, root: str) -> dict[int, str]:
        marks = self._apart.get(root, {})
        if root not in self._exempt and -1 not in marks and (told := gender(root)):
            # Nobody is a lord by one name and a lady by another.
            marks = self._apart[root] = marks | {-1: told}
        return marks


def _named(
    counts: Mapping[str, int],
    spelled: Mapping[str, str],
    sets: _Sets,
    *,
    chosen: Mapping[str, str],
    near: Sequence[tuple[Pair, str]],
) -> Resolution:
    members: defaultdict[str, list[str]] = defaultdict(list)
    for name, key in spelled.items():
        members[sets.find(key)].append(name)
    found = _Entities()
    for root, spellings in members.items():
        if any(counts[name] for name in spellings):  # else known from settings or as an alias only
            best = chosen.get(root) or min(spellings, key=lambda name: (-counts[name], name))
            found.add(best, spellings, spelled, sets)
    refused = _refused(counts, spelled, near) if near else []
    return Resolution(
        found.canonical,
        found.names,
        found.aliases,
        pl.DataFrame(found.joins, schema=JOINS, orient="row").sort("alias", "canonical"),
        pl.DataFrame(refused, schema=REFUSED, orient="row"),
    )


def _refused(
    counts: Mapping[str, int], spelled: Mapping[str, str], near: Sequence[tuple[Pair, str]]
) -> list[tuple[str, str, str, float, str, str]]:
    """Rows of REFUSED: likely pairs of names that are often mentioned come first."""
    written: dict[str, str] = {}
    often: defaultdict[str, int] = defaultdict(int)
    for name in sorted(spelled, key=lambda name: (-counts[name], name)):
        written.setdefault(spelled[name], name)
        often[spelled[name]] += counts[name]
    ranked = sorted(
        near,
        key=lambda item: (
            -item[0].score * math.log2(1 + min(often[item[0].first], often[item[0].second])),
            item[0].first,
            item[0].second,
        ),
    )
    return [
        (written[p.first], written[p.second], p.reason, p.score, p.decided_by or BY_RULE, note)
        for p, note in ranked
    ]


@dataclass(slots=True)
class _Entities:
    canonical: dict[str, str] = field(default_factory=dict[str, str])
    names: dict[str, str] = field(default_factory=dict[str, str])
    aliases: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    joins: list[tuple[str, str, str, str, float, str, str]] = field(
        default_factory=list[tuple[str, str, str, str, float, str, str]]
    )

    def add(
        self, best: str, spellings: Sequence[str], spelled: Mapping[str, str], sets: _Sets
    ) -> None:
        key = spelled[best]
        self.names[key] = best
        self.aliases[key] = [name for name in spellings if name != best]
        for name in spellings:
            self.canonical[spelled[name]] = key
        if not self.aliases[key]:
            return
        written = {spelled[name]: name for name in reversed(spellings)} | {key: best}
        steps = _steps(key, sets)
        for name in self.aliases[key]:
            if spelled[name] == key:
                self.joins.append((name, best, SAME_NAME, "", 1.0, BY_RULE, ""))
                continue
            link, before = steps[spelled[name]]
            via = "" if before == key else written.get(before, before)
            self.joins.append((name, best, link.reason, via, link.score, link.by, link.note))


def _steps(key: str, sets: _Sets) -> dict[str, tuple[_Link, str]]:
    """How each name of the set is reached from `key`: the last link, and the name before it.

    What is one name in form comes first, so that likeness is crossed once at most.
    """
    steps: dict[str, tuple[_Link, str]] = {}
    reached: set[str] = set()
    edge: list[tuple[int, int, str, str, _Link | None]] = [(0, 0, key, "", None)]
    while edge:
        crossed, length, name, before, link = heapq.heappop(edge)
        if name in reached:
            continue
        reached.add(name)
        if link is not None:
            steps[name] = (link, before)
        for link in sets.links.get(name, ()):
            other = link.second if link.first == name else link.first
            if other not in reached:
                cost = crossed + (link.score < 1)
                heapq.heappush(edge, (cost, length + 1, other, name, link))
    return steps
