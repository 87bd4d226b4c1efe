"""Numbered tasks that write files to a folder, by the workers of a cluster.

A task must be one that can be done again: Ray does it anew where its worker dies.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rowspace.errors import ClusterError
from rowspace.progress import track
from rowspace.scale.cluster import Cluster
from rowspace.scale.pool import Work, run


def do_all(
    cluster: Cluster, task: Work, folder: Path, sizes: Sequence[float], what: str
) -> list[Any]:
    """Do task(0) to task(n - 1), each with one processor.

    Parameters
    ----------
    cluster : Cluster
    task : callable
        Pickled to the workers. What it returns must be something that JSON can hold.
    folder : Path
        Where it writes; every machine must see it.
    sizes : (n,) sequence of float
        How much each is, for the progress.
    what : str
        What is being done, in the present: "counting words".

    Returns
    -------
    list
        What each returned.

    Raises
    ------
    RowspaceError
        What a task raised.
    ClusterError
        If a machine does not see the folder, or a worker failed.
    """
    workers = replace(cluster, workers=cluster.workers * cluster.threads, threads=1)
    answers: list[Any] = [None] * len(sizes)
    with track(what, total=sum(sizes)) as tracker:
        for number, answer in run(workers, _Job(task, folder), range(len(sizes))):
            answers[number] = answer
            tracker.advance(sizes[number])
    return answers


@dataclass(frozen=True)
class _Job:
    """See `pool.Job`."""

    task: Work
    folder: Path

    def start(self) -> Work:
        if not self.folder.is_dir():
            raise ClusterError(unseen(self.folder))
        return self.task


def unseen(path: Path) -> str:
    """What to say on a machine where a file or folder is not that the others see."""
    return (
        f"there is no {path} on {platform.node()}; give the corpus and --out on a file system that "
        "all machines share"
    )
