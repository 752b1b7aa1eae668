"""Rank text units by their best chain of two or three hops.

Units that match the question's words or are about a name in it are the seeds. Each seed is
extended by one hop over the names it shares with other units; a hop is worth what the new unit
adds of the question's words, and how strong the link is: how rare the name, whether one unit is
about it, and whether the sentence that names it speaks of what is asked. The best of these chains
are extended once more, to what adds words of the question still. No model is needed.

Chains need a place to start. In a collection of articles, whose units mostly begin by saying what
something is, every question has one. Elsewhere a question is anchored when the names in it that
few units are about carry enough of its weight; for others (most of those about talk and news) a
hop leads away from the units that fit by their words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphrag import text as analysis
from graphrag.stores.arrays.path_index import FEW_OWNERS, PathIndex, find_names
from graphrag.text.subjects import TITLE

Scores = NDArray[np.float64]

SEEDS = 10  # units to extend
HOPS = 5  # best extensions of each
LONGER = 5  # best chains, to extend once more
FURTHER = 0.7  # of such a chain
MIN_ADDED = 0.05  # of the question's weight, that its last unit must add
CANDIDATES = 60  # units that can be ranked by more than their words
IDF_POWER = 1.5
OWNED = 0.8  # of a unit about a name in the question
LINK = 0.4
NEW_WORDS = 0.5  # of the question, in the unit that the hop adds
SPOKEN_OF = 1.0  # question words in the sentence that names the link
ANSWERED = 0.8  # those that the seed lacks, in the sentence or fact at the far end that names it
RARITY_POWER = 2.0
BACKWARD = 0.25  # from the unit about a name to one that mentions it
SHARED = 0.2  # between two units that only mention it
ASKED = 0.5  # a name of the question itself leads nowhere new
SIMILAR = 0.45  # of the unit nearest by vector, as in `basic`
DAMPING = 0.5
PAGERANK_STEPS = 12  # what is left to move is below DAMPING ** 12
MAX_SHARED = 60  # units; a name in more of them links nothing but its owners
MAX_MENTIONED = 5  # units; a name in more of them says nothing of two that only mention it
MIN_LINKED = 0.02  # share of the units that are about something another unit mentions
MIN_OWNED = 0.15  # of the question's weight, in names that few units are about, anchors it
MIN_BALANCED = 0.05  # of the question's weight; a name of less is a word that is a name elsewhere
MOSTLY_ARTICLES = 0.5  # of the units say what something is: there every question is anchored
MAX_OPENING = 10  # units; a name in more of them belongs to none that merely opens with it


@dataclass(frozen=True, slots=True)
class RankedChains:
    """Unit numbers, best first, and their scores.

    `gain`: what the best chain added to its seed; `asked`: the nodes that the question names.
    """

    units: list[int]
    scores: list[float]
    gain: float
    asked: list[int]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What chains are weighed by: of each term, of each term in each unit, of each unit."""

    weights: Scores
    cover: Scores  # terms, units
    own: Scores
    allowed: NDArray[np.bool_] | None


class _Hop(NamedTuple):
    unit: int
    value: float
    added: float  # of the question's weight


