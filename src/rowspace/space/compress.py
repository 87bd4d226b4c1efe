"""Vectors in a few bytes that are still searched: keys, codes, and how right they are.

The codes are made by `quantize`; a query is compared with them as it is and nothing is decoded
(Jégou, Douze & Schmid 2011, https://doi.org/10.1109/TPAMI.2010.57, section III-A). A file of them
is read by `rowspace.load` too, decoded, so that every command takes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.progress import track
from rowspace.space.quantize import (
    Codes,
    ProductQuantizer,
    Quantizer,
    RowScalarQuantizer,
    ScalarQuantizer,
    row_chunks,
)
from rowspace.space.similarity import (
    Floats,
    Rows,
    inverse,
    largest,
    nearest_rows,
    unit_rows,
)
from rowspace.space.vectors import Neighbors, Vectors

KINDS = ("int8", "int8-rows", "pq")
METADATA = "compressed"


class CompressedVectors:
    """Keys with coded vectors: `Vectors` in a fraction of the memory, nearly as right.

    `compress_vectors` makes them; `save` and `load` keep them in one `.safetensors` file.

    Parameters
    ----------
    keys : sequence of str
    codes : (n, n_bytes) uint8
    quantizer : Quantizer
    counts, metadata
        As of `Vectors`.

    Examples
    --------
    >>> matrix = [[1, 0.2], [1, 0.3], [-0.1, 1]]
    >>> small = compress_vectors(Vectors(["cat", "dog", "car"], matrix), "int8")
    >>> small.most_similar("cat", topn=1)[0][0], small.bytes_per_vector
    ('dog', 2)
    """

    def __init__(
        self,
        keys: Sequence[str],
        codes: Codes,
        quantizer: Quantizer,
        counts: NDArray[np.int64] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.quantizer = quantizer
        self.codes = codes
        self.counts = counts
        self.metadata = dict(metadata or {})
        # One shared way of looking keys up, with its messages; the vectors themselves are empty.
        self._keys = Vectors.prepared(list(keys), np.empty((len(keys), 1), np.float32))
        self._norms = self._decoded_norms()

    @property
    def index_to_key(self) -> list[str]:
        """The keys in the order of the rows. Not to be changed."""
        return self._keys.index_to_key

    @property
    def key_to_index(self) -> dict[str, int]:
        """The row of each key. Not to be changed."""
        return self._keys.key_to_index

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.quantizer.dim

    @property
    def bytes_per_vector(self) -> int:
        """Bytes of one code; what the quantizer has learnt comes on top, once."""
        return int(self.codes.shape[1])

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.index_to_key)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __repr__(self) -> str:
        return (
            f"CompressedVectors({len(self):,} keys, dim {self.dim}, {self.quantizer.kind}, "
            f"{self.bytes_per_vector} bytes each)"
        )

    def __getitem__(self, key_or_keys: str | Sequence[str]) -> Floats:
        """The decoded vector of a key, (dim,), or of several, (n_keys, dim)."""
        if isinstance(key_or_keys, str):
            row: Floats = self[[key_or_keys]][0]
            return row
        rows = [self._keys.get_index(key) for key in key_or_keys]
        return self.quantizer.decode(self.codes[rows])

    def decompress(self) -> Vectors:
        """All vectors, decoded."""
        return Vectors(self.index_to_key, self._decoded(), self.counts, self.metadata)

    def similarity(self, key1: str, key2: str) -> float:
        """Cosine of two decoded vectors, in [-1, 1]."""
        unit1, unit2 = unit_rows(self[[key1, key2]])
        return float(np.clip(unit1 @ unit2, -1.0, 1.0))

    def most_similar(
        self, query: str | NDArray[Any], topn: int = 10, restrict_vocab: int | None = None
    ) -> Neighbors:
        """The keys nearest by cosine to a key's decoded vector or to an exact vector, (dim,).

        Parameters
        ----------
        query : str or (dim,) array
            A key is left out of its own answer.
        topn : int
            More than there are keys means all.
        restrict_vocab : int, optional
            Search only the first so many keys.

        Raises
        ------
        VocabularyError
            If the key is unknown.
        ConfigError
            If topn or restrict_vocab is below 1, or the vector does not fit.
        """
        for name, value in (("topn", topn), ("restrict_vocab", restrict_vocab)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}, so nothing is found; give 1 or more")
        vector = self[query] if isinstance(query, str) else np.asarray(query)
        if vector.shape != (self.dim,) or not np.isfinite(vector).all():
            raise ConfigError(
                f"the query vector has shape {vector.shape}; give a finite one of dimension "
                f"{self.dim}"
            )
        scores = self.cosines(vector[None])[0, :restrict_vocab]
        if isinstance(query, str) and self.key_to_index[query] < len(scores):
            scores[self.key_to_index[query]] = -np.inf
        return [(self.index_to_key[row], float(scores[row])) for row in largest(scores, topn)]

    def cosines(self, queries: NDArray[Any]) -> Floats:
        """Cosine of exact vectors (m, dim) with every coded one, (m, n) float32."""
        units = unit_rows(queries)
        scores = np.empty((len(units), len(self)), dtype=np.float32)
        for part in row_chunks(len(self)):
            scores[:, part] = self.quantizer.products(units, self.codes[part])
        scores *= inverse(self._norms)
        return np.clip(scores, np.float32(-1), np.float32(1))

    def _decoded(self) -> Floats:
        matrix = np.empty((len(self), self.dim), dtype=np.float32)
        for part in row_chunks(len(self)):
            matrix[part] = self.quantizer.decode(self.codes[part])
        return matrix

    def _decoded_norms(self) -> Floats:
        norms = np.empty(len(self), dtype=np.float32)
        for part in row_chunks(len(self)):
            rows = self.quantizer.decode(self.codes[part])
            norms[part] = np.sqrt(np.einsum("nd,nd->n", rows, rows))
        return norms

    def save(self, path: Path | str) -> None:
        """Write one `.safetensors` file, whole or not at all; `rowspace.load` reads it decoded."""
        from rowspace.space.safetensors_files import encode_keys, write_tensors

        path = Path(path)
        if path.suffix != ".safetensors":
            raise ConfigError(f"{path.name!r} does not end in .safetensors; rename the file")
        about = {"kind": self.quantizer.kind, "dim": self.dim}
        tensors: dict[str, NDArray[Any]] = {} if self.counts is None else {"counts": self.counts}
        tensors |= self.quantizer.tensors()  # wide types first, so that all are aligned
        tensors |= {"codes": self.codes, "keys": encode_keys(self._keys)}
        try:
            metadata = json.dumps(self.metadata)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"the metadata cannot be written as JSON ({error})") from error
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(path, tensors, {"rowspace": metadata, METADATA: json.dumps(about)})

    @classmethod
    def load(cls, path: Path | str, limit: int | None = None) -> CompressedVectors:
        """Read what `save` wrote; the codes are mapped and not read.

        Raises
        ------
        FormatError
            If there is no such file, or it is damaged or something else.
        """
        from rowspace.space.safetensors_files import map_tensor, read_header, read_keys

        path = Path(path)
        if not path.is_file():
            raise FormatError(f"there is no file {str(path)!r}; check the path")
        tensors, metadata = read_header(path)
        if METADATA not in metadata or "codes" not in tensors:
            raise FormatError(f"{path} holds no compressed vectors; read it with rowspace.load")
        arrays = {name: map_tensor(path, tensor) for name, tensor in tensors.items()}
        try:
            about = json.loads(metadata[METADATA])
            quantizer = _restore(about["kind"], int(about["dim"]), arrays)
            if quantizer.dim != about["dim"] or _code_bytes(quantizer) != arrays["codes"].shape[1]:
                raise ValueError("its parts do not fit together")
            extra = json.loads(metadata.get("rowspace", "{}"))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise FormatError(f"{path}: damaged ({error}); compress the vectors again") from error
        n = len(arrays["codes"])
        keys = read_keys(path, tensors, n)[:limit]
        counts = np.array(arrays["counts"])[:limit] if "counts" in arrays else None
        return cls(keys, arrays["codes"][:limit], quantizer, counts, extra)


def _restore(kind: str, dim: int, arrays: dict[str, NDArray[Any]]) -> Quantizer:
    """The quantizer of a file."""
    if kind == ScalarQuantizer.kind:
        return ScalarQuantizer(np.array(arrays["low"]), np.array(arrays["step"]))
    if kind == RowScalarQuantizer.kind:
        return RowScalarQuantizer(dim)
    if kind == ProductQuantizer.kind:
        n_parts = sum(name.startswith("codebook.") for name in arrays)
        return ProductQuantizer([np.array(arrays[f"codebook.{i}"]) for i in range(n_parts)])
    raise ValueError(f"unknown kind {kind!r}")


def _code_bytes(quantizer: Quantizer) -> int:
    return int(quantizer.encode(np.zeros((1, quantizer.dim), dtype=np.float32)).shape[1])


def compress_vectors(
    vectors: Vectors, kind: str = "int8", *, n_parts: int | None = None, seed: int = 0
) -> CompressedVectors:
    """Vectors in a byte a number or less.

    Parameters
    ----------
    vectors : Vectors
    kind : {"int8", "int8-rows", "pq"}
        A byte a number with ranges by dimension or by row, or a byte a part.
    n_parts : int, optional
        Of "pq": bytes a vector, dim / 4 by default.
    seed : int
        Of "pq".

    Raises
    ------
    ConfigError
        If the kind is unknown, the parts do not fit, or a vector holds NaN.
    """
    if kind not in KINDS:
        raise ConfigError(f"compression {kind!r} is unknown; give one of {', '.join(KINDS)}")
    if n_parts is not None and kind != "pq":
        raise ConfigError(f"{kind} takes a byte a number, so n_parts means nothing; leave it out")
    _ = vectors.norms  # raises where a vector is not finite
    quantizer: Quantizer
    if kind == "pq":
        quantizer = ProductQuantizer.fit(vectors.matrix, n_parts, seed)
    elif kind == "int8":
        quantizer = ScalarQuantizer.fit(vectors.matrix)
    else:
        quantizer = RowScalarQuantizer(vectors.dim)
    codes = np.empty((len(vectors), _code_bytes(quantizer)), dtype=np.uint8)
    with track("coding vectors", total=len(vectors)) as tracker:
        for part in row_chunks(len(vectors)):
            codes[part] = quantizer.encode(vectors.matrix[part])
            tracker.advance(len(codes[part]))
    metadata = {**vectors.metadata, METADATA: kind}
    return CompressedVectors(vectors.index_to_key, codes, quantizer, vectors.counts, metadata)


@dataclass(frozen=True)
class CompressionQuality:
    """What compression cost and saved."""

    bytes_per_vector: int
    original_bytes: int
    """Of a vector in float32."""
    relative_error: float
    """Σ |v - decoded|² / Σ |v - mean|²: 0 is exact, 1 as bad as one mean for all."""
    mean_cosine: float
    """Of a vector with its decoded self."""
    recall_at_k: float
    """Share of the k nearest that are found again, with exact queries."""
    k: int
    n_queries: int


def measure_compression(
    vectors: Vectors, compressed: CompressedVectors, *, k: int = 10, n_queries: int = 500
) -> CompressionQuality:
    """How near coded vectors are to the real ones, and how many neighbours they keep.

    Parameters
    ----------
    vectors : Vectors
        What was compressed.
    compressed : CompressedVectors
    k : int
        Neighbours compared, by cosine.
    n_queries : int
        Words asked, spread evenly over the rows.

    Raises
    ------
    ConfigError
        If the two do not belong together, or k does not fit.
    """
    n = len(vectors)
    if len(compressed) != n or compressed.dim != vectors.dim:
        raise ConfigError(f"{compressed!r} is not made of {vectors!r}; compress these vectors")
    if not 1 <= k < n:
        raise ConfigError(f"k is {k} among {n:,} vectors; give a k from 1 to {n - 1:,}")
    mean = vectors.matrix.mean(axis=0, dtype=np.float64)
    error = spread = cosines = 0.0
    for part in row_chunks(n):
        block, decoded = vectors.matrix[part], compressed.quantizer.decode(compressed.codes[part])
        error += float(((block - decoded.astype(np.float64)) ** 2).sum())
        spread += float(((block - mean) ** 2).sum())
        cosines += float(np.einsum("nd,nd->", unit_rows(block), unit_rows(decoded)))
    rows = np.unique(np.linspace(0, n - 1, min(n_queries, n)).astype(np.int64))
    return CompressionQuality(
        bytes_per_vector=compressed.bytes_per_vector,
        original_bytes=4 * vectors.dim,
        relative_error=error / spread if spread > 0 else 0.0,
        mean_cosine=cosines / max(1, int((vectors.norms > 0).sum())),
        recall_at_k=_recall(vectors, compressed, rows, k),
        k=k,
        n_queries=len(rows),
    )


def _recall(vectors: Vectors, compressed: CompressedVectors, rows: Rows, k: int) -> float:
    queries = vectors.matrix[rows]
    exact, _ = nearest_rows(vectors.matrix, queries, k, norms=vectors.norms, exclude=rows[:, None])
    n_found = 0
    with track("comparing neighbours", total=len(rows)) as tracker:
        for part in row_chunks(len(rows), 32):
            scores = compressed.cosines(queries[part])
            scores[np.arange(len(scores)), rows[part]] = -np.inf
            for found, wanted in zip(scores, exact[part], strict=True):
                n_found += len(np.intersect1d(largest(found, k), wanted))
            tracker.advance(len(scores))
    return n_found / exact.size
