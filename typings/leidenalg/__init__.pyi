"""The part of leidenalg 0.10-0.12 that the engine calls."""

from collections.abc import Sequence

from igraph import Graph

class MutableVertexPartition:
    membership: list[int]

class RBConfigurationVertexPartition(MutableVertexPartition): ...
class CPMVertexPartition(MutableVertexPartition): ...

def find_partition(
    graph: Graph,
    partition_type: type[MutableVertexPartition],
    initial_membership: Sequence[int] | None = None,
    weights: Sequence[float] | None = None,
    n_iterations: int = 2,
    max_comm_size: int = 0,
    seed: int | None = None,
    *,
    resolution_parameter: float = 1.0,
) -> MutableVertexPartition: ...
