"""FAISS's hierarchical navigable small world graph, over float16 rows.

Malkov & Yashunin (2018), https://arxiv.org/abs/1603.09320. Float16 has float32's recall in half the
memory, and is faster: a search is bound by what it reads. A graph cannot drop a node, so deleted
rows stay in it and are left out of answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rowspace.errors import FormatError
from rowspace.search.index.approximate import Floats, Mask, Positions
from rowspace.search.index.config import IndexConfig


class FaissHNSW:
    """Use `new` or `load`."""

    efforts: ClassVar = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
    depth: ClassVar = 1

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def new(cls, dim: int, n: int, sample: Floats, config: IndexConfig) -> FaissHNSW:
        """An empty graph."""
        import faiss

        index = faiss.IndexHNSWSQ(
            dim, faiss.ScalarQuantizer.QT_fp16, config.m, faiss.METRIC_INNER_PRODUCT
        )
        index.hnsw.efConstruction = config.ef_construction
        index.train(sample)
        return cls(index)

    @classmethod
    def load(cls, file: Path, dim: int, n: int, *, to_grow: bool = False) -> FaissHNSW:
        """A graph that `save` wrote; mapped from its file, unless it is to grow."""
        import faiss

        return cls(read_index(file, faiss.IndexHNSWSQ, dim, n, is_mapped=not to_grow))

    def save(self, file: Path) -> None:
        """Write the graph to a file."""
        import faiss

        faiss.write_index(self._index, str(file))

    def add(self, rows: Floats) -> None:
        """Take in (m, dim) further rows."""
        self._index.add(np.ascontiguousarray(rows, np.float32))

    def search(self, units: Floats, k: int, effort: int, allowed: Mask | None) -> Positions:
        """Rows near each query."""
        import faiss

        selector = None if allowed is None else select(allowed)
        parameters = faiss.SearchParametersHNSW(sel=selector, efSearch=max(effort, k))
        _, positions = self._index.search(units, k, params=parameters)
        found: Positions = positions
        return found


def select(allowed: Mask) -> Any:
    """FAISS's form of a mask of rows."""
    import faiss

    bits = np.packbits(allowed, bitorder="little")
    selector = faiss.IDSelectorBitmap(len(allowed), faiss.swig_ptr(bits))
    selector.kept = bits  # FAISS holds no reference to it
    return selector


def read_index(file: Path, wanted: Any, dim: int, n: int, is_mapped: bool = False) -> Any:
    """A FAISS index from a file that is known to be whole.

    Raises
    ------
    FormatError
        If it is another index than that of n rows of `dim` numbers.
    """
    import faiss

    try:
        index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC if is_mapped else 0)
    except RuntimeError as error:
        raise FormatError(f"{file} is no FAISS index ({str(error).splitlines()[0]})") from error
    if not isinstance(index, wanted) or (index.d, index.ntotal) != (dim, n):
        raise FormatError(
            f"{file} holds {index.ntotal:,} rows of {index.d} in a {type(index).__name__}, not "
            f"{n:,} of {dim} in a {wanted.__name__}"
        )
    return index
