"""`python -m rowspace.explore.making`: the process that makes a map; see `jobs`."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

import numpy as np

from rowspace.errors import ConfigError, RowspaceError
from rowspace.explore.atlas import (
    layout_name,
    load_clusters,
    load_layout,
    save_clusters,
    save_layout,
)
from rowspace.explore.jobs import Task
from rowspace.explore.kept import kept_of
from rowspace.explore.layout_methods import Tell
from rowspace.explore.layouts import make_layout
from rowspace.explore.map_clusters import make_clusters
from rowspace.explore.points import Points
from rowspace.explore.subject import Subject, open_subject

CLUSTERS_SHARE = 0.2
EVERY = 0.1
"""Seconds between two lines, at least."""


def make(task: Task, tell: Tell) -> None:
    """Make what a task asks for and keep it.

    Raises
    ------
    ConfigError
        If the points have changed since they were asked for: what is kept then is of the new ones.
    """
    subject = open_subject(task.path)
    points = _points(subject, task)
    kept = kept_of(subject.path, subject.space is not None)
    clusters = load_clusters(kept, points, task.seed)
    if clusters is None:
        clusters = make_clusters(
            points, task.seed, lambda share, message: tell(CLUSTERS_SHARE * share, message)
        )
        _points(subject, task)
        save_clusters(kept, points, clusters)
    if task.method is None or load_layout(kept, points, task.method, task.seed) is not None:
        return
    method, rest = task.method, 1.0 - CLUSTERS_SHARE
    layout = make_layout(
        points,
        method,
        task.seed,
        clusters.codes[:, 0].astype(np.int64),
        lambda share, message: tell(CLUSTERS_SHARE + rest * share, message),
        lambda record: kept.begin(points, layout_name(method, task.seed), record),
    )
    _points(subject, task)
    save_layout(kept, points, layout)


def _points(subject: Subject, task: Task) -> Points:
    """The points that a task is of, as long as they are the same."""
    points = subject.points(task.kind, task.model or None)
    if points.fingerprint != task.fingerprint:
        raise ConfigError(f"the {task.kind} of {subject.name} changed meanwhile")
    return points


class _Lines:
    """Writes lines of JSON to where standard output was; libraries print elsewhere then."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        self._last = 0.0
        self._message = ""

    def tell(self, share: float, message: str) -> None:
        """How far it is."""
        now = time.monotonic()
        if message != self._message or now - self._last >= EVERY:
            self._last, self._message = now, message
            self.say({"share": share, "message": message})

    def say(self, line: dict[str, Any]) -> None:
        """One line."""
        print(json.dumps(line), file=self._out, flush=True)


def _end_with_input() -> None:
    """End this process when its input ends, as it does when the server is gone."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def main() -> int:
    """Read a task, make it."""
    os.nice(10)
    lines = _Lines()
    task = Task(**json.loads(_first_line()))
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        make(task, lines.tell)
    except RowspaceError as error:
        lines.say({"error": str(error)})
        return 1
    except MemoryError:
        lines.say({"error": "memory ran out"})
        return 1
    lines.say({"done": True})
    return 0


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


if __name__ == "__main__":
    sys.exit(main())
