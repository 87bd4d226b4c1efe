"""Texts to token ids: each cut at what the model reads, and counted where it was.

A text far longer than that is cut before it is tokenised, so that ten megabytes cost no more than
the beginning of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError
from rowspace.transformer.reading_options import check_on_truncate
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.windows import cut

_LONG = 16
"""Characters a token of the model's length, from which on a text is read piece by piece."""


@dataclass(frozen=True)
class Pieces:
    """What a model reads of some texts: one piece a text, or several of a long one."""

    ids: list[list[int]]
    text_ids: NDArray[np.int64]
    """(n_pieces,) the text of each, in order."""
    lengths: NDArray[np.int64]
    """(n_pieces,) tokens of each."""
    n_truncated: int
    """Texts whose end is not read."""


class TokenReader:
    """Cuts texts into tokens as one model reads them.

    Parameters
    ----------
    tokenizer : SubwordTokenizer
    max_length : int or None
        Tokens read at once, special ones included; None for any number.
    lowercase : bool
        Whether texts are lower-cased first.

    Raises
    ------
    ConfigError
        If `max_length` leaves no room beside the special tokens.
    """

    def __init__(
        self, tokenizer: SubwordTokenizer, max_length: int | None, *, lowercase: bool = False
    ) -> None:
        self.tokenizer, self.max_length, self.lowercase = tokenizer, max_length, lowercase
        self._n_special = len(tokenizer.encode("", add_special_tokens=True))
        if max_length is not None and max_length <= self._n_special:
            raise ConfigError(
                f"max_length is {max_length}, and {self._n_special} special tokens leave no room "
                f"for text; give {self._n_special + 1} or more"
            )
        self._cutting = tokenizer.truncated(max_length)

    def n_prompt(self, prompt: str) -> int:
        """Tokens that a prompt has at the beginning of a text, special ones before it included."""
        if not prompt:
            return 0
        tokenized = self.tokenizer.read([self._cased(prompt)])[0]
        return len(tokenized.before) + len(tokenized)

    def read(self, texts: Sequence[str], on_truncate: str = "warn") -> Pieces:
        """The pieces of texts, prompts included.

        Parameters
        ----------
        texts : sequence of str
        on_truncate : {"warn", "error", "chunk"}
            What is made of a longer text: its beginning, an error, or windows that overlap.

        Raises
        ------
        CorpusError
            If a text is too long for "error", or is no text.
        """
        check_on_truncate(on_truncate)
        texts = [self._cased(text) for text in texts]
        if on_truncate == "chunk" and self.max_length is not None:
            return self._windows(texts)
        room = math.inf if self.max_length is None else _LONG * self.max_length
        ids, is_cut = self._beginnings(texts, [i for i, t in enumerate(texts) if len(t) > room])
        if on_truncate == "error" and is_cut.any():
            raise CorpusError(
                f"text {int(is_cut.argmax())} is longer than the {self.max_length:,} tokens that "
                "the model reads; shorten it, or give on_truncate='chunk' (or 'warn', to cut it)"
            )
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        return Pieces(ids, np.arange(len(ids)), lengths, int(is_cut.sum()))

    def _cased(self, text: str) -> str:
        return text.lower() if self.lowercase else text

    def _beginnings(
        self, texts: Sequence[str], long: Sequence[int]
    ) -> tuple[list[list[int]], NDArray[np.bool_]]:
        """The ids of each text, cut, and whether it was; those named by `long` piece by piece."""
        is_long = set(long)
        ids, is_cut = self._cutting.encode(
            ["" if i in is_long else text for i, text in enumerate(texts)]
        )
        for i in long:
            tokenized = self.tokenizer.read([texts[i]], self.max_length)[0]
            window = cut(i, tokenized, self.max_length, "warn")[0]
            ids[i], is_cut[i] = window.ids.tolist(), window.after < len(tokenized)
        return ids, is_cut

    def _windows(self, texts: Sequence[str]) -> Pieces:
        windows = [
            window
            for i, tokenized in enumerate(self.tokenizer.read(texts))
            for window in cut(i, tokenized, self.max_length, "chunk")
        ]
        ids = [window.ids.tolist() for window in windows]
        text_ids = np.array([window.text_id for window in windows], dtype=np.int64)
        return Pieces(ids, text_ids, np.fromiter(map(len, ids), np.int64, len(ids)), 0)

    @property
    def fingerprint(self) -> str:
        """What tells this reading of texts from another."""
        return json.dumps([self.tokenizer.fingerprint, self.max_length, self.lowercase])
