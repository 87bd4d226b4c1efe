"""One reading of one model, as tasks ask it."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.evaluate.compare.models_mapped import (
    FitSample,
    MappedEncoder,
    fit_map,
    fit_note,
)
from rowspace.evaluate.compare.models_shared import ReadEncoder, SharedEncoder
from rowspace.evaluate.compare.models_texts import TransformerModel
from rowspace.evaluate.compare.models_words import WordModel
from rowspace.evaluate.compare.outcome import Era
from rowspace.evaluate.compare.spec import Step
from rowspace.evaluate.occurrence_encoders import OccurrenceEncoder, TextOccurrences
from rowspace.evaluate.sequence import TokenVectors
from rowspace.evaluate.tasks import Kind
from rowspace.space.encoder import Encoder

FORMAT = 1
"""Of fingerprints: another where the same files give other vectors."""


class Model(Protocol):
    """What a model can give, besides the vectors of texts."""

    def occurrences(self) -> OccurrenceEncoder | None:
        """What gives a word in its sentence a vector; None where the whole sentence's is it."""

    def token_vectors(self) -> TokenVectors:
        """What gives each token of a text a vector."""

    def close(self) -> None:
        """Let go of what was loaded."""


@dataclass
class SharedModel:
    """A model and its encoders, for all contenders that read it; let go by the last of them."""

    model: Model
    identity: Callable[[], Any]
    """Of its files, for fingerprints; as JSON holds it."""
    encoders: dict[str, SharedEncoder] = field(default_factory=dict)
    """By how texts are read."""
    users: set[str] = field(default_factory=set)
    """Names of contenders that are not closed."""

    def close(self, user: str) -> None:
        """Let go of everything if nobody else may ask."""
        self.users.discard(user)
        if not self.users:
            self.model.close()
            for encoder in self.encoders.values():
                encoder.close()


@dataclass(kw_only=True)
class ModelContender:
    """A `Contender`; `open_contenders` makes them."""

    name: str
    spec: str
    """What `parse_spec` reads as this reading of this model."""
    era: Era
    kind: str
    can_generate: bool
    disk_bytes: int | None
    shared: SharedModel
    texts: SharedEncoder
    """What encodes texts."""
    read_as: str
    """The average or the pooling; "" for the model's own."""
    step: Step | None = None
    place: int = 0
    n_places: int = 1
    """Which part of the vectors of `texts` this reading is."""
    sample: FitSample = field(default_factory=FitSample)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Of the model's files, the reading, and the texts that a step is fitted to."""
        fitted = None if self.step is None else [self.step, self.sample.digest]
        return self._fingerprint_of(self.read_as, fitted)

    def fingerprint_for(self, kind: Kind) -> str:
        """Of what decides the scores of a kind of task: equal where two readings cannot differ.

        A sequence model reads tokens, and word vectors and transformers give words their vectors,
        whatever is made of whole texts.
        """
        is_of_words = isinstance(self.shared.model, WordModel)
        has_occurrences = is_of_words or isinstance(self.shared.model, TransformerModel)
        if (
            kind == "sequence"
            or (kind == "sense" and has_occurrences)
            or (kind in ("similarity", "analogy") and is_of_words)
        ):
            return self._fingerprint_of()
        return self.fingerprint

    def _fingerprint_of(self, *reading: Any) -> str:
        parts = [FORMAT, self.shared.identity(), *reading]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of its texts' vectors."""
        return () if self.step is None else (fit_note(self.step, self.sample),)

    def encoder(self) -> Encoder:
        """What gives texts their vectors.

        Raises
        ------
        LackingError
            If it is fitted to texts, and there are none.
        """
        self.shared.users.add(self.name)
        return self._encoder

    @functools.cached_property
    def _encoder(self) -> Encoder:
        base = ReadEncoder(self.texts, self.fingerprint, self.place, self.n_places)
        if self.step is None:
            return base
        affine = fit_map(base, self.step, self.sample, self.name)
        return MappedEncoder(base, affine, self.fingerprint)

    def words(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of words without a context, (n, dim); what encodes texts reads each as one."""
        self.shared.users.add(self.name)
        if isinstance(self.shared.model, WordModel):
            return self.shared.model.words(words)
        return self.encoder().encode(words)

    def occurrences(self) -> OccurrenceEncoder:
        """What gives a word in its sentence a vector; the step is for whole texts alone."""
        self.shared.users.add(self.name)
        return self.shared.model.occurrences() or TextOccurrences(self.encoder())

    def token_vectors(self) -> TokenVectors:
        """What gives each token of a text a vector; of a transformer its states."""
        self.shared.users.add(self.name)
        return self.shared.model.token_vectors()

    def close(self) -> None:
        """Let go of what was loaded, unless another reading of the model may need it."""
        self.__dict__.pop("_encoder", None)
        self.shared.close(self.name)
