"""FAISS's inverted lists of codes: a tenth of a graph's memory and less, for some of its speed.

Rows are grouped around centers (Jégou, Douze & Schmid 2011, https://doi.org/10.1109/TPAMI.2010.57);
a search looks into the lists of the nearest centers. A row is a product-quantized code of one byte
for four numbers, or one bit a number (RaBitQ: Gao & Long 2024, https://arxiv.org/abs/2405.12497).
Codes alone miss much, so many more candidates are asked for than wanted, and compared exactly.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rowspace.search.index.approximate import Floats, Mask, Positions
from rowspace.search.index.config import IndexConfig
from rowspace.search.index.hnsw import read_index, select

LISTS_PER_ROOT = 2.0
"""Lists for n rows: this many times the square root of n."""
_SEED = 1234


class _Inverted:
    efforts: ClassVar = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
    depth: ClassVar = 1

    def __init__(self, index: Any) -> None:
        self._index = index

    def save(self, file: Path) -> None:
        """Write the lists to a file."""
        import faiss

        faiss.write_index(self._index, str(file))

    def add(self, rows: Floats) -> None:
        """Take in (m, dim) further rows."""
        self._index.add(np.ascontiguousarray(rows, np.float32))

    def _search(
        self, parameters: Any, units: Floats, k: int, effort: int, allowed: Mask | None
    ) -> Positions:
        parameters.nprobe = effort
        if allowed is not None:
            parameters.sel = selector = select(allowed)  # FAISS holds no reference to it
            assert selector
        _, positions = self._index.search(units, k, params=parameters)
        found: Positions = positions
        return found


class IVFPQ(_Inverted):
    """One byte for four numbers. Use `new` or `load`."""

    depth: ClassVar = 10

    @classmethod
    def new(cls, dim: int, n: int, sample: Floats, config: IndexConfig) -> IVFPQ:
        """Lists without rows, their centers and codes learnt from the sample."""
        import faiss

        n_parts = next(parts for parts in range(max(1, dim // 4), 0, -1) if dim % parts == 0)
        n_lists = number_of_lists(n, len(sample))
        n_bits = min(8, int(math.log2(max(2, len(sample)))))
        coarse = faiss.IndexFlatIP(dim)
        index = faiss.IndexIVFPQ(coarse, dim, n_lists, n_parts, n_bits, faiss.METRIC_INNER_PRODUCT)
        _train(index, sample)
        return cls(index)

    @classmethod
    def load(cls, file: Path, dim: int, n: int, *, to_grow: bool = False) -> IVFPQ:
        """Lists that `save` wrote."""
        import faiss

        return cls(read_index(file, faiss.IndexIVFPQ, dim, n))

    def search(self, units: Floats, k: int, effort: int, allowed: Mask | None) -> Positions:
        """Rows near each query."""
        import faiss

        return self._search(faiss.IVFPQSearchParameters(), units, k, effort, allowed)


class IVFRaBitQ(_Inverted):
    """One bit a number. Use `new` or `load`."""

    depth: ClassVar = 30

    @classmethod
    def new(cls, dim: int, n: int, sample: Floats, config: IndexConfig) -> IVFRaBitQ:
        """Lists without rows, their centers learnt from the sample."""
        import faiss

        n_lists = number_of_lists(n, len(sample))
        coarse = faiss.IndexFlatIP(dim)
        index = faiss.IndexIVFRaBitQ(coarse, dim, n_lists, faiss.METRIC_INNER_PRODUCT)
        _train(index, sample)
        return cls(index)

    @classmethod
    def load(cls, file: Path, dim: int, n: int, *, to_grow: bool = False) -> IVFRaBitQ:
        """Lists that `save` wrote."""
        import faiss

        return cls(read_index(file, faiss.IndexIVFRaBitQ, dim, n))

    def search(self, units: Floats, k: int, effort: int, allowed: Mask | None) -> Positions:
        """Rows near each query."""
        import faiss

        parameters = faiss.IVFRaBitQSearchParameters()
        parameters.qb = 8  # bits of a query's number
        return self._search(parameters, units, k, effort, allowed)


def number_of_lists(n: int, n_sample: int) -> int:
    """For n rows, of which so many are there to learn centers from."""
    return max(1, min(round(LISTS_PER_ROOT * math.sqrt(n)), n_sample // 39 or 1))


def _train(index: Any, sample: Floats) -> None:
    if len(sample) < 2:  # two centers at least, wherever they are
        sample = np.concatenate([sample, np.eye(2, index.d, dtype=np.float32)])
    index.cp.seed = _SEED
    index.cp.min_points_per_centroid = 1  # or it warns on stderr
    if hasattr(index, "pq"):
        index.pq.cp.seed = _SEED
        index.pq.cp.min_points_per_centroid = 1
    index.train(np.ascontiguousarray(sample, np.float32))
