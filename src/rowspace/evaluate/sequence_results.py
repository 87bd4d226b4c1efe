"""What sequence models reached: runs, and means over seeds with their intervals."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rowspace.errors import FormatError
from rowspace.files import write_json


@dataclass(frozen=True, kw_only=True)
class SequenceRun:
    """One trained model."""

    task: str
    name: str
    """Of the embedding, as "wiki.words, frozen"."""
    cell: str
    size: int
    """Labelled texts, held-out ones included."""
    seed: int
    accuracy: float
    """Share of the test texts that got their label."""
    held_out_loss: float
    """In nats, of the weights that were kept."""
    epoch: int
    """Whose weights were kept, from 1."""
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class Point:
    """The models of one size, over all seeds."""

    size: int
    mean: float
    low: float
    """Of the 95 % interval of the mean (Student's t over the seeds); NaN of one seed."""
    high: float
    n_seeds: int


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What `learning_curves` found on one task."""

    task: str
    sizes: tuple[int, ...]
    n_test: int
    usual_accuracy: float
    """Of the training texts' most frequent label for all."""
    names: tuple[str, ...]
    """Of the embeddings."""
    cells: tuple[str, ...]
    runs: Sequence[SequenceRun]
    notes: tuple[str, ...] = ()
    """How the texts were split and what was left out."""

    def points(self, name: str, cell: str) -> list[Point]:
        """The curve of one embedding and cell, by size."""
        return [
            point_of(
                size,
                [r.accuracy for r in self.runs if (r.name, r.cell, r.size) == (name, cell, size)],
            )
            for size in self.sizes
        ]

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "task": self.task,
            "n_test": self.n_test,
            "usual_accuracy": self.usual_accuracy,
            "curves": [
                {
                    "name": name,
                    "cell": cell,
                    "points": [_plain(point) for point in self.points(name, cell)],
                }
                for name in self.names
                for cell in self.cells
            ],
            "notes": list(self.notes),
        }


def kept(folder: Path | None, parts: Any, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a run gave before; where it was not run, it is run now and what it gives is written.

    Parameters
    ----------
    folder : Path, optional
        Where results are kept; nowhere if None.
    parts : JSON
        All that decides the result.
    make : callable
        Runs.

    Raises
    ------
    FormatError
        If the file is damaged.
    """
    if folder is None:
        return make()
    path = folder / f"{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]}.json"
    if not path.exists():
        write_json(path, make())
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise FormatError(f"{path} is damaged ({error}); remove it, to run it again") from error
    return found


def point_of(size: int, values: Sequence[float]) -> Point:
    """Mean and interval of one size's values.

    Examples
    --------
    >>> point = point_of(100, [0.5, 0.6, 0.7])
    >>> round(point.mean, 3), round(point.low, 3), round(point.high, 3)
    (0.6, 0.352, 0.848)
    """
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Point(size, mean, math.nan, math.nan, n)
    from scipy.stats import t

    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return Point(size, mean, mean - half, mean + half, n)


def _plain(point: Point) -> dict[str, Any]:
    """With None for what is no number."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in asdict(point).items()
    }