class ChainSearch:
    """A question as the arrays read it: asked first whether it is anchored, then for units."""

    def __init__(self, index: PathIndex, question: str) -> None:
        self.index = index
        self.n = len(index.units)
        spoken = [
            term for language in index.languages for term in analysis.terms(question, language)
        ]
        found = {term: index.terms.find(term) for term in dict.fromkeys(spoken)}
        self.terms = [number for number in found.values() if number >= 0]
        self.share = self._shares()
        self.words = analysis.words(question)
        self.asked = self._nodes()
        self._balance()

    def _nodes(self) -> set[int]:
        names = find_names(self.words, self.index.names.has, capitals=False)
        return {int(self.index.name_nodes[self.index.names.find(name)]) for name in names}

    def _balance(self) -> None:
        """Let the names in a question count alike: of two compared, one may be a long title."""
        masses = {node: self._mass([node]) for node in sorted(self.asked) if self._is_owned(node)}
        masses = {node: mass for node, mass in masses.items() if mass >= MIN_BALANCED}
        if len(masses) < 2:
            return
        mean = math.fsum(masses.values()) / len(masses)
        heaviest: dict[int, float] = {}
        for node, mass in masses.items():
            for term in self.index.node_terms[node].tolist():
                heaviest[term] = max(mass, heaviest.get(term, 0.0))
        for term in heaviest.keys() & self.share.keys():
            self.share[term] *= mean / heaviest[term]

    def is_anchored(self) -> bool:
        """Whether chains lead anywhere, and the question has something that they can start from."""
        if self.index.linked_share() < MIN_LINKED:
            return False
        if self.index.defining_share() >= MOSTLY_ARTICLES:
            return bool(self.terms)
        return self._mass(filter(self._is_owned, self.asked)) >= MIN_OWNED

    def anchors(self) -> list[str]:
        """The names in the question that few units are about, the weightiest first."""
        owned = sorted(filter(self._is_owned, self.asked), key=lambda node: -self._mass([node]))
        return [self.index.spelling(node) for node in owned]

    def _is_owned(self, node: int) -> bool:
        """Whether a few units are about it: by their title, or as few others mention it."""
        owners = self.index.node_owners.span(node)
        if not 1 <= owners.stop - owners.start <= FEW_OWNERS:
            return False
        if bool((self.index.owner_weights[owners] >= TITLE).any()):
            return True
        defined = bool(self.index.owner_defines[owners].any())
        return defined and self.index.node_units.length(node) <= MAX_OPENING

    def _mass(self, nodes: Iterable[int]) -> float:
        """The share of the question's weight that these names carry together."""
        terms = {int(term) for node in nodes for term in self.index.node_terms[node]}
        return math.fsum(self.share.get(term, 0.0) for term in terms)

    def _shares(self) -> dict[int, float]:
        """By question term: its part of the question's weight, more for rarer terms."""
        df = np.array([self.index.term_units.length(term) for term in self.terms], dtype=float)
        idf = np.log(1 + (self.n - df + 0.5) / (df + 0.5)) ** IDF_POWER
        total = float(idf.sum()) or 1.0
        return {term: float(value) / total for term, value in zip(self.terms, idf, strict=True)}

    def rank(
        self,
        limit: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        similar: Mapping[str, float] | None = None,
    ) -> RankedChains:
        """The best `limit` units. `allowed` marks the units that may be used; `similar` has the
        cosine of the nearest units, by id."""
        weights = np.array([self.share[term] for term in self.terms])
        cover = self._coverage()
        own = self._ownership()
        base = _weighed(weights, cover) + OWNED * own
        self._add_similar(base, similar or {})
        if allowed is not None:
            base[~allowed] = 0.0
        order = _best(base, CANDIDATES)
        best = {int(unit): float(base[unit]) for unit in order}
        gain = 0.0
        pairs: list[tuple[float, int, int]] = []
        asked = _Asked(weights, cover, own, allowed)
        for seed in map(int, order[:SEEDS]):
            for hop in self._hops(seed, cover[:, seed], asked):
                chain = float(base[seed]) + hop.value
                pairs.append((chain, seed, hop.unit))
                best[hop.unit] = max(best.get(hop.unit, 0.0), chain)
                best[seed] = max(best[seed], chain)
                gain = max(gain, chain - float(base[seed]))
        for chain, seed, unit in sorted(pairs, key=lambda pair: (-pair[0], *pair[1:]))[:LONGER]:
            for hop in self._hops(unit, np.maximum(cover[:, seed], cover[:, unit]), asked):
                if hop.unit != seed and hop.added >= MIN_ADDED:
                    longer = FURTHER * (chain + hop.value)
                    best[hop.unit] = max(best.get(hop.unit, 0.0), longer)
        total = {unit: float(base[unit]) + chain for unit, chain in best.items()}
        ranked = sorted(total, key=lambda unit: (-total[unit], unit))[:limit]
        scores = [total[unit] for unit in ranked]
        if len(ranked) < limit and ranked:
            self._fill(ranked, scores, limit, allowed)
        return RankedChains(ranked, scores, gain, sorted(self.asked))

    def _add_similar(self, base: Scores, similar: Mapping[str, float]) -> None:
        """Vectors count as far as a unit is nearer than the last of the nearest ones."""
        if not similar:
            return
        low, high = min(similar.values()), max(similar.values())
        for key, cosine in similar.items():
            unit = self.index.units.find(key)
            if unit >= 0:
                base[unit] += SIMILAR * (cosine - low) / ((high - low) or 1.0)

    def _fill(
        self,
        ranked: list[int],
        scores: list[float],
        limit: int,
        allowed: NDArray[np.bool_] | None,
    ) -> None:
        """Units that no chain reached, by personalised PageRank from those that one did."""
        rest = pagerank(self.index, dict(zip(ranked, scores, strict=True)))
        rest[ranked] = 0.0
        if allowed is not None:
            rest[~allowed] = 0.0
        lowest = scores[-1]
        for unit in _best(rest, limit - len(ranked)):
            ranked.append(int(unit))
            scores.append(lowest * float(rest[unit]))

    def _coverage(self) -> Scores:
        """Saturated frequency of each question term in each unit, shape (terms, units)."""
        cover = np.zeros((len(self.terms), self.n))
        for row, term in enumerate(self.terms):
            span = self.index.term_units.span(term)
            cover[row, self.index.term_units.items[span]] = self.index.term_weights[span]
        return cover

    def _ownership(self) -> Scores:
        """How far each unit is about a name in the question, by the weight of the name's words."""
        own = np.zeros(self.n)
        for node in self.asked:
            mass = self._mass([node])
            span = self.index.node_owners.span(node)
            units = self.index.node_owners.items[span]
            own[units] = np.maximum(own[units], self.index.owner_weights[span] * mass)
        return own

    def _hops(self, unit: int, held: Scores, asked: _Asked) -> list[_Hop]:
        """The best hops from `unit`; `held`: how far the chain up to it has each term."""
        units, worth = self._links(unit, held == 0)
        if asked.allowed is not None:
            units, worth = units[asked.allowed[units]], worth[asked.allowed[units]]
        added = _weighed(asked.weights, np.maximum(asked.cover[:, units] - held[:, None], 0))
        value = NEW_WORDS * (added + OWNED * asked.own[units]) + worth
        return [
            _Hop(int(units[place]), float(value[place]), float(added[place]))
            for place in np.argsort(-value, kind="stable")[:HOPS]
        ]

    def _links(self, seed: int, is_missing: NDArray[np.bool_]) -> tuple[NDArray[np.intp], Scores]:
        """Units one hop from `seed`, ascending, and what the best link to each is worth.

        `is_missing` marks the terms of the question that the seed lacks.
        """
        index = self.index
        spoken = self._spoken(seed)
        wanted = np.zeros(len(index.terms))
        for term, missing in zip(self.terms, is_missing.tolist(), strict=True):
            wanted[term] = self.share[term] if missing else 0.0
        is_linked = np.zeros(self.n, dtype=np.bool_)
        strength, answered = np.zeros(self.n), np.zeros(self.n)
        for node in map(int, index.unit_nodes[seed]):
            units = index.node_units[node]
            if len(units) < 2:
                continue
            rarity = self._rarity(len(units))
            value = rarity + SPOKEN_OF * spoken.get(node, 0.0)
            if node in self.asked:
                value *= ASKED
            elif len(units) <= MAX_SHARED:
                self._answer(node, wanted, rarity, answered)
            span = index.node_owners.span(node)
            owners, weights = index.node_owners.items[span], index.owner_weights[span]
            shared = 1 / max(1, len(owners))
            is_linked[owners] = True
            strength[owners] = np.maximum(strength[owners], value * shared * weights)
            is_owner = float(weights[owners == seed].sum())
            if len(units) <= (MAX_SHARED if is_owner else MAX_MENTIONED):
                value *= BACKWARD * is_owner * shared if is_owner else SHARED
                is_linked[units] = True
                strength[units] = np.maximum(strength[units], value)
        is_linked |= answered > 0
        is_linked[seed] = False
        units = np.flatnonzero(is_linked)
        return units, LINK * strength[units] + ANSWERED * answered[units]

    def _answer(self, node: int, wanted: Scores, rarity: float, answered: Scores) -> None:
        """Raise what each unit has in `answered` to the `wanted` words beside the node's name."""
        index = self.index
        sentences = index.node_sentences[node]
        terms = index.sentence_terms.take(sentences)
        own = index.node_terms[node]
        kept = wanted[own]
        wanted[own] = 0.0
        row = np.repeat(np.arange(len(sentences)), terms.lengths())
        values = np.bincount(row, wanted[terms.items], len(sentences))
        wanted[own] = kept
        units = np.searchsorted(index.unit_sentences, sentences, side="right") - 1
        np.maximum.at(answered, units, rarity * values)

    def _spoken(self, unit: int) -> dict[int, float]:
        """By node named in `unit`: the question words in the sentence that names it best."""
        index = self.index
        spoken: dict[int, float] = {}
        first, end = index.unit_sentences[unit : unit + 2]
        for sentence in range(int(first), int(end)):
            hit = [t for t in index.sentence_terms[sentence].tolist() if t in self.share]
            if not hit:
                continue
            for node in index.sentence_nodes[sentence].tolist():
                own = set(index.node_terms[node].tolist())
                value = sum(self.share[term] for term in hit if term not in own)
                spoken[node] = max(spoken.get(node, 0.0), value)
        return spoken

    def _rarity(self, n_units: int) -> float:
        scale = math.log(1 + self.n)
        return (math.log(1 + self.n / n_units) / scale) ** RARITY_POWER


