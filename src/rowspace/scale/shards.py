"""Shards of a corpus, made by the workers of a cluster in a folder that all of its nodes see."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from rowspace.errors import ClusterError
from rowspace.progress import track
from rowspace.scale.cluster import Cluster
from rowspace.scale.pool import Work, run
from rowspace.space.shards import Shard, ShardFolder

MAX_TRIES = 3
"""Of a shard whose worker dies."""


def check_same(driver: dict[str, Any], worker: dict[str, Any]) -> None:
    """Raise ClusterError where something that decides the vectors is another in a worker."""
    for name, value in driver.items():
        if worker.get(name) != value:
            raise ClusterError(
                f"the {name} is {worker.get(name)!r}, and the driver's {value!r}, so the vectors "
                "would not be the same; have the same model, packages and kind of processor on "
                "every node"
            )


class ShardJob(Protocol):
    """A job for `pool.run` whose shards are put into a `ShardFolder`."""

    @property
    def shards(self) -> dict[int, Shard]:
        """Those that are to be made, by number."""

    def start(self) -> Work:
        """Load what a worker needs; what it does is `Tries.make`."""


def make_shards(cluster: Cluster, job: ShardJob, unit: str) -> int:
    """Have a job's shards made.

    Parameters
    ----------
    cluster : Cluster
    job : ShardJob
    unit : str
        What `told` counts, as "texts".

    Returns
    -------
    int
        How many of them were made.
    """
    n_made = 0
    with track("encoding", sum(shard.n_bytes for shard in job.shards.values())) as tracker:
        for number, answer in run(cluster, job, list(job.shards)):
            n_made += answer["told"].get(unit, 0)
            tracker.advance(job.shards[number].n_bytes, f"{n_made:,} {unit}")
            if answer["is_late"]:
                warnings.warn(
                    f"another process has made shard {number + 1} in the meantime; that one is "
                    "kept",
                    stacklevel=2,
                )
    return n_made


class Tries:
    """Makes shards in a worker, and gives up one that ended several.

    Parameters
    ----------
    folder : ShardFolder
    shards : iterable of Shard
        Those that are to be made: what was begun before counts for nothing.
    """

    def __init__(self, folder: ShardFolder, shards: Iterable[Shard]) -> None:
        self.folder = folder
        self.before = {shard.number: folder.begun(shard) for shard in shards}

    def make(self, shard: Shard, fill: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Make a shard as `ShardFolder.make` does; tells what was counted, and if it was late.

        Raises
        ------
        ClusterError
            If the shard ended its worker `MAX_TRIES` times.
        """
        if not self.folder.missing([shard]):
            return {"told": {}, "is_late": True}
        if len(self.folder.begun(shard) - self.before[shard.number]) >= MAX_TRIES:
            raise ClusterError(
                f"shard {shard.number + 1} ended its worker {MAX_TRIES} times; it may want more "
                "memory: give fewer --workers, and --resume to keep what is made"
            )
        told: dict[str, Any] = {}

        def noted(folder: Path) -> dict[str, Any]:
            told.update(fill(folder))
            return told

        with warnings.catch_warnings():  # the driver tells
            warnings.simplefilter("ignore")
            is_late = not self.folder.make(shard, noted)
        return {"told": told, "is_late": is_late}
