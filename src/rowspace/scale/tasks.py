"""Numbered tasks that write files, done by the workers of a cluster, by Ray Data.

A task must be one that can be done again: Ray does those anew whose worker dies.
"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rowspace import errors
from rowspace.errors import ClusterError, RowspaceError
from rowspace.progress import track
from rowspace.scale.cluster import Cluster

Task = Callable[[int], Any]


def do_all(
    cluster: Cluster, task: Task, folder: Path, sizes: Sequence[float], what: str
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
        If a machine does not see the folder, or workers die again and again.
    """
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # a failure is told once, by us

    def work(row: dict[str, Any]) -> dict[str, Any]:
        return _do(task, row["number"], folder)

    items = [{"number": number} for number in range(len(sizes))]
    most = cluster.workers * cluster.threads
    # Read tasks could wait for ever for a processor that the work has: there are none of items.
    done = ray.data.from_items(items, override_num_blocks=len(items)).map(
        work, num_cpus=1, compute=ray.data.TaskPoolStrategy(size=most)
    )
    answers: list[Any] = [None] * len(sizes)
    with track(what, total=sum(sizes)) as tracker:
        try:
            for row in done.iter_rows():
                if row["error"]:
                    raise _read_error(row["error"])
                answers[row["number"]] = json.loads(row["answer"])
                tracker.advance(sizes[row["number"]])
        except ray.exceptions.RayError as error:
            raise worker_failed(what, error) from error
    return answers


def worker_failed(what: str, error: Exception) -> ClusterError:
    """One line of Ray's many."""
    line = " ".join(str(error).split())[:300]
    return ClusterError(
        f"{what} failed on the cluster ({line}); --resume goes on with what is done"
    )


def _do(task: Task, number: int, folder: Path) -> dict[str, Any]:
    """A row to send back; an error is one too, as Ray would wrap it in tracebacks."""
    row = {"number": number, "answer": "null", "error": ""}
    try:
        if not folder.is_dir():
            raise ClusterError(
                f"there is no {folder} on {platform.node()}; give the corpus and --out on a file "
                "system that all machines share"
            )
        return row | {"answer": json.dumps(task(number))}
    except RowspaceError as error:
        return row | {"error": json.dumps([type(error).__name__, str(error)])}
    except Exception as error:
        line = f"a worker failed ({type(error).__name__}: {error})"
        return row | {"error": json.dumps([ClusterError.__name__, line])}


def _read_error(text: str) -> RowspaceError:
    kind, line = json.loads(text)
    error: RowspaceError = getattr(errors, kind)(line)
    return error