def pagerank(index: PathIndex, seeds: Mapping[int, float]) -> Scores:
    """Personalised PageRank of the units (damping 0.5, as HippoRAG 2) from weighted seeds.

    A walk steps from a unit to a name in it, and from there to a unit that names it.
    """
    n_nodes = len(index.node_units.ends) - 1
    start = np.zeros(len(index.units))
    start[list(seeds)] = list(seeds.values())
    start /= start.sum() or 1.0
    names_of = np.maximum(index.unit_nodes.lengths(), 1)
    units_of = np.maximum(index.node_units.lengths(), 1)
    from_unit = np.repeat(np.arange(len(index.units)), index.unit_nodes.lengths())
    to_node = index.unit_nodes.items
    rank = start
    for _ in range(PAGERANK_STEPS):
        at_nodes = np.bincount(to_node, (rank / names_of)[from_unit], n_nodes)
        at_units = np.bincount(from_unit, (at_nodes / units_of)[to_node], len(start))
        rank = (1 - DAMPING) * start + DAMPING * at_units
    return rank


def _best(scores: Scores, count: int) -> NDArray[np.intp]:
    """The positions of the `count` best scores above zero, best first, ties by position."""
    positive = np.flatnonzero(scores > 0)
    if len(positive) > count > 0:
        bound = np.partition(scores[positive], -count)[-count]
        positive = positive[scores[positive] >= bound]
    return positive[np.argsort(-scores[positive], kind="stable")][:count]


def _weighed(weights: Scores, rows: Scores) -> Scores:
    """The weighted sum of `rows`, in their order: a matrix product may sum in another."""
    total = np.zeros(rows.shape[1])
    for weight, row in zip(weights, rows, strict=True):
        total += weight * row
    return total
