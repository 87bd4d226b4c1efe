"""The nearest rows of frequent tokens, before training and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rowspace.space.vectors import Vectors
from rowspace.transformer.token_names import token_names
from rowspace.transformer.tokenizer import SubwordTokenizer

N_TOKENS = 9
N_NEIGHBORS = 6
_LEAST_COUNT = 10
"""A token that occurs less often hardly has a place yet, and is shown as nobody's neighbour."""
_WORD_LETTERS = 4


@dataclass(frozen=True)
class TokenNeighbors:
    """A token and its nearest ones by cosine."""

    token: str
    """As it stands in a text, with its spaces visible."""
    key: str
    """As the vocabulary spells it."""
    count: int
    before: Sequence[tuple[str, float]]
    after: Sequence[tuple[str, float]]


def compare_tables(
    before: Tensor, after: Tensor, counts: NDArray[np.int64], tokenizer: SubwordTokenizer
) -> list[TokenNeighbors]:
    """The neighbours of some frequent tokens in two tables, (n_rows, dim) float tensors."""
    is_shown = counts >= min(_LEAST_COUNT, counts.max())
    is_shown[list(tokenizer.special_tokens.values())] = False
    ids = np.flatnonzero(is_shown)  # (n,)
    if len(ids) < 2:
        return []
    names = token_names(tokenizer, ids)
    first, last = (
        Vectors([str(i) for i in ids], table.detach().float().cpu().numpy()[ids])
        for table in (before, after)
    )
    chosen = _frequent_words(names, counts[ids])
    keys = [str(ids[i]) for i in chosen]
    name_of = dict(zip(first.index_to_key, names, strict=True))
    found = [
        [[(name_of[key], score) for key, score in near] for near in lists]
        for lists in (
            vectors.most_similar_batch(keys, min(N_NEIGHBORS, len(ids) - 1))
            for vectors in (first, last)
        )
    ]
    return [
        TokenNeighbors(names[i], tokenizer.tokens[ids[i]], int(counts[ids[i]]), *pair)
        for i, *pair in zip(chosen, *found, strict=True)
    ]


def _frequent_words(names: Sequence[str], counts: NDArray[np.int64]) -> list[int]:
    """Places of the most frequent tokens that look like words, or of any where these are few."""
    order = np.argsort(-counts, kind="stable").tolist()
    words = [i for i in order if _is_word(names[i])]
    rest = [i for i in order if not _is_word(names[i]) and names[i].strip("␣").isalnum()]
    return (words + rest)[:N_TOKENS]


def _is_word(name: str) -> bool:
    word = name.removeprefix("␣")
    return len(word) >= _WORD_LETTERS and word.isalpha()
