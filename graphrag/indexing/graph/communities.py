"""Find the hierarchical communities of a graph.

Level 0 is the coarsest. A community above `max_cluster_size` is clustered alone, on its own
edges, and its parts are communities of the next level; all others end where they are. Because
a part sees its own edges only, a change in one place leaves the communities elsewhere as they
were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graphrag.core.settings import CommunitySettings
from graphrag.core.tables import COMMUNITIES, empty, stable_id

STABLE_SHARE = 0.99  # an old partition is kept while it reaches this share of a fresh one's quality
RANDOMNESS = 0.001  # graspologic's own default
ITERATIONS = 2  # Leiden rounds; leidenalg's and igraph's own default

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Network:
    """An undirected weighted graph: node i is row `nodes[i]` of the whole, edges `a < b`."""

    nodes: Ints
    a: Ints
    b: Ints
    weight: Floats
    parent: str | None = None

    @property
    def size(self) -> int:
        return len(self.nodes)


Leiden: TypeAlias = Callable[[_Network, CommunitySettings, Ints | None], Ints]


def detect(
    relationships: pl.DataFrame,
    *,
    settings: CommunitySettings,
    previous: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The communities of the graph, sorted by id; entities without a relationship are in none.

    `previous` communities stay as they are, with new entities added to them, where they still
    reach 99% of a fresh partition's quality; else they seed the search.
    (Traag, Waltman, van Eck: From Louvain to Leiden, 2019.)
    """
    names, whole = _network(relationships)
    if not names:
        return empty("communities")
    old = _old_labels(previous, names)
    rows: list[tuple[str, int, str | None, int, list[str]]] = []
    level, networks = 0, [whole]
    while networks:
        seeds = old[level] if level < len(old) else None
        found: list[_Network] = []
        for network in networks:
            labels = _partition(network, settings, seeds)
            if network.parent is not None and not labels.any():
                continue  # it does not divide further
            for part in _parts(network, labels):
                members = [names[node] for node in _ints(part.nodes)]
                key = stable_id("community", str(level), *members)
                rows.append((key, level, network.parent, part.size, members))
                if part.size > settings.max_cluster_size:
                    found.append(_Network(part.nodes, part.a, part.b, part.weight, key))
        level, networks = level + 1, found
    return pl.DataFrame(rows, schema=COMMUNITIES, orient="row").sort("id")


def graph_hash(relationships: pl.DataFrame, settings: CommunitySettings) -> str:
    """Equal for two graphs whose communities `detect` finds equal."""
    pairs = _pairs(relationships).select(pl.concat_str("a", "b", "weight", separator="\t"))
    options = settings.model_dump_json(exclude={"update", "min_report_size"})
    return stable_id("graph", options, "\n".join(pairs.to_series().to_list()))


def modularity(relationships: pl.DataFrame, communities: pl.DataFrame) -> float:
    """Newman's modularity of the coarsest communities, at most 1."""
    names, network = _network(relationships)
    labels = _old_labels(communities, names)
    return _quality(network, _alone(labels[0]), CommunitySettings()) if labels else 0.0


def _pairs(relationships: pl.DataFrame) -> pl.DataFrame:
    """One weight for each pair, over directions and types; `a < b`, sorted."""
    return (
        relationships.filter(
            pl.col("source_id") != pl.col("target_id"),
            pl.col("weight").is_finite(),
            pl.col("weight") > 0,
        )
        .select(
            pl.min_horizontal("source_id", "target_id").alias("a"),
            pl.max_horizontal("source_id", "target_id").alias("b"),
            "weight",
        )
        .sort("a", "b", "weight")
        .group_by("a", "b", maintain_order=True)
        .agg(pl.col("weight").sum())
    )


