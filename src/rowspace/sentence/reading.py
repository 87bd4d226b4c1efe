"""Texts to token ids: each cut at what the model reads, and counted where it was.

A text far longer than that is cut before it is tokenised, so that ten megabytes cost no more than
the beginning of them.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError, VocabularyError
from rowspace.transformer.reading_options import check_on_truncate
from rowspace.transformer.tokenized import Tokenized
from rowspace.transformer.tokenizer import SubwordTokenizer, check_text
from rowspace.transformer.windows import Window, cut

MOST = 512
"""Characters a token of the model's length, of which no more are read of any text."""
LONG = 16
"""Characters a token of the model's length, from which on only a text's beginning is tokenised."""
_WORD = 100
"""Characters that are looked through for the space at which a beginning ends."""
_MOST_SHOWN = 10**20
"""From which on a number is not shown."""


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

    def prompt_tokens(self, n_prompt: int) -> NDArray[np.int64]:
        """(n_pieces,) tokens of each that are the prompt's, which is in a text's first piece."""
        is_first = np.ones(len(self.ids), dtype=np.bool_)
        is_first[1:] = self.text_ids[1:] != self.text_ids[:-1]
        return is_first * np.int64(n_prompt)


class TokenReader:
    """Cuts texts into tokens as one model reads them.

    Parameters
    ----------
    tokenizer : SubwordTokenizer
    max_length : int or None
        Tokens read at once, special ones included; None for any number.
    lowercase : bool
        Whether texts are lower-cased first.
    one_by_one : bool
        Whether texts are tokenised one after the other, and not on every core.

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
        one_by_one: bool = False,
    ) -> None:
        self.tokenizer, self.max_length, self.lowercase = tokenizer, max_length, lowercase
        self._step = 1 if one_by_one else None
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

    def read(self, texts: Sequence[str], on_truncate: str = "warn", first: int = 0) -> Pieces:
        """The pieces of texts, prompts included.

        Parameters
        ----------
        texts : sequence of str
        on_truncate : {"warn", "error", "chunk"}
            What is made of a longer text: its beginning, an error, or windows that overlap.
        first : int
            The number of the first text, for errors.

        Raises
        ------
        CorpusError
            If a text is too long for "error", or is no text.
        """
        check_on_truncate(on_truncate)
        for number, text in enumerate(texts, first):
            check_text(text, number)
        texts = [self._cased(text) for text in texts]
        if on_truncate == "chunk" and self.max_length is not None:
            return self._windows(texts)
        ids, is_cut = self._beginnings(texts)
        if on_truncate == "error" and is_cut.any():
            raise CorpusError(
                f"text {first + int(is_cut.argmax())} is longer than the {self.max_length:,} "
                "tokens that the model reads; shorten it, or give on_truncate='chunk' (or 'warn', "
                "to cut it)"
            )
        return Pieces(ids, np.arange(len(ids)), n_ids(ids), int(is_cut.sum()))

    def read_ids(
        self, texts: Sequence[Sequence[int]], prompt: str = "", on_truncate: str = "warn"
    ) -> Pieces:
        """The pieces of texts that are token ids already, without special ones.

        Parameters
        ----------
        texts : sequence of sequence of int
        prompt : str
            Its tokens are put before each.
        on_truncate : {"warn", "error", "chunk"}
            As for `read`.

        Raises
        ------
        VocabularyError
            If one is none of the tokenizer's ids.
        CorpusError
            If a text is too long for "error".
        """
        check_on_truncate(on_truncate)
        check_ids(texts, self.tokenizer.vocab_size)
        first = self.tokenizer.encode(self._cased(prompt)) if prompt else []
        before, after = self._around
        windows = []
        for number, ids in enumerate(texts):
            own = np.array([*first, *ids], dtype=np.int64)
            tokens = Tokenized(own, own, own, before, after)  # where they stand is not asked
            windows += cut(number, tokens, self.max_length, on_truncate)
        found = _pieces(windows)
        if on_truncate == "chunk" or self.max_length is None:
            return found
        room = self.max_length - self._n_special - len(first)
        return dataclasses.replace(found, n_truncated=sum(len(ids) > room for ids in texts))

    @functools.cached_property
    def _around(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The special tokens before a text, and those after it."""
        tokenized = next(
            (found for found in self.tokenizer.read(["a", "0", "."]) if len(found)), None
        )
        return ((), ()) if tokenized is None else (tokenized.before, tokenized.after)

    def _cased(self, text: str) -> str:
        return text.lower() if self.lowercase else text

    def _beginnings(self, texts: Sequence[str]) -> tuple[list[list[int]], NDArray[np.bool_]]:
        """The ids of each text, cut, and whether it was.

        Of a long text twice as many characters are tokenised until there are tokens enough, or it
        is plain that most of it are no words.
        """
        room = None if self.max_length is None else LONG * self.max_length
        ids: list[list[int]] = [[]] * len(texts)
        is_cut = np.zeros(len(texts), dtype=np.bool_)
        left = list(range(len(texts)))
        while left:
            read = [beginning(texts[i], room) for i in left]
            for i, (row, was_cut) in zip(left, self._encoded(read), strict=True):
                ids[i], is_cut[i] = row, was_cut
            pairs = zip(left, read, strict=True)
            left = [i for i, text in pairs if not is_cut[i] and len(text) < len(texts[i])]
            if room is None or room >= MOST * (self.max_length or 0):
                is_cut[left] = True
                break
            room = 2 * room
        return ids, is_cut

    def _encoded(self, texts: Sequence[str]) -> Iterator[tuple[list[int], np.bool_]]:
        for some in self._groups(texts):
            yield from zip(*self._cutting.encode(some), strict=True)

    def _groups(self, texts: Sequence[str]) -> Iterator[Sequence[str]]:
        """The texts as they are given to the library, which spreads each group over the cores."""
        step = self._step or max(1, len(texts))
        for start in range(0, len(texts), step):
            yield texts[start : start + step]

    def _windows(self, texts: Sequence[str]) -> Pieces:
        tokenized = chain.from_iterable(map(self.tokenizer.read, self._groups(texts)))
        windows = [
            window
            for i, tokens in enumerate(tokenized)
            for window in cut(i, tokens, self.max_length, "chunk")
        ]
        return _pieces(windows)

    @property
    def fingerprint(self) -> str:
        """What tells this reading of texts from another."""
        return json.dumps([self.tokenizer.fingerprint, self.max_length, self.lowercase])


