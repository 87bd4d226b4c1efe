"""What the explorer looks at: a space, or word vectors of a file or folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rowspace.explore.points import Points
from rowspace.explore.words import WordPoints
from rowspace.search.manifest import is_space
from rowspace.search.space import Space, open_space
from rowspace.space.formats import load
from rowspace.space.vectors import Vectors


@dataclass
class Subject:
    """One thing that is looked at."""

    name: str
    path: Path
    space: Space | None = None
    vectors: Vectors | None = None
    """Of words; None in a space that has a sentence encoder."""
    sets: dict[str, Points] = field(default_factory=dict)
    """The sets of points that maps can show, by their kind, the first being shown at first."""
    extrapolation: Path | None = None
    """A folder of `rowspace extrapolate` to show; None for what may lie in the space."""


def open_subject(path: Path | str, space: Space | None = None) -> Subject:
    """What `rowspace explore PATH` shows.

    Parameters
    ----------
    path : path
        A space, or vectors in any format.
    space : Space, optional
        The same space, already open.

    Raises
    ------
    SpaceError, FormatError
        If there is neither, or it is damaged.
    """
    path = Path(path)
    name = path.resolve().name
    if space is None and is_space(path):
        space = open_space(path)
    vectors = _word_vectors(path, space)
    subject = Subject(name, path, space, vectors)
    subject.sets = dict(_sets(subject))
    return subject


def _word_vectors(path: Path, space: Space | None) -> Vectors | None:
    if space is None:
        return load(path)
    return getattr(space.encoder, "vectors", None)


def _sets(subject: Subject) -> Mapping[str, Points]:
    sets: dict[str, Points] = {}
    if subject.vectors is not None:
        sets["words"] = WordPoints(subject.vectors)
    return sets
