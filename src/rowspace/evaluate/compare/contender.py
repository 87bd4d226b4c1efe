"""A model as a comparison sees it: what it can give, loaded when it is first needed.

A task asks for what it needs and gets it, or `LackingError` with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.evaluate.compare.outcome import Era, Items
from rowspace.evaluate.occurrence_encoders import OccurrenceEncoder
from rowspace.evaluate.tasks import Kind
from rowspace.space.encoder import Encoder

if TYPE_CHECKING:
    from rowspace.evaluate.sequence import TokenVectors


class Contender(Protocol):
    """One reading of one model."""

    name: str
    spec: str
    era: Era
    kind: str
    can_generate: bool
    disk_bytes: int | None

    @property
    def fingerprint(self) -> str:
        """Of all that decides its scores."""

    def encoder(self) -> Encoder:
        """What gives texts their vectors.

        Raises
        ------
        LackingError
            If nothing does; so for all below.
        """

    def words(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of words without a context: (n, dim), a zero row where a word has none."""

    def occurrences(self) -> OccurrenceEncoder:
        """What gives a word in its sentence a vector."""

    def token_vectors(self) -> TokenVectors:
        """What gives each token of a text a vector, for a sequence model to read."""

    def close(self) -> None:
        """Let go of what was loaded."""


class Scorer(Protocol):
    """A task that a contender can be scored on. Reads its files when it is first used."""

    kind: Kind
    name: str
    """With its kind, as "retrieval/scifact"."""

    @property
    def fingerprint(self) -> str:
        """Of its files, its settings and the way it scores."""

    def score(self, model: Contender) -> Items:
        """Raises EvaluationError, or `LackingError`, if it cannot be."""