def check_ids(texts: Sequence[Sequence[int]], n_tokens: int) -> None:
    """Raise VocabularyError for a token id that is none of `n_tokens`."""
    for number, ids in enumerate(texts):
        if ids and (min(ids) < 0 or max(ids) >= n_tokens):
            wrong = next(one for one in ids if not 0 <= one < n_tokens)
            shown = str(wrong) if abs(wrong) < _MOST_SHOWN else "of many digits"
            raise VocabularyError(
                f"the token id {shown} of text {number} is not one of the {n_tokens:,} there are; "
                "give ids of this model's tokenizer"
            )


def _pieces(windows: Sequence[Window]) -> Pieces:
    ids = [window.ids.tolist() for window in windows]
    text_ids = np.array([window.text_id for window in windows], dtype=np.int64)
    return Pieces(ids, text_ids, n_ids(ids), 0)


def n_ids(ids: list[list[int]]) -> NDArray[np.int64]:
    """(n,) how many each has."""
    return np.fromiter(map(len, ids), np.int64, len(ids))


def beginning(text: str, n_characters: int | None) -> str:
    """That many characters, and the rest of a word; the whole text where it has no more."""
    if n_characters is None or len(text) <= n_characters + _WORD:
        return text
    space = text.find(" ", n_characters, n_characters + _WORD)
    return text[: n_characters if space < 0 else space]
