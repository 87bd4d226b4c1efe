"""Texts that nearly repeat one seen before, found without comparing each with all.

Broder (1997), min-wise hashes of the sets of shingles (words that follow each other); signatures
are cut in bands, and texts that share one are compared (Indyk & Motwani 1998). With 10 bands of 6,
95% of the pairs at a Jaccard similarity of .8 are compared, 15% of those at .5.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from rowspace.text.tokenizer import words

_N_BANDS, _N_ROWS = 10, 6
_MOST_COMPARED = 64  # of one band, so that texts of one template do not take for ever
_random = np.random.default_rng(1997)
_FACTORS = _random.integers(0, 1 << 63, _N_BANDS * _N_ROWS, dtype=np.uint64) * 2 + 1
_ADDED = _random.integers(0, 1 << 63, _N_BANDS * _N_ROWS, dtype=np.uint64)

Signature = NDArray[np.uint32]


class NearDuplicates:
    """The texts seen so far.

    Parameters
    ----------
    sizes : tuple of int
        Words in a shingle; of several sizes, all are taken.
    threshold : float
        Jaccard similarity from which on two texts are near.

    Examples
    --------
    >>> seen = NearDuplicates((1, 2))
    >>> seen.add("How high is Mount Everest?", "a")
    >>> seen.find("how high is mount everest"), seen.find("How high is Mont Blanc?")
    ('a', None)
    """

    def __init__(self, sizes: tuple[int, ...], threshold: float = 0.8) -> None:
        self._sizes, self._threshold = sizes, threshold
        self._signatures: list[Signature] = []
        self._owners: list[str] = []
        self._bands: dict[tuple[int, bytes], list[int]] = {}

    def find(self, text: str, but: str | None = None) -> str | None:
        """Whose text is near this one, if there is any but of the owner `but`."""
        signature = self._sign(text)
        compared: set[int] = set()
        for band in _bands(signature):
            for row in self._bands.get(band, ())[-_MOST_COMPARED:]:
                if row in compared or self._owners[row] == but:
                    continue
                compared.add(row)
                if (self._signatures[row] == signature).mean() >= self._threshold:
                    return self._owners[row]
        return None

    def add(self, text: str, owner: str) -> None:
        """Remember a text."""
        signature = self._sign(text)
        for band in _bands(signature):
            self._bands.setdefault(band, []).append(len(self._owners))
        self._signatures.append(signature)
        self._owners.append(owner)

    def _sign(self, text: str) -> Signature:
        """(60,) the least of each hash function over the shingles."""
        hashes = np.fromiter(self._shingles(words(text)), dtype=np.uint64)
        mixed = hashes[:, None] * _FACTORS + _ADDED  # wraps: multiply-shift
        least: Signature = (mixed >> np.uint64(32)).min(axis=0).astype(np.uint32)
        return least

    def _shingles(self, found: list[str]) -> set[int]:
        shingles = {
            zlib.crc32(" ".join(found[i : i + size]).encode("utf-8", "replace"))
            for size in self._sizes
            for i in range(len(found) - size + 1)
        }
        return shingles or {zlib.crc32(" ".join(found).encode("utf-8", "replace"))}


def _bands(signature: Signature) -> list[tuple[int, bytes]]:
    rows = signature.reshape(_N_BANDS, _N_ROWS)
    return [(place, row.tobytes()) for place, row in enumerate(rows)]
