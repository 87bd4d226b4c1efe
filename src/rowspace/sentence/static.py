"""Static embedders: a text's vector is the mean of its tokens' rows in a table.

Tulkens & van Dongen (2024), https://github.com/MinishLab/model2vec; also the StaticEmbedding of
sentence-transformers. There is no model to run: the time goes into cutting texts into tokens.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rowspace.errors import CorpusError
from rowspace.sentence.reading import Pieces, check_ids, n_ids
from rowspace.sentence.word_cache import WordCache, never_looks_over_spaces
from rowspace.transformer.reading_options import check_on_truncate
from rowspace.transformer.tokenizer import SubwordTokenizer


@dataclass(frozen=True)
class StaticTable:
    """The vectors of tokens, which may be mapped and not read."""

    rows: NDArray[Any]
    """(n_rows, dim) float16, float32, float64 or int8."""
    mapping: NDArray[np.int64] | None = None
    """(n_tokens,) the row of each token, where several share one; None where each has its own."""
    weights: NDArray[np.float32] | None = None
    """(n_tokens,) what each token's row is multiplied by."""

    @property
    def n_tokens(self) -> int:
        """Tokens that have a vector."""
        return len(self.rows if self.mapping is None else self.mapping)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.rows.shape[1])

    def of(self, token_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, dim) the vectors of tokens."""
        places = token_ids if self.mapping is None else self.mapping[token_ids]
        rows = np.asarray(self.rows[places], dtype=np.float32)
        return rows if self.weights is None else rows * self.weights[token_ids][:, None]

    def means(
        self, ids: Sequence[Sequence[int]], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """(n_texts, dim) the mean vector of each text's tokens; zeros where it has none.

        Parameters
        ----------
        ids : sequence of sequence of int
        lengths : (n_texts,) int array
            Tokens of each.
        """
        ends = np.concatenate([[0], np.cumsum(lengths)])
        tokens = np.fromiter(chain.from_iterable(ids), np.int64, int(ends[-1]))
        used, columns = np.unique(tokens, return_inverse=True)
        ones = np.ones(len(tokens), dtype=np.float32)
        counts = csr_array((ones, columns, ends), shape=(len(lengths), len(used)))
        sums = np.asarray(counts @ self.of(used), dtype=np.float32)
        return sums / np.maximum(lengths, 1).astype(np.float32)[:, None]


class StaticEmbedding:
    """Texts to the means of their tokens' vectors; an `Embedding`, as encoders run them.

    Parameters
    ----------
    table : StaticTable
    tokenizer : SubwordTokenizer
    max_length : int, optional
        Tokens of a text that are read; all if not given.
    drops_unknown : bool
        Whether the token for what the tokenizer does not know is left out, as model2vec does;
        sentence-transformers counts it.
    weights : callable
        Gives what tells this table from others.
    """

    def __init__(
        self,
        table: StaticTable,
        tokenizer: SubwordTokenizer,
        *,
        max_length: int | None = None,
        drops_unknown: bool = True,
        weights: Callable[[], str],
    ) -> None:
        self.table, self.tokenizer, self.max_length = table, tokenizer, max_length
        self.drops_unknown = drops_unknown
        self._weights = weights
        self._cutting = tokenizer.truncated(max_length)
        self._whole = tokenizer.truncated(None)
        self._words = WordCache(tokenizer) if never_looks_over_spaces(tokenizer) else None
        self._unknown = tokenizer.model_unknown_id if drops_unknown else None

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.table.dim

    @functools.cached_property
    def fingerprint(self) -> str:
        """Of the table and the tokens."""
        settings = [self.max_length, self.drops_unknown]
        return json.dumps([self._weights(), self.tokenizer.fingerprint, *settings])

    def n_prompt(self, prompt: str) -> int:
        """0: a prompt's tokens count as any."""
        return 0

    def read(self, texts: Sequence[str], on_truncate: str = "warn", first: int = 0) -> Pieces:
        """As `TokenReader.read`; "chunk" reads a long text whole, since a mean has no end."""
        check_on_truncate(on_truncate)
        max_length = None if on_truncate == "chunk" else self.max_length
        ids, is_cut = self._tokenized(texts, max_length)
        if on_truncate == "error" and is_cut.any():
            raise self._too_long(first + int(is_cut.argmax()))
        if self._unknown is not None:
            ids = [_without(row, self._unknown) for row in ids]
        return Pieces(ids, np.arange(len(ids)), n_ids(ids), int(is_cut.sum()))

    def read_ids(
        self, texts: Sequence[Sequence[int]], prompt: str = "", on_truncate: str = "warn"
    ) -> Pieces:
        """As `TokenReader.read_ids`; there are no special tokens."""
        check_on_truncate(on_truncate)
        check_ids(texts, self.table.n_tokens)
        first = self.tokenizer.encode(prompt) if prompt else []
        ids = [[*first, *own] for own in texts]
        room = None if on_truncate == "chunk" else self.max_length
        is_cut = [room is not None and len(own) > room for own in ids]
        if on_truncate == "error" and any(is_cut):
            raise self._too_long(is_cut.index(True))
        ids = [own[:room] for own in ids]
        if self._unknown is not None:
            ids = [_without(row, self._unknown) for row in ids]
        return Pieces(ids, np.arange(len(ids)), n_ids(ids), sum(is_cut))

    def _too_long(self, number: int) -> CorpusError:
        return CorpusError(
            f"text {number} is longer than the {self.max_length:,} tokens that the model reads; "
            "shorten it, or give on_truncate='chunk' (or 'warn', to cut it)"
        )

    def _tokenized(
        self, texts: Sequence[str], max_length: int | None
    ) -> tuple[list[list[int]], NDArray[np.bool_]]:
        """The first tokens of texts, whose ends are cut off before, as model2vec does."""
        is_cut = np.zeros(len(texts), dtype=np.bool_)
        if max_length is not None:
            n = max_length * self._median_characters
            is_cut = np.fromiter((len(text) > n for text in texts), np.bool_, len(texts))
            texts = [text[:n] for text in texts] if is_cut.any() else texts
        if self._words is None:
            cutting = self._whole if max_length is None else self._cutting
            ids, is_longer = cutting.encode(texts, add_special_tokens=False)
            return ids, is_cut | is_longer
        ids = self._words.encode(texts)
        if max_length is not None:
            is_cut |= np.fromiter((len(row) > max_length for row in ids), np.bool_, len(ids))
            ids = [row[:max_length] for row in ids] if is_cut.any() else ids
        return ids, is_cut

    @functools.cached_property
    def _median_characters(self) -> int:
        return max(1, int(np.median([len(token) for token in self.tokenizer.tokens])))

    def vectors(
        self, pieces: Pieces, n_prompt: int, is_fixed: bool
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """As `Embedding.vectors`; a text's does not depend on those beside it."""
        if pieces.lengths.any():
            rows = np.flatnonzero(pieces.lengths)
            yield rows, self.table.means(pieces.ids, pieces.lengths)[rows]


def _without(ids: list[int], unknown: int) -> list[int]:
    return [token_id for token_id in ids if token_id != unknown] if unknown in ids else ids
