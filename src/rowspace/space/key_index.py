"""Where keys are, by hashes that a reader of files has made already.

A dict of three million keys takes two seconds to fill; this takes a tenth of one, so that a word
can be looked up as soon as its file is read. A look-up takes some microseconds, a dict's a tenth
of one.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# FNV-1a of 64 bits (Fowler, Noll & Vo), as `load_kernels.join_words` computes it
_START, _PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


class KeyIndex:
    """The row of each key; of equal keys, the first.

    Parameters
    ----------
    hashes : (n,) uint64
        FNV-1a of each key's bytes. They are put into a table at the first look-up.
    """

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self.hashes = hashes

    @functools.cached_property
    def _filled(self) -> tuple[NDArray[np.int32], int]:
        from rowspace.space.load_kernels import fill_table

        table = np.full(1 << (2 * len(self.hashes)).bit_length(), -1, dtype=np.int32)
        return table, int(fill_table(self.hashes, table))

    @property
    def n_repeated(self) -> int:
        """Keys that have the hash of one before them: as many as are equal, or more."""
        return self._filled[1]

    def find(self, key: str, keys: Sequence[str]) -> int | None:
        """The row of a key among those whose hashes these are; None where it is none."""
        try:
            code = _hash(key.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError:  # no bytes of a file become such a string
            return None
        table, _ = self._filled
        slot = code & (len(table) - 1)
        while (row := int(table[slot])) >= 0:
            if keys[row] == key:
                return row
            slot = (slot + 1) & (len(table) - 1)
        return None


def _hash(word: bytes) -> int:
    code = _START
    for byte in word:
        code = (code ^ byte) * _PRIME & _MASK
    return code
