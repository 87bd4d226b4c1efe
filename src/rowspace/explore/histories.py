"""The histories of what is looked at, and where their words stand, kept as maps are."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rowspace.errors import RowspaceError
from rowspace.explore.background import Background
from rowspace.explore.jobs import Computing
from rowspace.explore.kept import kept_of
from rowspace.explore.layout_methods import Tell
from rowspace.explore.subject import Subject
from rowspace.explore.training_places import TrainingPlaces, make_places
from rowspace.explore.words import all_words
from rowspace.search.commit import model_named
from rowspace.space.history import History, history_file, history_of
from rowspace.space.vectors import Vectors

NAME = "places-0"


@dataclass(frozen=True)
class Trained:
    """The history of a model, as what places are kept of."""

    history: History
    model: str
    kind: str = "training"

    def __len__(self) -> int:
        return len(self.history.words)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Of the words and all their vectors."""
        digest = hashlib.sha256("\0".join(self.history.words).encode("utf-8", "replace"))
        digest.update(np.ascontiguousarray(self.history.matrices).data)
        return digest.hexdigest()


def trained(subject: Subject, model: str | None = None) -> Trained | None:
    """The history of a subject's model; None where it has none, or one that cannot be read."""
    vectors = all_words(subject.sets_of(model))
    if vectors is None:
        return None
    path, name = subject.path, ""
    if subject.space is not None:
        commit = subject.space.snapshot.commit
        name, state = model_named(path, commit, model or None)
        path = path / state.folder
    file = history_file(path)
    if not file.exists():
        return None
    return _known(path, name, vectors, file.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _known(path: Path, model: str, vectors: Vectors, _: int) -> Trained | None:
    """Read once, as long as the file and the vectors are the same."""
    try:
        history = history_of(path, vectors)
    except (RowspaceError, OSError):
        return None
    return None if history is None else Trained(history, model)


class Trainings:
    """Where words stood while subjects were trained."""

    def __init__(self) -> None:
        self._background: Background[TrainingPlaces] = Background()

    def places(self, subject: Subject, of: Trained) -> TrainingPlaces | Computing:
        """The places, or how far they are."""
        return self._background.ask(of.fingerprint, lambda tell: _kept_or_made(subject, of, tell))


def _kept_or_made(subject: Subject, of: Trained, tell: Tell) -> TrainingPlaces:
    kept = kept_of(subject.path, subject.space is not None)
    if (found := kept.load(of, NAME)) is not None:
        places, record = found
        return TrainingPlaces(
            places, record["k"], record["method"], record["groups"], record["names"]
        )
    made = make_places(of.history, tell)
    kept.save(of, NAME, made.places, {"fingerprint": of.fingerprint, **made.record()})
    return made
