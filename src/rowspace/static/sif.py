"""Passage vectors from word vectors: weighted averages without their common components.

Arora, Liang & Ma (2017), "A simple but tough-to-beat baseline for sentence embeddings" (SIF),
https://openreview.net/forum?id=SyK00v5xx. Differs from the paper: the word vectors are scaled to
unit length first, the common components are fitted once on a sample of the corpus and kept with
the model, so that a text's vector does not depend on the texts encoded with it; and the result
has unit length.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import write_folder_atomically
from rowspace.space.formats import load
from rowspace.space.similarity import row_norms
from rowspace.space.vectors import Vectors
from rowspace.text.tokenizer import words

FORMAT = 1
_SAMPLE = 20_000


class SIFEncoder:
    """Encodes texts by the words in them; satisfies the `Encoder` protocol.

    Parameters
    ----------
    vectors : Vectors
        Their counts give the words' frequencies; without counts, Zipf's law by rank does.
    smoothing : float
        a in the weight a / (a + p(word)); smaller values silence frequent words more.
    components : (n_components, dim) float32 array, optional
        Orthonormal directions to remove; `fit` finds them.

    Raises
    ------
    ConfigError
        If `smoothing` is not above 0.
    """

    kind = "sif"

    def __init__(
        self,
        vectors: Vectors,
        *,
        smoothing: float = 1e-3,
        components: NDArray[np.float32] | None = None,
    ) -> None:
        if smoothing <= 0:
            raise ConfigError(f"smoothing is {smoothing}; give a number above 0, usually 1e-3")
        self.vectors = vectors
        self.smoothing = smoothing
        self.components = (
            np.zeros((0, vectors.dim), dtype=np.float32) if components is None else components
        )
        self._weights = _word_weights(vectors, smoothing)
        self._fingerprint: str | None = None

    @classmethod
    def from_vectors(
        cls,
        vectors: Vectors,
        texts: Iterable[str] = (),
        *,
        smoothing: float = 1e-3,
        n_components: int = 1,
    ) -> SIFEncoder:
        """Make an encoder and fit its common components to a sample of texts.

        Parameters
        ----------
        vectors : Vectors
        texts : iterable of str
            At most the first 20,000 are used; with none, no component is removed.
        """
        encoder = cls(vectors, smoothing=smoothing)
        encoder.fit(islice(texts, _SAMPLE), n_components)
        return encoder

    def fit(self, texts: Iterable[str], n_components: int = 1) -> None:
        """Set the common components: the first right singular vectors of the texts' averages."""
        known = [rows for text in texts if (rows := self.rows_of(text))]
        averages = np.array([self._average(rows) for rows in known], dtype=np.float32)
        averages = averages.reshape(-1, self.dim)
        averages = averages[np.any(averages != 0, axis=1)]
        n_components = min(n_components, *averages.shape)
        self.components = self.components[:0]
        if n_components > 0:
            _, _, directions = np.linalg.svd(averages.T @ averages)
            self.components = directions[:n_components].astype(np.float32)
        self._fingerprint = None

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.vectors.dim

    @property
    def fingerprint(self) -> str:
        """Hex digest of the word vectors, their weights and the components."""
        if self._fingerprint is None:
            digest = hashlib.sha256(f"sif {FORMAT} {self.smoothing!r}".encode())
            digest.update("\0".join(self.vectors.index_to_key).encode("utf-8", "surrogatepass"))
            for array in (self.vectors.matrix, self._weights, self.components):
                digest.update(np.ascontiguousarray(array).data)
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of unit length.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        (n_texts, dim) float32 array
            A zero row where no word of a text is in the vocabulary.
        """
        return self.encode_rows([self.rows_of(text) for text in texts])

    def encode_tokens(self, texts: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """As `encode`, for texts that are lists of words already."""
        return self.encode_rows([self._known(text) for text in texts])

    def rows_of(self, text: str) -> list[int]:
        """The rows of a text's words in the vocabulary; words that are not there are left out."""
        return self._known(words(text))

    def encode_rows(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """As `encode`, for texts that are rows of the vocabulary already."""
        encoded = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(encoded, texts, strict=True):
            if text:
                row[:] = self._encoded(self._average(text))
        return encoded

    def _encoded(self, average: NDArray[np.float32]) -> NDArray[np.float32]:
        """One at a time, so that a text's bits do not depend on those encoded with it."""
        before = np.linalg.norm(average)
        average = average - self.components.T @ (self.components @ average)
        norm = np.linalg.norm(average)
        # A text of only common words can vanish but for rounding: it has no direction then.
        if norm <= 1e-5 * before:
            return np.zeros_like(average)
        return (average / norm).astype(np.float32, copy=False)

    def _known(self, text: Sequence[str]) -> list[int]:
        index = self.vectors.key_to_index
        return [row for word in text if (row := index.get(word)) is not None]

    def _average(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """(dim,) weighted mean of unit word vectors."""
        rows = list(rows)
        total = self._weights[rows] @ self.vectors.matrix[rows]
        return (total / len(rows)).astype(np.float32, copy=False)

    def save(self, folder: Path | str) -> None:
        """Write `vectors.safetensors`, `vectors.json`, `encoder.json` and `components.npy`."""
        with write_folder_atomically(folder) as temporary:
            self.vectors.save(temporary, format="rowspace")
            np.save(temporary / "components.npy", self.components)
            settings = {"format": FORMAT, "kind": self.kind, "smoothing": self.smoothing}
            (temporary / "encoder.json").write_text(json.dumps(settings, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path | str) -> SIFEncoder:
        """Read what `save` wrote; the word vectors stay memory-mapped.

        Raises
        ------
        FormatError
            If a file is missing, damaged, or of a newer format.
        """
        folder = Path(folder)
        try:
            settings = json.loads((folder / "encoder.json").read_text())
            components = np.load(folder / "components.npy", allow_pickle=False)
            version, smoothing = settings["format"], float(settings["smoothing"])
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise FormatError(
                f"{folder} holds no whole encoder ({error}); build it again"
            ) from error
        if version != FORMAT:
            raise FormatError(
                f"{folder} is an encoder of format {version}, this Rowspace reads {FORMAT}; "
                "use a newer Rowspace"
            )
        vectors = load(folder)
        if components.ndim != 2 or components.shape[1] != vectors.dim:
            raise FormatError(
                f"{folder} has components of shape {components.shape} for vectors of length "
                f"{vectors.dim}; build it again"
            )
        return cls(vectors, smoothing=smoothing, components=components)


def _word_weights(vectors: Vectors, smoothing: float) -> NDArray[np.float32]:
    """a / (a + p(word)), divided by the vector's length: (n_words,) float32."""
    shares = word_shares(vectors)
    # Not vectors.norms, whose last bit may depend on the file that they were read from.
    lengths = np.maximum(row_norms(vectors.matrix), np.float32(1e-12))
    weights: NDArray[np.float32] = (smoothing / (smoothing + shares) / lengths).astype(np.float32)
    return weights


def word_shares(vectors: Vectors) -> NDArray[np.float64]:
    """p(word), (n_words,): by the counts, or by rank (Zipf's law) where there are none."""
    counts = vectors.counts
    frequencies = 1.0 / np.arange(1, len(vectors) + 1) if counts is None else counts
    shares: NDArray[np.float64] = frequencies / frequencies.sum()
    return shares
