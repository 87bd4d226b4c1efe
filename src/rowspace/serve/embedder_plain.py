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
from rowspace.serve.errors import ApiError
from rowspace.space.encoder import Encoder, encode_documents, encode_queries
from rowspace.text.tokenizer import words


@dataclass(frozen=True)
class TextsWork:
    """Texts as they came."""

    texts: Sequence[str]
    input_type: str | None
    n_tokens: NDArray[np.int64]
    """(n,) words of each text, since its tokens are not known."""

    def part(self, start: int, stop: int) -> TextsWork:
        """The texts from `start` to before `stop`."""
        n_tokens = self.n_tokens[start:stop]
        return TextsWork(self.texts[start:stop], self.input_type, n_tokens)


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
        texts = cast("Sequence[str]", inputs)
        n_tokens = np.array([len(words(text)) for text in texts], dtype=np.int64)
        return TextsWork(texts, input_type, n_tokens)

    def embed(self, works: Sequence[TextsWork]) -> list[Vectors]:
        """As `Embedder.embed`; each work by itself."""
        return [self._checked(work, self._vectors(work)) for work in works]

    def _checked(self, work: TextsWork, found: Vectors) -> Vectors:
        """What the encoder gave, if it can be sent."""
        expected = len(work.texts), self.encoder.dim
        if found.shape != expected or not np.isfinite(found).all():
            raise ApiError(
                500,
                f"the model gave numbers of the shape {found.shape}, or some that are not finite, "
                f"where the shape is {expected}; see whether it is damaged",
            )
        return found

    def _vectors(self, work: TextsWork) -> Vectors:
        if work.input_type == QUERY:
            return encode_queries(self.encoder, work.texts)
        if work.input_type is None:
            return self.encoder.encode(work.texts)
        return encode_documents(self.encoder, work.texts)[0]

    def most_tokens(self, inputs: Inputs, on_truncate: str) -> int:
        """As `Embedder.most_tokens`."""
        return about_tokens(inputs, None)
