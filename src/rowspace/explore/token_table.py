"""The table that token ids pick rows of: read from a model's file, without the model.

A table is mapped, so that a row costs a row. Its neighbours cost the whole table, or as much of it
as a request may take.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.space.safetensors_files import (
    MATRIX_ENDINGS,
    map_tensor,
    read_header,
    to_float32,
)

Row = NDArray[np.float32]
MOST_NUMBERS = 1 << 26
"""Numbers of a table that are compared with a row: what a request may cost."""
_AT_ONCE = 1 << 22
"""Numbers."""


class Table(Protocol):
    """Vectors of tokens."""

    @property
    def n_tokens(self) -> int:
        """Tokens that have a row."""

    @property
    def dim(self) -> int:
        """Numbers of a row."""

    def of(self, token_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, dim) the rows of tokens."""


@dataclass(frozen=True)
class FileTable:
    """A matrix in a safetensors file; a `Table`."""

    rows: NDArray[Any]
    """(n_tokens, dim), mapped."""
    dtype: str
    """As the file names it."""

    @property
    def n_tokens(self) -> int:
        """Tokens that have a row."""
        return len(self.rows)

    @property
    def dim(self) -> int:
        """Numbers of a row."""
        return int(self.rows.shape[1])

    def of(self, token_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, dim) the rows of tokens."""
        return to_float32(self.rows[token_ids], self.dtype)


def token_table(folder: Path, n_tokens: int) -> FileTable | None:
    """The token table of a transformer's folder; None where no file has one of so many rows.

    Parameters
    ----------
    folder : Path
        With one or several `.safetensors` files.
    n_tokens : int
        Of the tokenizer; a table may have more rows, as padding.
    """
    tensors = [
        (path, name, tensor)
        for path in sorted(folder.glob("*.safetensors"))
        for name, tensor in read_header(path)[0].items()
        if len(tensor.shape) == 2 and tensor.shape[0] >= n_tokens
    ]
    for ending in MATRIX_ENDINGS:
        for path, name, tensor in tensors:
            if name.endswith(ending):
                return FileTable(map_tensor(path, tensor), tensor.dtype)
    return None


def nearest_rows(table: Table, token_id: int, k: int) -> tuple[list[tuple[int, float]], int]:
    """The rows with the largest cosine to a token's row, without itself; and how many were compared.

    Of a table of more than `MOST_NUMBERS` numbers the first rows are, which tokenizers give to the
    most frequent tokens.
    """  # noqa: E501
    n = min(table.n_tokens, max(1, MOST_NUMBERS // table.dim))
    query = table.of(np.array([token_id]))[0]
    cosines = np.empty(n, dtype=np.float32)
    step = max(1, _AT_ONCE // table.dim)
    for first in range(0, n, step):
        block = table.of(np.arange(first, min(n, first + step)))
        lengths = np.sqrt(np.einsum("nd,nd->n", block, block)) * np.linalg.norm(query)
        products = block @ query
        cosines[first : first + step] = np.divide(
            products, lengths, out=np.full_like(products, -np.inf), where=lengths > 0
        )
    if token_id < n:
        cosines[token_id] = -np.inf
    best = np.argsort(-cosines, kind="stable")[:k]
    return [(int(i), float(cosines[i])) for i in best if np.isfinite(cosines[i])], n
