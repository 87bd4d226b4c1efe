"""One number for all rows of a space, whatever their order and wherever they are.

Each row is hashed with SHA-256, and the hashes are added modulo 2**256 (Bellare & Micciancio 1997,
https://doi.org/10.1007/3-540-69053-0_13). A sum, and not an exclusive or, tells a row that is
there twice from one that is not there.
"""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

TEXTS = ("passage_id", "document_id", "title", "content", "source", "metadata")
COLUMNS = (*TEXTS, "position")
"""What of a row is hashed, beside its vector."""

_MODULUS = 1 << 256


class RowDigest:
    """Adds rows up, a batch at a time.

    Parameters
    ----------
    column : str
        The batches' vectors.
    """

    def __init__(self, column: str = "vector") -> None:
        self._column = column
        self._sum = 0
        self.n_rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in a batch that has COLUMNS and the vectors, float32."""
        texts = [batch[name].to_pylist() for name in TEXTS]
        positions = batch["position"].to_pylist()
        vectors = np.ascontiguousarray(matrix_of(batch, self._column), "<f4")
        for row, position in enumerate(positions):
            digest = hashlib.sha256()
            for column in texts:
                text = column[row].encode()
                digest.update(struct.pack("<q", len(text)))
                digest.update(text)
            digest.update(struct.pack("<q", position))
            digest.update(vectors[row].tobytes())
            self._sum += int.from_bytes(digest.digest(), "little")
        self.n_rows += batch.num_rows

    def hexdigest(self) -> str:
        """64 hex digits."""
        return f"{self._sum % _MODULUS:064x}"


def matrix_of(batch: pa.RecordBatch, column: str) -> NDArray[np.float32]:
    """(n_rows, dim) of a column of vectors."""
    flat = batch[column].flatten().to_numpy(zero_copy_only=False)
    matrix: NDArray[np.float32] = flat.reshape(batch.num_rows, batch[column].type.list_size)
    return matrix