def _network(relationships: pl.DataFrame) -> tuple[list[str], _Network]:
    """The names of the nodes, sorted, and the graph over their positions."""
    pairs = _pairs(relationships)
    names = pl.concat([pairs["a"], pairs["b"]]).unique().sort()
    index = pl.DataFrame({"name": names}).with_row_index("position")
    edges = (
        pairs.join(index.rename({"name": "a", "position": "i"}), on="a")
        .join(index.rename({"name": "b", "position": "j"}), on="b")
        .sort("i", "j")
    )
    return names.to_list(), _Network(
        np.arange(len(names), dtype=np.int64),
        edges["i"].cast(pl.Int64).to_numpy(),
        edges["j"].cast(pl.Int64).to_numpy(),
        edges["weight"].to_numpy(),
    )


def _old_labels(previous: pl.DataFrame | None, names: list[str]) -> list[Ints]:
    """By level: the old community of each node as a number, -1 where it had none."""
    if previous is None or previous.is_empty():
        return []
    index = pl.DataFrame({"entity_ids": names}, schema={"entity_ids": pl.String}).with_row_index(
        "position"
    )
    levels = list[Ints]()
    members = (
        previous.sort("id")
        .with_row_index("label")
        .select("label", "level", "entity_ids")
        .explode("entity_ids")
        .join(index, on="entity_ids")
    )
    for (_level,), rows in members.sort("level").group_by("level", maintain_order=True):
        labels = np.full(len(names), -1, dtype=np.int64)
        labels[rows["position"].to_numpy()] = rows["label"].to_numpy()
        levels.append(labels)
    return levels


def _partition(network: _Network, settings: CommunitySettings, seeds: Ints | None) -> Ints:
    """A community number for each node, from 0; every community is connected."""
    leiden = _backend(settings)
    fresh = _connected(network, leiden(network, settings, None))
    old = None if seeds is None else seeds[network.nodes]
    if old is None or not (old >= 0).any():
        return fresh
    quality = _quality(network, fresh, settings)
    enough = quality - (1 - STABLE_SHARE) * abs(quality)
    kept = _connected(network, _placed(network, old))
    if _quality(network, kept, settings) >= enough:
        return kept
    moved = _connected(network, leiden(network, settings, kept))
    return moved if _quality(network, moved, settings) >= enough else fresh


def _placed(network: _Network, labels: Ints) -> Ints:
    """Old `labels`, and for each node without one that of the community it is most tied to.

    Those that are tied to no old one are a community of their own.
    """
    labels = labels.copy()
    source = np.concatenate([network.a, network.b])
    target = np.concatenate([network.b, network.a])
    weight = np.concatenate([network.weight, network.weight])
    own = labels.max() + 1
    while True:
        led = (labels[source] < 0) & (labels[target] >= 0)
        if not led.any():
            labels[labels < 0] = own
            return labels
        ties, at = np.unique(source[led] * own + labels[target[led]], return_inverse=True)
        nodes, communities = np.divmod(ties, own)
        strongest = np.lexsort((communities, -np.bincount(at, weight[led]), nodes))
        first = np.unique(nodes[strongest], return_index=True)[1]
        labels[nodes[strongest][first]] = communities[strongest][first]


def _backend(settings: CommunitySettings) -> Leiden:
    match settings.backend:
        case "graspologic":
            return _graspologic
        case "leidenalg":
            return _leidenalg
        case "igraph":
            return _igraph


def _graspologic(network: _Network, settings: CommunitySettings, start: Ints | None) -> Ints:
    import graspologic_native

    keys = [str(node) for node in range(network.size)]
    ends = zip(_ints(network.a), _ints(network.b), _floats(network.weight), strict=True)
    _, found = graspologic_native.leiden(
        [(keys[a], keys[b], weight) for a, b, weight in ends],
        starting_communities=None if start is None else dict(zip(keys, _ints(start), strict=True)),
        resolution=settings.resolution,
        randomness=RANDOMNESS,
        iterations=ITERATIONS,
        use_modularity=settings.objective == "modularity",
        seed=_seed(settings),
    )
    return np.fromiter((found[key] for key in keys), dtype=np.int64, count=network.size)


