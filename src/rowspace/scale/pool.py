"""Shards of a job over the workers of a cluster, by Ray Data; see docs/decisions/ray.md.

A dataset of shards' numbers goes to a pool of actors. Each has loaded what it needs once, and reads
its shards itself, so that what shares a call of the model is what shares it in one process. Where a
worker dies, Ray starts another one as soon as there is room, which does the shard again.
"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa

from rowspace import errors
from rowspace.errors import ClusterError, RowspaceError
from rowspace.scale.cluster import Cluster

_DONE = pa.schema([("shard", pa.int64()), ("answer", pa.string()), ("error", pa.string())])

Work = Callable[[int], Any]
"""Does a shard, by its number; gives what the driver is told, as JSON can hold it."""


class Job(Protocol):
    """What is done with shards; it is pickled to the workers."""

    def start(self) -> Work:
        """Load what a worker needs, once, in its process."""


def run(cluster: Cluster, job: Job, shards: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """Do the shards; gives each with what its worker said, as they are done.

    Parameters
    ----------
    cluster : Cluster
    job : Job
    shards : sequence of int
        Those that are to be done.

    Raises
    ------
    RowspaceError
        What a worker raised, the first that did.
    ClusterError
        If a worker failed in a way that is no error of ours.
    """
    if not shards:
        return
    import ray.data

    for handler in logging.getLogger("ray.data").handlers:
        if type(handler).__module__.startswith("ray."):  # its own, which tell of each run on stderr
            handler.setLevel(logging.CRITICAL)
    size = min(cluster.workers, len(shards))
    done = ray.data.from_items(list(shards), override_num_blocks=len(shards)).map_batches(
        _Worker,
        fn_constructor_args=(job,),
        batch_size=None,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=1),
        num_cpus=cluster.threads,
    )
    try:
        tables: Iterable[Any] = done.iter_batches(
            batch_size=None, batch_format="pyarrow", prefetch_batches=0
        )
        for row in (row for table in tables for row in table.to_pylist()):
            if row["error"] is not None:
                raise _read_error(row["error"])
            yield row["shard"], json.loads(row["answer"])
    except ray.exceptions.RayError as error:
        line = " ".join(str(error).split())[-300:]
        raise ClusterError(
            f"the cluster could not do the work ({type(error).__name__}: {line}); see that every "
            "node has the same Rowspace, and that `ray status` shows no lack of room"
        ) from error


class _Worker:
    """The actor of the pool. An error is an answer too: raised, it would be Ray's traceback."""

    def __init__(self, job: Job) -> None:
        self.error: str | None = None
        try:
            self.work = job.start()
        except Exception as raised:
            self.error = _write_error(raised, f"on node {_node()}, ")

    def __call__(self, batch: dict[str, Any]) -> pa.Table:
        rows = [self._do(shard) for shard in batch["item"].tolist()]
        return pa.Table.from_pylist(rows, schema=_DONE)

    def _do(self, shard: int) -> dict[str, Any]:
        answer = None
        if self.error is None:
            try:
                answer = json.dumps(self.work(shard))
            except Exception as raised:
                self.error = _write_error(raised)
        return {"shard": shard, "answer": answer, "error": self.error}


def _node() -> str:
    """This process's node, as its messages call it."""
    import ray

    return f"{ray.get_runtime_context().get_node_id()[:8]} ({platform.node()})"


def _write_error(error: Exception, where: str = "") -> str:
    kind = type(error).__name__ if isinstance(error, RowspaceError) else ""
    return json.dumps([kind, where + (str(error) if kind else f"{type(error).__name__}: {error}")])


def _read_error(text: str) -> RowspaceError:
    kind, line = json.loads(text)
    if not kind:
        return ClusterError(f"a worker failed ({' '.join(line.split())})")
    error: RowspaceError = getattr(errors, kind)(line)
    return error
