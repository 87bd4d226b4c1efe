"""Maps and clusters of what is looked at: taken from where they are kept, or made.

Few points are placed at once; for more, a process of its own works beside the server (`jobs`), one
at a time. What was made or read stays in memory for as long as its points are shown.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from rowspace.explore.jobs import Computing, Jobs, Task
from rowspace.explore.kept import Kept, kept_of
from rowspace.explore.layouts import METHODS, Layout, LayoutRecord, check_method, make_layout
from rowspace.explore.map_clusters import Clusters, make_clusters
from rowspace.explore.points import Points
from rowspace.explore.subject import Subject
from rowspace.version import __version__

AT_ONCE = 1500
"""Up to so many points are grouped, and placed by PCA, while the page waits."""

_KEEP = 16  # maps in memory

Made = TypeVar("Made", Layout, Clusters)


@dataclass
class Atlas:
    """The maps of some subjects.

    Parameters
    ----------
    jobs : Jobs
    """

    jobs: Jobs

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._making = threading.RLock()
        self._known: dict[tuple[str, str], Layout | Clusters] = {}

    def layout(
        self, subject: Subject, points: Points, method: str, seed: int
    ) -> Layout | Computing:
        """Coordinates of all points, or how far they are.

        Raises
        ------
        ConfigError
            If there is no such method.
        LayoutError
            If making them failed since the last time.
        """
        check_method(method)
        with self._making:
            # Where there is a map there are groups: a sample takes its share of each.
            there = self._clusters(subject, points, seed) is not None
            layout = self._layout(subject, points, method, seed) if there else None
        return layout or self._make(subject, points, method, seed)

    def _layout(self, subject: Subject, points: Points, method: str, seed: int) -> Layout | None:
        """Coordinates that are there or made at once."""
        name = layout_name(method, seed)
        if (known := self._recall(points, name)) is not None:
            assert isinstance(known, Layout)
            return known
        if (kept := load_layout(_kept(subject), points, method, seed)) is not None:
            return self._remember(points, name, kept)
        if method != "pca" or len(points) > AT_ONCE:
            return None
        made = make_layout(points, method, seed, None, _quietly)
        save_layout(_kept(subject), points, made)
        return self._remember(points, name, made)

    def grouped(
        self, subject: Subject, points: Points, method: str, seed: int
    ) -> tuple[Layout, Clusters] | Computing:
        """`layout` and `clusters` together."""
        layout = self.layout(subject, points, method, seed)
        if isinstance(layout, Computing):
            return layout
        clusters = self.clusters(subject, points, seed)
        return clusters if isinstance(clusters, Computing) else (layout, clusters)

    def clusters(self, subject: Subject, points: Points, seed: int) -> Clusters | Computing:
        """Groups of the points, or how far they are."""
        with self._making:
            clusters = self._clusters(subject, points, seed)
        return clusters or self._make(subject, points, None, seed)

    def _clusters(self, subject: Subject, points: Points, seed: int) -> Clusters | None:
        """Groups that are there or made at once."""
        name = clusters_name(seed)
        if (known := self._recall(points, name)) is not None:
            assert isinstance(known, Clusters)
            return known
        if (kept := load_clusters(_kept(subject), points, seed)) is not None:
            return self._remember(points, name, kept)
        if len(points) > AT_ONCE:
            return None
        made = make_clusters(points, seed, _quietly)
        save_clusters(_kept(subject), points, made)
        return self._remember(points, name, made)

    def records(
        self, subject: Subject, points: Points
    ) -> Iterator[tuple[str, LayoutRecord | None]]:
        """Of each method: how its map with seed 0 was made; None where it was not."""
        for method in METHODS:
            name = layout_name(method, 0)
            known = self._recall(points, name)
            if isinstance(known, Layout):
                yield method, known.record
            else:
                record = _kept(subject).record(points, name)
                yield method, None if record is None else _layout_record(record)

    def _make(self, subject: Subject, points: Points, method: str | None, seed: int) -> Computing:
        task = Task(
            path=str(subject.path),
            kind=points.kind,
            model=points.model,
            fingerprint=points.fingerprint,
            method=method,
            seed=seed,
        )
        return self.jobs.ask(task)

    def _recall(self, points: Points, name: str) -> Layout | Clusters | None:
        with self._lock:
            return self._known.get((points.fingerprint, name))

    def _remember(self, points: Points, name: str, made: Made) -> Made:
        with self._lock:
            self._known[points.fingerprint, name] = made
            while len(self._known) > _KEEP:
                del self._known[next(iter(self._known))]
        return made


def layout_name(method: str, seed: int) -> str:
    """What a map is called where it is kept."""
    return f"{method}-{seed}"


def clusters_name(seed: int) -> str:
    """What the groups are called there."""
    return f"clusters-{seed}"


def save_layout(kept: Kept, points: Points, layout: Layout) -> None:
    """Keep a map, unless another process did meanwhile."""
    name = layout_name(layout.record.method, layout.record.seed)
    if kept.load(points, name) is None:
        kept.save(points, name, layout.places, asdict(layout.record))


def load_layout(kept: Kept, points: Points, method: str, seed: int) -> Layout | None:
    """A map that is kept of these points; None where there is none."""
    found = kept.load(points, layout_name(method, seed))
    return None if found is None else Layout(found[0], _layout_record(found[1]))


def save_clusters(kept: Kept, points: Points, clusters: Clusters) -> None:
    """Keep groups, unless another process did meanwhile."""
    if kept.load(points, clusters_name(clusters.seed)) is None:
        record = {
            "fingerprint": points.fingerprint,
            "seed": clusters.seed,
            "names": list(clusters.names),
            "silhouette": clusters.silhouette,
            "versions": {"rowspace": __version__},
        }
        kept.save(points, clusters_name(clusters.seed), clusters.codes, record)


def load_clusters(kept: Kept, points: Points, seed: int) -> Clusters | None:
    """Groups that are kept of these points; None where there are none."""
    found = kept.load(points, clusters_name(seed))
    if found is None:
        return None
    coarse, fine = found[1]["names"]
    return Clusters(found[0], (coarse, fine), found[1]["silhouette"], seed)


def _layout_record(record: dict[str, object]) -> LayoutRecord:
    names = LayoutRecord.__dataclass_fields__
    return LayoutRecord(**{name: record[name] for name in names})  # type: ignore[arg-type]


def _kept(subject: Subject) -> Kept:
    return kept_of(Path(subject.path), subject.space is not None)


def _quietly(share: float, message: str) -> None:
    pass
