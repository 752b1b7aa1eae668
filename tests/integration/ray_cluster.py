"""A Ray cluster of two nodes on this machine, for the tests: the driver's, and a worker's."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import missing

_NODE: dict[str, object] = {
    "num_cpus": 1,
    "object_store_memory": 80 * 2**20,  # bytes of shared memory, about Ray's least
    "include_dashboard": False,
}


class RayCluster:
    """Two nodes with one CPU each; this process is a driver on the first."""

    def __init__(self, folder: Path) -> None:
        import ray
        from ray.cluster_utils import Cluster

        self._folder = folder
        head: dict[str, object] = {**_NODE, "temp_dir": str(folder)}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._other = self._cluster.add_node(**_NODE)
        self.address = self._cluster.address
        ray.init(self.address, log_to_driver=False, logging_level=logging.ERROR)

    def kill_worker(self) -> bool:
        """Kill one process that works on rows; False where there is none."""
        for process in Path("/proc").iterdir():
            try:
                name = (process / "cmdline").read_text()
                parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
                raylet = (Path("/proc") / parent / "cmdline").read_text()
            except (OSError, IndexError):
                continue
            if name.startswith("ray::MapBatches") and str(self._folder) in raylet:
                os.kill(int(process.name), signal.SIGKILL)
                return True
        return False

    @contextmanager
    def that_loses_a_node(self) -> Generator[Callable[[], None]]:
        """What kills the node that is not the driver's; after the block another has joined."""
        try:
            yield lambda: self._cluster.remove_node(self._other, allow_graceful=False)
        finally:
            self._other = self._cluster.add_node(**_NODE)

    def close(self) -> None:
        import ray

        ray.shutdown()
        self._cluster.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def cluster_in(folder: Path) -> Generator[RayCluster]:
    """The cluster; `folder` must have a short name, for Ray puts sockets in it."""
    # As `graphrag index --engine ray` sets them; nothing is reported, nothing is warned of.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    if find_spec("ray") is None:
        missing("Ray is not installed")
    # Ray notes the cluster's address in its own folder and takes that to be there.
    (folder / "ray").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        cluster = RayCluster(folder)
        try:
            yield cluster
        finally:
            cluster.close()
