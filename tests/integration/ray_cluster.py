"""A Ray cluster of two nodes on this machine, for the tests: the driver's, and a worker's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import missing

_STORE_BYTES = 80 * 2**20  # of shared memory by node, Ray's least
_PREFIX = "graphrag-test-"  # of the folder that Ray keeps its sockets and logs in


class RayCluster:
    """Two nodes with one CPU each."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder


@contextmanager
def cluster_in(folder: Path) -> Generator[RayCluster]:
    """The cluster, this process connected to it; all of it goes at the end."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    try:
        import ray
        from ray.cluster_utils import Cluster
    except ImportError:
        missing("Ray is not installed")
    options: dict[str, object] = {
        "num_cpus": 1,
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
    }
    cluster = Cluster(initialize_head=True, head_node_args={**options, "temp_dir": str(folder)})
    try:
        cluster.add_node(**options)
        ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
        yield RayCluster(cluster.address, folder)
    finally:
        ray.shutdown()
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
