"""A model behind OpenAI's protocol, in a comparison.

A server may answer with another model under the same name tomorrow. So a few texts are asked for
each time: where their vectors are those of before, what is kept still holds (vectors, and the
scores made of them), and where they are not, it is that of another version.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rowspace.evaluate.compare.outcome import LackingError
from rowspace.evaluate.occurrence_encoders import OccurrenceEncoder
from rowspace.files import write_json
from rowspace.sentence.remote import RemoteEncoder
from rowspace.space import cache
from rowspace.space.similarity import unit_rows

if TYPE_CHECKING:
    from rowspace.evaluate.sequence import TokenVectors

_PROBES = [
    "The river bank was muddy after the rain.",
    "Which enzyme breaks down starch?",
    "bank",
    "The committee raised the interest rate by a quarter of a point in March.",
]
_SAME = 0.001
"""The most that a probe's unit vectors differ by under one model, squared (a cosine of 0.9995):
servers round, and batch, differently."""
_RETRIES = 2  # so that a server that is not there is told of in seconds, not in minutes


class RemoteModel:
    """A model behind an API.

    Parameters
    ----------
    url : str
    model : str
        Its name there.
    is_kept : bool
        Whether the vectors received are kept in the user's cache.
    """

    def __init__(self, url: str, model: str, *, is_kept: bool = True) -> None:
        self.url, self.model, self.is_kept = url, model, is_kept

    @functools.cached_property
    def version(self) -> str:
        """Which of the models that were seen behind this name answers now.

        Raises
        ------
        RemoteError
            If none does.
        """
        encoder = RemoteEncoder(self.model, self.url, max_retries=_RETRIES)
        found = unit_rows(encoder.encode(_PROBES))
        return _version(found, self._seen if self.is_kept else None)

    @property
    def _seen(self) -> Path:
        name = hashlib.sha256(json.dumps([self.url, self.model]).encode()).hexdigest()[:24]
        return _home() / f"{name}.json"

    def load_encoder(self) -> RemoteEncoder:
        """What asks the server."""
        kept = _home() / self.version if self.is_kept else None
        return RemoteEncoder(self.model, self.url, cache=kept)

    def occurrences(self) -> OccurrenceEncoder | None:
        """None: a server gives whole texts their vectors."""
        return None

    def token_vectors(self) -> TokenVectors:
        """Raises LackingError."""
        raise LackingError(
            f"{self.model} is behind an API that gives whole texts their vectors, and a sequence "
            "model reads one of each token; give a model's files"
        )

    def close(self) -> None:
        """Nothing is held."""


def _home() -> Path:
    return cache.folder().with_name("remote")


def _version(found: NDArray[np.float64], seen: Path | None) -> str:
    """The name of the version whose probes these are; a new one is remembered in `seen`."""
    known = _read(seen) if seen is not None else {}
    for version, vectors in known.items():
        if vectors.shape == found.shape and ((vectors - found) ** 2).sum(axis=1).max() <= _SAME:
            return version
    new = hashlib.sha256(found.astype("<f4").tobytes()).hexdigest()[:24]
    if seen is not None:
        seen.parent.mkdir(parents=True, exist_ok=True)
        write_json(seen, {name: rows.tolist() for name, rows in {**known, new: found}.items()})
    return new


def _read(seen: Path) -> dict[str, NDArray[np.float64]]:
    """Nothing of a file that is missing or damaged: then it is a new version."""
    try:
        record = json.loads(seen.read_text())
        return {name: np.array(rows, dtype=np.float64) for name, rows in record.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
