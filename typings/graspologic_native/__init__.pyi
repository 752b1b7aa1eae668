"""The part of graspologic-native 1.2 that the engine calls."""

def leiden(
    edges: list[tuple[str, str, float]],
    starting_communities: dict[str, int] | None = None,
    resolution: float = 1.0,
    randomness: float = 0.001,
    iterations: int = 1,
    use_modularity: bool = True,
    seed: int | None = None,
    trials: int = 1,
    max_local_moving_iterations: int | None = None,
) -> tuple[float, dict[str, int]]: ...
