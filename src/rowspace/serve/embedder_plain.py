"""Runs an encoder of which nothing is known but `encode`, such as one behind another server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rowspace.serve.embedder import (
    QUERY,
    Inputs,
    Vectors,
    about_tokens,
    check_dim,
    check_input_type,
    refused,
)
from rowspace.space.encoder import Encoder, encode_documents, encode_queries
from rowspace.text.tokenizer import words


@dataclass(frozen=True)
class TextsWork:
    """Texts as they came."""

    texts: Sequence[str]
    input_type: str | None

    @property
    def n_tokens(self) -> NDArray[np.int64]:
        """(n,) words of each text, since its tokens are not known."""
        return np.array([len(words(text)) for text in self.texts], dtype=np.int64)

    def part(self, start: int, stop: int) -> TextsWork:
        """The texts from `start` to before `stop`."""
        return TextsWork(self.texts[start:stop], self.input_type)


class PlainEmbedder:
    """An `Embedder`.

    Parameters
    ----------
    encoder : Encoder
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def read(
        self, inputs: Inputs, *, input_type: str | None, on_truncate: str, dim: int | None
    ) -> TextsWork:
        """As `Embedder.read`; token ids are refused."""
        check_input_type(input_type)
        check_dim(dim, self.encoder)
        if inputs and not isinstance(inputs[0], str):
            raise refused("this model's token ids are not known; send texts", "input")
        return TextsWork(cast("Sequence[str]", inputs), input_type)

    def embed(self, works: Sequence[TextsWork]) -> list[Vectors]:
        """As `Embedder.embed`; each work by itself."""
        return [self._vectors(work) for work in works]

    def _vectors(self, work: TextsWork) -> Vectors:
        if work.input_type == QUERY:
            return encode_queries(self.encoder, work.texts)
        if work.input_type is None:
            return self.encoder.encode(work.texts)
        return encode_documents(self.encoder, work.texts)[0]

    def most_tokens(self, inputs: Inputs, on_truncate: str) -> int:
        """As `Embedder.most_tokens`."""
        return about_tokens(inputs, None)