def _leidenalg(network: _Network, settings: CommunitySettings, start: Ints | None) -> Ints:
    import igraph
    import leidenalg

    kind = (
        leidenalg.RBConfigurationVertexPartition
        if settings.objective == "modularity"
        else leidenalg.CPMVertexPartition
    )
    found = leidenalg.find_partition(
        igraph.Graph(n=network.size, edges=_pairs_of(network)),
        kind,
        weights=_floats(network.weight),
        initial_membership=None if start is None else _ints(start),
        n_iterations=ITERATIONS,
        seed=_seed(settings),
        resolution_parameter=settings.resolution,
    )
    return np.asarray(found.membership, dtype=np.int64)


def _igraph(network: _Network, settings: CommunitySettings, start: Ints | None) -> Ints:
    import random

    import igraph

    graph = igraph.Graph(n=network.size, edges=_pairs_of(network))
    # igraph draws from one generator for the whole process: lend it ours, then give it back
    # the one that it starts with.
    igraph.set_random_number_generator(random.Random(_seed(settings)))
    try:
        found = graph.community_leiden(
            objective_function="modularity" if settings.objective == "modularity" else "CPM",
            weights=_floats(network.weight),
            resolution=settings.resolution,
            initial_membership=None if start is None else _ints(start),
            n_iterations=ITERATIONS,
        )
    finally:
        igraph.set_random_number_generator(random)
    return np.asarray(found.membership, dtype=np.int64)


def _pairs_of(network: _Network) -> list[tuple[int, int]]:
    return list(zip(_ints(network.a), _ints(network.b), strict=True))


def _ints(values: Ints) -> list[int]:
    return cast("list[int]", values.tolist())


def _floats(values: Floats) -> list[float]:
    return cast("list[float]", values.tolist())


def _seed(settings: CommunitySettings) -> int:
    return settings.seed % 2**31  # the smallest range of the three backends


def _alone(labels: Ints) -> Ints:
    """`labels`, with each node that has none in a community of its own."""
    alone = labels < 0
    labels = labels.copy()
    labels[alone] = labels.max(initial=0) + 1 + np.arange(int(alone.sum()))
    return labels


def _connected(network: _Network, labels: Ints) -> Ints:
    """`labels` with every community divided into its connected components.

    Leiden's own are connected; old ones may have lost the edges that held them together.
    Numbered by their first node, without gaps, on which graspologic panics.
    """
    inside = labels[network.a] == labels[network.b]
    a, b = network.a[inside], network.b[inside]
    root = np.arange(network.size, dtype=np.int64)
    while True:
        lowest = np.minimum(root[a], root[b])
        found = root.copy()
        np.minimum.at(found, root[a], lowest)
        np.minimum.at(found, root[b], lowest)
        found = found[found]
        if np.array_equal(found, root):
            return np.unique(root, return_inverse=True)[1].astype(np.int64)
        root = found


def _quality(network: _Network, labels: Ints, settings: CommunitySettings) -> float:
    """Modularity, or the Potts model's quality, of a partition."""
    inside = float(network.weight[labels[network.a] == labels[network.b]].sum())
    if settings.objective == "cpm":
        sizes = np.bincount(labels).astype(np.float64)
        return inside - settings.resolution * float((sizes * (sizes - 1) / 2).sum())
    total = float(network.weight.sum())
    strength = np.bincount(network.a, network.weight, network.size) + np.bincount(
        network.b, network.weight, network.size
    )
    shares = np.bincount(labels, strength) / (2 * total)
    return inside / total - settings.resolution * float((shares**2).sum())


def _parts(network: _Network, labels: Ints) -> Iterator[_Network]:
    """The subgraph of each community, in the order of the labels."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(int(labels.max()) + 2))
    position = np.empty(network.size, dtype=np.int64)
    position[order] = np.arange(network.size) - starts[labels[order]]
    inside = np.flatnonzero(labels[network.a] == labels[network.b])
    inside = inside[np.argsort(labels[network.a[inside]], kind="stable")]
    bounds = np.searchsorted(labels[network.a[inside]], np.arange(int(labels.max()) + 2))
    for label in range(int(labels.max()) + 1):
        edges = inside[bounds[label] : bounds[label + 1]]
        yield _Network(
            network.nodes[order[starts[label] : starts[label + 1]]],
            position[network.a[edges]],
            position[network.b[edges]],
            network.weight[edges],
        )
