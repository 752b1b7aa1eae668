"""The part of igraph 0.11-1.0 that the engine calls."""

from collections.abc import Sequence
from random import Random
from types import ModuleType

class VertexClustering:
    membership: list[int]

class Layout:
    coords: list[list[float]]

class Graph:
    def __init__(self, n: int = 0, edges: Sequence[Sequence[int]] | None = None) -> None: ...
    def community_leiden(
        self,
        objective_function: str = "CPM",
        weights: Sequence[float] | None = None,
        resolution: float = 1.0,
        beta: float = 0.01,
        initial_membership: Sequence[int] | None = None,
        n_iterations: int = 2,
    ) -> VertexClustering: ...
    def layout_fruchterman_reingold(
        self,
        weights: Sequence[float] | None = None,
        niter: int = 500,
        seed: Sequence[Sequence[float]] | None = None,
        start_temp: float | None = None,
        grid: str = "auto",
    ) -> Layout: ...

def set_random_number_generator(generator: Random | ModuleType | None) -> None: ...
