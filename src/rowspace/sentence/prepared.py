"""Encoding in two steps: texts are tokenised, and later computed, with others' texts or alone.

A server tokenises each request once, knows by that what it costs, and computes several requests
together. With a deterministic encoder each text gets the bits that `encode` gives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rowspace.sentence.reading import Pieces

if TYPE_CHECKING:
    from rowspace.sentence.encoder import SentenceEncoder


@dataclass(frozen=True)
class Prepared:
    """Texts that are tokenised; `SentenceEncoder.prepare` makes it, `embed` computes it."""

    pieces: Pieces
    n_texts: int
    n_prompt: int
    """Tokens at the beginning of each text that are not pooled."""
    dim: int
    """Of the vectors that are wanted."""

    @property
    def n_tokens(self) -> NDArray[np.int64]:
        """(n_texts,) tokens that are read of each, prompts and special ones included."""
        if len(self.pieces.ids) == self.n_texts:
            return self.pieces.lengths
        counts = np.zeros(self.n_texts, dtype=np.int64)
        np.add.at(counts, self.pieces.text_ids, self.pieces.lengths)
        return counts

    @property
    def n_truncated(self) -> int:
        """Texts that are not read to their end."""
        return self.pieces.n_truncated

    def part(self, start: int, stop: int) -> Prepared:
        """The texts from `start` to before `stop`."""
        if start == 0 and stop == self.n_texts:
            return self
        pieces = self.pieces
        first, after = np.searchsorted(pieces.text_ids, [start, stop]).tolist()
        text_ids = pieces.text_ids[first:after] - start
        found = Pieces(pieces.ids[first:after], text_ids, pieces.lengths[first:after], 0)
        return Prepared(found, stop - start, self.n_prompt, self.dim)


def embed_prepared(
    encoder: SentenceEncoder, prepared: Sequence[Prepared]
) -> list[NDArray[np.float32]]:
    """As `SentenceEncoder.embed`."""
    found: list[NDArray[np.float32]] = [np.empty((0, 0), dtype=np.float32)] * len(prepared)
    for n_prompt in sorted({one.n_prompt for one in prepared}):
        places = [i for i, one in enumerate(prepared) if one.n_prompt == n_prompt]
        alike = [prepared[i] for i in places]
        n_texts = sum(one.n_texts for one in alike)
        vectors = encoder.unfinished(_joined(alike), n_texts, n_prompt)
        for i, own in zip(places, _split(vectors, alike), strict=True):
            found[i] = encoder.finished(own, prepared[i].dim)
    return found


def _joined(prepared: Sequence[Prepared]) -> Pieces:
    """All pieces together, their texts numbered on."""
    if len(prepared) == 1:
        return prepared[0].pieces
    firsts = accumulate((one.n_texts for one in prepared[:-1]), initial=0)
    pairs = list(zip(prepared, firsts, strict=True))
    return Pieces(
        [ids for one in prepared for ids in one.pieces.ids],
        np.concatenate([one.pieces.text_ids + first for one, first in pairs]),
        np.concatenate([one.pieces.lengths for one in prepared]),
        sum(one.pieces.n_truncated for one in prepared),
    )


def _split(
    vectors: NDArray[np.float32], prepared: Sequence[Prepared]
) -> Iterator[NDArray[np.float32]]:
    start = 0
    for one in prepared:
        yield vectors[start : start + one.n_texts]
        start += one.n_texts
