"""A Ray cluster of two nodes on this machine, for tests: a processor each, ended with the test."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import Any

OBJECT_STORE = 100 << 20


@contextlib.contextmanager
def two_nodes(cpus: int = 1) -> Iterator[Any]:
    """`ray.cluster_utils.Cluster`: `.address` for --address, `.add_node()`, `.remove_node()`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        head = {"num_cpus": cpus, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            cluster.add_node(num_cpus=cpus, object_store_memory=OBJECT_STORE)
            cluster.wait_for_nodes()
            yield cluster
        finally:
            cluster.shutdown()  # type: ignore[no-untyped-call]
