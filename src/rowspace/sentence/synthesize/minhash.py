"""Texts that nearly repeat one seen before, found without comparing each with all.

Broder (1997), min-wise hashes of the sets of shingles (words that follow each other); signatures
are cut in bands, and texts that share one are compared (Indyk & Motwani 1998). With 10 bands of 6,
95% of the pairs at a Jaccard similarity of .8 are compared, 15% of those at .5.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rowspace.text.tokenizer import words

_N_BANDS, _N_ROWS = 10, 6
_MOST_COMPARED = 64  # of one band, so that texts of one template do not take for ever
_FIRST_ROOM = 1024  # texts; doubled when it is full
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
    >>> seen.add(seen.sign("How high is Mount Everest?"), "a")
    >>> seen.find(seen.sign("how high is mount everest"))
    'a'
    >>> seen.find(seen.sign("How high is Mont Blanc?")) is None
    True
    """

    def __init__(self, sizes: tuple[int, ...], threshold: float = 0.8) -> None:
        self._sizes, self._threshold = sizes, threshold
        self._owners: list[str] = []
        self._signatures = np.empty((_FIRST_ROOM, _N_BANDS * _N_ROWS), dtype=np.uint32)
        self._last: dict[int, int] = {}  # the last text that has a band
        self._before = np.empty((_FIRST_ROOM, _N_BANDS), dtype=np.int64)  # the one before it, or -1

    def find(self, signature: Signature, but: str | None = None) -> str | None:
        """Whose text is near the one signed, if there is any but of the owner `but`."""
        compared: set[int] = set()
        for place, band in enumerate(_bands(signature)):
            for row in self._rows_with(place, band):
                if row in compared or self._owners[row] == but:
                    continue
                compared.add(row)
                if (self._signatures[row] == signature).mean() >= self._threshold:
                    return self._owners[row]
        return None

    def add(self, signature: Signature, owner: str) -> None:
        """Remember a text by its signature."""
        row = len(self._owners)
        if row == len(self._signatures):
            self._signatures = np.concatenate([self._signatures, np.empty_like(self._signatures)])
            self._before = np.concatenate([self._before, np.empty_like(self._before)])
        self._signatures[row] = signature
        for place, band in enumerate(_bands(signature)):
            self._before[row, place] = self._last.get(band, -1)
            self._last[band] = row
        self._owners.append(owner)

    def _rows_with(self, place: int, band: int) -> Iterator[int]:
        """The last texts that have a band."""
        row = self._last.get(band, -1)
        for _ in range(_MOST_COMPARED):
            if row < 0:
                return
            yield row
            row = int(self._before[row, place])

    def sign(self, text: str) -> Signature:
        """(60,) uint32: the least of each hash function over the shingles of a text."""
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


def _bands(signature: Signature) -> list[int]:
    """A number for each band: alike where the band is."""
    rows = signature.reshape(_N_BANDS, _N_ROWS)
    return [place << 32 | zlib.crc32(row.tobytes()) for place, row in enumerate(rows)]
