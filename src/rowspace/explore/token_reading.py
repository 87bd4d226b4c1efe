"""What a model makes of a text: tokens, the rows they pick, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Part = Literal["text", "prompt", "special"]
"""Where a token comes from: the text, the prompt before it, or the tokenizer itself."""


@dataclass(frozen=True)
class Token:
    """A token where it stands."""

    text: str
    """As people read it, with its spaces visible."""
    row: int | None
    """Its id, which is the row it picks; None where the model has no row for it."""
    key: str
    """As the vocabulary spells it."""
    part: Part = "text"
    word: int = -1
    """The number of the word that it is a piece of; -1 for none."""
    is_read: bool = True
    """Whether the model reads it: it is not cut off, and has a row."""
    count: int | None = None
    """How often it occurred in the training text, where that is known."""
    n_ngrams: int | None = None
    """Rows of n-grams that its vector is made of too; None in a model without."""


@dataclass(frozen=True)
class Reading:
    """A text as tokens."""

    tokens: list[Token]
    n_words: int
    max_length: int | None = None
    """Tokens that the model reads at once, special ones included; None for any number."""
    prompt: str = ""


@dataclass(frozen=True)
class RowView:
    """A row as it is shown."""

    row: int | None
    """None for a vector that is made of n-grams alone."""
    text: str
    key: str
    vector: NDArray[np.float32] | None
    """(dim,); None where the model's file has no table."""
    neighbors: list[tuple[int, str, float]]
    """Row, token and cosine of each, best first."""
    n_compared: int = 0
    count: int | None = None
    ngrams: list[tuple[str, int]] = field(default_factory=list)
    """N-grams that the vector is made of, and their rows in the table; -1 for zeros."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        values = None if self.vector is None else [float(f"{x:.5g}") for x in self.vector.tolist()]
        return {
            "row": self.row,
            "text": self.text,
            "key": self.key,
            "norm": None if self.vector is None else float(np.linalg.norm(self.vector)),
            "values": values,
            "neighbors": [
                {"row": row, "text": text, "cosine": cosine} for row, text, cosine in self.neighbors
            ],
            "n_compared": self.n_compared,
            "count": self.count,
            "ngrams": [{"text": text, "row": row} for text, row in self.ngrams],
        }


class TokenModel(Protocol):
    """A model as what cuts texts and picks rows."""

    kind: str
    """ "words" or "subwords"."""

    @property
    def n_rows(self) -> int:
        """Rows of the table."""

    @property
    def dim(self) -> int | None:
        """Numbers of a row; None where no table is at hand."""

    @property
    def prompts(self) -> Mapping[str, str]:
        """What may be read before a text, by name."""

    def read(self, text: str, prompt: str = "") -> Reading:
        """Cut a text."""

    def vectors(self, tokens: list[Token]) -> NDArray[np.float32] | None:
        """(n, dim) the rows that tokens pick; zeros where one picks none."""

    def row(self, row: int, k: int) -> RowView:
        """A row and the k nearest ones."""

    def word(self, word: str, k: int) -> RowView:
        """The same by the token's spelling."""
