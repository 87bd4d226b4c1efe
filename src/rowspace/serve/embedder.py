"""Encoders as the server runs them: a request's texts are read once, and computed with others'.

`embedder_of` finds the way for an encoder: sentence encoders and word vectors take two steps, and
tell what a text costs before it is computed; any other encoder does both when it computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.serve.errors import ApiError
from rowspace.space.encoder import Encoder

Inputs = Sequence[str] | Sequence[Sequence[int]]
"""Texts, or texts as token ids."""
Vectors = NDArray[np.float32]
QUERY, DOCUMENT = "query", "document"


class Work(Protocol):
    """Texts that were read and are to be computed."""

    @property
    def n_tokens(self) -> NDArray[np.int64]:
        """(n,) tokens that are read of each text."""

    def part(self, start: int, stop: int) -> Any:
        """The texts from `start` to before `stop`."""


class Embedder(Protocol):
    """One encoder's two steps. `read` may be called by several threads at once."""

    @property
    def encoder(self) -> Encoder:
        """Whose vectors these are."""

    def read(
        self, inputs: Inputs, *, input_type: str | None, on_truncate: str, dim: int | None
    ) -> Work:
        """Tokenise.

        Parameters
        ----------
        inputs : sequence of str, or of sequences of int
        input_type : str or None
            "query", "document", or a prompt of the model; None for the default.
        on_truncate : {"error", "cut", "chunk"}
        dim : int or None
            Of the vectors.

        Raises
        ------
        ApiError
            If the model cannot read them so.
        """

    def embed(self, works: Sequence[Any]) -> list[Vectors]:
        """(n, dim) vectors of each work; together, in the one thread that computes."""

    def most_tokens(self, inputs: Inputs, on_truncate: str) -> int:
        """About how many tokens are read of these, without reading them."""


def embedder_of(encoder: Encoder) -> Embedder:
    """What runs an encoder."""
    from rowspace.sentence.encoder import SentenceEncoder
    from rowspace.serve.embedder_plain import PlainEmbedder
    from rowspace.serve.embedder_sentence import SentenceEmbedder
    from rowspace.serve.embedder_words import WordsEmbedder
    from rowspace.static.sif import SIFEncoder

    if isinstance(encoder, SentenceEncoder):
        return SentenceEmbedder(encoder)
    if isinstance(encoder, SIFEncoder):
        return WordsEmbedder(encoder)
    return PlainEmbedder(encoder)


def refused(message: str, param: str, code: str | None = None) -> ApiError:
    """What a client asked for that cannot be."""
    return ApiError(400, message, param=param, code=code)


def check_dim(dim: int | None, encoder: Encoder) -> None:
    """Refuse another length where vectors cannot be shortened."""
    if dim is not None and dim != encoder.dim:
        raise refused(
            f"dimensions is {dim}, and this model's vectors have {encoder.dim} numbers and cannot "
            "be shortened; leave it out",
            "dimensions",
        )


def check_input_type(input_type: str | None) -> None:
    """Refuse the prompt of a model that has none."""
    if input_type not in (None, QUERY, DOCUMENT):
        raise refused(
            f"input_type is {input_type!r}, and this model has no such prompt; give "
            f'"{QUERY}" or "{DOCUMENT}", or leave it out',
            "input_type",
        )


def about_tokens(inputs: Inputs, most: int | None) -> int:
    """A guess: a token is some four characters, and `most` are read of a text; ids are counted."""
    total = 0
    for one in inputs:
        if isinstance(one, str):
            n = 3 + len(one) // 4
            total += n if most is None else min(n, most)
        else:  # each is looked at, also where not all are read
            total += 2 + len(one)
    return total
