"""What the explorer looks at: a space, or word vectors of a file or folder."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from rowspace.errors import ConfigError
from rowspace.explore.documents import DocumentPoints
from rowspace.explore.passages import PassagePoints
from rowspace.explore.points import Points
from rowspace.explore.words import VOCABULARY, WordPoints, all_words, word_sets
from rowspace.search.commit import model_named
from rowspace.search.manifest import is_space
from rowspace.search.remote.folder import locate
from rowspace.search.snapshot import Snapshot
from rowspace.search.space import Space, open_space
from rowspace.space.formats import load
from rowspace.space.vectors import Vectors

WORDS = "sif"
"""The kind of encoder that is made of word vectors."""

_Known = dict[str, tuple[Snapshot | None, dict[str, Points]]]


class Subject:
    """One thing that is looked at. Use `open_subject`.

    Parameters
    ----------
    name : str
    path : Path
    space : Space, optional
    vectors : Vectors, optional
        Of words, where there is no space.

    Attributes
    ----------
    extrapolation : Path or None
        A folder of `rowspace extrapolate` to show; None for what may lie in the space.
    """

    extrapolation: Path | None = None

    def __init__(
        self, name: str, path: Path, space: Space | None = None, vectors: Vectors | None = None
    ) -> None:
        self.name, self.path, self.space = name, path, space
        self._file = vectors
        self._lock = threading.Lock()
        self._known: _Known = {}

    @property
    def vectors(self) -> Vectors | None:
        """Of words; None in a space whose default model is a sentence encoder."""
        return all_words(self.sets)

    @property
    def models(self) -> list[str]:
        """The models of a space, the default first; none of a file."""
        return [] if self.space is None else self.space.model_names

    @property
    def sets(self) -> Mapping[str, Points]:
        """The sets of points that maps can show, by their kind, the first being shown at first."""
        return self.sets_of(None)

    def sets_of(self, model: str | None) -> Mapping[str, Points]:
        """`sets` of one of a space's models, as the last finished write left them.

        Raises
        ------
        ConfigError
            If there is no such model.
        """
        if self.space is None:
            if model:
                raise ConfigError(f"{self.name} has one model; leave out model {model!r}")
            return self._sets_of_file()
        snapshot = self.space.snapshot
        _ = snapshot.local_store  # raises where the rows are not here
        name, _ = model_named(self.path, snapshot.commit, model or None)
        with self._lock:
            known = self._known.get(name)
            if known is None or known[0] is not snapshot:
                before = {} if known is None else known[1]
                self._known = _words_of(self._known, snapshot)
                known = snapshot, _sets(self.space, snapshot, name, before)
                self._known[name] = known
            return known[1]

    def points(self, kind: str, model: str | None = None) -> Points:
        """A set of points.

        Raises
        ------
        ConfigError
            If there is no such set or model.
        """
        sets = self.sets_of(model)
        if kind not in sets:
            raise ConfigError(f"{self.name} has no {kind!r}; give one of {', '.join(sets)}")
        return sets[kind]

    def _sets_of_file(self) -> dict[str, Points]:
        with self._lock:
            if "" not in self._known:
                assert self._file is not None
                self._known[""] = None, dict(word_sets(self._file))
            return self._known[""][1]


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
    path = locate(path)
    name = path.resolve().name
    if space is None and is_space(path):
        space = open_space(path)
        _ = space.snapshot.local_store
    return Subject(name, path, space, load(path) if space is None else None)


def _words_of(known: _Known, snapshot: Snapshot) -> _Known:
    """Of models that are still there, what a write does not change; the rest is let go."""
    return {
        name: (of, sets) if of is snapshot else (None, _words(sets))
        for name, (of, sets) in known.items()
        if name in snapshot.commit.models
    }


def _words(sets: Mapping[str, Points]) -> dict[str, Points]:
    return {kind: points for kind, points in sets.items() if isinstance(points, WordPoints)}


def _sets(
    space: Space, snapshot: Snapshot, model: str, before: Mapping[str, Points]
) -> dict[str, Points]:
    """The sets of points of one version; words are kept, which a write does not change."""
    sets: dict[str, Points] = {}
    state = snapshot.commit.models[model]
    if state.kind == WORDS:
        encoder = space.encoders.get(model)  # None where it was removed just now
        vectors = getattr(encoder, "vectors", None)
        if vectors is not None and all_words(before) is vectors:
            sets = _words(before)
        elif vectors is not None:
            sets = dict(word_sets(vectors, model))
    if not snapshot.commit.passages:
        return sets
    passages = PassagePoints(space, snapshot, model)
    if snapshot.commit.passages == snapshot.commit.documents:
        texts: dict[str, Points] = {"documents": PassagePoints(space, snapshot, model, "documents")}
    else:
        texts = {"documents": DocumentPoints(passages), "passages": passages}
    rare = {VOCABULARY: sets.pop(VOCABULARY)} if VOCABULARY in sets else {}
    return sets | texts | rare
