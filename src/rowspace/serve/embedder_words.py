"""Runs averages of word vectors, whose token ids are the vocabulary's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import RowspaceError
from rowspace.sentence.reading import check_ids
from rowspace.serve.embedder import (
    Inputs,
    Vectors,
    about_tokens,
    check_dim,
    check_input_type,
    refused,
)
from rowspace.static.sif import SIFEncoder


@dataclass(frozen=True)
class RowsWork:
    """Texts as rows of the vocabulary."""

    rows: Sequence[Sequence[int]]

    @property
    def n_tokens(self) -> NDArray[np.int64]:
        """(n,) words of each that have a vector."""
        return np.fromiter(map(len, self.rows), np.int64, len(self.rows))

    def part(self, start: int, stop: int) -> RowsWork:
        """The texts from `start` to before `stop`."""
        return RowsWork(self.rows[start:stop])


class WordsEmbedder:
    """An `Embedder`; a text of any length is read whole.

    Parameters
    ----------
    encoder : SIFEncoder
    """

    def __init__(self, encoder: SIFEncoder) -> None:
        self.encoder = encoder

    def read(
        self, inputs: Inputs, *, input_type: str | None, on_truncate: str, dim: int | None
    ) -> RowsWork:
        """As `Embedder.read`."""
        check_input_type(input_type)
        check_dim(dim, self.encoder)
        if inputs and not isinstance(inputs[0], str):
            ids = cast("Sequence[Sequence[int]]", inputs)
            try:
                check_ids(ids, len(self.encoder.vectors))
            except RowspaceError as error:
                raise refused(str(error), "input") from error
            return RowsWork(ids)
        return RowsWork([self.encoder.rows_of(text) for text in cast("Sequence[str]", inputs)])

    def embed(self, works: Sequence[RowsWork]) -> list[Vectors]:
        """As `Embedder.embed`."""
        return [self.encoder.encode_rows(work.rows) for work in works]

    def most_tokens(self, inputs: Inputs, on_truncate: str) -> int:
        """As `Embedder.most_tokens`."""
        return about_tokens(inputs, None)
