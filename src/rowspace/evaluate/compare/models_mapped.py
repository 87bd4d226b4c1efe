"""Whitening and all-but-the-top of texts' vectors, fitted to texts without their labels.

Su, Cao, Liu & Ou (2021), https://arxiv.org/abs/2103.15316: BERT-whitening.
Mu & Viswanath (2018), https://openreview.net/forum?id=HkuGJ3kCb: all-but-the-top.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.evaluate.compare.outcome import LackingError
from rowspace.evaluate.compare.spec import Step
from rowspace.sentence.alike import encode_alike
from rowspace.space.encoder import Encoder, encode_documents, encode_queries
from rowspace.space.transforms import AffineMap, all_but_the_top, whiten

MOST_TEXTS = 5000
"""That a map is fitted to."""
STEP_NAMES: dict[Step, str] = {"whiten": "whitened", "abtt": "all-but-the-top"}
_FITS = {"whiten": whiten, "abtt": all_but_the_top}


class FitSample:
    """The texts that maps are fitted to: different ones, spread evenly over those given.

    Parameters
    ----------
    texts : iterable of str, or callable
        Read when a map is first needed.
    """

    def __init__(self, texts: Iterable[str] | Callable[[], Iterable[str]] = ()) -> None:
        self._given = texts
        self._texts: list[str] | None = None

    @property
    def texts(self) -> list[str]:
        """At most 5,000, none empty."""
        if self._texts is None:
            given = self._given() if callable(self._given) else self._given
            different = list(dict.fromkeys(text for text in given if text.strip()))
            n = min(len(different), MOST_TEXTS)
            self._texts = [different[i * len(different) // n] for i in range(n)]
        return self._texts

    @property
    def digest(self) -> str:
        """Of the texts, for fingerprints."""
        digest = hashlib.sha256()
        for text in self.texts:
            digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
        return digest.hexdigest()


class MappedEncoder:
    """An encoder whose vectors go through an affine map; satisfies the `Encoder` protocol.

    Parameters
    ----------
    encoder : Encoder
    affine : AffineMap
    fingerprint : str
    """

    def __init__(self, encoder: Encoder, affine: AffineMap, fingerprint: str) -> None:
        self.base, self.affine, self.fingerprint = encoder, affine, fingerprint

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.affine.matrix.shape[1])

    @property
    def n_truncated(self) -> int:
        """Texts of the last call whose end was not read."""
        return int(getattr(self.base, "n_truncated", 0))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, (n_texts, dim); a zero row where the encoder has one."""
        return self._mapped(self.base.encode(texts))

    def encode_alike(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """As `encode`, and how the texts were read, where there was a choice."""
        vectors, notes = encode_alike(self.base, texts)
        return self._mapped(vectors), notes

    def encode_query(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `encode`, with the prompt of queries where the model has one."""
        return self._mapped(encode_queries(self.base, texts))

    def encode_document(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `encode`, with the prompt of documents where the model has one."""
        return self._mapped(encode_documents(self.base, texts)[0])

    def _mapped(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        mapped = np.asarray(self.affine.apply(vectors), dtype=np.float32)
        mapped[~vectors.any(axis=1)] = 0  # what has no vector has none afterwards
        return mapped


def fit_map(encoder: Encoder, step: Step, sample: FitSample, name: str) -> AffineMap:
    """The map of a step, of the vectors that a sample's texts have; the same each time.

    Raises
    ------
    LackingError
        If fewer than two texts have a vector, or all have the same.
    """
    texts = sample.texts
    vectors, _ = encode_documents(encoder, texts) if texts else (np.zeros((0, 1), np.float32), 0)
    vectors = vectors[vectors.any(axis=1)]
    if len(vectors) < 2:
        raise LackingError(
            f"{name} is {STEP_NAMES[step]} by the vectors of texts, and {len(vectors)} of the "
            f"{len(texts):,} texts given has one; give more texts, or leave +{step} out"
        )
    try:
        return _FITS[step](vectors)
    except ConfigError as error:
        raise LackingError(f"{name} cannot be {STEP_NAMES[step]}: {error}") from error


def fit_note(step: Step, sample: FitSample) -> str:
    """What a map was fitted to."""
    return f"{STEP_NAMES[step]}, fitted without labels to {len(sample.texts):,} of the tasks' texts"
