"""Runs a sentence encoder: tokenised when a request comes, computed with what else is there."""

from __future__ import annotations

from collections.abc import Sequence

from rowspace.errors import ConfigError, RowspaceError
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.sentence.prepared import Prepared
from rowspace.serve.embedder import (
    DOCUMENT,
    QUERY,
    Inputs,
    Vectors,
    about_tokens,
    refused,
)
from rowspace.serve.errors import ApiError

_ON_TRUNCATE = {"error": "warn", "cut": "warn", "chunk": "chunk"}
"""What the library calls it; of what is too long the server speaks itself."""


class SentenceEmbedder:
    """An `Embedder`.

    Parameters
    ----------
    encoder : SentenceEncoder
        A deterministic one gives a text the same bits whatever else is computed.
    """

    def __init__(self, encoder: SentenceEncoder) -> None:
        self.encoder = encoder

    def read(
        self, inputs: Inputs, *, input_type: str | None, on_truncate: str, dim: int | None
    ) -> Prepared:
        """As `Embedder.read`."""
        prompt = self._prompt(input_type)
        try:
            work = self.encoder.prepare(
                inputs, prompt, truncate_dim=dim, on_truncate=_ON_TRUNCATE[on_truncate]
            )
        except ConfigError as error:
            said = str(error).replace("truncate_dim", "dimensions")
            raise refused(said, "dimensions") from error
        except RowspaceError as error:
            raise refused(str(error), "input") from error
        if on_truncate == "error" and work.pieces.n_truncated:
            raise self._too_long(inputs, prompt)
        return work

    def embed(self, works: Sequence[Prepared]) -> list[Vectors]:
        """As `Embedder.embed`."""
        return self.encoder.embed(works)

    def most_tokens(self, inputs: Inputs, on_truncate: str) -> int:
        """As `Embedder.most_tokens`; what a model does not read is not counted."""
        most = None if on_truncate == "chunk" else self.encoder.max_length
        return about_tokens(inputs, most)

    def _prompt(self, input_type: str | None) -> str:
        prompts = self.encoder.config.prompts
        try:
            if input_type == QUERY:
                return prompts.query
            if input_type == DOCUMENT:
                return prompts.document
            return prompts.resolve(input_type, None)
        except ConfigError as error:
            names = ", ".join(f'"{name}"' for name in {QUERY: 0, DOCUMENT: 0, **prompts.texts})
            if input_type is not None:
                said = f"input_type is {input_type!r}, which this model has no prompt for"
            elif prompts.default is None and prompts.texts:
                said = "this model reads queries and documents with different prompts"
            else:
                said = str(error)
            raise refused(f"{said}; give input_type as one of {names}", "input_type") from error

    def _too_long(self, inputs: Inputs, prompt: str) -> ApiError:
        """The error, of the first text that is too long."""
        number = next(
            i
            for i in range(len(inputs))
            if self.encoder.prepare(inputs[i : i + 1], prompt).pieces.n_truncated
        )
        return refused(
            f"This model's maximum context length is {self.encoder.max_length:,} tokens, and "
            f'input[{number}] has more. Shorten it, or send on_truncate as "cut", which reads '
            'its beginning, or "chunk", which reads it in pieces.',
            "input",
            "context_length_exceeded",
        )
