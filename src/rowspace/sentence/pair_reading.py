"""Pairs of texts to token ids, as a cross-encoder reads them: [CLS] query [SEP] passage [SEP].

Where both are too long together, the longer one is cut first, as in sentence-transformers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError
from rowspace.sentence.reading import LONG, MOST, Pieces, beginning, n_ids
from rowspace.transformer.tokenizer import SubwordTokenizer, check_text

Pair = tuple[str, str]


@dataclass(frozen=True)
class ReadPairs:
    """What a model reads of some pairs."""

    pieces: Pieces
    """One piece a pair."""
    types: list[list[int]]
    """Of each token of each piece: 0 of the first text, 1 of the second, as the tokenizer has it;
    0 of all for a model that does not tell them apart."""
    is_cut: NDArray[np.bool_]
    """(n_pairs,) whether a pair's end is not read."""


class PairReader:
    """Cuts pairs of texts into tokens as one model reads them.

    Parameters
    ----------
    tokenizer : SubwordTokenizer
    max_length : int or None
        Tokens of a pair read at once, special ones included; None for any number.
    lowercase : bool
        Whether texts are lower-cased first.
    has_types : bool
        Whether the model has a vector for each type of token.
    one_by_one : bool
        Whether pairs are tokenised one after the other, and not on every core.

    Raises
    ------
    ConfigError
        If `max_length` leaves no room beside the special tokens.
    """

    def __init__(
        self,
        tokenizer: SubwordTokenizer,
        max_length: int | None,
        *,
        lowercase: bool = False,
        has_types: bool = True,
        one_by_one: bool = False,
    ) -> None:
        self.tokenizer, self.max_length = tokenizer, max_length
        self.lowercase, self.has_types = lowercase, has_types
        self._one_by_one = one_by_one
        n_special = len(tokenizer.truncated(None).encode_pairs([("", "")])[0][0])
        if max_length is not None and max_length < n_special + 2:
            raise ConfigError(
                f"max_length is {max_length}, and {n_special} special tokens leave no room for "
                f"two texts; give {n_special + 2} or more"
            )
        self._cutting = tokenizer.truncated(max_length)

    def read(self, pairs: Sequence[Pair]) -> ReadPairs:
        """The tokens of pairs that `check_pair` has seen."""
        texts = [(self._cased(a), self._cased(b)) for a, b in pairs]
        found = list(self._encoded([(self._enough(a), self._enough(b)) for a, b in texts]))
        ids = [row for row, _, _ in found]
        types = [row if self.has_types else [0] * len(row) for _, row, _ in found]
        is_cut = np.array([was_cut for _, _, was_cut in found], dtype=np.bool_)
        pieces = Pieces(ids, np.arange(len(ids)), n_ids(ids), int(is_cut.sum()))
        return ReadPairs(pieces, types, is_cut)

    def _encoded(self, pairs: Sequence[Pair]) -> Iterator[tuple[list[int], list[int], bool]]:
        step = 1 if self._one_by_one else max(1, len(pairs))
        for start in range(0, len(pairs), step):
            yield from zip(*self._cutting.encode_pairs(pairs[start : start + step]), strict=True)

    def _cased(self, text: str) -> str:
        return text.lower() if self.lowercase else text

    def _enough(self, text: str) -> str:
        """A beginning that fills the model by itself, of a text far longer than that."""
        if self.max_length is None:
            return text
        room = LONG * self.max_length
        while room < MOST * self.max_length:
            part = beginning(text, room)
            if len(part) == len(text) or len(self.tokenizer.encode(part)) > self.max_length:
                return part
            room = 2 * room
        return beginning(text, room)

    @property
    def fingerprint(self) -> str:
        """What tells this reading of pairs from another."""
        settings = [self.max_length, self.lowercase, self.has_types]
        return json.dumps([self.tokenizer.fingerprint, *settings])


def check_pair(pair: Any, number: int) -> Pair:
    """The pair as a tuple.

    Raises
    ------
    CorpusError
        If it is not two texts.
    """
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise CorpusError(f"pair {number} is {pair!r}; give (query, text)")
    for text in pair:
        check_text(text, number)
    return pair[0], pair[1]
